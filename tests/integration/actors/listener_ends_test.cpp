// How a listener ends, and what ends with it.

#include "listener_program.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

bool is_alive(const caf::weak_actor_ptr& who) {
  return caf::actor_cast<caf::strong_actor_ptr>(who) != nullptr;
}

template <class Handle>
caf::weak_actor_ptr weak(const Handle& who) {
  return caf::weak_actor_ptr{caf::actor_cast<caf::strong_actor_ptr>(who).get()};
}

} // namespace

TEST_CASE("closing a listener ends its connections and adds up what became of their messages") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  const auto server = must_listen(*here.net, echo, config);
  std::vector<plain_socket> clients;
  for (int count = 0; count < 8; ++count) {
    clients.push_back(plain_socket::connect_to(server.port));
    CHECK(echoed(clients.back(), "12345") == "12345");
  }
  auto how = close_mode::drain;
  SECTION("drain") {
    how = close_mode::drain;
    for (auto& client : clients)
      client.finish();
  }
  SECTION("flush") {
    how = close_mode::flush;
  }
  SECTION("abort") {
    how = close_mode::abort;
  }
  me.self()->monitor(server.listener);
  const auto report = me.must_ask<close_report>(server.listener, actorwire::close{how, 10s});
  // A client that had finished may be gone before the close; one that is there reports its one message of five bytes.
  CHECK(report.complete);
  CHECK(report.delivery.accepted.bytes == 5 * report.delivery.accepted.messages);
  CHECK(report.delivery.written == report.delivery.accepted);
  if (how != close_mode::drain)
    CHECK(report.delivery.accepted.messages == 8);
  for (auto& client : clients)
    CHECK(ends(client));
  static_cast<void>(me.await<caf::down_msg>());
  CHECK_FALSE(can_connect(server.port));
}

TEST_CASE("an aborted listener reports what its connections could not send") {
  program here;
  witness me{here.system};
  std::atomic<int> full{0};
  constexpr std::size_t size = 1'000'000;
  const auto server = must_listen(*here.net, [&full](caf::event_based_actor* self, const connection_actor& client) {
    return minding(
        [self, client](const opened&) {
          for (int count = 0; count < 4; ++count)
            tell(self, client, cast{payload::copy_of(pattern(size)), {}});
        },
        [&full](const backpressure& change) { full += change.on; });
  });
  auto client = plain_socket::connect_to(server.port);
  wait_until("more waits than fits", [&] { return full >= 1; });
  const auto report = me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 10s});
  const auto& sums = report.delivery;
  CHECK(sums.accepted.messages == 4);
  CHECK(sums.pending.messages == 0);
  CHECK(sums.not_sent.messages + sums.maybe_sent.messages + sums.written.messages + sums.acked.messages == 4);
  CHECK(report.complete == (sums.not_sent.messages + sums.maybe_sent.messages == 0));
}

TEST_CASE("the end of a serving actor ends its connection, even when it subscribes to nothing any more") {
  program here;
  const auto server = must_listen(*here.net, [](caf::event_based_actor* self, const connection_actor& client) {
    tell(self, client, unsubscribe{});
    // Its answer comes when the connection has forgotten its subscriber.
    ask(self, client, patience, get_state{}).then([self](const connection_status&) { self->quit(); });
    return minding();
  });
  auto client = plain_socket::connect_to(server.port);
  char byte = 0;
  CHECK(::recv(client.descriptor(), &byte, 1, 0) == 0);
}

TEST_CASE("the end of a serving actor ends its connection, with all that it had sent") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, [](caf::event_based_actor* self, const connection_actor& client) {
    return minding([self, client](const received& data) {
      tell(self, client, cast{payload::copy_of(pattern(200'000)), {}});
      if (data.body.text() == "throw")
        throw std::runtime_error{"served badly"};
      self->quit();
    });
  });
  for (const std::string_view word : {"quit", "throw"}) {
    auto client = plain_socket::connect_to(server.port);
    client.send(word);
    CHECK(read(client, 200'001) == pattern(200'000));
    CHECK(ends(client));
  }
  wait_until("both places are free again",
             [&] { return me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == 0; });
}

TEST_CASE("the end of a connection ends its serving actor, after the last event") {
  std::atomic<int> alive{0};
  std::atomic<int> told{0};
  std::atomic<std::size_t> bytes{0};
  program here;
  const auto server = must_listen(*here.net, [&](caf::event_based_actor*, const connection_actor&) {
    return minding([&bytes](const received& data) { bytes += data.body.size(); },
                   [&told, mark = counted{alive}](const state_changed& change) {
                     told += change.to == connection_state::closed;
                   });
  });
  for (int count = 0; count < 10; ++count) {
    auto client = plain_socket::connect_to(server.port);
    client.send(pattern(100'000));
    client.close();
  }
  wait_until("all are served and gone", [&] { return told == 10 && alive == 0; });
  CHECK(bytes == 1'000'000);
}

TEST_CASE("when the receiver of a listener ends, clients are not left waiting for an answer that nobody can give") {
  program here;
  witness me{here.system};
  const auto receiver = here.system.spawn([to = me.handle()](caf::event_based_actor* self) {
    return caf::behavior{[self, to](accepted& event) { tell(self, to, std::move(event)); }};
  });
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver);
  auto known = plain_socket::connect_to(server->port);
  const auto event = me.await<accepted>();
  me.listen_to(event.connection);
  caf::anon_send_exit(receiver, caf::exit_reason::user_shutdown);
  static_cast<void>(me.await_end_of(receiver));
  // Whoever comes now is turned away ...
  wait_until("newcomers are turned away", [&] { return !can_connect(server->port); });
  // ... while a connection that somebody has taken over goes on.
  known.send("still here");
  CHECK(me.await_bytes(10) == "still here");
}

TEST_CASE("a listener whose receiver has ended before is refused") {
  program here;
  witness me{here.system};
  const auto receiver = here.system.spawn([](caf::event_based_actor* self) {
    self->quit();
    return caf::behavior{[](const accepted&) {}};
  });
  static_cast<void>(me.await_end_of(receiver));
  // The listener hears of it before its parts answer, so it never gets as far as to be open.
  const auto made = here.net->listen("tcp://127.0.0.1:0", receiver);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == error_code::closed);
}

TEST_CASE("a listener of which one part crashes ends with that reason") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  constexpr auto crash = caf::exit_reason::unreachable;
  // The part on the shard of a client is the one that asks the receiver.
  const auto receiver = here.system.spawn([](caf::event_based_actor* self) {
    return caf::behavior{
        [self](const accepted&) { caf::anon_send_exit(caf::actor_cast<caf::actor>(self->current_sender()), crash); }};
  });
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver, config);
  REQUIRE(server);
  auto client = plain_socket::connect_to(server->port);
  CHECK(me.await_end_of(server->listener) == crash);
  CHECK(ends(client));
  wait_until("no shard listens", [&] { return sockets_that_listen(server->port) == 0; });
}

