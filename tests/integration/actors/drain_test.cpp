// Draining: connections, peers, listeners, supervisors and whole networks end in order, over real sockets, and say what
// became of every message.

#include "listener_program.hpp"
#include "secured_program.hpp"
#include "secured_schemes.hpp"

#include <catch2/generators/catch_generators_range.hpp>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// Reads all that comes, and says how many messages that were.
accept_function counting(std::atomic<std::uint64_t>& messages) {
  return [&messages](caf::event_based_actor*, const connection_actor&) {
    return minding([&messages](const received&) { ++messages; });
  };
}

transport_config framed_settings() {
  auto config = settings();
  config.framing.mode = framing_mode::length_prefixed;
  return config;
}

/// Any free port, of which the number is to follow.
std::string base_of(const std::string& scheme) {
  return scheme + "://127.0.0.1:";
}

/// Everything was sent, and nothing else became of it.
void check_all_sent(const close_report& report, std::uint64_t messages) {
  const auto& sums = report.delivery;
  CHECK(report.complete);
  CHECK(sums.accepted.messages == messages);
  CHECK(sums.written.messages + sums.acked.messages == messages);
}

/// Every message has one fate, whatever that is.
bool adds_up(const delivery_totals& sums) {
  auto fates = sums.not_sent;
  fates += sums.maybe_sent;
  fates += sums.written;
  fates += sums.acked;
  return sums.pending == tally{} && sums.accepted == fates;
}

/// Waits for the end of the stream, and throws away what comes before.
void await_end(plain_socket& client) {
  char bytes[4096];
  while (::recv(client.descriptor(), bytes, sizeof bytes, 0) > 0) {
  }
}

/// An actor that lets nothing else run on a shard as long as this lives.
class blocked_shard {
public:
  blocked_shard(network& net, std::size_t shard) {
    auto go_on = go_on_.get_future().share();
    auto begun = std::make_shared<std::promise<void>>();
    auto has_begun = begun->get_future();
    const auto blocking = net.spawn_on_shard(shard, [go_on, begun](caf::event_based_actor*) {
      return caf::behavior{[go_on, begun](caf::get_atom) {
        begun->set_value();
        go_on.wait();
      }};
    });
    anonymous_tell(blocking, caf::get_atom_v);
    CHECK(has_begun.wait_for(patience) == std::future_status::ready);
  }

  ~blocked_shard() { go_on_.set_value(); }

  blocked_shard(const blocked_shard&) = delete;
  blocked_shard& operator=(const blocked_shard&) = delete;

private:
  std::promise<void> go_on_;
};

void cast_many(const connection_actor& peer, std::uint64_t count, std::size_t size = 100) {
  for (std::uint64_t number = 0; number < count; ++number)
    anonymous_tell(peer, cast{payload::copy_of(pattern(size)), {}});
}

} // namespace

TEST_CASE("a drain of a connection, a peer, a supervisor and a listener sends what was accepted before it", "[B10]") {
  constexpr static std::uint64_t count = 200;
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  std::atomic<std::uint64_t> arrived{0};
  program near;
  program far;
  witness me{near.system};
  witness other{far.system};
  // The far side hands its connections out, and sends by them.
  const auto server = far.net->listen(base_of(scheme) + "0", other.handle(), to_listen(framed_settings())).value();
  const auto pool = near.net->make_supervisor({}).value();
  const auto peer =
      me.must_ask<connection_actor>(pool, acquire{parse_endpoint(base_of(scheme) + std::to_string(server.port)).value(),
                                                  to_acquire(framed_settings())});
  // Who reads nothing never sees the end of the other side.
  spawn_beside(peer, [&arrived, peer](caf::event_based_actor* self) {
    tell(self, peer, subscribe{event_mask::data, credit_mode::automatic});
    return minding([&arrived](const received&) { ++arrived; });
  });
  const auto client = other.await<accepted>().connection;
  other.listen_to(client, event_mask::data);
  const auto check_drain_of = [&](const auto& whom) {
    cast_many(peer, count);
    auto report = ask(me.self().operator->(), whom, patience, actorwire::close{close_mode::drain, 10s});
    for (std::uint64_t heard = 0; heard < count; ++heard)
      static_cast<void>(other.await<received>());
    static_cast<void>(other.await<peer_closing>());
    std::move(report).receive([](const close_report& all) { check_all_sent(all, count); },
                              [](const caf::error& reason) { FAIL_CHECK(caf::to_string(reason)); });
  };
  SECTION("connection") {
    cast_many(client, count);
    check_all_sent(other.must_ask<close_report>(client, actorwire::close{close_mode::drain, 10s}), count);
    wait_until("all has arrived", [&] { return arrived == count; });
  }
  SECTION("peer") {
    check_drain_of(peer);
  }
  SECTION("supervisor") {
    check_drain_of(pool);
  }
  SECTION("listener") {
    cast_many(client, count);
    check_all_sent(other.must_ask<close_report>(server.listener, actorwire::close{close_mode::drain, 10s}), count);
    wait_until("all has arrived", [&] { return arrived == count; });
  }
}

