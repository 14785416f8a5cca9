// On which ports a listener listens, and with whom it shares them.

#include "listener_program.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <cstdint>
#include <set>
#include <string>

namespace actorwire::test {

namespace {

plain_socket listen_on(std::uint16_t port) {
  plain_socket made{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto where = plain_socket::loopback(port);
  REQUIRE(::bind(made.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  REQUIRE(::listen(made.descriptor(), 1) == 0);
  return made;
}

} // namespace

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

TEST_CASE("when listen returns, every shard listens") {
  program here;
  for (int round = 0; round < 50; ++round) {
    const auto server = must_listen(*here.net, echo);
    REQUIRE(sockets_that_listen(server.port) == 2);
  }
}

TEST_CASE("where one shard cannot listen, none does, and listen says why") {
  if (is_sanitized)
    SKIP("sanitizers need descriptors");
  program here;
  const auto made = must_listen(*here.net, echo);
  witness me{here.system};
  // As many descriptors as the first socket takes: the second finds none.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(next);
  auto lowered = before;
  lowered.rlim_cur = static_cast<rlim_t>(next) + 1;
  ::setrlimit(RLIMIT_NOFILE, &lowered);
  std::uint16_t port = 0;
  {
    plain_socket probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto where = plain_socket::loopback(0);
    REQUIRE(::bind(probe.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
    socklen_t size = sizeof where;
    ::getsockname(probe.descriptor(), reinterpret_cast<sockaddr*>(&where), &size);
    port = ntohs(where.sin_port);
  }
  const auto refused = here.net->listen(uri(port), echo);
  ::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::descriptor_limit);
  CHECK(sockets_that_listen(port) == 0);
  CHECK(here.net->listen(uri(port), echo));
}

TEST_CASE("a port that somebody listens on is not shared by accident") {
  program here;
  program elsewhere;
  witness me{here.system};
  const auto [first, second] = GENERATE(table<bool, bool>({{true, true}, {true, false}, {false, true}}));
  listen_config config;
  config.reuse_port = first;
  const auto server = must_listen(*here.net, echo, config);
  config.reuse_port = second;
  for (auto* net : {&*here.net, &*elsewhere.net}) {
    const auto refused = net->listen(uri(server.port), echo, config);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::address_in_use);
    CHECK(refused.error().text.find("127.0.0.1:" + std::to_string(server.port)) != std::string::npos);
    // All addresses of the machine are this one too.
    CHECK_FALSE(net->listen("tcp://[::]:" + std::to_string(server.port), echo, config));
  }
  // Connections that end on this side stay in TIME-WAIT for a minute; they keep nobody from listening again.
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");
  me.must_ask<close_report>(server.listener, actorwire::close{close_mode::flush, 10s});
  CHECK(ends(client));
  CHECK(elsewhere.net->listen(uri(server.port), echo, config));
}

TEST_CASE("listeners that say so share a port, and the kernel deals the clients out to both") {
  program here;
  program elsewhere;
  listen_config config;
  config.share_port = true;
  config.reuse_port = GENERATE(true, false);
  const auto first = must_listen(
      *here.net,
      [](caf::event_based_actor* self, const connection_actor& client) {
        return minding([self, client](const received&) { tell(self, client, cast{payload::copy_of("1"), {}}); });
      },
      config);
  const auto second = elsewhere.net->listen(
      uri(first.port),
      [](caf::event_based_actor* self, const connection_actor& client) {
        return minding([self, client](const received&) { tell(self, client, cast{payload::copy_of("2"), {}}); });
      },
      config);
  REQUIRE(second);
  // Which of them gets a client is a hash of its port.
  std::set<std::string> answers;
  for (int count = 0; count < 20'000 && answers.size() < 2; ++count) {
    auto client = plain_socket::connect_to(first.port);
    answers.insert(echoed(client, "?"));
  }
  CHECK(answers == std::set<std::string>{"1", "2"});
  config.share_port = false;
  CHECK_FALSE(here.net->listen(uri(first.port), echo, config));
}

TEST_CASE("a resume that finds the port taken says so, and a further one tries again") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  const auto server = must_listen(*here.net, echo, config);
  me.must_ask<void>(server.listener, suspend{});
  CHECK(sockets_that_listen(server.port) == 0);
  witness subscriber{here.system};
  subscriber.must_ask<void>(server.listener, actorwire::subscribe{event_mask::listener, credit_mode::automatic});
  {
    const auto thief = listen_on(server.port);
    const auto refused = me.try_to_ask<void>(server.listener, actorwire::resume{});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::address_in_use);
    const auto stats = stats_of(me, server);
    CHECK_FALSE(stats.accepting);
    CHECK(stats.accept_errors == 1);
    CHECK(stats.last_error == refused.error());
    const auto event = subscriber.await<listener_event>();
    CHECK(event.change == listener_change::suspended);
    CHECK(event.reason == refused.error());
    // One that is told and not asked leaves the same traces.
    anonymous_tell(server.listener, actorwire::resume{});
    wait_until("that one has failed too", [&] { return stats_of(me, server).accept_errors == 2; });
    CHECK_FALSE(stats_of(me, server).accepting);
  }
  me.must_ask<void>(server.listener, actorwire::resume{});
  CHECK(stats_of(me, server).accepting);
  CHECK(sockets_that_listen(server.port) == (config.reuse_port ? 2 : 1));
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "again") == "again");
}

} // namespace actorwire::test
