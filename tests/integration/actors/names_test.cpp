// Peers of names: where they are dialled when the name moves, is not to be had, or does not exist.

#include "program.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <vector>

namespace actorwire::test {

namespace {

/// A name service that answers what a test says.
class name_service {
public:
  void set(resolver::answer next) {
    const std::lock_guard locked{guard_};
    next_ = std::move(next);
  }

  void lead_to(const std::string& numeric) { set(std::vector{parse_ip_address(numeric).value()}); }
  void fail(error_code how) { set(make_error(how, phase::resolve, origin::system, "says the test")); }

  resolver::answer ask() {
    const std::lock_guard locked{guard_};
    return next_;
  }

private:
  std::mutex guard_;
  resolver::answer next_ = std::vector{parse_ip_address("127.0.0.1").value()};
};

/// A program whose names are those of a test.
struct named_program : program {
  explicit named_program(network_options limits = two_shards(),
                         std::shared_ptr<name_service> service = std::make_shared<name_service>())
    : program(options(std::move(limits), service)), names(std::move(service)) {}

  static network_options options(network_options all, const std::shared_ptr<name_service>& service) {
    all.transports = std::make_shared<socket_transport_factory>(
        std::make_shared<resolver>([service](const std::string&) { return service->ask(); }));
    return all;
  }

  std::shared_ptr<name_service> names;
};

acquire_options soon_again() {
  acquire_options options;
  options.reconnection.base_delay = 20ms;
  return options;
}

std::string by_name(std::uint16_t port) {
  return "tcp://service.example:" + std::to_string(port);
}

/// Ends all connections of a listener, and no more.
void cut(witness& me, const listening& server) {
  me.must_ask<void>(server.listener, suspend{});
  me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 5s});
}

} // namespace

TEST_CASE("a name that leads elsewhere is followed at the next attempt", "[P6]") {
  named_program here;
  witness me{here.system};
  const auto before = here.net->listen("tcp://127.0.0.1:0", echo).value();
  const auto after = here.net->listen("tcp://127.0.0.2:" + std::to_string(before.port), echo).value();
  const auto peer = here.net->acquire(by_name(before.port), soon_again()).value();
  CHECK(me.must_ask<connection_info>(peer, connect{}).remote_address == "127.0.0.1:" + std::to_string(before.port));
  me.listen_to(peer, event_mask::state);
  here.names->lead_to("127.0.0.2");
  cut(me, before);
  const auto info = me.await<opened>().info;
  CHECK(info.generation == 2);
  CHECK(info.remote_address == "127.0.0.2:" + std::to_string(after.port));
  CHECK_FALSE(info.stale_addresses);
}

TEST_CASE("a pool whose server is gone, and whose name leads elsewhere then, is back to its full size",
          "[P2][P3][P6]") {
  constexpr std::uint32_t size = 10;
  auto limits = program::two_shards();
  limits.pool.max_leased = size;
  limits.pool.min_idle = size;
  named_program here{limits};
  witness me{here.system};
  const auto before = here.net->listen("tcp://127.0.0.1:0", echo).value();
  const auto after = here.net->listen("tcp://127.0.0.2:" + std::to_string(before.port), echo).value();
  const auto borrow = [&] {
    return me.must_ask<lease>(here.net->supervisor(),
                              checkout{parse_endpoint(by_name(before.port)).value(), soon_again(), {}, patience / 2});
  };
  std::vector<lease> held;
  for (std::uint32_t number = 0; number < size; ++number)
    held.push_back(borrow());
  // Half of them are lent when it happens, half are free.
  for (; held.size() > size / 2; held.pop_back())
    me.must_ask<void>(here.net->supervisor(), release{held.back().id, true});
  me.must_ask<void>(before.listener, suspend{});
  me.must_ask<close_report>(before.listener, actorwire::close{close_mode::abort, 5s});
  const auto figures = [&] { return me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{}); };
  // Nobody listens there any more: the breaker opens.
  wait_until("all of them have failed", [&] { return figures().ready == 0 && figures().open_breakers == 1; });
  here.names->lead_to("127.0.0.2");
  wait_until("the pool is full again", [&] { return figures().ready == size; });
  CHECK(figures().leased == size / 2);
  while (held.size() < size)
    held.push_back(borrow());
  std::set<std::uint64_t> peers;
  for (const auto& each : held) {
    peers.insert(each.peer.id());
    CHECK(me.must_ask<connection_info>(each.peer, connect{}).remote_address
          == "127.0.0.2:" + std::to_string(after.port));
    me.listen_to(each.peer, event_mask::data);
    anonymous_tell(each.peer, cast{payload::copy_of("echo"), {}});
    CHECK(me.await_bytes(4) == "echo");
  }
  CHECK(peers.size() == size);
}

