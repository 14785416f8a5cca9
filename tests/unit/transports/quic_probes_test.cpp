// What a connection counts of the times that it had to ask whether anybody is still there.

#include "quic_sides.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

namespace actorwire::test {

namespace {

/// Looks for no larger packets, which would be probes of another kind.
transport_config of_one_size() {
  return quic_with([](quic_config& quic) { quic.path_mtu_discovery = false; });
}

/// When a client's datagrams leave.
class departures {
public:
  explicit departures(quic_world& world) : world_(world) {}

  void note(const udp_path& path) {
    if (path.local == world_.server_address)
      times_.insert(world_.now.steady);
  }
  [[nodiscard]] std::uint64_t count() const { return times_.size(); }

private:
  quic_world& world_;
  std::set<time_point> times_;
};

} // namespace

TEST_CASE("every probe of a connection whose answers are lost is counted, and none when they come again") {
  quic_world world{{.client = of_one_size(), .server = of_one_size()}};
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto before = client.connection->metrics().pto_count;
  CHECK(before == 0);
  departures left{world};
  auto is_dark = true;
  world.passes = [&](const udp_path& path, const std::string&) {
    left.note(path);
    return !is_dark || path.local == world.server_address;
  };
  client.say(0, "is anybody there");
  world.run_for(4s);
  const auto probed = client.connection->metrics().pto_count;
  CHECK(probed >= 4);
  // The first time it was no probe.
  CHECK(probed == left.count() - 1);
  // The server has heard of all of it, and asks for nothing.
  CHECK(server.streams[0].text == "is anybody there");
  is_dark = false;
  world.until([&at = client] { return at.connection->is_all_acked(); });
  const auto until_heard = client.connection->metrics().pto_count;
  CHECK(until_heard <= probed + 1);
  client.say(0, "again");
  world.until([&at = client] { return at.connection->is_all_acked(); });
  world.run_for(5s);
  CHECK(client.connection->metrics().pto_count == until_heard);
}

TEST_CASE("a client whom nobody answers counts its probes from the first packet on") {
  quic_world world{{}, {.loss = 1}};
  departures left{world};
  world.passes = [&](const udp_path& path, const std::string&) {
    left.note(path);
    return true;
  };
  auto& client = world.dial();
  world.run_for(10s);
  REQUIRE(client.connection != nullptr);
  CHECK(client.connection->metrics().pto_count >= 3);
  CHECK(client.connection->metrics().pto_count == left.count() - 1);
}

TEST_CASE("what acknowledgements tell to be lost is sent again without a probe") {
  quic_world world{{.client = of_one_size(), .server = of_one_size()}};
  auto [client, server] = world.connect();
  world.run_for(1s);
  auto number = 0;
  world.passes = [&](const udp_path& path, const std::string&) {
    return path.local != world.server_address || ++number > 60 || number % 20 != 10;
  };
  const auto text = pattern(200'000);
  client.say(0, text);
  world.until([&, &at = server] { return at.streams[0].text.size() == text.size(); });
  CHECK(number > 60);
  CHECK(client.connection->metrics().pto_count == 0);
  CHECK(server.connection->metrics().pto_count == 0);
}

TEST_CASE("a connection that is kept alive does not count that as probes") {
  auto settings = of_one_size();
  settings.keepalive_interval = 1s;
  quic_world world{{.client = settings, .server = settings}};
  auto [client, server] = world.connect();
  world.run_for(60s);
  CHECK(client.connection->metrics().pto_count == 0);
  CHECK(server.connection->metrics().pto_count == 0);
}

} // namespace actorwire::test
