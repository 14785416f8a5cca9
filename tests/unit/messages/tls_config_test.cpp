#include <actorwire/messages/secret.hpp>
#include <actorwire/messages/tls_config.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view any_name = "a DNS name, an IP address, or empty for the host of the endpoint";
/// 32 bytes in base64.
const std::string pin = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

void check_refused(const tls_config& config, std::string_view text, error_code code = error_code::invalid_value) {
  const auto checked = validate(config);
  INFO("expected: " << text);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().text == text);
  CHECK(checked.error().code == code);
  CHECK(checked.error().kind == error_kind::configuration);
  CHECK(checked.error().where == phase::setup);
  CHECK_FALSE(checked.error().retryable);
}

void check_accepted(const tls_config& config) {
  const auto checked = validate(config);
  CHECK((checked ? std::string{} : checked.error().text).empty());
}

tls_config with_identity() {
  tls_config config;
  config.certificate.file = "certificate.pem";
  config.key.file = "key.pem";
  return config;
}

} // namespace

TEST_CASE("tls: the defaults are valid, and verify") {
  const tls_config config;
  check_accepted(config);
  CHECK(std::holds_alternative<verify_peer>(config.verification));
  CHECK(config.minimum_version == tls_version::tls1_3);
  CHECK_FALSE(config.detailed_errors);
}

TEST_CASE("tls: certificates, trust and keys come from a file or a text, not both") {
  auto config = with_identity();
  check_accepted(config);
  config.certificate.text = "text";
  check_refused(config, "tls.certificate: must be a file or text, not both", error_code::conflicting_values);
  config = with_identity();
  config.key.text = secret{"text"};
  check_refused(config, "tls.key: must be a file or text, not both", error_code::conflicting_values);
  config = {};
  config.trust = {"file", "text"};
  check_refused(config, "tls.trust: must be a file or text, not both", error_code::conflicting_values);
}

TEST_CASE("tls: a certificate comes with its key, and a key with its certificate") {
  constexpr std::string_view complaint = "tls.certificate: must come with tls.key, and tls.key with it";
  auto config = with_identity();
  config.key = {};
  check_refused(config, complaint, error_code::conflicting_values);
  config = with_identity();
  config.certificate = {};
  check_refused(config, complaint, error_code::conflicting_values);
}

