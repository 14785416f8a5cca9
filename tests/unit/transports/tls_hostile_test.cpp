// What sides of TLS may say that ours never would: nothing of it may crash, be believed, or hold anything up.

#include "seed.hpp"
#include "tls_sides.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

namespace {

constexpr std::string_view no_record = "what the other side sent is no valid record of TLS";

/// A client by hand and a server that have shaken hands.
struct pair {
  explicit pair(std::string_view versions = "+VERS-TLS1.3") : client(tls_role::client, raw_side::versions(versions)) {
    exchange(client, server);
    REQUIRE(client.is_done);
    REQUIRE(server.is_done);
  }

  /// Delivers what the client has to say, and lets the server read.
  void deliver() {
    server.feed(client.take_output());
    server.advance();
  }

  raw_side client;
  side server{credentials(tls_role::server, at_least_tls1_2())};

private:
  static tls_config at_least_tls1_2() {
    auto config = good_server();
    config.minimum_version = tls_version::tls1_2;
    return config;
  }
};

} // namespace

TEST_CASE("a record of which one bit is wrong is an error, and nothing of it is delivered") {
  const auto* version = GENERATE("+VERS-TLS1.2", "+VERS-TLS1.3");
  CAPTURE(version);
  std::size_t bits = 1;
  for (std::size_t bit = 0; bit < bits; ++bit) {
    pair both{version};
    both.client.say("!");
    auto record = both.client.take_output();
    bits = 8 * record.size();
    record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << (bit % 8)));
    // A length that became larger takes in what follows.
    both.client.say("and more");
    both.server.feed(record + both.client.take_output());
    both.server.engine.end_input();
    both.server.advance();
    CAPTURE(bit);
    REQUIRE(both.server.failure);
    CHECK((both.server.failure->code == error_code::malformed
           || both.server.failure->code == error_code::truncated_stream));
    // GnuTLS does not look at the outer type of a record of TLS 1.3; what is in it is authentic all the same.
    REQUIRE((both.server.text.empty() || (bit < 8 && both.server.text == "!and more")));
  }
}

TEST_CASE("garbage after the handshake is an error, whatever it is") {
  const test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 50; ++round) {
    pair both;
    std::string garbage(1 + chance() % 2'000, '\0');
    for (auto& byte : garbage)
      byte = static_cast<char>(chance());
    // Half of it looks like records.
    if (round % 2 == 0 && garbage.size() > 5)
      garbage.replace(0, 3, std::string{"\x17\x03\x03", 3});
    both.server.feed(garbage);
    both.server.advance();
    both.server.engine.end_input();
    both.server.advance();
    REQUIRE(both.server.failure);
    CHECK(both.server.text.empty());
  }
}

TEST_CASE("garbage amid a handshake is an error, wherever it is") {
  const test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 300; ++round) {
    auto client = side::client();
    auto server = side::server();
    client.advance();
    auto hello = client.take_output();
    const auto spoilt_hello = round % 2 == 0;
    if (!spoilt_hello) {
      server.feed(hello);
      server.advance();
      hello = server.take_output();
    }
    auto& spoilt = hello[chance() % hello.size()];
    spoilt = static_cast<char>(spoilt ^ static_cast<char>(1 + chance() % 255));
    auto& receiver = spoilt_hello ? server : client;
    receiver.feed(hello);
    receiver.advance();
    exchange(client, server);
    if (client.is_done && server.is_done) {
      // It was of no account, as the version of a record is. Then nothing else is different either.
      client.say("question");
      server.say("answer");
      exchange(client, server);
      if (server.text == "question" && client.text == "answer")
        continue;
    }
    // A length that became larger waits for more, and then for ever.
    client.engine.end_input();
    server.engine.end_input();
    client.advance();
    server.advance();
    CHECK(client.failure);
    CHECK(server.failure);
  }
}

