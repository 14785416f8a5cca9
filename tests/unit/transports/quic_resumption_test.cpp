// Clients that come back: sessions that are resumed, and what they send in their first flight (0-RTT).

#include "engine/quic/quic_setup.hpp"
#include "quic_sides.hpp"
#include "raw_quic_peer.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <ctime>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

transport_config with_early_data() {
  return quic_with([](quic_config& quic) { quic.early_data = true; });
}

transport_config speaking(std::vector<quic_version> versions) {
  return quic_with([&](quic_config& quic) { quic.versions = versions; });
}

/// A client that was here before, and has a session to come back with.
class returning_client {
public:
  explicit returning_client(quic_world::options chosen = {.client = with_early_data(), .server = with_early_data()})
    : world(std::move(chosen)) {
    // GnuTLS measures the age of tickets by the machine's clock, whatever it is told.
    world.now.wall = std::time(nullptr);
    auto [client, server] = world.connect();
    world.run_for(1s);
    client.close();
    world.until([&] { return world.client->size() == 0 && world.server->size() == 0; });
  }

  /// Comes back, and says something at once if it may.
  quic_user& come_back(std::string_view text) {
    auto& client = world.dial();
    could_hurry = client.connection->takes_early_data();
    if (could_hurry)
      client.say(0, text);
    return client;
  }

  quic_user& server() { return *world.server_users.back(); }

  quic_world world;
  bool could_hurry = false;
};

} // namespace

TEST_CASE("a client that comes back resumes its session, and both sides know") {
  quic_world world;
  world.now.wall = std::time(nullptr);
  auto [first, first_server] = world.connect();
  CHECK_FALSE(first.tls->resumed);
  CHECK_FALSE(first_server.tls->resumed);
  world.run_for(1s);
  auto [second, second_server] = world.connect();
  CHECK(second.tls->resumed);
  CHECK(second_server.tls->resumed);
  CHECK(second.tls->peer_key == first.tls->peer_key);
}

