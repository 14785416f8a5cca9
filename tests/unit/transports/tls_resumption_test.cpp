// Sessions of TLS that are resumed: when, how often, and when not.

#include "engine/tls_session_cache.hpp"
#include "tls_sides.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <gnutls/x509.h>

#include <memory>
#include <set>
#include <type_traits>

namespace actorwire::test {

namespace {

constexpr std::chrono::seconds lifetime = 10min;

/// A little ahead of the machine's time, because GnuTLS measures some ages by that, whatever it is told: 3.8.9 dates
/// sessions by the machine's time and judges them by ours, and refuses one that is dated after now. The machine's clock
/// must not overtake ours while a test runs.
tls_now machine_time() {
  constexpr std::time_t ahead = 60;
  return {std::time(nullptr) + ahead, time_point{1h}};
}

/// A certificate or a key: what the text holds, or a new one without a text.
template <class Handle>
auto parsed(int (*init)(Handle*), void (*deinit)(Handle),
            int (*import)(Handle, const gnutls_datum_t*, gnutls_x509_crt_fmt_t), const std::string& pem) {
  Handle made = nullptr;
  REQUIRE(init(&made) == 0);
  std::unique_ptr<std::remove_pointer_t<Handle>, void (*)(Handle)> held{made, deinit};
  const auto text = datum_of(pem);
  REQUIRE((pem.empty() || import(made, &text, GNUTLS_X509_FMT_PEM) == 0));
  return held;
}

auto certificate_in(const std::string& pem) {
  return parsed(::gnutls_x509_crt_init, ::gnutls_x509_crt_deinit, ::gnutls_x509_crt_import, pem);
}

auto key_in(const std::string& pem) {
  return parsed(::gnutls_x509_privkey_init, ::gnutls_x509_privkey_deinit, ::gnutls_x509_privkey_import, pem);
}

/// client-a, with a certificate that is good until `end`.
tls_config client_until(std::time_t end) {
  constexpr std::string_view name = "client-a.test";
  constexpr unsigned char serial = 1;
  auto config = client_named("client-a");
  const auto issuer_text = certificate_text("intermediate.pem");
  const auto issuer = certificate_in(issuer_text);
  const auto issuer_key = key_in(certificate_text("intermediate.key"));
  const auto key = key_in(std::string{config.key.text.reveal()});
  const auto made = certificate_in({});
  auto* const it = made.get();
  REQUIRE(::gnutls_x509_crt_set_version(it, 3) == 0);
  REQUIRE(::gnutls_x509_crt_set_serial(it, &serial, sizeof serial) == 0);
  REQUIRE(::gnutls_x509_crt_set_dn(it, "CN=client-a.test", nullptr) == 0);
  REQUIRE(::gnutls_x509_crt_set_subject_alt_name(it, GNUTLS_SAN_DNSNAME, name.data(),
                                                 static_cast<unsigned>(name.size()), GNUTLS_FSAN_SET)
          == 0);
  REQUIRE(::gnutls_x509_crt_set_activation_time(it, good_day - 5 * years) == 0);
  REQUIRE(::gnutls_x509_crt_set_expiration_time(it, end) == 0);
  REQUIRE(::gnutls_x509_crt_set_key_usage(it, GNUTLS_KEY_DIGITAL_SIGNATURE) == 0);
  REQUIRE(::gnutls_x509_crt_set_key_purpose_oid(it, GNUTLS_KP_TLS_WWW_CLIENT, 0) == 0);
  REQUIRE(::gnutls_x509_crt_set_key(it, key.get()) == 0);
  REQUIRE(::gnutls_x509_crt_sign2(it, issuer.get(), issuer_key.get(), GNUTLS_DIG_SHA256, 0) == 0);
  gnutls_datum_t pem{};
  REQUIRE(::gnutls_x509_crt_export2(it, GNUTLS_X509_FMT_PEM, &pem) == 0);
  config.certificate.text.assign(reinterpret_cast<const char*>(pem.data), pem.size).append(issuer_text);
  ::gnutls_free(pem.data);
  return config;
}

/// A client's memory that can be looked into.
class watched_sessions final : public tls_session_memory {
public:
  void put(const std::string& server, tls_session session) override {
    kept.push_back(session.since);
    cache.put(server, std::move(session));
  }
  void put_token(const std::string&, std::uint32_t, std::string) override {}
  std::optional<tls_session> take(const std::string& server, time_point now) override {
    auto found = cache.take(server, now);
    if (found)
      taken.push_back(found->data);
    return found;
  }

