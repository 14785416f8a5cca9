// TLS with programs of other makes, as servers and as clients: OpenSSL's and GnuTLS's own, ncat and redis. What was agreed
// on is asked of both sides.

#include "certificates.hpp"
#include "program.hpp"
#include "talking_process.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <vector>

namespace actorwire::test {

namespace {

std::string tls_uri(std::uint16_t port) {
  return "tls://127.0.0.1:" + std::to_string(port);
}

std::string file(std::string_view name) {
  return certificate_path(name);
}

/// A peer that believes the test's own authority, and is client-a.
acquire_options as_client() {
  acquire_options options;
  options.transport.tls.trust.file = file("root.pem");
  const auto mine = identity_in_files("client-a");
  options.transport.tls.certificate = mine.certificate;
  options.transport.tls.key = mine.key;
  options.reconnection.base_delay = 5ms;
  options.reconnection.max_delay = 50ms;
  return options;
}

/// A listener that is server-ec, and wants to know its clients.
listen_config as_server(client_certificates wanted = client_certificates::require) {
  listen_config config;
  const auto mine = identity_in_files("server-ec");
  config.transport.tls.certificate = mine.certificate;
  config.transport.tls.key = mine.key;
  config.transport.tls.trust.file = file("root.pem");
  config.transport.tls.client_certificates = wanted;
  return config;
}

/// `words`, and more of them.
std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> openssl_server(std::string_view name, const std::vector<std::string>& more) {
  const std::string own{name};
  return with({"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", file(own + ".pem"), "-cert_chain",
               file(own + ".pem"), "-key", file(own + ".key"), "-CAfile", file("root.pem"), "-no-CApath"},
              more);
}

std::vector<std::string> openssl_client(std::uint16_t port, const std::vector<std::string>& more) {
  return with({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-CAfile", file("root.pem"),
               "-no-CApath", "-verify_ip", "127.0.0.1", "-verify_return_error"},
              more);
}

std::vector<std::string> openssl_identity(std::string_view name) {
  const std::string own{name};
  return {"-cert", file(own + ".pem"), "-cert_chain", file(own + ".pem"), "-key", file(own + ".key")};
}

/// Waits for what a peer's attempts fail of.
transport_error await_failure(witness& me, const connection_actor& peer, error_code code) {
  transport_error last;
  wait_until("the attempt fails as it must", [&] {
    last = me.must_ask<connection_status>(peer, get_state{}).last_error;
    return last.code == code;
  });
  return last;
}

/// Sends a line, and waits for what comes back.
std::string answer_to(witness& me, const connection_actor& channel, std::string_view line, std::size_t answer_size) {
  anonymous_tell(channel, cast{payload::copy_of(line), {}});
  return me.await_bytes(answer_size);
}

} // namespace

// -- servers of others ------------------------------------------------------------------------------------------------------

TEST_CASE("a peer talks to OpenSSL's server, which knows it by its certificate") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  // Without -nameopt each version writes names in its own way.
  talking_process server{
      openssl_server("server-ec", {"-rev", "-Verify", "3", "-verify_return_error", "-nameopt", "RFC2253"})};
  const auto port = server.await_number("ACCEPT 127.0.0.1:");
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(tls_uri(port), as_client()).value();
  me.listen_to(peer, event_mask::data);
  CHECK(answer_to(me, peer, "hello\n", 6) == "olleh\n");
  server.await("Protocol version: TLSv1.3");
  server.await("Peer certificate: CN=client-a.test");
  server.await("Verification: OK");
  const auto agreed = me.must_ask<connection_status>(peer, get_state{}).info.tls;
  CHECK(agreed.version == "TLS1.3");
  CHECK(agreed.peer_key == pin_of("server-ec"));
  CHECK(std::ranges::count(agreed.peer_names, "localhost") == 1);
}

