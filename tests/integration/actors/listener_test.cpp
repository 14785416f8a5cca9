// A listener over real sockets: whom it hands its connections to.

#include "listener_program.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace actorwire::test {

namespace {

/// Answers each message with the number of the thread that it runs on.
caf::behavior tell_thread(caf::event_based_actor* self, const connection_actor& client) {
  return minding([self, client](const received&) {
    const auto thread = std::hash<std::thread::id>{}(std::this_thread::get_id());
    const auto number = std::to_string(thread);
    tell(self, client, cast{payload::copy_of(std::string(20 - number.size(), '0') + number), {}});
  });
}

/// A link-local address of this machine, with the number of its interface; an empty host if it has none.
sockaddr_in6 link_local_address() {
  sockaddr_in6 found{};
  ifaddrs* all = nullptr;
  REQUIRE(::getifaddrs(&all) == 0);
  for (const auto* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET6)
      continue;
    sockaddr_in6 address{};
    std::memcpy(&address, one->ifa_addr, sizeof address);
    if (IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr))
      found = address;
  }
  ::freeifaddrs(all);
  return found;
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

TEST_CASE("a listener on every shard is served by every shard") {
  program here;
  const auto server = must_listen(*here.net, tell_thread);
  // The shard that gets a client is a hash of its port. So clients come until both have served one.
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

TEST_CASE("a client whose receiver fails over it is turned away, and the failure is counted") {
  program here;
  witness me{here.system};
  const auto receiver = make_deaf_receiver(here.system);
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver).value();
  auto client = plain_socket::connect_to(server.port);
  CHECK(ends(client));
  wait_until("its place is free again", [&] { return stats_of(me, server).open == 0; });
  CHECK(stats_of(me, server).accept_errors == 1);
  caf::anon_send_exit(receiver, caf::exit_reason::user_shutdown);
}

TEST_CASE("a listener needs somebody to hear of its clients") {
  program here;
  const auto without_receiver = here.net->listen("tcp://127.0.0.1:0", caf::actor{});
  REQUIRE_FALSE(without_receiver);
  CHECK(without_receiver.error().code == error_code::invalid_value);
  const auto without_server = here.net->listen("tcp://127.0.0.1:0", accept_function{});
  REQUIRE_FALSE(without_server);
  CHECK(without_server.error().code == error_code::invalid_value);
}

TEST_CASE("a client from a link-local address is known by that address and its interface") {
  auto here_is = link_local_address();
  if (here_is.sin6_scope_id == 0)
    SKIP("this machine has no link-local address");
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://[::]:0", me.handle());
  REQUIRE(server);
  here_is.sin6_port = htons(server->port);
  plain_socket client{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&here_is), sizeof here_is) != 0)
    SKIP("this machine does not reach its own link-local address");
  sockaddr_in6 local{};
  socklen_t size = sizeof local;
  REQUIRE(::getsockname(client.descriptor(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
  char text[INET6_ADDRSTRLEN] = "";
  REQUIRE(::inet_ntop(AF_INET6, &local.sin6_addr, text, sizeof text) != nullptr);
  const auto event = me.await<accepted>();
  CHECK(event.info.remote.proto == protocol::tcp);
  CHECK(event.info.remote.host == text + ("%" + std::to_string(here_is.sin6_scope_id)));
  CHECK(event.info.remote.port == ntohs(local.sin6_port));
}

} // namespace actorwire::test
