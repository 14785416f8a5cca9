// How two sides of QUIC come to terms, and in which words they do not.

#include "quic_sides.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace actorwire::test {

namespace {

using Catch::Matchers::ContainsSubstring;

constexpr std::string_view not_accepted = "the other side does not accept the certificate of this one";

transport_config with_tls(tls_config tls) {
  transport_config made;
  made.tls = std::move(tls);
  return made;
}

transport_config speaking(tls_config tls, std::vector<std::string> protocols) {
  tls.alpn = std::move(protocols);
  return with_tls(std::move(tls));
}

transport_config of_versions(std::vector<quic_version> versions) {
  return quic_with([&](quic_config& quic) { quic.versions = versions; });
}

/// Type of the packet that a datagram begins with, of version 1 (RFC 9000, 17.2).
enum class packet : std::uint8_t { initial, early, handshake, retry, short_one };

packet type_of(std::string_view bytes) {
  const auto first = static_cast<std::uint8_t>(bytes.at(0));
  return (first & 0x80U) == 0 ? packet::short_one : static_cast<packet>((first >> 4U) & 3U);
}

/// Counts the Retry packets of a world.
struct retry_counter {
  explicit retry_counter(quic_world& world) {
    world.passes = [this](const udp_path&, const std::string& bytes) {
      seen += type_of(bytes) == packet::retry ? 1 : 0;
      return true;
    };
  }
  int seen = 0;
};

/// A client that refuses, and a server that is told so.
void check_client_refuses(quic_world& world, std::string_view why) {
  auto& client = world.dial();
  world.until([&] { return client.reason && !world.server_users.empty() && world.server_users[0]->reason; });
  check_failure(client.reason, error_code::certificate_rejected,
                "the certificate of the other side is refused: " + std::string{why});
  check_failure(world.server_users[0]->reason, error_code::certificate_rejected, not_accepted);
  CHECK(world.client->size() == 0);
  CHECK(world.server->size() == 0);
  CHECK(world.half_open->get() == 0);
}

} // namespace

// -- protocols --------------------------------------------------------------------------------------------------------------

TEST_CASE("the server's first protocol that the client offers is agreed on") {
  quic_world world{
      {.client = speaking(good_client(), {"one", "two"}), .server = speaking(good_server(), {"three", "two"})}};
  auto [client, server] = world.connect();
  CHECK(client.tls->alpn == "two");
  CHECK(server.tls->alpn == "two");
}

TEST_CASE("without a protocol in common there is no connection, and both sides know why") {
  quic_world world{{.client = speaking(good_client(), {"one"}), .server = speaking(good_server(), {"two"})}};
  auto& client = world.dial();
  world.until([&] { return client.reason.has_value(); });
  CHECK(client.reason->code == error_code::no_common_protocol);
  CHECK(client.reason->who == origin::remote);
  world.until([&] { return world.server->size() == 0; });
  CHECK(world.half_open->get() == 0);
}

// -- certificates -----------------------------------------------------------------------------------------------------------

TEST_CASE("a server of another name is refused over QUIC too, and told") {
  quic_world world{{.server = with_tls(server_named("other-host"))}};
  check_client_refuses(world, "it belongs to another host than the one that was asked for");
}

TEST_CASE("a server at an address that its certificate does not name is refused") {
  quic_world world{{.host = "192.0.2.1"}};
  check_client_refuses(world, "it belongs to another host than the one that was asked for");
}

TEST_CASE("a server of a foreign authority is refused over QUIC too, and told") {
  quic_world world{{.server = with_tls(server_named("foreign-server"))}};
  check_client_refuses(world, "no authority of tls.trust has signed it");
}

TEST_CASE("the time that is passed in decides whether a server's certificate has expired") {
  quic_world world;
  world.now.wall = good_day + 70 * years;
  check_client_refuses(world, "it has expired; check the clock of this machine too");
}