TEST_CASE("a peer agrees with OpenSSL's server on a protocol, and resumes its session") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  talking_process server{openssl_server("server-ec", {"-alpn", "proto"})};
  const auto port = server.await_number("ACCEPT 127.0.0.1:");
  program here;
  witness me{here.system};
  auto options = as_client();
  options.transport.tls.alpn = {"other", "proto"};
  for (const auto resumes : {false, true, true}) {
    const auto peer = here.net->acquire(tls_uri(port), options).value();
    const auto agreed = me.must_ask<connection_info>(peer, connect{}).tls;
    CHECK(agreed.alpn == "proto");
    CHECK(agreed.resumed == resumes);
    CHECK(agreed.peer_key == pin_of("server-ec"));
    me.listen_to(peer, event_mask::data);
    server.await("ALPN protocols selected: proto");
    if (resumes)
      server.await("Reused session-id");
    anonymous_tell(peer, cast{payload::copy_of("hello\n"), {}});
    server.await("hello");
    // What it says comes after its tickets.
    server.type("welcome\n");
    CHECK(me.await_bytes(8) == "welcome\n");
    me.must_ask<close_report>(peer, close{close_mode::drain, 10s});
    // It says so when it hears of the end as TLS has it.
    server.await("DONE");
  }
}

TEST_CASE("a peer that allows TLS 1.2 talks to a server that knows nothing newer, and one that does not is refused") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  talking_process server{openssl_server("server-rsa", {"-rev", "-tls1_2"})};
  const auto port = server.await_number("ACCEPT 127.0.0.1:");
  program here;
  witness me{here.system};
  const auto strict = here.net->acquire(tls_uri(port), as_client()).value();
  const auto refused = await_failure(me, strict, error_code::handshake_failed);
  CHECK(refused.text == "the other side speaks no version of TLS that tls.minimum_version allows");
  me.must_ask<close_report>(strict, close{close_mode::abort, 10s});
  auto options = as_client();
  options.transport.tls.minimum_version = tls_version::tls1_2;
  const auto peer = here.net->acquire(tls_uri(port), options).value();
  me.listen_to(peer, event_mask::data);
  CHECK(answer_to(me, peer, "hello\n", 6) == "olleh\n");
  CHECK(me.must_ask<connection_status>(peer, get_state{}).info.tls.version == "TLS1.2");
  server.await("Protocol version: TLSv1.2");
}

TEST_CASE("a peer refuses servers of OpenSSL that do not prove who they are") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  struct example {
    const char* name;
    const char* why;
  };
  const auto [name, why] = GENERATE(example{"foreign-server", "no authority of tls.trust has signed it"},
                                    example{"self-signed", "it has signed itself, and is not in tls.trust"},
                                    example{"other-host", "it belongs to another host than the one that was asked for"},
                                    example{"expired", "it has expired; check the clock of this machine too"},
                                    example{"client-usage", "it is not made for this use"},
                                    example{"no-signing", "it is not made for this use"});
  CAPTURE(name);
  talking_process server{openssl_server(name, {"-rev"})};
  const auto port = server.await_number("ACCEPT 127.0.0.1:");
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(tls_uri(port), as_client()).value();
  const auto refused = await_failure(me, peer, error_code::certificate_rejected);
  CHECK(refused.text == "the certificate of the other side is refused: " + std::string{why});
  server.await("alert");
}

TEST_CASE("a peer talks to GnuTLS's server, and resumes its session") {
  if (!is_installed("gnutls-serv"))
    SKIP("gnutls-serv is not installed");
  const auto port = free_port();
  talking_process server{{"gnutls-serv", "--echo", "-p", std::to_string(port), "--x509certfile", file("server-ec.pem"),
                          "--x509keyfile", file("server-ec.key"), "--x509cafile", file("root.pem"),
                          "--require-client-cert", "--verify-client-cert", "--alpn=proto"}};
  program here;
  witness me{here.system};
  auto options = as_client();
  options.transport.tls.alpn = {"proto"};
  for (const auto resumes : {false, true}) {
    const auto peer = here.net->acquire(tls_uri(port), options).value();
    const auto agreed = me.must_ask<connection_info>(peer, connect{}).tls;
    CHECK(agreed.resumed == resumes);
    CHECK(agreed.alpn == "proto");
    CHECK(agreed.peer_key == pin_of("server-ec"));
    me.listen_to(peer, event_mask::data);
    CHECK(answer_to(me, peer, "hello\n", 6) == "hello\n");
    if (resumes)
      server.await("*** This is a resumed session");
    server.await("Application protocol: proto");
    me.must_ask<close_report>(peer, close{close_mode::drain, 10s});
  }
}