TEST_CASE("while names cannot be looked up a peer comes back by the addresses of before, and says so", "[P6]") {
  named_program here;
  witness me{here.system};
  auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  const auto peer = here.net->acquire(by_name(server.port), soon_again()).value();
  CHECK_FALSE(me.must_ask<connection_info>(peer, connect{}).stale_addresses);
  me.listen_to(peer, event_mask::state);
  const auto restart = [&] {
    cut(me, server);
    server = here.net->listen(uri(server.port), echo).value();
    return me.await<opened>().info;
  };
  here.names->fail(error_code::resolve_failed);
  const auto stale = restart();
  CHECK(stale.stale_addresses);
  CHECK(stale.remote_address == uri(server.port).substr(6));
  CHECK(me.must_ask<connection_info>(peer, connect{}).stale_addresses);
  CHECK(me.must_ask<connection_status>(peer, get_state{}).info.stale_addresses);
  here.names->lead_to("127.0.0.1");
  CHECK_FALSE(restart().stale_addresses);
}

TEST_CASE("while look-ups hang, whoever asks peers for what they are about is answered", "[S4][P6]") {
  constexpr std::size_t peer_count = 20;
  std::promise<void> let_go;
  // A thread that hangs may outlive all else.
  const auto answered = std::make_shared<std::atomic<int>>(0);
  auto all = program::two_shards();
  // An attempt that waits for a name is one, and has its place at the gate.
  all.pool.max_connecting = peer_count + 1;
  all.transports = std::make_shared<socket_transport_factory>(std::make_shared<resolver>(
      [answered, gate = let_go.get_future().share()](const std::string&) -> resolver::answer {
        gate.wait();
        ++*answered;
        return std::vector{parse_ip_address("127.0.0.1").value()};
      }));
  program here{all};
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  std::vector<connection_actor> peers;
  for (std::size_t number = 0; number < peer_count; ++number)
    peers.push_back(
        here.net
            ->acquire("tcp://name-" + std::to_string(number) + ".example:" + std::to_string(server.port), soon_again())
            .value());
  for (std::size_t count = 0; count < 1'000; ++count) {
    const auto& peer = peers[count % peer_count];
    CHECK(me.must_ask<connection_status>(peer, get_state{}).state != connection_state::ready);
    CHECK(me.must_ask<stats>(peer, get_stats{}).state != connection_state::ready);
  }
  CHECK(me.must_ask<std::vector<connection_status>>(here.net->supervisor(), actorwire::list{}).size() == peer_count);
  // A connection of an address waits for no name.
  const auto direct = here.net->acquire(uri(server.port)).value();
  CHECK(me.must_ask<connection_info>(direct, connect{}).generation == 1);
  // All of these answers came while not one look-up had ended.
  CHECK(*answered == 0);
  let_go.set_value();
  for (const auto& peer : peers)
    CHECK(me.must_ask<connection_info>(peer, connect{}).generation == 1);
}

TEST_CASE("an attempt that fails at addresses of before tells of both failures", "[P6]") {
  named_program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  const auto peer = here.net->acquire(by_name(server.port), soon_again()).value();
  me.must_ask<connection_info>(peer, connect{});
  me.listen_to(peer, event_mask::state);
  here.names->fail(error_code::resolve_failed);
  cut(me, server);
  const auto change = me.await<state_changed>([](const auto& each) { return each.reason.code == error_code::refused; });
  CHECK(change.to == connection_state::backoff);
  CHECK(change.reason.text.find("of an earlier look-up") != std::string::npos);
  CHECK(change.reason.text.find("says the test") != std::string::npos);
}

TEST_CASE("a peer tells a name that does not exist from a name service that does not answer, and goes on with both",
          "[P6]") {
  named_program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  here.names->fail(error_code::name_unknown);
  const auto peer = here.net->acquire(by_name(server.port), soon_again()).value();
  me.listen_to(peer, event_mask::state);
  for (const auto code : {error_code::name_unknown, error_code::resolve_failed}) {
    here.names->fail(code);
    const auto change = me.await<state_changed>([&](const auto& each) { return each.reason.code == code; });
    CHECK(change.to == connection_state::backoff);
    CHECK(change.reason.where == phase::resolve);
  }
  here.names->lead_to("127.0.0.1");
  CHECK(me.await<opened>().info.remote_address == uri(server.port).substr(6));
}

} // namespace actorwire::test
