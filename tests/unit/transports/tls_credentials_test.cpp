// Credentials of TLS: made of good material, and refused with the name of the setting that is bad.

#include "tls_sides.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace actorwire::test {

namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

const std::string garbage = "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n";

result<std::shared_ptr<const tls_credentials>> make(tls_role role, const tls_config& config, tls_services services = {},
                                                    std::string revocations = {}, std::time_t now = good_day) {
  return tls_credentials::make(role, config, material_of(config, std::move(revocations)), std::move(services), now);
}

void check_refused(const result<std::shared_ptr<const tls_credentials>>& made, std::string_view text) {
  REQUIRE_FALSE(made);
  CHECK(made.error().text == text);
  CHECK(made.error().code == error_code::invalid_credentials);
  CHECK(made.error().kind == error_kind::configuration);
  CHECK(made.error().where == phase::setup);
  CHECK(made.error().who == origin::local);
  CHECK_FALSE(made.error().retryable);
}

} // namespace

TEST_CASE("credentials are made of every kind of key, for both roles") {
  const auto* name = GENERATE("server-ec", "server-rsa", "server-ed25519", "renewed");
  CHECK(make(tls_role::server, server_named(name)));
  CHECK(make(tls_role::client, client_named(name)));
}

TEST_CASE("a client needs nothing but the system's authorities") {
  const auto made = make(tls_role::client, {});
  // A machine need not have any, and then says what to do.
  if (!made)
    check_refused(made, "tls.trust: it is empty, and this machine has no store of trusted authorities; install "
                        "ca-certificates, or set it");
}

TEST_CASE("a listener needs a certificate and a key") {
  check_refused(make(tls_role::server, {}), "tls.certificate: a listener needs one, and tls.key with it");
}

TEST_CASE("settings that are not valid make no credentials") {
  auto config = good_client();
  config.session_cache_size = 0;
  const auto made = make(tls_role::client, config);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == error_code::invalid_value);
  CHECK(made.error().text == "tls.session_cache_size = 0: must be 1..1000000");
}

TEST_CASE("certificates and keys that are none are refused") {
  constexpr std::string_view complaint =
      "tls.certificate: it and tls.key are no certificate and private key in PEM form";
  auto config = good_server();
  SECTION("a certificate that is none") {
    config.certificate.text = garbage;
    check_refused(make(tls_role::server, config), complaint);
  }
  SECTION("a certificate that was written in part") {
    config.certificate.text.resize(config.certificate.text.size() / 4);
    check_refused(make(tls_role::server, config), complaint);
  }
  SECTION("a key that is none") {
    config.key.text = secret{garbage};
    check_refused(make(tls_role::server, config), complaint);
  }
  SECTION("a key that was written in part") {
    config.key.text = secret{config.key.text.reveal().substr(0, 100)};
    check_refused(make(tls_role::server, config), complaint);
  }
  SECTION("texts that are empty after all, as those of an empty file are") {
    auto material = material_of(config);
    material.certificate.clear();
    check_refused(tls_credentials::make(tls_role::server, config, material, {}, good_day), complaint);
    material = material_of(config);
    material.key = {};
    check_refused(tls_credentials::make(tls_role::server, config, material, {}, good_day), complaint);
  }
}

TEST_CASE("a chain that was written in part is refused") {
  auto config = good_server();
  // The first certificate is whole.
  config.certificate.text.resize(config.certificate.text.size() - 100);
  check_refused(make(tls_role::server, config),
                "tls.certificate: it and tls.key are no certificate and private key in PEM form");
}

TEST_CASE("a key that belongs to another certificate is refused") {
  check_refused(make(tls_role::server, server_named("mismatched")), "tls.key: it is not the key of tls.certificate");
}

TEST_CASE("a certificate that is not valid now is refused") {
  check_refused(make(tls_role::server, server_named("expired")), "tls.certificate: it has expired");
  check_refused(make(tls_role::server, server_named("not-yet-valid")), "tls.certificate: it is not valid yet");
  check_refused(make(tls_role::client, client_named("client-expired")), "tls.certificate: it has expired");
  check_refused(make(tls_role::server, good_server(), {}, {}, good_day - 10 * years),
                "tls.certificate: it is not valid yet");
  check_refused(make(tls_role::server, good_server(), {}, {}, good_day + 70 * years),
                "tls.certificate: it has expired");
}