TEST_CASE("a peer exchanges lines with ncat over TLS") {
  if (!is_installed("ncat"))
    SKIP("ncat is not installed");
  const auto port = free_port();
  talking_process server{{"ncat", "-l", "127.0.0.1", std::to_string(port), "-k", "--ssl", "--ssl-cert",
                          file("server-ec.pem"), "--ssl-key", file("server-ec.key"), "-e", "/bin/cat"}};
  program here;
  witness me{here.system};
  auto options = as_client();
  options.transport.framing.mode = framing_mode::line;
  const auto peer = here.net->acquire(tls_uri(port), options).value();
  me.listen_to(peer, event_mask::data);
  for (int count = 0; count < 100; ++count) {
    const auto line = "line " + std::to_string(count);
    anonymous_tell(peer, cast{payload::copy_of(line), {}});
    CHECK(me.await<received>().body.text() == line);
  }
}

TEST_CASE("redis serves a peer that has a certificate over TLS, and nobody else") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const auto port = free_port();
  talking_process server{{"redis-server",
                          "--port",
                          "0",
                          "--tls-port",
                          std::to_string(port),
                          "--bind",
                          "127.0.0.1",
                          "--tls-cert-file",
                          file("server-ec.pem"),
                          "--tls-key-file",
                          file("server-ec.key"),
                          "--tls-ca-cert-file",
                          file("root.pem"),
                          "--tls-auth-clients",
                          "yes",
                          "--save",
                          "",
                          "--appendonly",
                          "no",
                          "--daemonize",
                          "no"}};
  server.await("Ready to accept connections");
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(tls_uri(port), as_client()).value();
  me.listen_to(peer, event_mask::data);
  constexpr std::size_t commands = 10'000;
  for (std::size_t count = 0; count < commands; ++count) {
    anonymous_tell(peer, cast{payload::copy_of("PING\r\n"), {}});
    // As many as the peer's queue takes without a connection.
    if (count % 1'000 == 999)
      CHECK(me.await_bytes(7'000).ends_with("+PONG\r\n"));
  }
  CHECK(answer_to(me, peer, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100000\r\n" + std::string(100'000, 'v') + "\r\n", 5)
        == "+OK\r\n");
  CHECK(answer_to(me, peer, "STRLEN key\r\n", 9) == ":100000\r\n");
  auto unknown = as_client();
  unknown.transport.tls.certificate = {};
  unknown.transport.tls.key = {};
  const auto stranger = here.net->acquire(tls_uri(port), unknown).value();
  const auto refused = await_failure(me, stranger, error_code::certificate_rejected);
  CHECK(refused.text == "the other side asks for a certificate; set tls.certificate and tls.key");
}

// -- clients of others ------------------------------------------------------------------------------------------------------

TEST_CASE("OpenSSL's client is known by its certificate, agrees on a protocol, and resumes its session") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  program here;
  witness me{here.system};
  auto config = as_server();
  config.transport.tls.alpn = {"proto"};
  config.transport.tls.accepted_clients = {"client-a.test"};
  const auto server = here.net->listen("tls://127.0.0.1:0", me.handle(), config);
  REQUIRE(server);
  const temporary_directory directory;
  const auto session = directory.path() + "/session.pem";
  for (const auto resumes : {false, true}) {
    auto words = openssl_client(server->port, openssl_identity("client-a"));
    words = with(std::move(words), {"-alpn", "other,proto", resumes ? "-sess_in" : "-sess_out", session});
    talking_process client{words};
    client.await(resumes ? "Reused, TLSv1.3" : "New, TLSv1.3");
    client.await("ALPN protocol: proto");
    client.await("Verify return code: 0 (ok)");
    const auto arrived = me.await<accepted>();
    CHECK(arrived.info.tls.version == "TLS1.3");
    CHECK(arrived.info.tls.resumed == resumes);
    CHECK(arrived.info.tls.alpn == "proto");
    CHECK(arrived.info.tls.peer_names == std::vector<std::string>{"client-a.test"});
    me.listen_to(arrived.connection, event_mask::data);
    client.type("hello\n");
    CHECK(me.await_bytes(6) == "hello\n");
    anonymous_tell(arrived.connection, cast{payload::copy_of("welcome\n"), {}});
    client.await("welcome");
    client.end_input();
    client.await_end();
  }
}

TEST_CASE("GnuTLS's client is known by its certificate, agrees on a protocol, and resumes its session") {
  if (!is_installed("gnutls-cli"))
    SKIP("gnutls-cli is not installed");
  program here;
  witness me{here.system};
  auto config = as_server();
  config.transport.tls.alpn = {"proto"};
  const auto server = here.net->listen("tls://127.0.0.1:0", me.handle(), config);
  REQUIRE(server);
  talking_process client{{"gnutls-cli", "-p", std::to_string(server->port), "127.0.0.1", "--x509cafile",
                          file("root.pem"), "--x509certfile", file("client-a.pem"), "--x509keyfile",
                          file("client-a.key"), "--alpn=proto", "--resume", "--waitresumption"}};
  CHECK_FALSE(me.await<accepted>().info.tls.resumed);
  const auto again = me.await<accepted>();
  CHECK(again.info.tls.resumed);
  CHECK(again.info.tls.alpn == "proto");
  CHECK(again.info.tls.peer_names == std::vector<std::string>{"client-a.test"});
  client.await("The certificate is trusted");
  client.await("Application protocol: proto");
  client.await("*** This is a resumed session");
  me.listen_to(again.connection, event_mask::data);
  client.type("hello\n");
  CHECK(me.await_bytes(6) == "hello\n");
  anonymous_tell(again.connection, cast{payload::copy_of("welcome\n"), {}});
  client.await("welcome");
}

TEST_CASE("ncat talks to a listener over TLS, and verifies it") {
  if (!is_installed("ncat"))
    SKIP("ncat is not installed");
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tls://127.0.0.1:0", echo, as_server(client_certificates::off));
  REQUIRE(server);
  talking_process client{{"ncat", "-4", "--ssl", "--ssl-verify", "--ssl-trustfile", file("root.pem"), "localhost",
                          std::to_string(server->port)}};
  client.type("hello\n");
  client.await("hello");
}

TEST_CASE("clients that may not connect are told by TLS, and nobody serves them") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  struct example {
    std::vector<std::string> words;
    const char* alert;
  };
  const auto story =
      GENERATE(example{{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, "alert protocol version"},
               example{{"-tls1_2"}, "alert protocol version"}, example{{}, "alert certificate required"},
               example{openssl_identity("foreign-client"), "alert bad certificate"},
               example{openssl_identity("client-b"), "alert bad certificate"},
               example{with(openssl_identity("client-a"), {"-alpn", "other"}), "alert no application protocol"});
  CAPTURE(story.alert);
  program here;
  witness me{here.system};
  auto config = as_server();
  config.transport.tls.alpn = {"proto"};
  config.transport.tls.alpn_required = std::ranges::count(story.words, "other") > 0;
  config.transport.tls.accepted_clients = {"client-a.test"};
  const auto server = here.net->listen("tls://127.0.0.1:0", me.handle(), config);
  REQUIRE(server);
  talking_process client{openssl_client(server->port, story.words)};
  client.await(story.alert);
  client.await_end();
  wait_until("the connection is gone",
             [&] { return me.must_ask<listener_stats>(server->listener, get_listener_stats{}).open == 0; });
  CHECK_FALSE(me.await_or_nothing<accepted>(0s));
  // The next one is served.
  talking_process good{openssl_client(server->port, with(openssl_identity("client-a"), {"-alpn", "proto"}))};
  static_cast<void>(me.await<accepted>());
}

TEST_CASE("a listener that allows TLS 1.2 serves a client that knows nothing newer") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  program here;
  witness me{here.system};
  auto config = as_server();
  config.transport.tls.minimum_version = tls_version::tls1_2;
  const auto server = here.net->listen("tls://127.0.0.1:0", me.handle(), config);
  REQUIRE(server);
  talking_process client{openssl_client(server->port, with(openssl_identity("client-a"), {"-tls1_2"}))};
  const auto arrived = me.await<accepted>();
  CHECK(arrived.info.tls.version == "TLS1.2");
  me.listen_to(arrived.connection, event_mask::data);
  client.type("hello\n");
  CHECK(me.await_bytes(6) == "hello\n");
  // To agree on new keys is what an attacker could use; the client types for it.
  client.type("R\n");
  client.await("RENEGOTIATING");
  client.await_end();
  wait_until("the connection is gone",
             [&] { return me.must_ask<listener_stats>(server->listener, get_listener_stats{}).open == 0; });
}

// -- one side without TLS -----------------------------------------------------------------------------------------------------

TEST_CASE("a client that speaks no TLS is turned away by a listener that does") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tls://127.0.0.1:0", me.handle(), as_server());
  REQUIRE(server);
  auto client = plain_socket::connect_to(server->port);
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string answer(100, '\0');
  const auto got = ::recv(client.descriptor(), answer.data(), answer.size(), MSG_WAITALL);
  // An alert of 7 bytes at most, then the end.
  REQUIRE(got >= 0);
  CHECK(got <= 7);
  CHECK_FALSE(me.await_or_nothing<accepted>(0s));
}

