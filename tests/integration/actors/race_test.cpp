// Peers of several endpoints, over real sockets.

#include "secured_program.hpp"

#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace actorwire::test {

namespace {

std::string at(std::string_view scheme, std::uint16_t port) {
  return std::string{scheme}.append("://127.0.0.1:").append(std::to_string(port));
}

/// A UDP port at which datagrams arrive, and are never read: a client meets silence.
class silent_port {
public:
  silent_port() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
    socklen_t size = sizeof where;
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    port_ = ntohs(where.sin_port);
  }
  ~silent_port() { ::close(socket_); }

  silent_port(const silent_port&) = delete;
  silent_port& operator=(const silent_port&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
  int socket_;
  std::uint16_t port_ = 0;
};

/// Has the peer carry a message there and back.
void check_echo(witness& me, const connection_actor& peer) {
  me.listen_to(peer, event_mask::data);
  anonymous_tell(peer, cast{payload::copy_of("there and back"), {}});
  CHECK(me.await_bytes(14) == "there and back");
}

} // namespace

TEST_CASE("where only TLS listens, a peer of QUIC and TLS is carried by TLS") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tls://127.0.0.1:0", echo, to_listen()).value();
  auto options = to_acquire();
  // What starts earlier does so because the system says that nobody listens.
  options.transport.fallback_delay = 2s;
  const auto peer = here.net->acquire(at("quic", server.port) + ", " + at("tls", server.port), options).value();
  const auto info = me.must_ask<connection_info>(peer, connect{});
  CHECK(to_string(info.remote) == at("quic", server.port));
  CHECK(to_string(info.carried_by) == at("tls", server.port));
  CHECK(info.tls.version == "TLS1.3");
  check_echo(me, peer);
  CHECK(std::holds_alternative<tcp_metrics>(me.must_ask<stats>(peer, get_stats{}).transport.metrics));
  CHECK(me.must_ask<close_report>(peer, close{close_mode::drain, 5s}).complete);
}

TEST_CASE("where both listen, a peer of QUIC and TLS is carried by QUIC, and the server has one connection") {
  program here;
  witness me{here.system};
  const auto sure = here.net->listen("tls://127.0.0.1:0", echo, to_listen()).value();
  const auto quick = here.net->listen("quic://127.0.0.1:0", echo, to_listen()).value();
  auto options = to_acquire();
  options.transport.fallback_delay = 2s;
  const auto peer = here.net->acquire(at("quic", quick.port) + ", " + at("tls", sure.port), options).value();
  const auto info = me.must_ask<connection_info>(peer, connect{});
  CHECK(to_string(info.carried_by) == at("quic", quick.port));
  check_echo(me, peer);
  CHECK(std::holds_alternative<quic_metrics>(me.must_ask<stats>(peer, get_stats{}).transport.metrics));
  CHECK(me.must_ask<stream_opened>(peer, open_stream{}).stream != 0);
  CHECK(me.must_ask<listener_stats>(sure.listener, get_listener_stats{}).accepted == 0);
  me.must_ask<close_report>(peer, close{close_mode::abort});
}

TEST_CASE("where UDP is met by silence, a peer of QUIC and TLS is carried by TLS, at each reconnect too") {
  program here;
  witness me{here.system};
  const silent_port silent;
  const auto server = here.net->listen("tls://127.0.0.1:0", echo, to_listen()).value();
  const auto peer = here.net->acquire(at("quic", silent.port()) + ", " + at("tls", server.port), to_acquire()).value();
  me.listen_to(peer, event_mask::state);
  for (std::uint64_t generation = 1; generation <= 3; ++generation) {
    const auto info = me.await<opened>().info;
    CHECK(info.generation == generation);
    CHECK(to_string(info.carried_by) == at("tls", server.port));
    const auto refused = me.try_to_ask<stream_opened>(peer, open_stream{});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::unsupported);
    // Connections that were accepted are drained, and the peer connects anew.
    me.must_ask<void>(server.listener, reload_tls{true, 1s});
  }
}

TEST_CASE("where TCP is refused and UDP is met by silence, the reason tells both") {
  program here;
  witness me{here.system};
  const silent_port silent;
  auto options = to_acquire();
  options.transport.connect_timeout = options.transport.attempt_timeout = 500ms;
  const auto closed = free_port();
  const auto peer = here.net->acquire(at("quic", silent.port()) + "," + at("tls", closed), options).value();
  me.listen_to(peer, event_mask::state);
  const auto change = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  CHECK(change.reason.code == error_code::refused);
  CHECK(change.reason.text.find(at("quic", silent.port()) + ": ") != std::string::npos);
  CHECK(change.reason.text.find(at("tls", closed) + ": ") != std::string::npos);
}

TEST_CASE("a list of endpoints that cannot be read is refused, naming which") {
  program here;
  const auto refused = here.net->acquire("quic://127.0.0.1:1, tls:/127.0.0.1:1");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::invalid_value);
  CHECK(refused.error().text.find("(endpoint 2 of 2)") != std::string::npos);
  const auto listening = here.net->listen("tcp://127.0.0.1:0, tcp://127.0.0.1:0", echo);
  REQUIRE_FALSE(listening);
}

TEST_CASE("reload_tls of a supervisor reaches a peer whose first endpoint is not encrypted") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tls://127.0.0.1:0", echo, to_listen()).value();
  const auto peer = here.net->acquire(uri(free_port()) + ", " + at("tls", server.port), to_acquire()).value();
  CHECK(to_string(me.must_ask<connection_info>(peer, connect{}).carried_by) == at("tls", server.port));
  me.listen_to(peer, event_mask::state);
  me.must_ask<void>(here.net->supervisor(), reload_tls{true, 5s});
  CHECK(me.await<opened>().info.generation == 2);
}

} // namespace actorwire::test