TEST_CASE("whoever told a listener or a supervisor to close survives that it ends before it has closed") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  plain_listener remote;
  const auto peer = here.net->acquire(uri(remote.port())).value();
  const auto far_end = remote.accept();
  me.must_ask<connection_info>(peer, connect{});
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");
  const auto survives = [&](const auto& closing) {
    const auto teller = here.system.spawn([closing](caf::event_based_actor* self) {
      return caf::behavior{[self, closing](caf::ok_atom) {
                             tell(self, closing, actorwire::close{close_mode::drain, 1h});
                           },
                           [](int number) { return number + 1; }};
    });
    me.must_ask<void>(teller, caf::ok_atom_v);
    // Neither of the other ends ever finishes.
    caf::anon_send_exit(closing, caf::exit_reason::user_shutdown);
    static_cast<void>(me.await_end_of(closing));
    CHECK(me.must_ask<int>(teller, 1) == 2);
  };
  SECTION("a listener") {
    survives(server.listener);
  }
  SECTION("a supervisor") {
    survives(here.net->supervisor());
  }
}

TEST_CASE("an abort overtakes a drain of a listener and of a supervisor") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  plain_listener remote;
  const auto peer = here.net->acquire(uri(remote.port())).value();
  const auto far_end = remote.accept();
  me.must_ask<connection_info>(peer, connect{});
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");
  // Neither of the other ends ever finishes, so both drains would take their hour.
  auto* self = me.self().operator->();
  auto slow_listener = ask(self, server.listener, patience, actorwire::close{close_mode::drain, 1h});
  auto slow_supervisor = ask(self, here.net->supervisor(), patience, actorwire::close{close_mode::drain, 1h});
  const auto quick_listener = me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 1h});
  const auto quick_supervisor =
      me.must_ask<close_report>(here.net->supervisor(), actorwire::close{close_mode::abort, 1h});
  CHECK(ends(client));
  // Each of the two hears the same, and nothing is counted twice.
  const auto same_as = [](const close_report& other) {
    return [other](const close_report& it) { CHECK(it == other); };
  };
  const auto unanswered = [](const caf::error& reason) { FAIL_CHECK(caf::to_string(reason)); };
  std::move(slow_listener).receive(same_as(quick_listener), unanswered);
  std::move(slow_supervisor).receive(same_as(quick_supervisor), unanswered);
  CHECK(quick_listener.delivery.accepted.messages == 1);
}

TEST_CASE("an ended listener keeps neither its receiver nor its serve function") {
  program here;
  witness me{here.system};
  const auto token = std::make_shared<int>();
  const auto server = must_listen(*here.net, [token](caf::event_based_actor* self, const connection_actor& client) {
    return echo(self, client);
  });
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");

  std::optional<caf::actor> receiver = here.system.spawn([to = me.handle()](caf::event_based_actor* self) {
    return caf::behavior{[self, to](accepted& event) { tell(self, to, std::move(event)); }};
  });
  const auto front = here.net->listen("tcp://127.0.0.1:0", *receiver).value();
  auto visitor = plain_socket::connect_to(front.port);
  const auto known = me.await<accepted>();
  const auto weak_receiver = weak(*receiver);
  me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 10s});
  me.must_ask<close_report>(front.listener, actorwire::close{close_mode::abort, 10s});
  caf::anon_send_exit(*receiver, caf::exit_reason::user_shutdown);
  static_cast<void>(me.await_end_of(*receiver));
  receiver.reset();
  // The handles of both listeners, and that of a connection, are still held.
  wait_until("the serve function is gone", [&] { return token.use_count() == 1; });
  wait_until("the receiver is gone", [&] { return !is_alive(weak_receiver); });
}

TEST_CASE("a network forgets the listeners and supervisors that have ended") {
  program here;
  witness me{here.system};
  std::vector<caf::weak_actor_ptr> ended;
  for (int round = 0; round < 10; ++round) {
    auto server = must_listen(*here.net, echo);
    me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 10s});
    ended.push_back(weak(server.listener));
    auto pool = here.net->make_supervisor({}).value();
    me.must_ask<close_report>(pool, actorwire::close{close_mode::abort, 10s});
    ended.push_back(weak(pool));
  }
  wait_until("all are gone", [&] { return std::none_of(ended.begin(), ended.end(), is_alive); });
}

} // namespace actorwire::test