  /// Since when those have been known that were put.
  std::vector<time_point> kept;
  std::vector<std::string> taken;
  tls_session_cache cache{100, lifetime};
};

/// A client and a server that meet again and again.
class acquaintances {
public:
  explicit acquaintances(tls_config client_config = good_client(), tls_config server_config = good_server())
    : sessions(std::make_shared<watched_sessions>()) {
    client_config.session_lifetime = server_config.session_lifetime = lifetime;
    client_ = credentials(tls_role::client, client_config, {{}, sessions, {}}, {}, now.wall);
    server_ = credentials(tls_role::server, server_config, {}, {}, now.wall);
  }

  struct outcome {
    bool client_resumed = false;
    bool server_resumed = false;
    tls_info seen_by_client;
    tls_info seen_by_server;
  };

  outcome meet(const std::string& key = "localhost:1") {
    side client{client_, "localhost", key};
    side server{server_};
    client.now = server.now = now;
    exchange(client, server);
    if (client.failure)
      FAIL(to_string(*client.failure));
    REQUIRE(server.is_done);
    client.say("from the client");
    server.say("from the server");
    exchange(client, server);
    CHECK(server.text == "from the client");
    CHECK(client.text == "from the server");
    outcome seen{false, false, client.engine.info(), server.engine.info()};
    seen.client_resumed = seen.seen_by_client.resumed;
    seen.server_resumed = seen.seen_by_server.resumed;
    CHECK(seen.client_resumed == seen.server_resumed);
    return seen;
  }

  /// Returns why the server refuses.
  std::optional<transport_error> quarrel(const std::string& key = "localhost:1") {
    side client{client_, "localhost", key};
    side server{server_};
    client.now = server.now = now;
    exchange(client, server);
    return server.failure;
  }

  /// As after a restart, or a reload.
  void replace_server(tls_config config = good_server()) {
    config.session_lifetime = lifetime;
    server_ = credentials(tls_role::server, config);
  }

