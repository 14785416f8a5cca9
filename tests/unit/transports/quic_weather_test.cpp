// Transfers in a hundred kinds of weather: every byte arrives, once and in order.

#include "quic_sides.hpp"
#include "seed.hpp"

namespace actorwire::test {

namespace {

constexpr std::size_t each_way = std::size_t{256} << 10U;
constexpr int streams_each_way = 3;

weather draw_weather(std::mt19937_64& chance) {
  const auto one_of = [&](auto... choices) {
    const std::array all{choices...};
    return all[chance() % all.size()];
  };
  weather drawn;
  drawn.delay = one_of(1ms, 5ms, 40ms);
  drawn.jitter = one_of(0ms, 3ms, 20ms);
  drawn.loss = one_of(0.01, 0.05, 0.1);
  drawn.duplication = one_of(0.0, 0.02, 0.2);
  drawn.corruption = one_of(0.0, 0.01, 0.05);
  drawn.mtu = one_of(std::size_t{1'280}, std::size_t{1'500}, std::size_t{65'535});
  return drawn;
}

/// Sends `each_way` bytes in either direction, on several streams each, and waits until all are closed.
void transfer(quic_world& world) {
  auto [client, server] = world.connect();
  const auto text = pattern(each_way / streams_each_way);
  std::vector<std::pair<quic_user*, stream_id>> expected;
  for (int count = 0; count < streams_each_way; ++count)
    for (auto [from, to] : {std::pair{&client, &server}, std::pair{&server, &client}}) {
      const auto id = from->open(stream_direction::unidirectional);
      from->say(id, text);
      from->finish(id);
      expected.emplace_back(to, id);
    }
  world.until(
      [&] {
        return std::ranges::all_of(expected, [](const auto& each) { return each.first->streams[each.second].ended; });
      },
      600s);
  for (const auto& [user, id] : expected)
    CHECK((user->streams[id].text == text));
}

} // namespace

TEST_CASE("in a hundred kinds of weather every byte arrives once and in order", "[random]") {
  const test_seed seed;
  for (std::uint32_t round = 0; round < 100; ++round) {
    auto chance = seed.engine(round);
    const auto sky = draw_weather(chance);
    INFO("round " << round << ", loss " << sky.loss << ", duplication " << sky.duplication << ", corruption "
                  << sky.corruption << ", mtu " << sky.mtu);
    quic_world world{{.seed = chance()}, sky};
    transfer(world);
    CHECK(world.overdue == 0);
  }
}

TEST_CASE("a connection that has nothing to do is not woken") {
  quic_world world{{.client = quic_with([](quic_config& quic) { quic.idle_timeout = 0ms; })}};
  transfer(world);
  world.run_for(10s);
  CHECK(world.overdue == 0);
}

TEST_CASE("time that goes back is no harm") {
  quic_world world;
  auto [client, server] = world.connect();
  client.say(0, "before");
  world.until([&, &at = server] { return at.streams[0].text == "before"; });
  // A batch of datagrams may be stamped before a command that was done in between.
  for (int round = 0; round < 20; ++round) {
    world.now.steady -= 3ms;
    client.say(0, "x");
    world.run_for(8ms);
  }
  world.until([&, &at = server] { return at.streams[0].text.size() == 26; });
}

} // namespace actorwire::test
