// QUIC with the programs of ngtcp2, which speak HTTP/3: as far as their protocol above goes.

#include "certificates.hpp"
#include "talking_process.hpp"

#include <variant>

namespace actorwire::test {

namespace {

constexpr auto client_program = "/usr/bin/gtlsclient";
constexpr auto server_program = "/usr/sbin/gtlsserver";

/// A listener for HTTP/3 that wants to know its clients.
listen_config for_known_clients() {
  listen_config config;
  const auto own = identity_in_memory("server-ec");
  config.transport.protocol_settings = quic_config{};
  config.transport.tls.alpn = {"h3"};
  config.transport.tls.certificate = own.certificate;
  config.transport.tls.key = own.key;
  config.transport.tls.trust.text = certificate_text("root.pem");
  config.transport.tls.client_certificates = client_certificates::require;
  return config;
}

std::vector<std::string> dialling(std::uint16_t port, const std::vector<std::string>& more = {}) {
  const auto who = identity_in_files("client-a");
  std::vector<std::string> words{client_program, "--timeout=20s", "--key=" + who.key.file,
                                 "--cert=" + who.certificate.file};
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {"127.0.0.1", std::to_string(port), "https://localhost/"});
  return words;
}

quic_metrics metrics_of(witness& me, const connection_actor& client) {
  return std::get<quic_metrics>(me.must_ask<stats>(client, get_stats{}).transport.metrics);
}

} // namespace

TEST_CASE("ngtcp2's client shakes hands with a listener that verifies its certificate") {
  if (!std::filesystem::exists(client_program))
    SKIP("gtlsclient is not installed");
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", me.handle(), for_known_clients()).value();
  talking_process client{dialling(server.port)};
  const auto arrived = me.await<accepted>();
  CHECK(arrived.info.tls.alpn == "h3");
  CHECK(arrived.info.tls.version == "TLS1.3");
  CHECK(std::ranges::count(arrived.info.tls.peer_names, "client-a.test") == 1);
  client.await("handshake has completed");
  client.await("handshake has been confirmed");
}

TEST_CASE("ngtcp2's client and a listener meet in the second version of QUIC") {
  if (!std::filesystem::exists(client_program))
    SKIP("gtlsclient is not installed");
  program here;
  witness me{here.system};
  auto config = for_known_clients();
  quic_config quic;
  quic.versions = {quic_version::v2, quic_version::v1};
  config.transport.protocol_settings = quic;
  const auto server = here.net->listen("quic://127.0.0.1:0", me.handle(), config).value();
  talking_process client{dialling(server.port, {"--preferred-versions=v2,v1", "--available-versions=v2,v1"})};
  const auto arrived = me.await<accepted>();
  CHECK(metrics_of(me, arrived.connection).version == quic_version::v2);
}

TEST_CASE("a peer verifies ngtcp2's server, and refuses it under another name") {
  if (!std::filesystem::exists(server_program))
    SKIP("gtlsserver is not installed");
  const auto who = identity_in_files("server-ec");
  // It prints nothing by which one could tell that it listens: a peer tries until it does.
  const auto port = free_port();
  talking_process server{{server_program, "127.0.0.1", std::to_string(port), who.key.file, who.certificate.file}};
  program here;
  witness me{here.system};
  acquire_options options;
  options.reconnection.base_delay = 50ms;
  options.transport.protocol_settings = quic_config{};
  options.transport.tls.alpn = {"h3"};
  options.transport.tls.trust.text = certificate_text("root.pem");
  options.transport.tls.server_name = "localhost";
  const auto address = "quic://127.0.0.1:" + std::to_string(port);
  const auto peer = here.net->acquire(address, options).value();
  const auto info = me.must_ask<connection_info>(peer, connect{});
  CHECK(info.tls.alpn == "h3");
  CHECK(info.tls.peer_key == pin_of("server-ec"));
  options.transport.tls.server_name = "elsewhere.test";
  const auto other = here.net->acquire(address, options).value();
  const auto refused = me.try_to_ask<connection_info>(other, connect{});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::certificate_rejected);
}

} // namespace actorwire::test
