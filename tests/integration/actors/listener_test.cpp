// A listener over real sockets: whom it hands its connections to, when it stops accepting, and how it ends.

#include "program.hpp"

#include <map>
#include <set>
#include <vector>

namespace actorwire::test {

namespace {

/// Reads until `size` bytes came or the stream ended.
std::string read(plain_socket& from, std::size_t size) {
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto got = ::recv(from.descriptor(), text.data() + done, size - done, 0);
    if (got <= 0)
      break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

/// Whether the stream ends, orderly or not, before another byte.
bool ends(plain_socket& from) {
  char byte = 0;
  return ::recv(from.descriptor(), &byte, 1, 0) == 0 || errno == ECONNRESET;
}

bool can_connect(std::uint16_t port) {
  plain_socket client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto where = plain_socket::loopback(port);
  return ::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
}

std::string echoed(plain_socket& client, std::string_view text) {
  client.send(text);
  return read(client, text.size());
}

/// Answers each message with the number of the thread that it runs on.
caf::behavior tell_thread(caf::event_based_actor* self, const connection_actor& client) {
  return minding([self, client](const received&) {
    const auto thread = std::hash<std::thread::id>{}(std::this_thread::get_id());
    const auto number = std::to_string(thread);
    tell(self, client, cast{payload::copy_of(std::string(20 - number.size(), '0') + number), {}});
  });
}

listening must_listen(network& net, accept_function serve, listen_config config = {}) {
  auto made = net.listen("tcp://127.0.0.1:0", std::move(serve), std::move(config));
  if (!made)
    FAIL(to_string(made.error()));
  return std::move(*made);
}

} // namespace

TEST_CASE("a receiver is handed each connection, and its bytes wait until somebody subscribes") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", me.handle());
  REQUIRE(server);
  auto client = plain_socket::connect_to(server->port);
  client.send("early");
  const auto event = me.await<accepted>();
  CHECK(event.info.generation == 1);
  CHECK(event.info.remote_address.starts_with("127.0.0.1:"));
  CHECK(event.info.local_address == "127.0.0.1:" + std::to_string(server->port));
  SECTION("by subscription") {
    me.listen_to(event.connection);
    CHECK(me.await_bytes(5) == "early");
  }
  SECTION("by request") {
    CHECK(me.must_ask<received>(event.connection, receive{}).body.text() == "early");
  }
  CHECK(me.must_ask<sent>(event.connection, actorwire::send{payload::copy_of("reply"), {}}).result == outcome::written);
  CHECK(read(client, 5) == "reply");
}

TEST_CASE("an actor is made for each connection and served all of its events") {
  program here;
  const auto server = must_listen(*here.net, echo);
  auto first = plain_socket::connect_to(server.port);
  auto second = plain_socket::connect_to(server.port);
  CHECK(echoed(first, "one") == "one");
  CHECK(echoed(second, "two") == "two");
  CHECK(echoed(first, "three") == "three");
}

TEST_CASE("a suspended listener refuses clients, keeps its connections, and resumes on the same port") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  const auto server = must_listen(*here.net, echo, config);
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "before") == "before");
  for (int round = 0; round < 3; ++round) {
    me.must_ask<void>(server.listener, suspend{});
    CHECK_FALSE(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
    wait_until("all shards have closed their sockets", [&] { return !can_connect(server.port); });
    CHECK(echoed(client, "while suspended") == "while suspended");
    me.must_ask<void>(server.listener, actorwire::resume{});
    CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
    wait_until("a shard listens again", [&] { return can_connect(server.port); });
    auto newcomer = plain_socket::connect_to(server.port);
    CHECK(echoed(newcomer, "after") == "after");
  }
}

