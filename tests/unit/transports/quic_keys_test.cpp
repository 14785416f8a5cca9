// Keys change in the middle of a connection (RFC 9001, 6): when a side asks for it, and when it has to.

#include "hex.hpp"
#include "packet_protection.hpp"
#include "quic_sides.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>

namespace actorwire::test {

namespace {

/// What is seen on the wire of the keys of one connection of QUIC version 1: which of the two phases each packet is of.
class key_phases {
public:
  struct side {
    std::optional<packet_protection> protection;
    bool phase = false;
    /// How often packets of another phase than those before were sent.
    int changes = 0;
    /// Packets of the present phase, and the most of any.
    std::uint64_t packets = 0;
    std::uint64_t packets_max = 0;
  };

  /// Takes a line of a log of keys.
  void learn(std::string_view line) {
    for (auto* each : {&client, &server}) {
      const auto label = each == &client ? "CLIENT_TRAFFIC_SECRET_0 " : "SERVER_TRAFFIC_SECRET_0 ";
      // With a longer name begin those of the handshake.
      if (line.starts_with(label))
        each->protection.emplace(bytes_of_hex(line.substr(line.rfind(' ') + 1)), false);
    }
  }

  /// Sees a datagram; those that begin with a packet of the handshake are left out.
  void see(bool is_from_client, std::string_view datagram) {
    auto& by = is_from_client ? client : server;
    const auto phase = by.protection ? by.protection->key_phase_of(datagram) : std::nullopt;
    if (!phase)
      return;
    if (*phase != by.phase) {
      by.phase = *phase;
      by.packets = 0;
      ++by.changes;
    }
    by.packets_max = std::max(by.packets_max, ++by.packets);
  }

  side client;
  side server;
};

/// Two sides whose keys are watched.
struct watched_world {
  watched_world() {
    world.passes = [this](const udp_path& arriving, const std::string& bytes) {
      seen.see(arriving.local == world.server_address, bytes);
      return true;
    };
  }

  key_phases seen;
  quic_world world{{.client_key_log = [this](std::string_view line) { seen.learn(line); }}};
  std::pair<quic_user&, quic_user&> both = world.connect();
  quic_user& client = both.first;
  quic_user& server = both.second;
};

/// Has a quarter of a megabyte sent each way on a stream of its own, and something done in the middle.
template <class Change>
void transfer_with(watched_world& here, Change&& change) {
  const auto text = pattern(std::size_t{256} << 10U);
  const auto id = here.client.open();
  here.client.say(id, text);
  here.client.finish(id);
  here.world.until([&] { return here.server.streams[id].text.size() > text.size() / 4; });
  here.server.say(id, text);
  here.server.finish(id);
  change();
  here.world.until([&] { return here.client.streams[id].ended && here.server.streams[id].ended; });
  CHECK((here.client.streams[id].text == text));
  CHECK((here.server.streams[id].text == text));
}

ngtcp2_conn* conn_of(quic_connection& connection);

/// Shows what the connection keeps to itself: a name in an explicit instantiation is not asked whether it is private.
template <auto Member>
struct keyhole {
  friend ngtcp2_conn* conn_of(quic_connection& connection) { return (connection.*Member).get(); }
};
template struct keyhole<&quic_connection::conn_>;

/// Makes a key bear so few packets. By AES-GCM it is eight million, which no test waits for.
void weaken_keys(quic_connection& connection, std::uint64_t packets) {
  const_cast<ngtcp2_crypto_ctx*>(::ngtcp2_conn_get_crypto_ctx(conn_of(connection)))->max_encryption = packets;
}

} // namespace

TEST_CASE("keys are not changed before there are any, nor before the handshake is confirmed") {
  quic_world world;
  auto& client = world.dial();
  CHECK_FALSE(client.connection->update_keys(world.now));
  world.until([&] { return client.is_connected(); });
  CHECK_FALSE(client.connection->update_keys(world.now));
  world.run_for(1s);
  CHECK(client.connection->update_keys(world.now));
}

TEST_CASE("keys can be changed in the middle of a transfer, by either side or both, again and again") {
  constexpr int rounds = 5;
  const auto who = GENERATE("the client", "the server", "in turn", "both at once");
  CAPTURE(who);
  watched_world here;
  const auto change = [&](quic_user& side) {
    REQUIRE(side.connection->update_keys(here.world.now));
    CHECK_FALSE(side.connection->update_keys(here.world.now));
    side.touch();
  };
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const auto by_server = who == std::string_view{"in turn"} ? round % 2 == 1 : who == std::string_view{"the server"};
    // A change is confirmed when the other side has answered by the new keys, and the next one waits three probe timeouts
    // more, so that what is late can still be read (RFC 9001, 6.5).
    here.world.run_for(5s);
    transfer_with(here, [&] {
      if (!by_server)
        change(here.client);
      if (by_server || who == std::string_view{"both at once"})
        change(here.server);
    });
    CHECK(here.seen.client.changes == round + 1);
    CHECK(here.seen.server.changes == round + 1);
  }
  transfer_with(here, [] {});
  CHECK(here.seen.client.changes == rounds);
  CHECK(here.seen.server.changes == rounds);
  CHECK_FALSE(here.client.reason);
  CHECK_FALSE(here.server.reason);
}

TEST_CASE("a side that has sealed as many packets by one key as its cipher can bear changes keys by itself") {
  constexpr std::uint64_t packets_of_a_key = 100;
  constexpr int changes = 5;
  watched_world here;
  const auto is_client = GENERATE(true, false);
  CAPTURE(is_client);
  here.world.run_for(1s);
  auto& talker = is_client ? here.client : here.server;
  auto& listener = is_client ? here.server : here.client;
  const auto& watched = is_client ? here.seen.client : here.seen.server;
  const auto& other = is_client ? here.seen.server : here.seen.client;
  weaken_keys(*talker.connection, packets_of_a_key);
  std::string all;
  while (watched.changes < changes) {
    REQUIRE(all.size() < 3 * changes * packets_of_a_key);
    all += 'x';
    talker.say(0, "x");
    here.world.run_for(20ms);
    REQUIRE_FALSE(talker.reason);
    REQUIRE_FALSE(listener.reason);
  }
  CHECK(watched.packets_max <= packets_of_a_key);
  listener.say(0, "answer");
  here.world.until([&] { return talker.streams[0].text == "answer"; });
  CHECK(listener.streams[0].text == all);
  // The other side follows each.
  CHECK(other.changes == changes);
}

} // namespace actorwire::test
