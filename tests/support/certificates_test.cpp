#include "certificates.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cstdlib>
#include <string>

using namespace actorwire;
using namespace actorwire::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using Catch::Matchers::StartsWith;

TEST_CASE("certificates are found by name, as files and as texts that configurations take") {
  for (const auto* name : {"server-ec", "server-rsa", "server-ed25519", "client-a"}) {
    CAPTURE(name);
    tls_config by_files;
    by_files.trust.file = certificate_path("root.pem");
    auto found = identity_in_files(name);
    by_files.certificate = found.certificate;
    by_files.key = found.key;
    CHECK(validate(by_files));

    tls_config by_texts;
    by_texts.trust.text = certificate_text("root.pem");
    found = identity_in_memory(name);
    by_texts.certificate = found.certificate;
    by_texts.key = found.key;
    CHECK(validate(by_texts));
    CHECK_THAT(by_texts.certificate.text, StartsWith("-----BEGIN CERTIFICATE-----"));
    CHECK_THAT(by_texts.key.text.reveal(), ContainsSubstring("PRIVATE KEY-----"));
  }
}

TEST_CASE("pins and passwords come without the end of their line") {
  tls_config config;
  config.pinned_keys = {pin_of("server-ec"), pin_of("server-rsa"), pin_of("server-ed25519"), pin_of("renewed")};
  CHECK(validate(config));
  CHECK(password_of("encrypted").reveal() == "between us");
}

TEST_CASE("a certificate that nobody makes fails the test that asks for it") {
  CHECK_THROWS_MATCHES(certificate_path("nobody.pem"), std::runtime_error,
                       MessageMatches(ContainsSubstring("nobody.pem")));
}

TEST_CASE("a test that ctest did not give certificates is told how to get them") {
  REQUIRE(::unsetenv("ACTORWIRE_TEST_CERTIFICATES") == 0);
  CHECK_THROWS_MATCHES(certificate_path("root.pem"), std::runtime_error,
                       MessageMatches(ContainsSubstring("ACTORWIRE_TEST_CERTIFICATES is not set")));
}
