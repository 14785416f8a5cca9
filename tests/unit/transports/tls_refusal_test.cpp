// Everybody who is refused a connection of TLS: with which error, in which words, and what the refused side is told.

#include "tls_sides.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace actorwire::test {

namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

constexpr std::string_view not_accepted = "the other side does not accept the certificate of this one";

std::string refused(std::string_view why) {
  return "the certificate of the other side is refused: " + std::string{why};
}

/// A client that refuses, and a server that is told so. `client` may have a clock of its own.
void check_client_refuses(side& client, side& server, const std::string& text) {
  exchange(client, server);
  check_failure(client.failure, error_code::certificate_rejected, text);
  check_failure(server.failure, error_code::certificate_rejected, not_accepted);
  CHECK_FALSE(client.is_done);
  CHECK_FALSE(server.is_done);
}

void check_client_refuses(const tls_config& client_config, const tls_config& server_config, const std::string& text) {
  auto client = side::client(client_config);
  auto server = side::server(server_config);
  check_client_refuses(client, server, text);
}

/// A server that refuses. In TLS 1.3 the client may send before it knows, and is told on the established connection.
void check_server_refuses(const tls_config& client_config, const tls_config& server_config, const std::string& text,
                          std::string_view told = not_accepted) {
  auto client = side{credentials(tls_role::client, client_config), "localhost"};
  auto server = side::server(server_config);
  exchange(client, server);
  check_failure(server.failure, error_code::certificate_rejected, text);
  CHECK_FALSE(server.is_done);
  check_failure(client.failure, error_code::certificate_rejected, told, phase::established);
}

/// A certificate that was good once.
std::shared_ptr<const tls_credentials> credentials_of_old(tls_role role, const tls_config& config) {
  constexpr std::time_t in_2010 = 1'275'350'400;
  return credentials(role, config, {}, {}, in_2010);
}

} // namespace

// -- servers ----------------------------------------------------------------------------------------------------------------

TEST_CASE("a server of an authority that nobody trusts is refused", "[H3]") {
  check_client_refuses(good_client(), server_named("foreign-server"),
                       refused("no authority of tls.trust has signed it"));
}

TEST_CASE("a server that has signed itself is refused, in words of its own", "[H3]") {
  check_client_refuses(good_client(), server_named("self-signed"),
                       refused("it has signed itself, and is not in tls.trust"));
}

TEST_CASE("a server that has signed itself is taken by those who trust just it") {
  tls_config config;
  config.trust.text = certificate_text("self-signed.pem");
  auto client = side::client(config);
  auto server = side::server(server_named("self-signed"));
  exchange(client, server);
  CHECK(client.is_done);
}

TEST_CASE("a server of another name than was asked for is refused", "[H3]") {
  check_client_refuses(good_client(), server_named("other-host"),
                       refused("it belongs to another host than the one that was asked for"));
  auto client = side::client(good_client(), "other-host.test");
  auto server = side::server(good_server());
  check_client_refuses(client, server, refused("it belongs to another host than the one that was asked for"));
}

TEST_CASE("a server of another address than was asked for is refused") {
  const auto* address = GENERATE("127.0.0.2", "::2", "::ffff:127.0.0.1");
  auto client = side::client(good_client(), address);
  auto server = side::server(good_server());
  check_client_refuses(client, server, refused("it belongs to another host than the one that was asked for"));
}

TEST_CASE("a server whose certificate has expired is refused", "[H3]") {
  side client{credentials(tls_role::client, good_client()), "localhost"};
  side server{credentials_of_old(tls_role::server, server_named("expired"))};
  check_client_refuses(client, server, refused("it has expired; check the clock of this machine too"));
}

TEST_CASE("a server whose certificate is not valid yet is refused") {
  side client{credentials(tls_role::client, good_client()), "localhost"};
  side server{credentials(tls_role::server, server_named("not-yet-valid"), {}, {}, good_day + 60 * years)};
  check_client_refuses(client, server, refused("it is not valid yet; check the clock of this machine too"));
}

TEST_CASE("the time that is passed in decides, and not the machine's") {
  auto client = side::client();
  auto server = side::server();
  SECTION("too late") {
    client.now.wall = good_day + 70 * years;
    check_client_refuses(client, server, refused("it has expired; check the clock of this machine too"));
  }
  SECTION("too early") {
    client.now.wall = good_day - 10 * years;
    check_client_refuses(client, server, refused("it is not valid yet; check the clock of this machine too"));
  }
}

TEST_CASE("a server whose certificate is made for clients is refused") {
  check_client_refuses(good_client(), server_named("client-usage"), refused("it is not made for this use"));
}

