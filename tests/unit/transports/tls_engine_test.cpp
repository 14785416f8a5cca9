// Two engines of TLS, joined in memory: what they agree on, and what they carry.

#include "seed.hpp"
#include "tls_sides.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

namespace actorwire::test {

namespace {

/// Two sides that have shaken hands.
struct pair {
  explicit pair(const tls_config& client_config = good_client(), const tls_config& server_config = good_server())
    : client(side::client(client_config)), server(side::server(server_config)) {
    exchange(client, server);
    REQUIRE(client.is_done);
    REQUIRE(server.is_done);
  }

  side client;
  side server;
};

tls_config from_tls1_2(tls_config config) {
  config.minimum_version = tls_version::tls1_2;
  return config;
}

/// A client of TLS 1.2 that trusts anybody.
struct old_client : raw_side {
  old_client() : raw_side(tls_role::client, versions("+VERS-TLS1.2")) {}
};

} // namespace

// -- what is agreed on ----------------------------------------------------------------------------------------------------

TEST_CASE("both sides of TLS know what they agreed on, and with whom") {
  auto client_config = client_named("client-a");
  auto server_config = server_for_clients();
  client_config.alpn = {"first/1", "second/2"};
  server_config.alpn = {"other", "second/2"};
  const pair both{client_config, server_config};
  const auto seen_by_client = both.client.engine.info();
  CHECK(seen_by_client.version == "TLS1.3");
  CHECK(seen_by_client.cipher == "AES-128-GCM");
  CHECK(seen_by_client.alpn == "second/2");
  CHECK_FALSE(seen_by_client.resumed);
  CHECK(seen_by_client.peer_names == std::vector<std::string>{"localhost", "127.0.0.1", "::1"});
  CHECK(seen_by_client.peer_key == pin_of("server-ec"));
  const auto seen_by_server = both.server.engine.info();
  CHECK(seen_by_server.version == seen_by_client.version);
  CHECK(seen_by_server.cipher == seen_by_client.cipher);
  CHECK(seen_by_server.alpn == seen_by_client.alpn);
  CHECK_FALSE(seen_by_server.resumed);
  CHECK(seen_by_server.peer_names == std::vector<std::string>{"client-a.test"});
  CHECK(seen_by_server.peer_key.size() == 44);
}

TEST_CASE("a client that shows no certificate has no name") {
  const pair both;
  CHECK(both.server.engine.info().peer_names.empty());
  CHECK(both.server.engine.info().peer_key.empty());
}

TEST_CASE("servers prove themselves with EC, RSA and Ed25519 keys, to names and to addresses") {
  const auto* name = GENERATE("server-ec", "server-rsa", "server-ed25519");
  const auto* host = GENERATE("localhost", "LOCALHOST", "127.0.0.1", "::1");
  const auto version = GENERATE(tls_version::tls1_2, tls_version::tls1_3);
  CAPTURE(name, host);
  auto client_config = good_client();
  client_config.minimum_version = version;
  auto client = side::client(client_config, host);
  auto server = side::server(server_named(name));
  exchange(client, server);
  REQUIRE(client.is_done);
  CHECK(client.engine.info().peer_key == pin_of(name));
}

TEST_CASE("a handshake and what follows do not depend on how the bytes are cut") {
  const test_seed seed;
  auto chance = seed.engine();
  auto client_config = client_named("client-a");
  auto server_config = server_for_clients();
  client_config.alpn = server_config.alpn = {"proto"};
  const auto check = [&](const cut_function& cut) {
    auto client = side::client(client_config);
    auto server = side::server(server_config);
    exchange(client, server, cut);
    REQUIRE(client.is_done);
    REQUIRE(server.is_done);
    client.say(pattern(60'000));
    server.say(pattern(50'000));
    exchange(client, server, cut);
    CHECK(server.text == pattern(60'000));
    CHECK(client.text == pattern(50'000));
    CHECK_FALSE(client.failure);
    CHECK_FALSE(server.failure);
  };
  check(whole);
  check(byte_by_byte);
  for (int round = 0; round < 5; ++round)
    check(at_random(chance));
}

TEST_CASE("a side that allows TLS 1.2 still agrees on 1.3 where the other side can") {
  const pair both{from_tls1_2(good_client()), from_tls1_2(good_server())};
  CHECK(both.client.engine.info().version == "TLS1.3");
}

TEST_CASE("TLS 1.2 is spoken where it is allowed and the other side knows nothing newer") {
  SECTION("as a server") {
    old_client client;
    auto server = side::server(from_tls1_2(good_server()));
    exchange(client, server);
    REQUIRE(client.is_done);
    REQUIRE(server.is_done);
    CHECK(server.engine.info().version == "TLS1.2");
    client.say("from an old client");
    server.say("to it");
    exchange(client, server);
    CHECK(server.text == "from an old client");
    CHECK(client.text == "to it");
  }
  SECTION("as a client") {
    auto client = side::client(from_tls1_2(good_client()));
    raw_side server{tls_role::server, raw_side::versions("+VERS-TLS1.2")};
    server.be("server-ec");
    exchange(client, server);
    REQUIRE(client.is_done);
    REQUIRE(server.is_done);
    CHECK(client.engine.info().version == "TLS1.2");
    client.say("to an old server");
    exchange(client, server);
    CHECK(server.text == "to an old server");
  }
}

TEST_CASE("without verification a client takes any server, and still knows what it was shown") {
  const auto* name = GENERATE("self-signed", "foreign-server", "other-host");
  tls_config config;
  config.verification = insecure_no_verification{};
  const pair both{config, server_named(name)};
  CHECK(both.client.engine.info().peer_key.size() == 44);
}

// -- the key log ----------------------------------------------------------------------------------------------------------

TEST_CASE("the secrets of a connection are logged where the settings say so") {
  const auto lines = std::make_shared<std::vector<std::string>>();
  tls_services services;
  services.log_key = [lines](std::string_view line) { lines->emplace_back(line); };
  side client{credentials(tls_role::client, good_client(), std::move(services)), "localhost"};
  auto server = side::server();
  exchange(client, server);
  REQUIRE(client.is_done);
  std::set<std::string> labels;
  std::set<std::string> randoms;
  for (const auto& line : *lines) {
    CAPTURE(line);
    REQUIRE(line.ends_with("\n"));
    const auto first = line.find(' ');
    const auto second = line.find(' ', first + 1);
    REQUIRE(second != std::string::npos);
    labels.insert(line.substr(0, first));
    randoms.insert(line.substr(first + 1, second - first - 1));
    CHECK(second - first - 1 == 64);
    const auto secret_digits = line.size() - second - 2;
    CHECK((secret_digits == 64 || secret_digits == 96));
    CHECK(line.find_first_not_of("0123456789abcdef\n", second + 1) == std::string::npos);
  }
  CHECK(labels
        == std::set<std::string>{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                                 "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"});
  CHECK(randoms.size() == 1);
}

TEST_CASE("nothing is logged because the environment says so") {
  const auto file = std::filesystem::temp_directory_path() / ("actorwire-key-log-" + std::to_string(::getpid()));
  // GnuTLS looks once in the life of a process, when the first secret is there; ctest runs each case in one of its own.
  REQUIRE(::setenv("SSLKEYLOGFILE", file.c_str(), 1) == 0);
  const pair both;
  REQUIRE(::unsetenv("SSLKEYLOGFILE") == 0);
  const auto was_made = std::filesystem::remove(file);
  CHECK_FALSE(was_made);
}

// -- plaintext --------------------------------------------------------------------------------------------------------------

TEST_CASE("small pieces share a record and large ones are cut, and none is lost") {
  const test_seed seed;
  auto chance = seed.engine();
  pair both;
  std::string said;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> parts(1 + chance() % 40);
    std::vector<outgoing> pieces;
    for (auto& part : parts) {
      // Some are empty.
      part = pattern(chance() % (chance() % 8 == 0 ? 20'000 : 60));
      pieces.push_back({reinterpret_cast<const std::byte*>(part.data()), part.size(), nullptr});
    }
    const auto taken = both.client.engine.write(pieces, both.client.now);
    REQUIRE(taken);
    std::string all;
    for (const auto& part : parts)
      all += part;
    REQUIRE(*taken <= all.size());
    REQUIRE((*taken > 0 || all.empty()));
    said += all.substr(0, *taken);
    exchange(both.client, both.server);
  }
  CHECK(both.server.text == said);
}

TEST_CASE("no more is encrypted than one call to the system carries, and the rest later") {
  pair both;
  const auto bytes = pattern(1'000'000);
  const outgoing all{reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), nullptr};
  const auto taken = both.client.engine.write({&all, 1}, both.client.now);
  REQUIRE(taken);
  CHECK(*taken > tls_engine::output_max / 2);
  CHECK(*taken < bytes.size());
  CHECK(both.client.engine.output_size() <= tls_engine::output_max);
  const auto more = both.client.engine.write({&all, 1}, both.client.now);
  REQUIRE(more);
  CHECK(*more == 0);
  static_cast<void>(both.client.take_output());
  const auto again = both.client.engine.write({&all, 1}, both.client.now);
  REQUIRE(again);
  CHECK(*again > 0);
}

TEST_CASE(
    "the first records are small, those of a stream are as long as may be, and after a rest they are small again") {
  pair both;
  static_cast<void>(both.client.take_output());
  constexpr std::size_t overhead = 64;
  const auto sent = [&](std::size_t size) {
    both.client.say(std::string(size, 'x'));
    return record_sizes(both.client.take_output());
  };
  for (const auto size : sent(record_sizer::small_bytes))
    CHECK(size <= record_sizer::small + overhead);
  const auto bulk = sent(10 * record_sizer::large);
  CHECK(bulk.size() == 10);
  for (const auto size : bulk)
    CHECK(size >= record_sizer::large);
  both.client.now.steady += record_sizer::rest;
  CHECK(sent(record_sizer::large).size() == 1);
  both.client.now.steady += record_sizer::rest + 1ms;
  CHECK(sent(record_sizer::large).size() == (record_sizer::large + record_sizer::small - 1) / record_sizer::small);
}

TEST_CASE("what is called acknowledged has arrived, whatever part of the ciphertext was") {
  auto client = side::client();
  auto server = side::server();
  // What is sent to shake hands counts as ciphertext.
  std::uint64_t ciphertext = 0;
  client.advance();
  for (auto moves = true; moves;) {
    const auto to_server = client.take_output();
    ciphertext += to_server.size();
    server.feed(to_server);
    server.advance();
    const auto to_client = server.take_output();
    client.feed(to_client);
    client.advance();
    moves = !to_server.empty() || !to_client.empty();
  }
  REQUIRE(server.is_done);
  CHECK(client.engine.plain_acked(ciphertext) == 0);
  std::string flight;
  std::size_t said = 0;
  for (const auto size : {1U, 100U, 1'300U, 1'301U, 5'000U, 20'000U, 30'000U}) {
    client.say(std::string(size, 'x'));
    said += size;
    flight += client.take_output();
  }
  CHECK(client.engine.unacknowledged_marks() > 0);
  const std::size_t step = 7;
  for (std::size_t arrived = 0; arrived < flight.size(); arrived += step) {
    const auto part = std::string_view{flight}.substr(arrived, step);
    server.feed(part);
    server.advance();
    ciphertext += part.size();
    REQUIRE(client.engine.plain_acked(ciphertext) <= server.text.size());
  }
  CHECK(server.text.size() == said);
  CHECK(client.engine.plain_acked(ciphertext) == said);
  CHECK(client.engine.unacknowledged_marks() == 0);
}

TEST_CASE("a side that is not asked to read decrypts no more than one record") {
  pair both;
  both.client.say(pattern(100'000));
  both.server.feed(both.client.take_output());
  const auto looked = both.server.engine.look_ahead(both.server.now);
  REQUIRE(looked);
  CHECK(*looked);
  const auto waiting = both.server.engine.input_size();
  CHECK(waiting > 90'000);
  REQUIRE(both.server.engine.look_ahead(both.server.now));
  CHECK(both.server.engine.input_size() == waiting);
  both.server.advance();
  CHECK(both.server.text == pattern(100'000));
  CHECK(both.server.engine.input_size() == 0);
}

// -- the end ----------------------------------------------------------------------------------------------------------------

TEST_CASE("either side may finish and go on to read") {
  pair both;
  const auto client_first = GENERATE(true, false);
  auto& first = client_first ? both.client : both.server;
  auto& last = client_first ? both.server : both.client;
  first.say("my last words");
  first.engine.close_sending();
  exchange(first, last);
  CHECK(last.text == "my last words");
  CHECK(last.engine.peer_has_closed());
  CHECK_FALSE(first.engine.peer_has_closed());
  last.say(pattern(100'000));
  exchange(first, last);
  CHECK(first.text == pattern(100'000));
  last.engine.close_sending();
  exchange(first, last);
  CHECK(first.engine.peer_has_closed());
  // The stream below may end now.
  first.engine.end_input();
  last.engine.end_input();
  exchange(first, last);
  CHECK_FALSE(first.failure);
  CHECK_FALSE(last.failure);
}

TEST_CASE("the end is known only when all that came before it was read") {
  pair both;
  both.client.say("more");
  both.client.engine.close_sending();
  both.server.feed(both.client.take_output());
  REQUIRE(both.server.engine.look_ahead(both.server.now));
  CHECK_FALSE(both.server.engine.peer_has_closed());
  both.server.advance();
  CHECK(both.server.text == "more");
  CHECK(both.server.engine.peer_has_closed());
}

TEST_CASE("a stream that ends without the close of TLS was cut, wherever that is") {
  pair both;
  both.client.say("all there is");
  const auto flight = both.client.take_output();
  const auto length = GENERATE_COPY(std::size_t{0}, std::size_t{1}, std::size_t{5}, flight.size() - 1, flight.size());
  CAPTURE(length);
  both.server.feed(std::string_view{flight}.substr(0, length));
  both.server.engine.end_input();
  both.server.advance();
  CHECK(both.server.text == (length == flight.size() ? "all there is" : ""));
  check_failure(both.server.failure, error_code::truncated_stream,
                "the connection ended without the close of TLS: what came may not be all", phase::established);
}

TEST_CASE("what came before an error is read first") {
  pair both;
  both.client.say("good");
  auto flight = both.client.take_output();
  both.client.say("bad");
  flight += both.client.take_output();
  flight.back() = static_cast<char>(flight.back() ^ 1);
  both.server.feed(flight);
  std::array<std::byte, 100> room;
  const auto got = both.server.engine.read(room, both.server.now);
  REQUIRE(got);
  CHECK(*got == 4);
  // And the error stays.
  for (int count = 0; count < 3; ++count) {
    const auto next = both.server.engine.read(room, both.server.now);
    REQUIRE_FALSE(next);
    CHECK(next.error().code == error_code::malformed);
  }
}

} // namespace actorwire::test
