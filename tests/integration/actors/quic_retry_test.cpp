// Whom a listener for QUIC asks to prove its address (RFC 9000, 8.1), as seen on the wire.

#include "secured_program.hpp"
#include "udp_fault_proxy.hpp"

#include <optional>
#include <random>
#include <vector>

namespace actorwire::test {

namespace {

/// A listener, and a way to it by which Retry packets are counted.
struct counted_way {
  explicit counted_way(const quic_config& quic) : quic_(quic) {
    auto config = to_listen();
    config.transport.protocol_settings = quic;
    server = here.net->listen("quic://127.0.0.1:0", echo, config).value();
    proxy.emplace(server.port, udp_faults{}, std::mt19937_64{});
  }

  /// Connects, says something and hears it back, and closes.
  void visit(tls_config tls = settings().tls) {
    auto options = to_acquire();
    options.transport.tls = std::move(tls);
    options.transport.protocol_settings = quic_;
    const auto peer = here.net->acquire(quic_uri(proxy->port()), options).value();
    me.listen_to(peer, event_mask::data);
    anonymous_tell(peer, cast{payload::copy_of("hello"), {}});
    CHECK(me.await_bytes(5) == "hello");
    me.must_ask<close_report>(peer, close{close_mode::drain, 5s});
  }

  [[nodiscard]] std::uint64_t retries() const { return proxy->counts().retries; }

  program here;
  witness me{here.system};
  listening server;
  std::optional<udp_fault_proxy> proxy;

private:
  quic_config quic_;
};

} // namespace

TEST_CASE("a listener that wants proof of all asks a client once, and not one that brings what it got then") {
  quic_config quic;
  quic.retry_threshold = 0;
  quic.versions = {GENERATE(quic_version::v1, quic_version::v2)};
  CAPTURE(to_string(quic.versions.front()));
  counted_way way{quic};
  way.visit();
  // A client that hears nothing for long repeats its first packet, and is asked again.
  const auto asked = way.retries();
  CHECK(asked >= 1);
  for (int count = 0; count < 3; ++count)
    way.visit();
  CHECK(way.retries() == asked);
  // What proves an address is kept with the sessions, which are those of the same settings.
  auto stranger = settings().tls;
  stranger.session_cache_size /= 2;
  way.visit(stranger);
  CHECK(way.retries() > asked);
}

TEST_CASE("a listener that few clients come to asks none of them to prove its address") {
  counted_way way{quic_config{}};
  auto tls = settings().tls;
  for (int count = 0; count < 3; ++count) {
    // Each comes as a stranger.
    --tls.session_cache_size;
    way.visit(tls);
  }
  CHECK(way.retries() == 0);
}

} // namespace actorwire::test