TEST_CASE("a listener at its limit lets clients wait and serves them as others leave") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 2;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, echo, config);
  std::vector<plain_socket> clients;
  for (int count = 0; count < 6; ++count)
    clients.push_back(plain_socket::connect_to(server.port));
  for (auto& client : clients)
    client.send("hello");
  for (auto& client : clients) {
    CHECK(read(client, 5) == "hello");
    const auto stats = me.must_ask<listener_stats>(server.listener, get_listener_stats{});
    CHECK(stats.open <= 2);
    client.close();
  }
  wait_until("all have left",
             [&] { return me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == 0; });
  const auto stats = me.must_ask<listener_stats>(server.listener, get_listener_stats{});
  CHECK(stats.accepted == 6);
  CHECK(stats.accepting);
}

TEST_CASE("the limit of a listener can be raised while clients wait, and lowered while they are served") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 1;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, echo, config);
  auto first = plain_socket::connect_to(server.port);
  CHECK(echoed(first, "one") == "one");
  CHECK_FALSE(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
  auto second = plain_socket::connect_to(server.port);
  second.send("two");
  me.must_ask<void>(server.listener, set_limit{2});
  CHECK(read(second, 3) == "two");
  me.must_ask<void>(server.listener, set_limit{1});
  CHECK(echoed(first, "still") == "still");
  CHECK(echoed(second, "here") == "here");
  // One leaves: still as many as are allowed. The other leaves: there is room.
  first.close();
  wait_until("the first has left",
             [&] { return me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == 1; });
  CHECK_FALSE(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
  auto third = plain_socket::connect_to(server.port);
  third.send("three");
  second.close();
  CHECK(read(third, 5) == "three");
}

TEST_CASE("a listener with a socket on every shard obeys one limit over all of them") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 3;
  const auto server = must_listen(*here.net, echo, config);
  // The kernel decides which shard gets whom, and those beyond the limit are turned away or wait; a client that is
  // turned away comes again. In the end everyone was served, and never more than three at once.
  int served = 0;
  for (int attempt = 0; served < 20 && attempt < 10'000; ++attempt) {
    std::vector<plain_socket> clients;
    for (int count = 0; count < 3; ++count) {
      clients.push_back(plain_socket::connect_to(server.port));
      ::send(clients.back().descriptor(), "x", 1, MSG_NOSIGNAL);
    }
    for (auto& client : clients) {
      served += read(client, 1) == "x";
      CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open <= 3);
      client.close();
    }
  }
  CHECK(served >= 20);
}

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

TEST_CASE("a port in use is refused with the address that is in use") {
  program here;
  plain_listener other;
  for (const auto reuse_port : {true, false}) {
    listen_config config;
    config.reuse_port = reuse_port;
    const auto refused = here.net->listen(uri(other.port()), echo, config);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::address_in_use);
    CHECK(refused.error().kind == error_kind::initialization);
    CHECK(refused.error().text.find("127.0.0.1:" + std::to_string(other.port())) != std::string::npos);
  }
}

TEST_CASE("a listener on every shard is served by every shard") {
  program here;
  const auto server = must_listen(*here.net, tell_thread);
  // The first shard listens when `listen` returns, the others follow at once; then the shard that gets a client is a hash
  // of its port. So clients come until both have served one, and they come one after the other.
  constexpr int clients_max = 20'000;
  std::set<std::string> threads;
  for (int count = 0; count < clients_max && threads.size() < 2; ++count) {
    auto client = plain_socket::connect_to(server.port);
    client.send("?");
    threads.insert(read(client, 20));
  }
  CHECK(threads.size() == 2);
}

TEST_CASE("a listener on one shard deals its connections out in turn") {
  program here;
  listen_config config;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, tell_thread, config);
  std::vector<std::string> threads;
  std::vector<plain_socket> clients;
  for (int count = 0; count < 16; ++count) {
    clients.push_back(plain_socket::connect_to(server.port));
    clients.back().send("?");
    threads.push_back(read(clients.back(), 20));
  }
  for (std::size_t index = 2; index < threads.size(); ++index)
    CHECK(threads[index] == threads[index - 2]);
  CHECK(threads[0] != threads[1]);
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

} // namespace actorwire::test