TEST_CASE("a session gets old as fast while its side stands still") {
  quic_world world;
  world.now.wall = std::time(nullptr);
  const auto stays = GENERATE(0s, 3'590s, 3'599s, 2h);
  auto [first, first_server] = world.connect();
  CHECK_FALSE(first.tls->resumed);
  world.run_for(1s);
  world.now.stalled += stays;
  auto [second, second_server] = world.connect();
  CHECK(second.tls->resumed == (stays < 3'595s));
}

TEST_CASE("a session is not resumed where either side does not want it") {
  transport_config without;
  without.tls = good_client();
  quic_world::options chosen;
  SECTION("the client") {
    chosen.client.tls = good_client();
    chosen.client.tls.session_resumption = false;
  }
  SECTION("the server") {
    chosen.server.tls = good_server();
    chosen.server.tls.session_resumption = false;
  }
  quic_world world{chosen};
  world.now.wall = std::time(nullptr);
  world.connect();
  world.run_for(1s);
  auto [client, server] = world.connect();
  CHECK_FALSE(client.tls->resumed);
  CHECK_FALSE(server.tls->resumed);
}

TEST_CASE("a server that does not know the ticket agrees on new keys") {
  quic_world world;
  world.now.wall = std::time(nullptr);
  world.connect();
  world.run_for(1s);
  world.start_server_with({});
  auto [client, server] = world.connect();
  CHECK_FALSE(client.tls->resumed);
  CHECK_FALSE(server.tls->resumed);
}

TEST_CASE("what a returning client says at once is there before the handshake is done") {
  returning_client both;
  auto& world = both.world;
  auto& client = both.come_back("early");
  CHECK(both.could_hurry);
  auto before_handshake = false;
  world.until([&] {
    before_handshake = before_handshake
                    || (both.server().streams[0].text == "early" && both.server().is_connected()
                        && !both.server().connection->is_connected() && !client.is_connected());
    return client.is_connected() && both.server().connection->is_connected();
  });
  CHECK(before_handshake);
  CHECK(client.tls->resumed);
  CHECK(client.early_data_rejections == 0);
  CHECK(client.connection->metrics().early_data_accepted);
  CHECK(both.server().connection->metrics().early_data_accepted);
  client.say(0, ", late");
  client.finish(0);
  world.until([&] { return both.server().streams[0].ended; });
  CHECK(both.server().streams[0].text == "early, late");
}

TEST_CASE("a server hears early data after half a round trip, and its answer comes when the handshake is done") {
  returning_client both;
  auto& world = both.world;
  world.sky.delay = 50ms;
  auto& client = both.come_back("ask");
  const auto asked = world.now.steady;
  world.until([&] { return both.server().streams[0].text == "ask"; });
  CHECK(world.now.steady - asked < 60ms);
  both.server().say(0, "answer");
  world.until([&] { return client.streams[0].text == "answer"; });
  // GnuTLS has no keys for an answer before the client's last word.
  CHECK(world.now.steady - asked < 160ms);
}

TEST_CASE("where a server asks for certificates it tells of early data after the handshake") {
  auto server = with_early_data();
  server.tls = server_for_clients(client_certificates::request);
  returning_client both{{.client = with_early_data(), .server = server}};
  auto& client = both.come_back("early");
  REQUIRE(both.could_hurry);
  auto came_first = false;
  both.world.until([&] {
    const auto* connection = both.server().connection;
    came_first = came_first || (connection != nullptr && both.server().is_connected() && !connection->is_connected());
    return client.is_connected() && both.server().is_connected() && both.server().streams[0].text == "early";
  });
  CHECK_FALSE(came_first);
}

TEST_CASE("who has not proved its address is told of after the handshake, whatever it sends early") {
  returning_client both;
  auto& world = both.world;
  // It has another address than when it was given its proof.
  world.client_address = address_of("198.51.100.8", 50'000);
  auto& client = both.come_back("early");
  REQUIRE(both.could_hurry);
  auto came_first = false;
  world.until([&] {
    const auto* connection = world.server_users.empty() ? nullptr : both.server().connection;
    came_first = came_first
              || (connection != nullptr && !connection->is_connected()
                  && (both.server().is_connected() || !both.server().streams[0].text.empty()));
    return client.is_connected() && both.server().is_connected() && both.server().streams[0].text == "early";
  });
  CHECK_FALSE(came_first);
  CHECK(client.connection->metrics().early_data_accepted);
}

TEST_CASE("a client counts as half-open until its handshake is done, whatever it sends early") {
  returning_client both;
  auto& world = both.world;
  auto& client = both.come_back("early");
  REQUIRE(both.could_hurry);
  world.until([&] { return !world.server_users.empty() && both.server().streams[0].text == "early"; });
  REQUIRE(both.server().is_connected());
  REQUIRE_FALSE(both.server().connection->is_connected());
  CHECK(world.half_open->get() == 1);
  CHECK(both.server().is_shaking_hands);
  world.until([&] { return both.server().connection->is_connected(); });
  CHECK(world.half_open->get() == 0);
  world.until([&] { return !both.server().is_shaking_hands; });
  CHECK_FALSE(client.reason);
}

TEST_CASE(
    "a client whose long first message comes without its beginning is asked to prove its address, not forgotten") {
  // A ticket holds the client's certificate, and so its next hello is longer than a packet.
  transport_config client;
  client.tls = client_named("client-a");
  transport_config server;
  server.tls = server_for_clients(client_certificates::require);
  quic_world world{{.client = client, .server = server}};
  world.now.wall = std::time(nullptr);
  world.connect();
  world.run_for(1s);
  // It comes from another address than its token is good for.
  world.client_address = address_of("198.51.100.8", 50'000);
  auto sent = 0;
  auto retries = 0;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    if (path.local != world.server_address) {
      // A Retry is a long packet of type 3 (RFC 9000, 17.2.5).
      retries += (static_cast<std::uint8_t>(bytes[0]) & 0xb0U) == 0xb0U ? 1 : 0;
      return true;
    }
    return ++sent != 1;
  };
  const auto began = world.now.steady;
  auto [again, at_server] = world.connect();
  CHECK(again.tls->resumed);
  CHECK(retries == 1);
  // Without having to find out by a timeout that something was lost.
  CHECK(world.now.steady - began < 100ms);
  CHECK(world.server->size() == 2);
  CHECK(world.half_open->get() == 0);
}

TEST_CASE("a token that comes in a later packet than its ticket is kept with it") {
  raw_quic_peer raw;
  quic_world world{{.client_key_log = [&raw](std::string_view line) { raw.learn(line); }}};
  auto is_taken_over = false;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    is_taken_over = is_taken_over || (path.remote == world.server_address && raw.impersonate(bytes));
    return true;
  };
  world.connect();
  world.until([&] { return is_taken_over; });
  world.run_for(1s);
  // As if the server had said less at first.
  const std::string server = "quic localhost:1";
  auto kept = world.sessions->take(server, world.now.steady);
  REQUIRE(kept);
  kept->quic_token.clear();
  world.sessions->put(server, *kept);
  world.inject(world.to_client(), raw.say(raw_frame({0x07, 5}, "token")));
  world.run_for(1s);
  kept = world.sessions->take(server, world.now.steady);
  REQUIRE(kept);
  CHECK(kept->quic_token == "token");
}

namespace {

/// A client that has proved its address by a Retry, and has a token for the next time.
struct proven_client {
  proven_client() {
    world.passes = [this](const udp_path& path, const std::string& bytes) {
      // A Retry is a long packet of type 3 (RFC 9000, 17.2.5).
      retries += path.local != world.server_address && (static_cast<std::uint8_t>(bytes[0]) & 0xb0U) == 0xb0U ? 1 : 0;
      if (first.empty() && path.local == world.server_address)
        first = bytes;
      return true;
    };
    world.now.wall = std::time(nullptr);
    world.connect();
    world.run_for(1s);
    CHECK(retries == 1);
    first.clear();
  }

  quic_world world{{.retry_threshold = 0}};
  std::size_t retries = 0;
  /// What the client says first when it comes back.
  std::string first;
};

} // namespace

TEST_CASE("the token of an earlier connection spares a client one Retry, and nobody a second one") {
  proven_client both;
  auto& world = both.world;
  world.connect();
  CHECK(both.retries == 1);
  // Somebody has listened, and the connections are forgotten.
  world.start_server();
  world.inject(world.to_server(), both.first);
  world.run_for(1s);
  CHECK(both.retries == 2);
  CHECK(world.server->size() == 0);
}

TEST_CASE("a server takes neither a ticket nor a token of one version of QUIC in a connection of the other") {
  using enum quic_version;
  const auto [first, other] = GENERATE(std::pair{v1, v2}, std::pair{v2, v1});
  // The server stays with whatever the client begins with, or would rather speak the version of the ticket.
  const auto would_move = GENERATE(true, false);
  const auto is_same = GENERATE(true, false);
  CAPTURE(first, would_move, is_same);
  auto settings = speaking({first, other});
  std::get<quic_config>(settings.protocol_settings).early_data = true;
  quic_world world{{.client = settings, .server = settings, .retry_threshold = 0}};
  world.now.wall = std::time(nullptr);
  auto [client, server] = world.connect();
  REQUIRE(client.connection->metrics().version == first);
  world.run_for(1s);
  auto session = world.sessions->take("quic localhost:1", world.now.steady);
  REQUIRE(session);
  REQUIRE_FALSE(session->quic_token.empty());
  session->quic_version = wire_version(is_same ? first : other);
  world.sessions->put("quic localhost:1", *std::move(session));
  if (!would_move)
    std::get<quic_config>(settings.protocol_settings).versions = {is_same ? first : other};
  world.change_server(settings);
  auto has_retried = false;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    // A Retry is a long packet of type 3, which version 2 writes as 0 (RFC 9000, 17.2.5; RFC 9369, 3.2).
    const auto is_v2 = static_cast<std::uint8_t>(bytes[1]) == wire_version(v2) >> 24U;
    has_retried = has_retried
               || (path.local != world.server_address
                   && (static_cast<std::uint8_t>(bytes[0]) & 0xb0U) == (is_v2 ? 0x80U : 0xb0U));
    return true;
  };
  auto [again, again_server] = world.connect();
  CHECK(again.tls->resumed == is_same);
  CHECK(again_server.tls->resumed == is_same);
  CHECK(again_server.connection->metrics().early_data_accepted == is_same);
  CHECK(has_retried == !is_same);
}

TEST_CASE("the token of a client that is not taken at once is good when it asks again") {
  proven_client both;
  auto& world = both.world;
  SECTION("because there is no memory") {
    const auto taken = world.budget->limit() - world.budget->used() + receive_arena::overdraft_max;
    world.budget->take_beyond(taken);
    world.dial();
    world.run_for(100ms);
    world.budget->give_back(taken);
  }
  SECTION("because its packet was damaged on the way") {
    world.passes = [&, passes = world.passes, is_whole = false](const udp_path& path, std::string& bytes) mutable {
      if (std::exchange(is_whole, true))
        return passes(path, bytes);
      auto damaged = bytes;
      damaged.back() ^= 1;
      world.inject(path, damaged);
      return false;
    };
    world.dial();
  }
  world.until([&] { return world.client_users.back()->is_connected(); });
  CHECK(both.retries == 1);
}

TEST_CASE("a client goes on with a session by the version that was agreed on, and by no other") {
  quic_world world{{.client = speaking({quic_version::v1, quic_version::v2}),
                    .server = speaking({quic_version::v2, quic_version::v1})}};
  world.now.wall = std::time(nullptr);
  auto [first, first_server] = world.connect();
  REQUIRE(first.connection->metrics().version == quic_version::v2);
  world.run_for(1s);
  std::uint32_t began_with = 0;
  world.passes = [&](const udp_path&, const std::string& bytes) {
    if (began_with == 0)
      for (std::size_t at = 1; at <= 4; ++at)
        began_with = began_with << 8U | static_cast<std::uint8_t>(bytes[at]);
    return true;
  };
  SECTION("where it speaks that") {
    auto [second, second_server] = world.connect();
    CHECK(began_with == wire_version(quic_version::v2));
    CHECK(second.tls->resumed);
  }
  SECTION("where the server has come to prefer another one meanwhile, it has none for once") {
    world.change_server(speaking({quic_version::v1, quic_version::v2}));
    for (const auto is_resumed : {true, false, true}) {
      auto [next, next_server] = world.connect();
      CHECK(next.connection->metrics().version == quic_version::v1);
      CHECK(next.tls->resumed == is_resumed);
      world.run_for(1s);
    }
  }
  SECTION("where the server does not any more") {
    world.change_server(speaking({quic_version::v1}));
    auto [second, second_server] = world.connect();
    CHECK(second.connection->metrics().version == quic_version::v1);
    CHECK_FALSE(second.tls->resumed);
  }
}

TEST_CASE("a new client, or one whose settings do not want it, sends nothing before the handshake") {
  SECTION("new") {
    quic_world world{{.client = with_early_data(), .server = with_early_data()}};
    CHECK_FALSE(world.dial().connection->takes_early_data());
  }
  SECTION("not wanted") {
    returning_client both{{.server = with_early_data()}};
    both.come_back("");
    CHECK_FALSE(both.could_hurry);
  }
}

TEST_CASE("what a server refuses of the first flight is sent again, and arrives once") {
  returning_client both;
  auto& world = both.world;
  const auto text = pattern(40'000);
  SECTION("it has been started anew, with other keys") {
    world.start_server_with(with_early_data());
  }
  SECTION("it takes none any more") {
    world.change_server({});
  }
  auto& client = both.come_back(text);
  CHECK(both.could_hurry);
  client.finish(0);
  world.until([&] { return !world.server_users.empty() && both.server().streams[0].ended; });
  CHECK((both.server().streams[0].text == text));
  CHECK(client.early_data_rejections == 1);
  CHECK_FALSE(client.connection->metrics().early_data_accepted);
  both.server().say(0, "answer");
  both.server().finish(0);
  world.until([&] { return client.streams[0].closed && both.server().streams[0].closed; });
  CHECK(client.streams[0].text == "answer");
}

TEST_CASE("what was refused is sent again in any weather", "[random]") {
  returning_client both;
  auto& world = both.world;
  world.sky.loss = 0.1;
  world.sky.jitter = 10ms;
  world.start_server_with(with_early_data());
  const auto text = pattern(100'000);
  auto& client = both.come_back(text);
  client.finish(0);
  world.until([&] { return !world.server_users.empty() && both.server().streams[0].ended; });
  CHECK((both.server().streams[0].text == text));
}

TEST_CASE("the first flight of somebody who listened is not taken a second time") {
  // From GnuTLS 3.8 on our clock, once it is there, tells it whole seconds only: before, this would be a part of one late.
  { const wall_time clock{std::time(nullptr)}; }
  // It knows that it does not know what came before it, so it has to be made first.
  const auto forgetful = std::make_shared<early_data_guard>(random_from(5));
  returning_client both;
  auto& world = both.world;
  std::vector<std::string> flight;
  auto is_recording = true;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    is_recording = is_recording && path.local == world.server_address;
    if (is_recording)
      flight.push_back(bytes);
    return true;
  };
  both.come_back("pay 10");
  world.until([&] { return both.server().streams[0].text == "pay 10"; });
  world.run_for(1s);
  // Only what the server remembers of early data keeps it from taking this: connections and tokens are forgotten.
  const auto replay = [&] {
    world.used_tokens.emplace(random_from(6));
    world.start_server();
    for (const auto& each : flight)
      world.inject(world.to_server(), each);
    world.until([&] { return !world.server_users.empty(); });
    world.run_for(1s);
    return both.server().streams[0].text;
  };
  CHECK(replay().empty());
  SECTION("a server that has forgotten that as well would take it") {
    world.guard = forgetful;
    CHECK(replay() == "pay 10");
  }
}

TEST_CASE("a client that takes the limits of an earlier server for granted loses its connection and no other") {
  returning_client both;
  auto& world = both.world;
  world.change_server(quic_with([](quic_config& quic) {
    quic.early_data = true;
    quic.stream_window = quic.connection_window = 16'384;
  }));
  auto& client = both.come_back(pattern(200'000));
  world.until([&] { return client.reason && world.server->size() == 0; });
  // It has no session left that could mislead it.
  auto& next = both.come_back("");
  CHECK_FALSE(both.could_hurry);
  world.until([&] { return next.is_connected() && both.server().is_connected(); });
}

} // namespace actorwire::test