TEST_CASE("a drain of a network ends listeners, supervisors and all their connections, and reports every message",
          "[B10]") {
  constexpr std::uint64_t count = 300;
  for (const auto& scheme : all_schemes()) {
    CAPTURE(scheme);
    std::atomic<std::uint64_t> arrived{0};
    program far;
    const auto server = far.net->listen(base_of(scheme) + "0", counting(arrived), to_listen(framed_settings())).value();
    program near;
    witness me{near.system};
    const auto where = base_of(scheme) + std::to_string(server.port);
    const auto pool = near.net->make_supervisor({}).value();
    const auto first = near.net->acquire(where, to_acquire(framed_settings())).value();
    const auto second =
        me.must_ask<connection_actor>(pool, acquire{parse_endpoint(where).value(), to_acquire(framed_settings())});
    me.must_ask<connection_info>(first, connect{});
    me.must_ask<connection_info>(second, connect{});
    cast_many(first, count);
    cast_many(second, count);
    check_all_sent(near.net->drain(10s), 2 * count);
    wait_until("all has arrived", [&] { return arrived == 2 * count; });
    // The other side had nothing to say, and no one to wait for.
    check_all_sent(far.net->drain(10s), 0);
  }
}

TEST_CASE("whoever hears of the end from a network that drains finds no listener open any more", "[B10]") {
  for (int round = 0; round < 10; ++round) {
    program here;
    std::vector<plain_socket> clients;
    std::vector<std::uint16_t> ports;
    for (int listener = 0; listener < 2; ++listener) {
      ports.push_back(here.net->listen("tcp://127.0.0.1:0", echo).value().port);
      // Enough of them that each shard has some.
      for (int client = 0; client < 8; ++client) {
        clients.push_back(plain_socket::connect_to(ports.back()));
        clients.back().send("x");
        char answer = 0;
        REQUIRE(::recv(clients.back().descriptor(), &answer, 1, 0) == 1);
      }
    }
    auto report = std::async(std::launch::async, [&] { return here.net->drain(10s); });
    for (auto& client : clients) {
      await_end(client);
      for (const auto port : ports)
        CHECK_FALSE(can_connect(port));
      client.finish();
    }
    check_all_sent(report.get(), clients.size());
  }
}

TEST_CASE("whoever hears of the end from a listener that drains finds it closed on every shard", "[B10]") {
  program here;
  witness me{here.system};
  for (int round = 0; round < 10; ++round) {
    const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
    std::vector<plain_socket> clients;
    for (int client = 0; client < 8; ++client) {
      clients.push_back(plain_socket::connect_to(server.port));
      clients.back().send("x");
      char answer = 0;
      REQUIRE(::recv(clients.back().descriptor(), &answer, 1, 0) == 1);
    }
    auto* self = me.self().operator->();
    auto report = ask(self, server.listener, patience, actorwire::close{close_mode::drain, 10s});
    for (auto& client : clients) {
      await_end(client);
      CHECK_FALSE(can_connect(server.port));
      client.finish();
    }
    std::move(report).receive([&](const close_report& all) { check_all_sent(all, clients.size()); },
                              [](const caf::error& reason) { FAIL_CHECK(caf::to_string(reason)); });
  }
}

