// How far a peer may send ahead of whoever reads (RFC 9000, 4.1).

#include "quic_sides.hpp"

#include <algorithm>

namespace actorwire::test {

namespace {

constexpr std::uint64_t narrow = std::uint64_t{64} << 10U;
constexpr std::uint64_t wide = std::uint64_t{4} << 20U;

struct windows {
  std::uint64_t stream_max = narrow;
  std::uint64_t connection_max = narrow;
};

/// Has a client send 8 MiB on a number of streams over a path of 100 ms, while the server reads at once. Returns how many bytes at
/// most had been sent and not yet been read: on one stream, and on all.
std::pair<std::uint64_t, std::uint64_t> most_ahead(const windows& chosen, std::size_t streams) {
  const auto settings = quic_with([&](quic_config& quic) {
    quic.stream_window = quic.connection_window = narrow;
    quic.stream_window_max = chosen.stream_max;
    quic.connection_window_max = chosen.connection_max;
  });
  quic_world world{{.server = settings}, {.delay = 50ms}};
  auto [client, server] = world.connect();
  const auto text = pattern((std::size_t{8} << 20U) / streams);
  std::vector<stream_id> used;
  for (std::size_t count = 0; count < streams; ++count) {
    used.push_back(client.open());
    client.say(used.back(), text);
  }
  std::uint64_t on_one = 0;
  std::uint64_t on_all = 0;
  world.until([&, &from = client, &to = server] {
    std::uint64_t ahead = 0;
    auto is_over = true;
    for (const auto id : used) {
      const auto read = to.streams[id].text.size();
      const auto here = from.connection->bytes_sent(id) - read;
      on_one = std::max(on_one, here);
      ahead += here;
      is_over = is_over && read == text.size();
    }
    on_all = std::max(on_all, ahead);
    return is_over;
  });
  for (const auto id : used)
    CHECK((server.streams[id].text == text));
  return {on_one, on_all};
}

} // namespace

TEST_CASE("the windows grow while the reader keeps up and the path could carry more") {
  const auto [on_one, on_all] = most_ahead({.stream_max = wide, .connection_max = wide}, 1);
  CHECK(on_one > 4 * narrow);
  CHECK(on_one <= wide);
}

TEST_CASE("windows that may not grow stay as they are, however well the reader keeps up") {
  const auto [on_one, on_all] = most_ahead({}, 1);
  CHECK(on_one == narrow);
}

TEST_CASE("the window of a stream and that of the connection each end where they are told to") {
  SECTION("that of a stream") {
    const auto [on_one, on_all] = most_ahead({.stream_max = 2 * narrow, .connection_max = wide}, 8);
    CHECK(on_one > narrow);
    CHECK(on_one <= 2 * narrow);
    CHECK(on_all > 4 * narrow);
  }
  SECTION("that of the connection") {
    const auto [on_one, on_all] = most_ahead({.stream_max = narrow, .connection_max = 3 * narrow}, 8);
    CHECK(on_all > narrow);
    CHECK(on_all <= 3 * narrow);
  }
}

TEST_CASE("the windows of a reader that takes its time stay as they are") {
  const auto settings = quic_with([&](quic_config& quic) {
    quic.stream_window = quic.connection_window = narrow;
    quic.stream_window_max = quic.connection_window_max = wide;
  });
  quic_world world{{.server = settings}, {.delay = 50ms}};
  auto [client, server] = world.connect();
  server.reads = false;
  const auto text = pattern(16 * narrow);
  client.say(0, text);
  for (auto& read = server.streams[0].text; read.size() < text.size();) {
    // Longer than any round trip in which it could have kept up.
    world.run_for(5s);
    CHECK(client.connection->bytes_sent(0) - read.size() <= narrow);
    server.read(0);
  }
  CHECK((server.streams[0].text == text));
}

} // namespace actorwire::test