TEST_CASE("a server whose key must not sign is refused") {
  auto client = side::client();
  auto server = side::server(server_named("no-signing"));
  exchange(client, server);
  // Its own GnuTLS already refuses to use it; one that others would use is refused by the client, as another test shows
  // with another make of server.
  check_failure(server.failure, error_code::handshake_failed,
                "there is no cipher or key exchange that both sides support");
  check_failure(client.failure, error_code::handshake_failed,
                "the other side finds no version of TLS, cipher or key exchange that both sides support");
}

TEST_CASE("a server whose certificate was revoked is refused, and others of its authority are not") {
  auto config = good_client();
  config.revocation_file = "in memory";
  const auto client_side = credentials(tls_role::client, config, {}, certificate_text("intermediate.crl"));
  side client{client_side, "localhost"};
  auto revoked = side::server(server_named("revoked"));
  check_client_refuses(client, revoked, refused("it was revoked"));
  side other{client_side, "localhost"};
  auto good = side::server();
  exchange(other, good);
  CHECK(other.is_done);
}

TEST_CASE("a list of revocations of another authority lets nobody in") {
  auto config = good_client();
  config.revocation_file = "in memory";
  side client{credentials(tls_role::client, config, {}, certificate_text("foreign.crl")), "localhost"};
  auto server = side::server();
  check_client_refuses(client, server, refused("tls.revocation_file has no list of its authority"));
}

TEST_CASE("a list of revocations that is out of date lets nobody in") {
  auto config = good_client();
  config.revocation_file = "in memory";
  side client{credentials(tls_role::client, config, {}, certificate_text("outdated.crl")), "localhost"};
  auto server = side::server();
  check_client_refuses(client, server, refused("the list of tls.revocation_file is out of date"));
}

TEST_CASE("a server whose key is too weak is refused") {
  auto config = good_client();
  config.minimum_version = GENERATE(tls_version::tls1_2, tls_version::tls1_3);
  auto client = side::client(config);
  raw_side server{tls_role::server, raw_side::versions("+VERS-TLS1.2:+VERS-TLS1.3")};
  server.be("weak");
  exchange(client, server);
  check_failure(client.failure, error_code::certificate_rejected,
                refused("its key, or the way it is signed, is not safe any more"));
  CHECK_FALSE(server.is_done);
}

TEST_CASE("a server whose key is not pinned is refused, and the pinned one is not") {
  auto config = good_client();
  config.pinned_keys = {pin_of("server-rsa"), pin_of("server-ed25519")};
  check_client_refuses(config, good_server(), refused("its key is not one of tls.pinned_keys"));
  config.pinned_keys.push_back(pin_of("server-ec"));
  auto client = side::client(config);
  auto server = side::server();
  exchange(client, server);
  CHECK(client.is_done);
}

TEST_CASE("a pin does not stand in for an authority") {
  tls_config config;
  config.trust.text = certificate_text("foreign-root.pem");
  config.pinned_keys = {pin_of("server-ec")};
  check_client_refuses(config, good_server(), refused("no authority of tls.trust has signed it"));
}

// -- clients ----------------------------------------------------------------------------------------------------------------

TEST_CASE("a client without a certificate is refused where one is required") {
  check_server_refuses(good_client(), server_for_clients(), "the other side showed no certificate",
                       "the other side asks for a certificate; set tls.certificate and tls.key");
}

TEST_CASE("a client without a certificate is taken where one is only asked for") {
  auto client = side::client();
  auto server = side::server(server_for_clients(client_certificates::request));
  exchange(client, server);
  CHECK(client.is_done);
  REQUIRE(server.is_done);
  CHECK_FALSE(client.failure);
  CHECK(server.engine.info().peer_names.empty());
}

TEST_CASE("a client of a foreign authority is refused, also where none need show a certificate") {
  const auto wanted = GENERATE(client_certificates::request, client_certificates::require);
  check_server_refuses(client_named("foreign-client"), server_for_clients(wanted),
                       refused("no authority of tls.trust has signed it"));
}

TEST_CASE("a client whose certificate has expired is refused") {
  side client{credentials_of_old(tls_role::client, client_named("client-expired")), "localhost"};
  auto server = side::server(server_for_clients());
  exchange(client, server);
  check_failure(server.failure, error_code::certificate_rejected,
                refused("it has expired; check the clock of this machine too"));
  check_failure(client.failure, error_code::certificate_rejected, not_accepted, phase::established);
}

TEST_CASE("a client whose certificate is made for servers is refused") {
  check_server_refuses(client_named("server-ec"), server_for_clients(), refused("it is not made for this use"));
}

