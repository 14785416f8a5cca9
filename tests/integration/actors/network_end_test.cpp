// The end of a network: it sends what it accepted, ends all that lives on its shards, comes back, and leaves nothing
// behind, whatever state its connections are in and whoever still holds or calls them.

#include "program.hpp"

#include <future>
#include <vector>

namespace actorwire::test {

namespace {

/// Reads to the end of the stream on a thread of its own, and closes.
std::future<std::string> read_all(plain_socket open) {
  return std::async(std::launch::async, [open = std::move(open)]() mutable {
    auto from = std::move(open);
    std::string text;
    std::string chunk(65'536, '\0');
    for (;;) {
      const auto size = ::recv(from.descriptor(), chunk.data(), chunk.size(), 0);
      if (size <= 0)
        return text;
      text.append(chunk, 0, static_cast<std::size_t>(size));
    }
  });
}

} // namespace

TEST_CASE("what was cast right before the network ended arrives completely") {
  plain_listener server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri(server.port())).value();
  auto text = read_all(server.accept());
  me.must_ask<connection_info>(peer, connect{});
  const auto bytes = pattern(1'000 * 1'024);
  for (std::size_t offset = 0; offset < bytes.size(); offset += 1'024)
    anonymous_tell(peer, cast{payload::copy_of(std::string_view{bytes}.substr(offset, 1'024)), {}});
  here.net.reset();
  REQUIRE(text.wait_for(patience) == std::future_status::ready);
  CHECK(text.get() == bytes);
}

TEST_CASE("what a server answered right before the network ended arrives completely") {
  program here;
  constexpr std::size_t size = 300'000;
  std::promise<void> answered;
  const auto server =
      here.net->listen("tcp://127.0.0.1:0", [&](caf::event_based_actor* self, const connection_actor& client) {
        return minding([self, client, &answered](const received&) {
          tell(self, client, cast{payload::copy_of(pattern(size)), {}});
          answered.set_value();
        });
      });
  auto client = plain_socket::connect_to(server->port);
  client.send("now");
  REQUIRE(answered.get_future().wait_for(patience) == std::future_status::ready);
  auto text = read_all(std::move(client));
  here.net.reset();
  CHECK(text.get() == pattern(size));
}

TEST_CASE("a network ends while its peers idle, stall, connect and wait to connect again", "[B10]") {
  std::atomic<int> alive{0};
  const auto descriptors = open_descriptors();
  {
    plain_listener idle_server;
    plain_listener stalled_server{16, 4'096};
    black_hole nowhere;
    std::uint16_t closed_port = 0;
    {
      plain_listener gone;
      closed_port = gone.port();
    }
    auto options = program::two_shards();
    options.drain_timeout = 100ms;
    program here{options};
    witness me{here.system};

    const auto idle = here.net->acquire(uri(idle_server.port())).value();
    const auto stalled = here.net->acquire(uri(stalled_server.port())).value();
    me.must_ask<connection_info>(idle, connect{});
    me.must_ask<connection_info>(stalled, connect{});
    me.listen_to(stalled, event_mask::backpressure);
    for (int count = 0; count < 40; ++count)
      anonymous_tell(stalled, cast{payload::copy_of(pattern(100'000)), {}});
    me.await<backpressure>();

    const auto connecting = here.net->acquire(uri(nowhere.port())).value();
    const auto status = me.listen_to(connecting);
    if (status.state != connection_state::connecting)
      me.await<state_changed>([](const state_changed& change) { return change.to == connection_state::connecting; });

    const auto waiting = here.net->acquire(uri(closed_port)).value();
    if (me.listen_to(waiting, event_mask::state).state != connection_state::backoff)
      me.await<state_changed>([](const state_changed& change) { return change.to == connection_state::backoff; });

    // Users of all of them, one reachable by nobody, and one that a far delayed message keeps in memory for an hour.
    for (const auto& peer : {idle, stalled, connecting, waiting})
      spawn_beside(peer, [mark = counted{alive}, peer](caf::event_based_actor* self) {
        tell(self, peer, subscribe{event_mask::all, credit_mode::automatic});
        return minding([mark](caf::ok_atom) {});
      });
    const auto pinned = here.net->spawn_on_shard(1, [mark = counted{alive}](caf::event_based_actor*) {
      return caf::behavior{[mark](caf::ok_atom) {}};
    });
    anonymous_tell_later(pinned, 1h, caf::ok_atom_v);
    here.net.reset();

    // Handles outlive the network: what is sent to them is refused, not lost.
    CHECK_FALSE(me.try_to_ask<connection_status>(idle, get_state{}));
    CHECK_FALSE(me.try_to_ask<connection_status>(stalled, get_state{}));
    anonymous_tell(waiting, cast{payload::copy_of("late"), {}});
  }
  CHECK(alive == 0);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a network ends with live connections whose handles nobody holds", "[B10]") {
  const auto descriptors = open_descriptors();
  for (int round = 0; round < 5; ++round) {
    program here;
    std::atomic<int> greeted{0};
    const auto server =
        here.net->listen("tcp://127.0.0.1:0", [&](caf::event_based_actor* self, const connection_actor& client) {
          ++greeted;
          return echo(self, client);
        });
    std::vector<plain_socket> clients;
    for (int count = 0; count < 20; ++count) {
      clients.push_back(plain_socket::connect_to(server->port));
      clients.back().send("hello");
      static_cast<void>(here.net->acquire(uri(server->port)).value());
    }
    wait_until("all clients are served", [&] { return greeted >= 21; });
    here.net.reset();
  }
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a peer that nobody holds any more when its connection ends is seen off, and not just dropped", "[B10]") {
  plain_listener server;
  auto options = program::two_shards();
  // Then its supervisor hears of the end, ends, and lets go of it before the peer itself has its turn again.
  options.shards = 1;
  program here{options};
  witness me{here.system};
  std::optional peer{here.net->acquire(uri(server.port())).value()};
  auto text = read_all(server.accept());
  me.must_ask<connection_info>(*peer, connect{});
  const auto bytes = pattern(1'000'000);
  anonymous_tell(*peer, cast{payload::copy_of(bytes), {}});
  me.self()->monitor(*peer);
  peer.reset();
  CHECK(me.must_ask<close_report>(here.net->supervisor(), close{close_mode::drain, 10s}).complete);
  CHECK_FALSE(me.await<caf::down_msg>().reason);
  CHECK(text.get() == bytes);
}

TEST_CASE("an actor that is spawned beside a connection of a network that has ended is ended, and says so") {
  plain_listener server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri(server.port())).value();
  here.net.reset();
  const auto late = spawn_beside(peer, [](caf::event_based_actor*) {
    return caf::behavior{[](caf::get_atom) { return std::int64_t{1}; }};
  });
  CHECK(me.await_end_of(late) == caf::exit_reason::user_shutdown);
  CHECK_FALSE(me.try_to_ask<std::int64_t>(late, caf::get_atom_v));
}

TEST_CASE("a foreign thread may go on sending to actors of a network that ends", "[C2]") {
  counting_mint mint;
  std::atomic<int> alive{0};
  {
    system_config config;
    caf::actor_system system{config};
    for (int round = 0; round < 200; ++round) {
      network_options options;
      options.shards = 2;
      std::optional<network> net{std::in_place, system, options};
      std::atomic<int> handled{0};
      std::atomic<bool> enough{false};
      std::vector<caf::actor> receivers;
      for (std::size_t index = 0; index < 2; ++index)
        receivers.push_back(net->spawn_on_shard(index, [&handled, mark = counted{alive}](caf::event_based_actor*) {
          return caf::behavior{[&handled, mark](const payload&) { ++handled; }};
        }));
      std::thread sender{[&mint, &enough, to = std::exchange(receivers, {})] {
        // Bounded, should the test itself be stuck.
        for (int count = 0; count < 10'000'000 && !enough; ++count)
          for (const auto& receiver : to)
            anonymous_tell(receiver, mint.make("late"));
      }};
      wait_until("some messages are handled", [&] { return handled > round; });
      net.reset();
      enough = true;
      sender.join();
    }
  }
  CHECK(alive == 0);
  CHECK(mint.alive() == 0);
}

} // namespace actorwire::test
