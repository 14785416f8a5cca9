// Clients that come back: sessions that are resumed, and what they send in their first flight (0-RTT).

#include "engine/quic/quic_setup.hpp"
#include "quic_sides.hpp"

#include <ctime>

namespace actorwire::test {

namespace {

transport_config with_early_data() {
  return quic_with([](quic_config& quic) { quic.early_data = true; });
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
  world.until([&] { return both.server().connection->is_connected(); });
  CHECK(world.half_open->get() == 0);
  CHECK_FALSE(client.reason);
}

TEST_CASE("the token of an earlier connection spares a client one Retry, and nobody a second one") {
  quic_world world{{.retry_threshold = 0}};
  std::size_t retries = 0;
  std::string first;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
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
  world.connect();
  CHECK(retries == 1);
  // Somebody has listened, and the connections are forgotten.
  world.start_server();
  world.inject(world.to_server(), first);
  world.run_for(1s);
  CHECK(retries == 2);
  CHECK(world.server->size() == 0);
}

TEST_CASE("the token of a client that is not taken at once is good when it asks again") {
  quic_world world{{.retry_threshold = 0}};
  std::size_t retries = 0;
  std::string first;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
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
  CHECK(retries == 1);
}

TEST_CASE("a client goes on with a session by the version that was agreed on, and by no other") {
  const auto speaking = [](std::vector<quic_version> versions) {
    return quic_with([&](quic_config& quic) { quic.versions = versions; });
  };
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