TEST_CASE("a peer that speaks TLS refuses a server that does not") {
  plain_listener server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(tls_uri(server.port()), as_client()).value();
  auto other = server.accept();
  other.send("220 mail.test ESMTP\r\n");
  const auto refused = await_failure(me, peer, error_code::handshake_failed);
  CHECK(refused.text == "what the other side sent is not TLS; does it speak TLS on this port?");
  CHECK(refused.where == phase::handshake);
}

TEST_CASE("a client that speaks TLS loses its connection to a listener of frames that does not") {
  if (!is_installed("openssl"))
    SKIP("openssl is not installed");
  program here;
  witness me{here.system};
  listen_config config;
  config.transport.framing.mode = framing_mode::length_prefixed;
  const auto server = here.net->listen(
      "tcp://127.0.0.1:0",
      [to = me.handle()](caf::event_based_actor* self, const connection_actor&) {
        return minding([self, to](const state_changed& change) { tell(self, to, change); });
      },
      config);
  REQUIRE(server);
  talking_process client{openssl_client(server->port, {})};
  // What begins a record of TLS is the length of a frame that nobody would send.
  const auto change = me.await<state_changed>([](const auto& each) { return each.reason.code != error_code::none; });
  CHECK(change.reason.code == error_code::frame_too_large);
  CHECK(client.await_end().find("no peer certificate available") != std::string::npos);
}