TEST_CASE("a drain that the other side holds up ends at its time, and reports what was not sent", "[B10]") {
  plain_listener stalled{16, 4'096};
  program here;
  witness me{here.system};
  auto config = acquire_options{};
  config.transport.flow.write_limit = std::size_t{8} << 20U;
  std::get<tcp_config>(config.transport.protocol_settings).send_buffer_size = 64 << 10U;
  const auto peer = here.net->acquire(uri(stalled.port()), config).value();
  const auto far_end = stalled.accept();
  me.must_ask<connection_info>(peer, connect{});
  cast_many(peer, 60, 100'000);
  const auto report = here.net->drain(200ms);
  CHECK_FALSE(report.complete);
  CHECK(report.delivery.accepted.messages == 60);
  CHECK(report.delivery.not_sent.messages > 0);
  CHECK(adds_up(report.delivery));
  CHECK(here.net->memory_used() <= 4 * (128U << 10U));
}

TEST_CASE("a peer that was never connected has nothing to drain to, and what waits is reported", "[B10]") {
  program here;
  acquire_options options;
  options.reconnection.base_delay = options.reconnection.max_delay = 1h;
  const auto peer = here.net->acquire(uri(free_port()), options).value();
  witness me{here.system};
  if (me.listen_to(peer, event_mask::state).state != connection_state::backoff)
    me.await<state_changed>([](const state_changed& change) { return change.to == connection_state::backoff; });
  cast_many(peer, 3);
  const auto report = here.net->drain(1h);
  CHECK_FALSE(report.complete);
  CHECK(report.delivery.not_sent.messages == 3);
  CHECK(adds_up(report.delivery));
}

TEST_CASE("a network that was drained takes in nobody, and neither a second drain nor its end finds anything to do") {
  const auto descriptors = open_descriptors();
  {
    program here;
    const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
    const auto resident = here.net->spawn_on_shard(1, [](caf::event_based_actor*) {
      return caf::behavior{[](caf::get_atom) { return std::int64_t{1}; }};
    });
    auto client = plain_socket::connect_to(server.port);
    client.send("x");
    client.finish();
    await_end(client);
    CHECK(here.net->drain(10s).complete);

    CHECK(here.net->acquire(uri(server.port)).error().code == error_code::closed);
    CHECK(here.net->listen("tcp://127.0.0.1:0", echo).error().code == error_code::draining);
    CHECK(here.net->make_supervisor({}).error().code == error_code::draining);
    CHECK(here.net->drain(10s) == close_report{{}, true});
    // Only the library's own actors have ended.
    witness me{here.system};
    CHECK(me.must_ask<std::int64_t>(resident, caf::get_atom_v) == 1);
  }
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("two that drain a network at the same time are both told") {
  program here;
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  auto client = plain_socket::connect_to(server.port);
  client.send("x");
  char answer = 0;
  REQUIRE(::recv(client.descriptor(), &answer, 1, 0) == 1);
  const auto drain = [&] { return here.net->drain(10s); };
  auto first = std::async(std::launch::async, drain);
  auto second = std::async(std::launch::async, drain);
  await_end(client);
  client.finish();
  // Whoever comes when all is over has nothing left to hear of.
  const auto reports = std::pair{first.get(), second.get()};
  CHECK(reports.first.complete);
  CHECK(reports.second.complete);
  CHECK(std::max(reports.first.delivery.accepted.messages, reports.second.delivery.accepted.messages) == 1);
}

TEST_CASE("a drain of a network with a shard that is blocked comes back all the same, and is not complete") {
  program here;
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  auto blocked = std::make_optional<blocked_shard>(*here.net, 1);
  const auto report = here.net->drain(1ms);
  blocked.reset();
  CHECK_FALSE(report.complete);
  CHECK(report.delivery == delivery_totals{});
}

TEST_CASE("what is closed on one shard ends in its time while another shard is blocked", "[B10]") {
  const auto mode = GENERATE(close_mode::abort, close_mode::drain);
  CAPTURE(to_string(mode));
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", me.handle()).value();
  // The kernel deals them out; one at least is on the shard that goes on.
  std::vector<plain_socket> clients;
  std::vector<connection_actor> theirs;
  for (int count = 0; count < 16; ++count) {
    clients.push_back(plain_socket::connect_to(server.port));
    theirs.push_back(me.await<accepted>().connection);
  }
  const blocked_shard blocked{*here.net, 1};
  anonymous_tell(server.listener, actorwire::close{mode, 200ms});
  std::vector<pollfd> watched;
  for (const auto& client : clients)
    watched.push_back({client.descriptor(), POLLIN, 0});
  CHECK(::poll(watched.data(), watched.size(), static_cast<int>(std::chrono::milliseconds{patience}.count())) > 0);
}

TEST_CASE("a network that was drained opens no port any more") {
  program here;
  static_cast<void>(here.net->drain(1s));
  const auto port = free_port();
  plain_listener holder{1, 4'096};
  const auto refused = here.net->listen("tcp://127.0.0.1:" + std::to_string(holder.port()), echo);
  REQUIRE_FALSE(refused);
  // Not that the address is taken: it was not tried.
  CHECK(refused.error().code == error_code::draining);
  CHECK_FALSE(here.net->listen("tcp://127.0.0.1:" + std::to_string(port), echo));
  CHECK_FALSE(can_connect(port));
}

TEST_CASE("a drain on a shard is refused, since nothing could be sent meanwhile") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();
  const auto eager = here.net->spawn_on_shard(1, [&here](caf::event_based_actor*) {
    return caf::behavior{[&here](caf::get_atom) -> std::int64_t {
      try {
        static_cast<void>(here.net->drain(1h));
      } catch (const std::logic_error&) {
        return 1;
      }
      return 0;
    }};
  });
  CHECK(me.must_ask<std::int64_t>(eager, caf::get_atom_v) == 1);
  // Nothing has begun.
  CHECK(can_connect(server.port));
  CHECK(here.net->make_supervisor({}));
}

} // namespace actorwire::test
