// When a listener stops accepting clients, and goes on.

#include "listener_program.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <vector>

namespace actorwire::test {

TEST_CASE("a suspended listener refuses clients, keeps its connections, and resumes on the same port", "[P7]") {
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
    CHECK_FALSE(can_connect(server.port));
    CHECK(echoed(client, "while suspended") == "while suspended");
    me.must_ask<void>(server.listener, actorwire::resume{});
    CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
    auto newcomer = plain_socket::connect_to(server.port);
    CHECK(echoed(newcomer, "after") == "after");
  }
}

TEST_CASE("a listener at its limit lets clients wait and serves them as others leave", "[P7]") {
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

TEST_CASE("clients that come and go while their receiver is busy wait for it in no greater number than the limit") {
  constexpr std::uint64_t limit = 3;
  constexpr std::uint64_t clients = 12;
  program here;
  witness busy{here.system};
  witness me{here.system};
  listen_config config;
  config.max_connections = limit;
  config.reuse_port = false;
  const auto server = here.net->listen("tcp://127.0.0.1:0", busy.handle(), config).value();
  for (std::uint64_t count = 0; count < clients; ++count)
    plain_socket::connect_to(server.port).close();
  for (std::uint64_t handled = 0; handled < clients; ++handled) {
    CHECK(stats_of(me, server).accepted <= handled + limit);
    static_cast<void>(busy.await<accepted>());
  }
  wait_until("all places are free again", [&] { return stats_of(me, server).open == 0; });
}

TEST_CASE("suspend and resume in any quick order end as the last of them says") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  for (int round = 0; round < 50; ++round) {
    anonymous_tell(server.listener, suspend{});
    anonymous_tell(server.listener, actorwire::resume{});
    anonymous_tell(server.listener, suspend{});
    anonymous_tell(server.listener, actorwire::resume{});
    anonymous_tell(server.listener, actorwire::resume{});
    me.must_ask<void>(server.listener, suspend{});
    CHECK(sockets_that_listen(server.port) == 0);
    CHECK_FALSE(stats_of(me, server).accepting);
    anonymous_tell(server.listener, suspend{});
    anonymous_tell(server.listener, actorwire::resume{});
    anonymous_tell(server.listener, suspend{});
    me.must_ask<void>(server.listener, actorwire::resume{});
    CHECK(sockets_that_listen(server.port) == 2);
    CHECK(stats_of(me, server).accepting);
  }
  CHECK(stats_of(me, server).accept_errors == 0);
}

TEST_CASE("a limit out of range is refused, and the old one stays") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 1;
  const auto server = must_listen(*here.net, echo, config);
  for (const std::uint32_t limit : {0U, 1'000'001U}) {
    const auto refused = me.try_to_ask<void>(server.listener, set_limit{limit});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::invalid_value);
    CHECK(refused.error().text == "listen.max_connections = " + std::to_string(limit) + ": must be 1..1000000");
  }
  // Where nobody waits for the answer it is kept, and nobody ends over it.
  tell(me.self().operator->(), server.listener, set_limit{0});
  CHECK(stats_of(me, server).last_error.code == error_code::invalid_value);
  CHECK(stats_of(me, server).accept_errors == 1);
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "one") == "one");
  CHECK_FALSE(stats_of(me, server).accepting);
}

TEST_CASE("an error of accepting is counted and kept", "[P7]") {
  if (is_sanitized)
    SKIP("sanitizers need descriptors");
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, echo, config);
  CHECK(stats_of(me, server).last_error.code == error_code::none);
  plain_socket client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(next);
  auto lowered = before;
  lowered.rlim_cur = static_cast<rlim_t>(next);
  ::setrlimit(RLIMIT_NOFILE, &lowered);
  const auto where = plain_socket::loopback(server.port);
  const auto connected = ::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where);
  wait_until("the shortage is noticed", [&] { return stats_of(me, server).accept_errors > 0; });
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(connected == 0);
  const auto stats = stats_of(me, server);
  CHECK(stats.last_error.code == error_code::descriptor_limit);
  CHECK(stats.accepting);
  CHECK(echoed(client, "late") == "late");
}

} // namespace actorwire::test