TEST_CASE("a server that wants to know its clients learns their names") {
  quic_world world{
      {.client = with_tls(client_named("client-a")),
       .server = with_tls(server_for_clients(GENERATE(client_certificates::request, client_certificates::require)))}};
  auto [client, server] = world.connect();
  CHECK(server.tls->peer_names == std::vector<std::string>{"client-a.test"});
}

TEST_CASE("a side that sends more than the limit in all before keys are agreed on is refused") {
  // A flight with a certificate is longer than the hello before it; no single message is as long as that.
  SECTION("a server, by its client") {
    quic_world world{{.client_handshake_bytes_max = 800}};
    auto& client = world.dial();
    world.until([&] { return client.reason.has_value(); });
    check_failure(client.reason, error_code::handshake_failed,
                  "the other side sent more than 800 bytes before keys were agreed on");
    world.until([&] { return world.server_users[0]->reason.has_value(); });
    CHECK(world.server_users[0]->reason->who == origin::remote);
  }
  SECTION("a client, by its server") {
    // Just enough for its hello, with which the server has it.
    std::optional<quic_world> world;
    for (std::size_t limit = 100; !world || world->server_users.empty(); limit += 100) {
      REQUIRE(limit < 2'000);
      world.emplace(quic_world::options{.client = with_tls(client_named("client-a")),
                                        .server = with_tls(server_for_clients(client_certificates::require)),
                                        .server_handshake_bytes_max = limit});
      world->dial();
      world->run_for(100ms);
    }
    REQUIRE(world->server_users[0]->reason);
    CHECK(world->server_users[0]->reason->code == error_code::handshake_failed);
    CHECK_THAT(world->server_users[0]->reason->text, ContainsSubstring("bytes before keys were agreed on"));
    CHECK(world->half_open->get() == 0);
  }
}

TEST_CASE("a client without a certificate is taken where it is only asked for") {
  quic_world world{{.server = with_tls(server_for_clients(client_certificates::request))}};
  auto [client, server] = world.connect();
  CHECK(server.tls->peer_names.empty());
}

TEST_CASE("a client that must show a certificate, and has none or a foreign one, is sent away") {
  const auto is_foreign = GENERATE(true, false);
  quic_world world{{.client = with_tls(is_foreign ? client_named("foreign-client") : good_client()),
                    .server = with_tls(server_for_clients())}};
  auto& client = world.dial();
  world.until([&] { return client.reason && world.server_users[0]->reason; });
  check_failure(world.server_users[0]->reason, error_code::certificate_rejected,
                is_foreign ? "the certificate of the other side is refused: no authority of tls.trust has signed it"
                           : "the other side showed no certificate");
  CHECK_FALSE(world.server_users[0]->is_connected());
  CHECK(client.reason->code == error_code::certificate_rejected);
  CHECK(client.reason->who == origin::remote);
}

TEST_CASE("a client whose name is not among those that are accepted is sent away") {
  auto wanted = server_for_clients();
  wanted.accepted_clients = {"client-b.test"};
  const auto* name = GENERATE("client-a", "client-b");
  quic_world world{{.client = with_tls(client_named(name)), .server = with_tls(wanted)}};
  auto& client = world.dial();
  if (std::string_view{name} == "client-b")
    return world.until([&] { return !world.server_users.empty() && world.server_users[0]->is_connected(); });
  world.until([&] { return client.reason && world.server_users[0]->reason; });
  CHECK(world.server_users[0]->reason->code == error_code::certificate_rejected);
  CHECK(client.reason->code == error_code::certificate_rejected);
}

// -- servers that do not want ---------------------------------------------------------------------------------------------

TEST_CASE("a server that takes nobody does not answer, and the client gives up by its idle timeout") {
  quic_world world{{.client = quic_with([](quic_config& quic) { quic.idle_timeout = 3s; }), .accepts = false}};
  auto& client = world.dial();
  world.until([&] { return client.reason.has_value(); });
  CHECK(client.reason->code == error_code::idle_timeout);
  CHECK(world.server->size() == 0);
  CHECK(world.bytes_to_client == 0);
}

TEST_CASE("a client that is let go before the end of its handshake is told that it is refused") {
  quic_world world{{.lets_go = true}};
  auto& client = world.dial();
  world.until([&] { return client.reason.has_value(); });
  CHECK(client.reason->code == error_code::refused);
  CHECK(client.reason->who == origin::remote);
  CHECK(world.server->size() == 0);
  CHECK(world.half_open->get() == 0);
}

TEST_CASE("a server forgets a client that does not finish its handshake in time") {
  quic_world world;
  auto first = true;
  world.passes = [&](const udp_path& path, const std::string&) {
    return path.local == world.client_address || std::exchange(first, false);
  };
  const auto begun = world.now.steady;
  world.dial();
  world.until([&] { return !world.server_users.empty() && world.server_users[0]->reason; });
  CHECK(world.server_users[0]->reason->code == error_code::connect_timeout);
  CHECK(world.now.steady - begun >= transport_config{}.attempt_timeout);
  CHECK(world.server->size() == 0);
  CHECK(world.half_open->get() == 0);
}

TEST_CASE("before its address is proved a client is sent at most three times what it has sent") {
  quic_world world;
  world.passes = [&](const udp_path& path, const std::string&) {
    return path.local == world.client_address || world.bytes_to_server <= 1'300;
  };
  world.dial();
  world.run_for(10s);
  CHECK(world.bytes_to_client <= 3 * 1'300);
}

// -- versions ---------------------------------------------------------------------------------------------------------------

TEST_CASE("the version that both prefer is spoken") {
  const auto version = GENERATE(quic_version::v1, quic_version::v2);
  quic_world world{{.client = of_versions({version}), .server = of_versions({version})}};
  auto [client, server] = world.connect();
  CHECK(client.connection->metrics().version == version);
  CHECK(server.connection->metrics().version == version);
}

TEST_CASE("a server moves a client to the version that it prefers, without another round trip") {
  quic_world world{{.client = of_versions({quic_version::v1, quic_version::v2}),
                    .server = of_versions({quic_version::v2, quic_version::v1})}};
  auto [client, server] = world.connect();
  CHECK(client.connection->metrics().version == quic_version::v2);
  CHECK(server.connection->metrics().version == quic_version::v2);
  CHECK(world.server_users.size() == 1);
}

TEST_CASE("a client whose first version the server does not speak goes on with one that it does") {
  const auto [mine, theirs] =
      GENERATE(std::pair{quic_version::v2, quic_version::v1}, std::pair{quic_version::v1, quic_version::v2});
  quic_world world{{.client = of_versions({mine, theirs}), .server = of_versions({theirs})}};
  std::vector<std::string> negotiations;
  world.passes = [&](const udp_path&, const std::string& bytes) {
    if ((static_cast<std::uint8_t>(bytes[0]) & 0x80U) != 0 && bytes.substr(1, 4) == std::string(4, '\0'))
      negotiations.push_back(bytes);
    return true;
  };
  auto [client, server] = world.connect();
  CHECK(client.connection->metrics().version == theirs);
  CHECK(server.connection->metrics().version == theirs);
  CHECK(negotiations.size() == 1);
  client.say(0, "it works");
  world.until([&, &at = server] { return at.streams[0].text == "it works"; });
  client.close();
  world.until([&] { return world.client->size() == 0 && world.server->size() == 0; });
}

TEST_CASE("a server that names its versions names one that nobody knows as well") {
  quic_world world{
      {.client = of_versions({quic_version::v2, quic_version::v1}), .server = of_versions({quic_version::v1})}};
  std::string negotiation;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    if (path.local == world.client_address && negotiation.empty())
      negotiation = bytes;
    return true;
  };
  world.connect();
  REQUIRE(negotiation.size() > 8);
  auto reserved = 0;
  for (auto at = negotiation.size() - 8; at < negotiation.size(); at += 4)
    reserved += std::ranges::all_of(negotiation.substr(at, 4), [](char each) { return (each & 0x0f) == 0x0a; }) ? 1 : 0;
  CHECK(reserved == 1);
}

TEST_CASE("without a version in common there is no connection") {
  quic_world world{{.client = of_versions({quic_version::v2}), .server = of_versions({quic_version::v1})}};
  auto& client = world.dial();
  world.until([&] { return client.reason.has_value(); });
  CHECK(client.reason->code == error_code::no_common_version);
  CHECK(client.reason->who == origin::remote);
  CHECK(world.client->size() == 0);
  CHECK(world.server->size() == 0);
}

// -- proofs of address --------------------------------------------------------------------------------------------------

TEST_CASE("at a threshold of 0 every client has to prove its address first") {
  quic_world world{{.retry_threshold = 0}};
  const retry_counter retries{world};
  auto [client, server] = world.connect();
  CHECK(retries.seen == 1);
  client.say(0, "proved");
  world.until([&, &at = server] { return at.streams[0].text == "proved"; });
}

TEST_CASE("clients have to prove their address while too many are half-open") {
  quic_world world{{.retry_threshold = 2}};
  const retry_counter retries{world};
  world.connect();
  CHECK(retries.seen == 0);
  world.half_open->add();
  world.half_open->add();
  // What it has got to prove its address with is lost.
  REQUIRE(world.sessions->take("quic localhost:1", world.now.steady));
  world.connect();
  CHECK(retries.seen == 1);
  // It has proved it for later, too.
  world.connect();
  CHECK(retries.seen == 1);
}

TEST_CASE("a proof of address that was damaged is as good as none, and the next attempt brings it whole") {
  quic_world world{{.retry_threshold = 0}};
  auto retries = 0;
  auto damaged = 0;
  world.passes = [&](const udp_path& path, std::string& bytes) {
    retries += type_of(bytes) == packet::retry ? 1 : 0;
    // The token follows two IDs, the longest of 20 bytes, and its own length.
    if (path.local == world.server_address && retries > 0 && damaged < 1) {
      ++damaged;
      bytes[60] ^= 1;
    }
    return true;
  };
  world.connect();
  CHECK(damaged == 1);
}

TEST_CASE("a proof of one address is none of another, and the client is told at once") {
  quic_world world{{.retry_threshold = 0}};
  auto retries = 0;
  world.passes = [&](const udp_path&, const std::string& bytes) {
    retries += type_of(bytes) == packet::retry ? 1 : 0;
    return true;
  };
  world.translate = [&](const udp_address& from) { return retries > 0 ? address_of("203.0.113.5", 9'999) : from; };
  auto& client = world.dial();
  const auto begun = world.now.steady;
  // The answer goes to the new address, which leads to the client as well.
  world.until([&] { return client.reason.has_value(); });
  CHECK(client.reason->code == error_code::peer_error);
  // With its next probe at the latest.
  CHECK(world.now.steady - begun < 5s);
  CHECK(world.server->size() == 0);
}

TEST_CASE("a client that was connected before need not prove its address again") {
  quic_world world{{.retry_threshold = 0}};
  const retry_counter retries{world};
  world.connect();
  CHECK(retries.seen == 1);
  world.run_for(1s);
  world.connect();
  CHECK(retries.seen == 1);
}

// -- records --------------------------------------------------------------------------------------------------------------

TEST_CASE("keys are logged where somebody asks for them") {
  std::vector<std::string> lines;
  quic_world world{{.client_key_log = [&](std::string_view line) { lines.emplace_back(line); }}};
  world.connect();
  REQUIRE(lines.size() >= 4);
  CHECK_THAT(lines[0], ContainsSubstring("HANDSHAKE_TRAFFIC_SECRET"));
}

TEST_CASE("a connection writes qlog where somebody takes it") {
  std::string log;
  {
    quic_world world{{.client_qlog = [&](std::string_view text) { log.append(text); }}};
    auto [client, server] = world.connect();
    client.close();
    world.until([&] { return world.client->size() == 0; });
  }
  CHECK_THAT(log, ContainsSubstring("qlog_version"));
  CHECK_THAT(log, ContainsSubstring("packet_sent"));
}

} // namespace actorwire::test
