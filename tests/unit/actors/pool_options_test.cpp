#include "option_variations.hpp"
#include "pool_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <set>
#include <string>

using namespace actorwire;
using test::every_variation_of;
using test::pool_fixture;

TEST_CASE("options that differ in any one setting are a different peer, and the same ones are the same", "[P1][P6]") {
  pool_fixture with;
  const endpoint server{protocol::tls, "server.example", 1};
  const auto acquire = [&](const acquire_options& options) {
    return with.peers.acquire(server, options, with.now).value();
  };
  acquire_options over_quic;
  over_quic.transport.protocol_settings = quic_config{};
  const auto all = every_variation_of(acquire_options{});
  auto count = all.size();
  std::set<connection_id> ids{acquire({}).id};
  // That it is another protocol is one of the variations.
  for (const auto& [setting, options] : all) {
    CAPTURE(setting);
    const auto made = acquire(options);
    REQUIRE(made.is_new);
    ids.insert(made.id);
  }
  for (const auto& [setting, options] : every_variation_of(over_quic)) {
    CAPTURE(setting);
    if (options == acquire_options{})
      continue;
    const auto made = acquire(options);
    REQUIRE(made.is_new);
    ids.insert(made.id);
    ++count;
  }
  REQUIRE(ids.size() == count + 1);
  for (const auto& [setting, options] : all) {
    CAPTURE(setting);
    // A group of two has one more.
    REQUIRE(acquire(options).is_new == (options.max_per_endpoint > 1));
  }
  // Those that say who one is and whom one believes are among them, and so is each part of them.
  for (const auto* setting :
       {"tls.trust.file", "tls.trust.text", "tls.certificate.file", "tls.certificate.text", "tls.key.file",
        "tls.key.text", "tls.key.password", "tls.alpn", "tls.alpn_required", "tls.server_name", "tls.minimum_version",
        "tls.verification", "tls.pinned_keys", "tls.revocation_file", "tls.session_resumption"}) {
    CAPTURE(setting);
    REQUIRE(all.contains(std::string{"transport."} + setting));
  }
  REQUIRE(all.contains("max_per_endpoint"));
  REQUIRE(all.contains("max_lifetime"));
}
