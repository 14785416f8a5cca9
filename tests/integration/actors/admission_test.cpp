// How many connections a listener lets one address have, and how many places those who prove nothing, over real sockets, by
// each protocol.

#include "secured_program.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <string_view>
#include <vector>

namespace actorwire::test {

namespace {

listener_stats stats_of(witness& me, const listening& server) {
  return me.must_ask<listener_stats>(server.listener, get_listener_stats{});
}

listen_config with_share(std::uint32_t of_one_address) {
  auto config = to_listen();
  config.max_connections_per_address = of_one_address;
  return config;
}

/// A client that comes from this address of the loopback interface.
plain_socket connect_from(const char* numeric, std::uint16_t port) {
  plain_socket client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto own = plain_socket::loopback(0);
  const auto bytes = parse_ip_address(numeric).value().bytes;
  std::copy_n(bytes.begin(), sizeof own.sin_addr, reinterpret_cast<std::uint8_t*>(&own.sin_addr));
  REQUIRE(::bind(client.descriptor(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
  const auto where = plain_socket::loopback(port);
  REQUIRE(::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  return client;
}

/// Whether a byte comes back; false if the connection ends instead.
bool is_served(plain_socket& client) {
  char byte = 'x';
  return ::send(client.descriptor(), &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(client.descriptor(), &byte, 1, 0) == 1;
}

} // namespace

TEST_CASE("a client over the share of its address is turned away, and others are served", "[F4][P7]") {
  program here;
  witness me{here.system};
  auto config = with_share(2);
  config.reuse_port = GENERATE(true, false);
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo, config).value();
  auto first = connect_from("127.0.0.1", server.port);
  auto second = connect_from("127.0.0.1", server.port);
  CHECK(is_served(first));
  CHECK(is_served(second));
  auto third = connect_from("127.0.0.1", server.port);
  CHECK_FALSE(is_served(third));
  auto other = connect_from("127.0.0.2", server.port);
  CHECK(is_served(other));
  CHECK(is_served(first));
  const auto stats = stats_of(me, server);
  CHECK(stats.connections_refused == 1);
  CHECK(stats.open == 3);
  CHECK(stats.accept_errors == 0);
  first.close();
  wait_until("one has left", [&] { return stats_of(me, server).open == 2; });
  auto fourth = connect_from("127.0.0.1", server.port);
  CHECK(is_served(fourth));
}

TEST_CASE("clients of one address that come and go wait for a busy receiver in no greater number than their share",
          "[P7]") {
  constexpr std::uint32_t share = 2;
  program here;
  witness busy{here.system};
  witness me{here.system};
  auto config = with_share(share);
  config.reuse_port = false;
  const auto server = here.net->listen("tcp://127.0.0.1:0", busy.handle(), config).value();
  // Each has gone before the next one comes, and nobody has heard of any of them.
  for (std::uint32_t count = 0; count < share; ++count) {
    auto client = connect_from("127.0.0.1", server.port);
    wait_until("it was accepted", [&] { return stats_of(me, server).accepted == count + 1; });
    client.close();
  }
  for (int count = 0; count < 3; ++count) {
    auto refused = connect_from("127.0.0.1", server.port);
    CHECK_FALSE(is_served(refused));
  }
  CHECK(stats_of(me, server).accepted == share);
  CHECK(stats_of(me, server).connections_refused == 3);
  for (std::uint32_t count = 0; count < share; ++count)
    static_cast<void>(busy.await<accepted>());
  wait_until("all places are free again", [&] { return stats_of(me, server).open == 0; });
  const auto next = connect_from("127.0.0.1", server.port);
  static_cast<void>(busy.await<accepted>());
}

#if ACTORWIRE_TLS
namespace {

/// Peers of the same endpoint that are not one peer.
std::vector<connection_actor> acquire_apart(program& here, const std::string& where, int count) {
  std::vector<connection_actor> all;
  for (int number = 0; number < count; ++number) {
    auto options = to_acquire();
    options.transport.operation_timeout += std::chrono::milliseconds{number};
    all.push_back(here.net->acquire(where, options).value());
  }
  return all;
}

} // namespace

TEST_CASE("peers of one address share its places by TLS and by QUIC, and those without one come when another goes",
          "[P7]") {
  std::vector<std::string_view> schemes{"tls"};
  if (ACTORWIRE_QUIC)
    schemes.insert(schemes.end(), {"quic", "quic with Retry"});
  for (const auto scheme : schemes) {
    CAPTURE(scheme);
    program here;
    witness me{here.system};
    auto config = with_share(2);
    if (scheme == "quic with Retry") {
      quic_config quic;
      quic.retry_threshold = 0;
      config.transport.protocol_settings = quic;
    }
    const auto base = std::string{scheme.substr(0, scheme.find(' '))} + "://127.0.0.1:";
    const auto server = here.net->listen(base + "0", echo, config).value();
    const auto peers = acquire_apart(here, base + std::to_string(server.port), 3);
    wait_until("one was turned away", [&] { return stats_of(me, server).connections_refused > 0; });
    wait_until("two stay", [&] {
      const auto stats = stats_of(me, server);
      return stats.open - stats.handshaking == 2;
    });
    // The two that are there go, one after the other, so that the third comes in any case.
    for (int gone = 0; gone < 2; ++gone)
      me.must_ask<close_report>(peers[static_cast<std::size_t>(gone)], actorwire::close{close_mode::abort, 5s});
    me.must_ask<connection_info>(peers[2], connect{});
    CHECK(stats_of(me, server).accept_errors == 0);
  }
}

namespace {

/// Has so many clients come that say nothing, and waits until they are there, or the one before them had to go.
void keep_silent(witness& me, const listening& server, std::vector<plain_socket>& clients, std::uint32_t count) {
  for (; count > 0; --count) {
    const auto before = stats_of(me, server);
    clients.push_back(connect_from("127.0.0.1", server.port));
    wait_until("it has come", [&] {
      const auto now = stats_of(me, server);
      return now.handshaking > before.handshaking || now.handshakes_evicted > before.handshakes_evicted;
    });
  }
}

} // namespace

TEST_CASE("clients that never finish their handshake have no more than half of a listener's places") {
  const auto places = GENERATE(4U, 5U);
  CAPTURE(places);
  program here;
  witness me{here.system};
  auto config = to_listen();
  config.max_connections = places;
  config.reuse_port = GENERATE(true, false);
  const auto server = here.net->listen("tls://127.0.0.1:0", echo, config).value();
  std::vector<plain_socket> silent;
  keep_silent(me, server, silent, places / 2);
  CHECK(stats_of(me, server).handshaking == places / 2);
  CHECK(stats_of(me, server).handshakes_evicted == 0);
  keep_silent(me, server, silent, 1);
  CHECK(stats_of(me, server).handshaking == places / 2);
  CHECK(stats_of(me, server).handshakes_evicted == 1);
  // The honest are served beside them.
  for (const auto& each : acquire_apart(here, "tls://127.0.0.1:" + std::to_string(server.port), 2))
    me.must_ask<connection_info>(each, connect{});
  CHECK(stats_of(me, server).accept_errors == 0);
}

TEST_CASE("half of a listener's places is half of those that it has now") {
  program here;
  witness me{here.system};
  auto config = to_listen();
  config.max_connections = 4;
  config.max_handshakes = 5;
  config.max_handshakes_per_address = 5;
  const auto server = here.net->listen("tls://127.0.0.1:0", echo, config).value();
  std::vector<plain_socket> silent;
  keep_silent(me, server, silent, 3);
  CHECK(stats_of(me, server).handshaking == 2);
  me.must_ask<void>(server.listener, set_limit{100});
  keep_silent(me, server, silent, 4);
  CHECK(stats_of(me, server).handshaking == 5);
  CHECK(stats_of(me, server).handshakes_evicted == 2);
  me.must_ask<void>(server.listener, set_limit{8});
  for (auto& each : silent)
    each.close();
  wait_until("they have gone", [&] { return stats_of(me, server).open == 0; });
  keep_silent(me, server, silent, 5);
  CHECK(stats_of(me, server).handshaking == 4);
  CHECK(stats_of(me, server).handshakes_evicted == 3);
}
#endif

} // namespace actorwire::test