TEST_CASE("a peer that dribbles does not keep a slab for each byte") {
  pair both;
  both.client.say("something to read first");
  const auto record = both.client.take_output();
  both.client.say(std::string(1'000, 'x'));
  const auto rest = both.client.take_output();
  // What nobody reads waits as it came.
  both.server.engine.feed(payload::copy_of(record));
  const auto slab = payload::copy_of(rest);
  for (std::uint32_t at = 0; at < slab.size(); ++at)
    both.server.engine.feed(slab.slice(at, 1));
  CHECK(slab.memory()->references <= 20);
  std::string text;
  std::array<std::byte, 100> room{};
  for (auto got = both.server.engine.read(room, both.server.now); got && *got > 0;
       got = both.server.engine.read(room, both.server.now))
    text.append(reinterpret_cast<const char*>(room.data()), *got);
  CHECK(text == "something to read first" + std::string(1'000, 'x'));
}

TEST_CASE("a record that is too long is an error before it is complete") {
  pair both;
  both.server.feed(std::string{"\x17\x03\x03\xff\xff", 5});
  both.server.feed(std::string(100, 'x'));
  both.server.advance();
  check_failure(both.server.failure, error_code::malformed, no_record, phase::established);
}

TEST_CASE("plaintext after the handshake is an error") {
  pair both;
  both.server.feed("GET / HTTP/1.1\r\n\r\n");
  both.server.advance();
  check_failure(both.server.failure, error_code::malformed, no_record, phase::established);
}

TEST_CASE("empty records are passed over") {
  pair both;
  both.client.say("one");
  for (int count = 0; count < 10; ++count)
    both.client.say_nothing();
  both.client.say("two");
  both.client.say_nothing();
  both.deliver();
  CHECK(both.server.text == "onetwo");
  CHECK_FALSE(both.server.failure);
  CHECK_FALSE(both.server.engine.peer_has_closed());
}

TEST_CASE("a flood of empty records hides nothing that follows") {
  pair both;
  for (int count = 0; count < 10'000; ++count)
    both.client.say_nothing();
  both.client.say("after all");
  both.deliver();
  CHECK(both.server.text == "after all");
  CHECK_FALSE(both.server.failure);
}

TEST_CASE("in TLS 1.2 a few warnings are put up with") {
  pair both{"+VERS-TLS1.2"};
  for (int round = 0; round < 10; ++round) {
    for (int count = 0; count < 3; ++count)
      both.client.warn();
    both.client.say(".");
    both.deliver();
  }
  CHECK(both.server.text == "..........");
  CHECK_FALSE(both.server.failure);
}

TEST_CASE("in TLS 1.2 a flood of warnings is not, however it comes") {
  const auto together = GENERATE(true, false);
  pair both{"+VERS-TLS1.2"};
  for (int count = 0; count < 4; ++count) {
    both.client.warn();
    if (!together)
      both.deliver();
  }
  both.client.say("and more");
  both.deliver();
  check_failure(both.server.failure, error_code::malformed, no_record, phase::established);
  CHECK(both.server.text.empty());
}

TEST_CASE("in TLS 1.3 there are no warnings (RFC 8446, 6)") {
  pair both;
  both.client.warn();
  both.deliver();
  check_failure(both.server.failure, error_code::peer_error, "the other side ended the connection with an alert of TLS",
                phase::established);
}

TEST_CASE("a fatal alert ends the connection, after what came before it") {
  pair both;
  both.client.say("last words");
  REQUIRE(::gnutls_alert_send(both.client.session(), GNUTLS_AL_FATAL, GNUTLS_A_INTERNAL_ERROR) == 0);
  both.deliver();
  CHECK(both.server.text == "last words");
  check_failure(both.server.failure, error_code::peer_error, "the other side ended the connection with an alert of TLS",
                phase::established);
  CHECK(both.server.failure->system_code == GNUTLS_A_INTERNAL_ERROR);
}

TEST_CASE("an alert that nobody knows is told by its number") {
  auto config = good_client();
  config.detailed_errors = true;
  const int alert = GENERATE(99, 127, 128, 255);
  CAPTURE(alert);
  auto client = side::client(config);
  client.advance();
  client.feed(std::string{"\x15\x03\x03\x00\x02\x02", 6} + static_cast<char>(alert));
  client.advance();
  check_failure(client.failure, error_code::handshake_failed,
                "the other side ended the connection with an alert of TLS");
  CHECK(client.failure->system_code == alert);
}

TEST_CASE("new keys are agreed on within TLS 1.3, in both directions") {
  pair both;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(::gnutls_session_key_update(both.client.session(), GNUTLS_KU_PEER) == 0);
    both.client.say("from the client");
    both.server.say("from the server");
    exchange(both.client, both.server);
  }
  CHECK(both.server.text == "from the clientfrom the clientfrom the client");
  CHECK(both.client.text == "from the serverfrom the serverfrom the server");
  CHECK_FALSE(both.server.failure);
}

TEST_CASE("a client of TLS 1.2 that wants to agree on new keys is refused") {
  pair both{"+VERS-TLS1.2"};
  // It sends another hello; GnuTLS lets go of the connection in the meantime.
  both.client.is_done = false;
  both.client.advance();
  both.deliver();
  check_failure(both.server.failure, error_code::malformed,
                "the other side wants to agree on new keys in a way that is not safe", phase::established);
}

TEST_CASE("a server of TLS 1.2 that wants to agree on new keys is refused") {
  auto config = good_client();
  config.minimum_version = tls_version::tls1_2;
  auto client = side::client(config);
  raw_side server{tls_role::server, raw_side::versions("+VERS-TLS1.2")};
  server.be("server-ec");
  exchange(client, server);
  REQUIRE(client.is_done);
  REQUIRE(::gnutls_rehandshake(server.session()) == 0);
  client.feed(server.take_output());
  client.advance();
  check_failure(client.failure, error_code::malformed,
                "the other side wants to agree on new keys in a way that is not safe", phase::established);
}

TEST_CASE("what follows a session ticket at once is read at once") {
  auto client = side::client();
  auto server = side::server();
  // It is sent behind the tickets, in the same flight.
  server.say("welcome");
  exchange(client, server);
  CHECK(client.text == "welcome");
}

} // namespace actorwire::test