  std::shared_ptr<watched_sessions> sessions;
  tls_now now = machine_time();

private:
  std::shared_ptr<const tls_credentials> client_;
  std::shared_ptr<const tls_credentials> server_;
};

} // namespace

TEST_CASE("the second handshake resumes the session of the first, and both sides know it") {
  acquaintances both;
  CHECK_FALSE(both.meet().client_resumed);
  CHECK(both.meet().client_resumed);
  CHECK(both.meet().client_resumed);
}

TEST_CASE("TLS 1.2 resumes sessions too") {
  auto client_config = good_client();
  client_config.minimum_version = tls_version::tls1_2;
  const auto sessions = std::make_shared<watched_sessions>();
  const auto identity = credentials(tls_role::client, client_config, {{}, sessions, {}});
  const auto server_identity = credentials(tls_role::server, good_server());
  // A server that knows nothing newer, and makes tickets.
  gnutls_datum_t key{};
  REQUIRE(::gnutls_session_ticket_key_generate(&key) == 0);
  // This server hands out no new ticket when one is used.
  for (const auto resumes : {false, true, false, true}) {
    side client{identity, "localhost", "localhost:1"};
    raw_side server{tls_role::server, raw_side::versions("+VERS-TLS1.2")};
    server.be("server-ec");
    REQUIRE(::gnutls_session_ticket_enable_server(server.session(), &key) == 0);
    client.now = machine_time();
    exchange(client, server);
    REQUIRE(client.is_done);
    CHECK(client.engine.info().version == "TLS1.2");
    CHECK(client.engine.info().resumed == resumes);
    CHECK((::gnutls_session_is_resumed(server.session()) != 0) == resumes);
  }
  ::gnutls_free(key.data);
}

TEST_CASE("a resumed session still knows who the other side is") {
  auto server_config = server_for_clients();
  server_config.accepted_clients = {"client-a.test"};
  acquaintances both{client_named("client-a"), server_config};
  const auto first = both.meet();
  const auto second = both.meet();
  REQUIRE(second.client_resumed);
  CHECK(second.seen_by_client.peer_names == first.seen_by_client.peer_names);
  CHECK(second.seen_by_client.peer_key == first.seen_by_client.peer_key);
  CHECK(second.seen_by_server.peer_names == std::vector<std::string>{"client-a.test"});
  CHECK(second.seen_by_server.peer_key == first.seen_by_server.peer_key);
}

TEST_CASE("a client whose certificate has expired meanwhile does not resume its session") {
  // All of it within the lifetime of the session; the other client's certificate ends later, and nothing else differs.
  constexpr std::time_t left = 30;
  constexpr std::time_t meanwhile = 60;
  const auto start = machine_time();
  acquaintances both{client_until(start.wall + left), server_for_clients()};
  acquaintances others{client_until(start.wall + 2 * meanwhile), server_for_clients()};
  both.now = others.now = start;
  for (auto* each : {&both, &others}) {
    static_cast<void>(each->meet());
    REQUIRE(each->meet().server_resumed);
    each->now.wall += meanwhile;
  }
  REQUIRE(others.meet().server_resumed);
  const auto refusal = both.quarrel();
  REQUIRE(refusal);
  INFO(refusal->text);
  CHECK(refusal->code == error_code::certificate_rejected);
  CHECK(refusal->text.find("it has expired") != std::string::npos);
}

TEST_CASE("the protocol above is agreed on anew when a session is resumed") {
  auto client_config = good_client();
  auto server_config = good_server();
  client_config.alpn = server_config.alpn = {"proto"};
  acquaintances both{client_config, server_config};
  CHECK(both.meet().seen_by_client.alpn == "proto");
  const auto second = both.meet();
  CHECK(second.client_resumed);
  CHECK(second.seen_by_client.alpn == "proto");
  CHECK(second.seen_by_server.alpn == "proto");
}

TEST_CASE("no ticket is used twice") {
  acquaintances both;
  for (int count = 0; count < 10; ++count)
    static_cast<void>(both.meet());
  const std::set<std::string> different{both.sessions->taken.begin(), both.sessions->taken.end()};
  CHECK(both.sessions->taken.size() == 9);
  CHECK(different.size() == both.sessions->taken.size());
}

TEST_CASE("a session is resumed with the server that it was made with only") {
  acquaintances both;
  static_cast<void>(both.meet("localhost:1"));
  CHECK_FALSE(both.meet("localhost:2").client_resumed);
  CHECK(both.meet("localhost:1").client_resumed);
}

TEST_CASE("a client forgets a session after its lifetime") {
  acquaintances both;
  static_cast<void>(both.meet());
  both.now.steady += lifetime - 1s;
  CHECK(both.meet().client_resumed);
  both.now.steady += lifetime;
  CHECK_FALSE(both.meet().client_resumed);
}

TEST_CASE("a session does not outlive its lifetime by being resumed, on the client's side too") {
  acquaintances both;
  const auto verified_at = both.now.steady;
  static_cast<void>(both.meet());
  for (int count = 0; count < 3; ++count) {
    both.now.steady += 3min;
    CHECK(both.meet().client_resumed);
  }
  for (const auto since : both.sessions->kept)
    CHECK(since == verified_at);
  both.now.steady += 1min;
  CHECK_FALSE(both.meet().client_resumed);
}

TEST_CASE("a server forgets a session some time after its lifetime, whatever the client thinks") {
  acquaintances both;
  static_cast<void>(both.meet());
  // GnuTLS changes the keys of tickets every three lifetimes, and takes those of the time before.
  both.now.wall += 6 * std::chrono::duration_cast<std::chrono::seconds>(lifetime).count() + 1;
  CHECK_FALSE(both.meet().client_resumed);
}

TEST_CASE("no session is resumed where either side has that turned off") {
  auto client_config = good_client();
  auto server_config = good_server();
  const auto by_client = GENERATE(true, false);
  (by_client ? client_config : server_config).session_resumption = false;
  acquaintances both{client_config, server_config};
  for (int count = 0; count < 3; ++count)
    CHECK_FALSE(both.meet().client_resumed);
  CHECK(both.sessions->kept.empty());
}

TEST_CASE("other credentials resume nothing, and the handshake is a full one") {
  acquaintances both;
  static_cast<void>(both.meet());
  both.replace_server();
  CHECK_FALSE(both.meet().client_resumed);
  CHECK(both.meet().client_resumed);
}

TEST_CASE("a client whose session is not resumed verifies the server") {
  acquaintances both;
  static_cast<void>(both.meet());
  auto sessions = both.sessions;
  const auto identity = credentials(tls_role::client, good_client(), {{}, sessions, {}});
  side client{identity, "localhost", "localhost:1"};
  auto impostor = side::server(server_named("foreign-server"));
  exchange(client, impostor);
  REQUIRE(client.failure);
  CHECK(client.failure->code == error_code::certificate_rejected);
}

TEST_CASE("a server that restricts its clients does not resume what others agreed on") {
  // Its own key protects its tickets; a client cannot carry over a session that nobody checked.
  acquaintances both{client_named("client-b"), good_server()};
  static_cast<void>(both.meet());
  auto stricter = server_for_clients();
  stricter.accepted_clients = {"client-a.test"};
  side client{credentials(tls_role::client, client_named("client-b"), {{}, both.sessions, {}}), "localhost",
              "localhost:1"};
  auto server = side::server(stricter);
  exchange(client, server);
  REQUIRE(server.failure);
  CHECK(server.failure->code == error_code::certificate_rejected);
}

} // namespace actorwire::test