TEST_CASE("tls: file names are what the system takes, and are not shown") {
  const auto bad = GENERATE(std::string(4'097, 'x'), std::string("secret\0name", 11));
  const auto check = [&](std::string_view name, auto&& set) {
    auto config = with_identity();
    set(config, std::string(4'096, 'x'));
    check_accepted(config);
    set(config, bad);
    check_refused(config, "tls." + std::string{name} + " = (not shown): must be a path of at most 4096 bytes");
  };
  check("trust.file", [](tls_config& config, std::string name) { config.trust.file = std::move(name); });
  check("certificate.file", [](tls_config& config, std::string name) { config.certificate.file = std::move(name); });
  check("key.file", [](tls_config& config, std::string name) { config.key.file = std::move(name); });
  check("revocation_file", [](tls_config& config, std::string name) { config.revocation_file = std::move(name); });
  check("key_log_file", [](tls_config& config, std::string name) { config.key_log_file = std::move(name); });
}

TEST_CASE("tls: texts have at most 4 MiB") {
  constexpr std::size_t most = std::size_t{4} << 20U;
  tls_config config;
  config.trust.text.assign(most, 'x');
  check_accepted(config);
  config.trust.text += 'x';
  check_refused(config, "tls.trust.text = (not shown): must be at most 4 MiB of PEM");
  config = with_identity();
  config.key.file.clear();
  config.key.text = secret{std::string(most + 1, 'x')};
  check_refused(config, "tls.key.text = (not shown): must be at most 4 MiB of PEM");
}

TEST_CASE("tls: 0 to 8 protocols of 1 to 31 bytes") {
  tls_config config;
  config.alpn.assign(8, std::string(31, 'x'));
  check_accepted(config);
  config.alpn.emplace_back("one more");
  check_refused(config, "tls.alpn.size = 9: must be 0..8");
  config.alpn = {"good", ""};
  check_refused(config, "tls.alpn: size of a name = 0: must be 1..31");
  config.alpn = {std::string(32, 'x')};
  check_refused(config, "tls.alpn: size of a name = 32: must be 1..31");
}

TEST_CASE("tls: the server's name is a host") {
  tls_config config;
  for (const auto* name : {"localhost", "a-b.example", "127.0.0.1", "::1", "2001:db8::1"}) {
    CAPTURE(name);
    config.server_name = name;
    check_accepted(config);
  }
  for (const auto* name : {"two words", "a/b", "host:80", "[::1]", "::zz", "user@host", "name?query"}) {
    CAPTURE(name);
    config.server_name = name;
    check_refused(config, "tls.server_name = (not a host): must be " + std::string{any_name});
  }
}

TEST_CASE("tls: versions and answers to clients are the named ones") {
  tls_config config;
  config.minimum_version = static_cast<tls_version>(2);
  check_refused(config, "tls.minimum_version = 2: must be one of tls1_2, tls1_3");
  config = {};
  config.client_certificates = static_cast<client_certificates>(3);
  check_refused(config, "tls.client_certificates = 3: must be one of off, request, require");
}

TEST_CASE("tls: accepted clients are at most 1,024 DNS names, where clients are asked, and are not shown") {
  tls_config config;
  config.accepted_clients = {"client.test"};
  check_refused(config, "tls.accepted_clients: has no meaning while tls.client_certificates = off",
                error_code::conflicting_values);
  config.client_certificates = GENERATE(client_certificates::request, client_certificates::require);
  check_accepted(config);
  config.accepted_clients.assign(1'024, "client.test");
  check_accepted(config);
  config.accepted_clients.emplace_back("client.test");
  check_refused(config, "tls.accepted_clients.size = 1025: must be 0..1024");
  for (const auto* name : {"", "two words", "*.test/", "127.0.0.1", "::1"}) {
    CAPTURE(name);
    config.accepted_clients = {"client.test", name};
    check_refused(config, "tls.accepted_clients = (not shown): must be DNS names");
  }
}

TEST_CASE("tls: sessions live for 1 min to 7 days, and 1 to 1,000,000 are remembered") {
  tls_config config;
  for (const auto good : {std::chrono::milliseconds{1min}, std::chrono::milliseconds{168h}}) {
    config.session_lifetime = good;
    check_accepted(config);
  }
  for (const auto bad :
       {std::chrono::milliseconds{1min} - 1ms, std::chrono::milliseconds{168h} + 1ms, std::chrono::milliseconds{0},
        std::chrono::milliseconds{-1}, std::chrono::milliseconds::max()}) {
    config.session_lifetime = bad;
    check_refused(config, "tls.session_lifetime = " + std::to_string(bad.count()) + " ms: must be 60000..604800000 ms");
  }
  config = {};
  for (const auto good : {1U, 1'000'000U}) {
    config.session_cache_size = good;
    check_accepted(config);
  }
  for (const auto bad : {0U, 1'000'001U, std::numeric_limits<std::uint32_t>::max()}) {
    config.session_cache_size = bad;
    check_refused(config, "tls.session_cache_size = " + std::to_string(bad) + ": must be 1..1000000");
  }
}

TEST_CASE("tls: pins are at most 64 hashes of SHA-256 in base64") {
  tls_config config;
  config.pinned_keys.assign(64, pin);
  check_accepted(config);
  config.pinned_keys.push_back(pin);
  check_refused(config, "tls.pinned_keys.size = 65: must be 0..64");
  // Too short, too long, without padding, not base64, base64 of the other alphabet, bits that mean nothing, in digits.
  for (const auto& bad : {std::string{}, pin.substr(1), pin + "=", pin.substr(0, 43) + "A", "!" + pin.substr(1),
                          "_" + pin.substr(1), pin.substr(0, 42) + "V=", std::string(64, 'a')}) {
    CAPTURE(bad);
    config.pinned_keys = {pin, bad};
    check_refused(config, "tls.pinned_keys = (not a SHA-256): must be 32 bytes in base64, 44 characters");
  }
}

TEST_CASE("tls: what is not verified is neither pinned nor revoked") {
  tls_config config;
  config.verification = insecure_no_verification{};
  check_accepted(config);
  config.pinned_keys = {pin};
  check_refused(config, "tls.pinned_keys: has no meaning with tls.verification = insecure_no_verification",
                error_code::conflicting_values);
  config.pinned_keys.clear();
  config.revocation_file = "list.pem";
  check_refused(config, "tls.revocation_file: has no meaning with tls.verification = insecure_no_verification",
                error_code::conflicting_values);
}

TEST_CASE("tls: a fault is found and named within the settings of a transport") {
  transport_config config;
  config.tls.session_cache_size = 0;
  const auto checked = validate(config);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().text == "tls.session_cache_size = 0: must be 1..1000000");
}

TEST_CASE("a secret shows itself to nobody who does not ask") {
  const secret hidden{"a password"};
  CHECK(to_string(hidden) == "***");
  CHECK(to_string(secret{}).empty());
  CHECK(hidden.reveal() == "a password");
  CHECK_FALSE(hidden.empty());
  CHECK(secret{}.empty());
  // Its length is not to be told either.
  CHECK(to_string(secret{"a much longer password"}) == to_string(hidden));
}

TEST_CASE("secrets are equal when their texts are") {
  CHECK(secret{"one"} == secret{"one"});
  CHECK_FALSE(secret{"one"} == secret{"two"});
  CHECK_FALSE(secret{"one"} == secret{});
}

TEST_CASE("a secret that was moved from is empty, and the other one has it") {
  // Short ones lie in the string itself and are copied when it moves.
  const auto size = GENERATE(std::size_t{3}, std::size_t{1'000});
  secret first{std::string(size, 'x')};
  secret second{std::move(first)};
  CHECK(first.empty()); // NOLINT(bugprone-use-after-move)
  CHECK(second.reveal() == std::string(size, 'x'));
  secret third;
  third = std::move(second);
  CHECK(second.empty()); // NOLINT(bugprone-use-after-move)
  CHECK(third.reveal() == std::string(size, 'x'));
  const auto copy = third;
  CHECK(copy == third);
}