TEST_CASE("a client whose name is not accepted is refused, and one whose name is, is taken") {
  auto config = server_for_clients();
  config.accepted_clients = {"nobody.test", "CLIENT-A.test"};
  check_server_refuses(client_named("client-b"), config, refused("it has no name of tls.accepted_clients"));
  auto client = side::client(client_named("client-a"));
  auto server = side::server(config);
  exchange(client, server);
  CHECK(server.is_done);
}

TEST_CASE("a client whose name stands only where no authority need have looked is refused") {
  auto config = server_for_clients();
  config.accepted_clients = {"client-a.test"};
  check_server_refuses(client_named("client-common-name"), config, refused("it has no name of tls.accepted_clients"));
}

// -- what is spoken -----------------------------------------------------------------------------------------------------------

TEST_CASE("without a common protocol both sides know why") {
  auto client_config = good_client();
  auto server_config = good_server();
  client_config.alpn = {"one"};
  server_config.alpn = {"two"};
  auto client = side::client(client_config);
  auto server = side::server(server_config);
  exchange(client, server);
  check_failure(server.failure, error_code::no_common_protocol, "the other side offers no protocol of tls.alpn");
  check_failure(client.failure, error_code::no_common_protocol, "the other side speaks no protocol of tls.alpn");
}

TEST_CASE("a side that never heard of ALPN is refused where a protocol must be agreed on", "[H3]") {
  constexpr std::string_view disagreed = "the other side did not agree on a protocol of tls.alpn; if it need not, turn "
                                         "tls.alpn_required off";
  auto with = GENERATE(true, false) ? good_client() : good_server();
  with.alpn = {"one"};
  const auto is_client = with.certificate.empty();
  auto client = side::client(is_client ? with : good_client());
  auto server = side::server(is_client ? good_server() : with);
  exchange(client, server);
  auto& refusing = is_client ? client : server;
  auto& refused_one = is_client ? server : client;
  check_failure(refusing.failure, error_code::no_common_protocol, disagreed);
  REQUIRE(refused_one.failure);
  CHECK(refused_one.failure->code == error_code::no_common_protocol);
  CHECK(refused_one.failure->text == "the other side speaks no protocol of tls.alpn");
}

TEST_CASE("where a protocol need not be agreed on, sides without a common one go on without") {
  auto client_config = good_client();
  auto server_config = good_server();
  client_config.alpn = {"one"};
  client_config.alpn_required = server_config.alpn_required = false;
  if (GENERATE(true, false))
    server_config.alpn = {"two"};
  auto client = side::client(client_config);
  auto server = side::server(server_config);
  exchange(client, server);
  REQUIRE(client.is_done);
  REQUIRE(server.is_done);
  CHECK(client.engine.info().alpn.empty());
}

TEST_CASE("sides that speak only older versions are refused", "[H3]") {
  struct example {
    const char* version;
    tls_version minimum;
  };
  const auto [version, minimum] =
      GENERATE(example{"+VERS-TLS1.2", tls_version::tls1_3}, example{"+VERS-TLS1.1", tls_version::tls1_3},
               example{"+VERS-TLS1.1", tls_version::tls1_2}, example{"+VERS-TLS1.0", tls_version::tls1_2});
  CAPTURE(version, to_string(minimum));
  SECTION("as clients") {
    raw_side client{tls_role::client, raw_side::versions(version)};
    auto config = good_server();
    config.minimum_version = minimum;
    auto server = side::server(config);
    exchange(client, server);
    check_failure(server.failure, error_code::handshake_failed,
                  "the other side speaks no version of TLS that tls.minimum_version allows, or no TLS at all");
    CHECK(client.code == GNUTLS_E_FATAL_ALERT_RECEIVED);
    CHECK(client.alert == GNUTLS_A_PROTOCOL_VERSION);
  }
  SECTION("as servers") {
    auto config = good_client();
    config.minimum_version = minimum;
    auto client = side::client(config);
    raw_side server{tls_role::server, raw_side::versions(version)};
    server.be("server-rsa");
    exchange(client, server);
    check_failure(client.failure, error_code::handshake_failed,
                  "the other side finds no version of TLS, cipher or key exchange that both sides support");
    CHECK_FALSE(server.is_done);
  }
}

TEST_CASE("sides without a common cipher are refused") {
  raw_side client{tls_role::client, "NONE:+VERS-TLS1.3:+AES-128-CCM:+AEAD:+GROUP-ALL:+SIGN-ALL:+COMP-NULL:+CTYPE-X509"};
  auto server = side::server();
  exchange(client, server);
  check_failure(server.failure, error_code::handshake_failed,
                "there is no cipher or key exchange that both sides support");
  CHECK(client.alert == GNUTLS_A_HANDSHAKE_FAILURE);
}