// -- settings that are shared ---------------------------------------------------------------------------------------------

TEST_CASE("a reload of one listener is one of all listeners with equal settings") {
  const temporary_directory directory;
  const auto install = [&directory](std::string_view name) {
    for (const auto* kind : {".pem", ".key"})
      std::filesystem::copy_file(file(std::string{name}.append(kind)), directory.path() + "/server" + kind,
                                 std::filesystem::copy_options::overwrite_existing);
  };
  install("server-rsa");
  program here;
  witness me{here.system};
  listen_config config;
  config.transport.tls.certificate.file = directory.path() + "/server.pem";
  config.transport.tls.key.file = directory.path() + "/server.key";
  const auto one = here.net->listen("tls://127.0.0.1:0", me.handle(), config).value();
  const auto other = here.net->listen("tls://127.0.0.1:0", me.handle(), config).value();
  install("server-ec");
  me.must_ask<void>(one.listener, reload_tls{});
  for (const auto& each : {one, other}) {
    const auto peer = here.net->acquire(tls_uri(each.port), as_client()).value();
    CHECK(me.must_ask<connection_info>(peer, connect{}).tls.peer_key == pin_of("server-ec"));
  }
}

TEST_CASE("a factory of sockets that the program brings finds credentials where its network does") {
  std::atomic<int> asked{0};
  auto options = program::two_shards();
  options.transports = std::make_shared<socket_transport_factory>(std::make_shared<resolver>());
  options.key_password = [&asked](std::string_view) {
    ++asked;
    return password_of("encrypted");
  };
  program here{std::move(options)};
  witness me{here.system};
  const auto server = here.net->listen("tls://127.0.0.1:0", me.handle(), as_server(client_certificates::off)).value();
  auto settings = as_client();
  const auto mine = identity_in_files("encrypted");
  settings.transport.tls.certificate = mine.certificate;
  settings.transport.tls.key = mine.key;
  const auto peer = here.net->acquire(tls_uri(server.port), settings).value();
  CHECK(me.must_ask<connection_info>(peer, connect{}).tls.version == "TLS1.3");
  CHECK(asked == 1);
  // The supervisor reads the same credentials again.
  me.must_ask<void>(here.net->supervisor(), reload_tls{});
  CHECK(asked == 2);
}

} // namespace actorwire::test