TEST_CASE("an encrypted key is opened by its password, or by who is asked for it") {
  constexpr std::string_view closed =
      "tls.key: it is encrypted, and tls.key.password or network_options::key_password does not open it";
  auto config = server_named("encrypted");
  int asked = 0;
  secret answer;
  tls_services services;
  services.ask_password = [&](std::string_view) {
    ++asked;
    return answer;
  };
  SECTION("no password") {
    check_refused(make(tls_role::server, config), closed);
  }
  SECTION("a wrong password") {
    config.key.password = secret{"wrong"};
    check_refused(make(tls_role::server, config, services), closed);
    // Whoever gives a password means it.
    CHECK(asked == 0);
  }
  SECTION("the right password") {
    config.key.password = password_of("encrypted");
    CHECK(make(tls_role::server, config, services));
    CHECK(asked == 0);
  }
  SECTION("the right answer") {
    answer = password_of("encrypted");
    CHECK(make(tls_role::server, config, services));
    CHECK(asked == 1);
  }
  SECTION("a wrong answer, or none") {
    answer = secret{GENERATE("wrong", "")};
    check_refused(make(tls_role::server, config, services), closed);
    CHECK(asked == 1);
  }
}

TEST_CASE("nobody is asked for the password of a key that is not encrypted") {
  tls_services services;
  services.ask_password = [](std::string_view) -> secret { throw std::runtime_error{"was asked"}; };
  const auto made = make(tls_role::server, good_server(), std::move(services));
  CHECK(made);
}

TEST_CASE("trust that holds no certificate is refused, where it is needed") {
  auto config = good_client();
  config.trust.text = GENERATE(as<std::string>{}, "nothing", garbage);
  check_refused(make(tls_role::client, config), "tls.trust: it holds no certificate in PEM form");
  config.verification = insecure_no_verification{};
  CHECK(make(tls_role::client, config));
}

TEST_CASE("a listener that asks for certificates must say whom it trusts") {
  auto config = server_for_clients();
  config.trust = {};
  check_refused(make(tls_role::server, config),
                "tls.trust: tls.client_certificates needs it: the authorities that sign clients");
}

TEST_CASE("a listener refuses settings that would protect it from nobody") {
  const auto check = [](const tls_config& config, std::string_view text) {
    const auto made = make(tls_role::server, config, {}, certificate_text("intermediate.crl"));
    REQUIRE_FALSE(made);
    CHECK(made.error().text == text);
    CHECK(made.error().code == error_code::conflicting_values);
    CHECK(made.error().kind == error_kind::configuration);
  };
  auto config = good_server();
  config.pinned_keys = {pin_of("server-ec")};
  check(config, "tls.pinned_keys: has no meaning for a listener while tls.client_certificates = off");
  config = good_server();
  config.revocation_file = "in memory";
  check(config, "tls.revocation_file: has no meaning for a listener while tls.client_certificates = off");
  config = GENERATE(true, false) ? good_server() : server_for_clients();
  config.verification = insecure_no_verification{};
  check(config, "tls.verification: insecure_no_verification has no meaning for a listener, which goes by "
                "tls.client_certificates");
  config = server_for_clients(GENERATE(client_certificates::request, client_certificates::require));
  config.pinned_keys = {pin_of("server-ec")};
  config.revocation_file = "in memory";
  CHECK(make(tls_role::server, config, {}, certificate_text("intermediate.crl")));
}

TEST_CASE("a list of revocations that is none is refused") {
  auto config = good_client();
  config.revocation_file = "in memory";
  constexpr std::string_view complaint = "tls.revocation_file: it holds no revocation list in PEM form";
  check_refused(make(tls_role::client, config, {}, ""), complaint);
  check_refused(make(tls_role::client, config, {}, garbage), complaint);
  check_refused(make(tls_role::client, config, {}, certificate_text("intermediate.crl").substr(0, 200)), complaint);
  CHECK(make(tls_role::client, config, {}, certificate_text("intermediate.crl")));
}

TEST_CASE("a list of revocations knows its authority and how long it is good for") {
  auto config = good_client();
  config.revocation_file = "in memory";
  const auto made =
      make(tls_role::client, config, {}, certificate_text("outdated.crl") + certificate_text("intermediate.crl"));
  REQUIRE(made);
  const auto& lists = (*made)->revocations();
  REQUIRE(lists.size() == 2);
  CHECK_FALSE(lists[0].issuer.empty());
  CHECK(lists[0].issuer == lists[1].issuer);
  CHECK(lists[0].until.value() < good_day);
  CHECK(lists[1].since < good_day);
  CHECK(lists[1].until.value() > good_day);
}

TEST_CASE("details of bad material are told only to those who ask for them", "[S3]") {
  auto config = good_server();
  config.certificate.text = garbage;
  config.detailed_errors = true;
  const auto made = make(tls_role::server, config);
  REQUIRE_FALSE(made);
  CHECK_THAT(made.error().text,
             StartsWith("tls.certificate: it and tls.key are no certificate and private key in PEM form ["));
  CHECK_THAT(made.error().text, !ContainsSubstring("c2VjcmV0"));
}

} // namespace actorwire::test