// -- no TLS at all --------------------------------------------------------------------------------------------------------

TEST_CASE("a client that speaks no TLS is refused at once") {
  const auto* words = GENERATE("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "PING\r\n", "\r\n\r\n\r\n\r\n",
                               "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "*1\r\n$4\r\nPING\r\n");
  CAPTURE(words);
  auto server = side::server();
  server.feed(words);
  server.advance();
  check_failure(server.failure, error_code::handshake_failed,
                "what the other side sent is not TLS; does it speak TLS on this port?");
  // It gets an alert at most, and no words.
  CHECK(server.take_output().size() <= 7);
}

TEST_CASE("a server that speaks no TLS is refused at once") {
  const auto* words = GENERATE("HTTP/1.1 400 Bad Request\r\n\r\n", "+PONG\r\n", "-ERR unknown command\r\n",
                               "220 mail.test ESMTP\r\n", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
  CAPTURE(words);
  auto client = side::client();
  client.advance();
  static_cast<void>(client.take_output());
  client.feed(words);
  client.advance();
  check_failure(client.failure, error_code::handshake_failed,
                "what the other side sent is not TLS; does it speak TLS on this port?");
  CHECK(client.take_output().size() <= 7);
}

TEST_CASE("a side that hangs up before keys are agreed on may speak no TLS") {
  auto client = side::client();
  auto server = side::server();
  client.advance();
  const auto hello = client.take_output();
  const auto check = [](side& left_alone) {
    left_alone.engine.end_input();
    left_alone.advance();
    check_failure(left_alone.failure, error_code::handshake_failed,
                  "the other side hung up before keys were agreed on; does it speak TLS on this port?");
  };
  SECTION("a client, before a word") {
    check(server);
  }
  SECTION("a client, amid its first") {
    server.feed(std::string_view{hello}.substr(0, hello.size() / 2));
    server.advance();
    check(server);
  }
  SECTION("a client, before it proves anything") {
    server.feed(hello);
    server.advance();
    check(server);
  }
  SECTION("a server, before a word") {
    check(client);
  }
  SECTION("a server, amid its first") {
    server.feed(hello);
    server.advance();
    const auto flight = server.take_output();
    client.feed(std::string_view{flight}.substr(0, flight.size() / 2));
    client.advance();
    check(client);
  }
}

TEST_CASE("a side that talks on and proves nothing is refused after a limited number of bytes", "[F4]") {
  // A record of the handshake, 16 KiB long, that begins a hello of 16 MiB.
  const std::string head{"\x16\x03\x01\x40\x00", 5};
  const std::string beginning{"\x01\xff\xff\xff\x03\x03", 6};
  const auto size = GENERATE(std::size_t{1}, std::size_t{1'000}, std::size_t{100'000});
  CAPTURE(size);
  auto flood = head + beginning + std::string((16U << 10U) - beginning.size(), 'x');
  for (int count = 0; count < 7; ++count)
    flood += head + std::string(16U << 10U, 'x');
  auto server = side::server();
  std::size_t fed = 0;
  while (!server.failure && fed < flood.size()) {
    const auto part = std::string_view{flood}.substr(fed, size);
    server.feed(part);
    fed += part.size();
    server.advance();
  }
  REQUIRE(server.failure);
  CHECK(fed <= tls_engine::handshake_bytes_max + size);
  CHECK(server.failure->code == error_code::handshake_failed);
  CHECK(server.take_output().size() <= 7);
}

TEST_CASE("honest bytes beyond the limit are refused, with the limit") {
  auto client = side::client();
  auto server = side::server();
  client.advance();
  auto hello = client.take_output();
  hello.resize(tls_engine::handshake_bytes_max + 1);
  server.feed(hello);
  server.advance();
  check_failure(server.failure, error_code::handshake_failed,
                "the other side sent more than 65536 bytes before keys were agreed on");
}

// -- what is told -------------------------------------------------------------------------------------------------------------

TEST_CASE("details are told only to those who ask for them", "[S3]") {
  auto config = good_client();
  config.detailed_errors = true;
  auto client = side::client(config);
  auto server = side::server(server_named("foreign-server"));
  exchange(client, server);
  REQUIRE(client.failure);
  CHECK_THAT(client.failure->text,
             StartsWith(refused("no authority of tls.trust has signed it") + " [") && ContainsSubstring("issuer"));
  // The other side did not ask.
  check_failure(server.failure, error_code::certificate_rejected, not_accepted);
}

} // namespace actorwire::test
