// Streams of one connection: many, both ways, at the pace of their readers, and given up.

#include "quic_sides.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

namespace {

using enum stream_direction;

constexpr std::size_t window = 64U << 10U;
constexpr std::size_t connection_window = 128U << 10U;

/// Windows that do not grow.
transport_config narrow() {
  return quic_with([](quic_config& quic) {
    quic.stream_window = quic.stream_window_max = window;
    quic.connection_window = quic.connection_window_max = connection_window;
  });
}

std::size_t buffered_by_reader(const quic_world& world) {
  return world.budget->used();
}

} // namespace

TEST_CASE("streams of either direction carry bytes from either side") {
  quic_world world;
  auto [client, server] = world.connect();
  for (const auto direction : {bidirectional, unidirectional}) {
    const auto mine = client.open(direction);
    client.say(mine, "from the client");
    client.finish(mine);
    const auto theirs = server.open(direction);
    server.say(theirs, "from the server");
    server.finish(theirs);
    CHECK_FALSE(is_opened_by_server(mine));
    CHECK(is_opened_by_server(theirs));
    world.until([&, &one = client, &two = server] { return one.streams[theirs].ended && two.streams[mine].ended; });
    CHECK(server.streams[mine].text == "from the client");
    CHECK(client.streams[theirs].text == "from the server");
    if (direction == unidirectional) {
      world.until([&, &one = client, &two = server] { return one.streams[mine].closed && two.streams[mine].closed; });
      CHECK_FALSE(server.connection->send(mine, {}));
    } else {
      CHECK_FALSE(client.streams[mine].closed);
      server.finish(mine);
      client.finish(theirs);
      world.until([&, &one = client, &two = server] {
        return one.streams[mine].closed && two.streams[mine].closed && one.streams[theirs].closed
            && two.streams[theirs].closed;
      });
    }
  }
  CHECK(client.opened.size() == 2);
  CHECK(server.opened.size() == 2);
  CHECK(client.connection->metrics().own_streams == 1);
  CHECK(server.connection->metrics().peer_streams == 1);
}

TEST_CASE("how many more streams may be opened is known, and grows again when some are over") {
  quic_world world{{.server = quic_with([](quic_config& quic) { quic.max_streams = 3; })}};
  auto [client, server] = world.connect();
  const auto left = [&at = client] {
    const auto figures = at.connection->metrics();
    return std::pair{figures.bidirectional_streams_left, figures.unidirectional_streams_left};
  };
  // Stream 0 is one of the three.
  CHECK(left() == std::pair<std::uint64_t, std::uint64_t>{2, 3});
  const auto one = client.open(bidirectional);
  client.open(bidirectional);
  client.open(unidirectional);
  CHECK(left() == std::pair<std::uint64_t, std::uint64_t>{0, 2});
  CHECK(client.connection->open_stream(bidirectional).error().code == error_code::stream_limit);
  client.finish(one);
  world.until([&, &at = server] { return at.streams[one].ended; });
  server.finish(one);
  world.until([&] { return left().first == 1; });
  CHECK(client.connection->open_stream(bidirectional));
}

TEST_CASE("a thousand streams pass by turns where a hundred may be open") {
  quic_world world;
  auto [client, server] = world.connect();
  constexpr int wanted = 1'000;
  auto begun = 0;
  auto answered = 0;
  std::size_t open_max = 0;
  const auto begin_some = [&, &at = client] {
    while (begun < wanted) {
      const auto opened = at.connection->open_stream(bidirectional);
      if (!opened) {
        CHECK(opened.error().code == error_code::stream_limit);
        return;
      }
      at.say(*opened, "question " + std::to_string(begun++));
      at.finish(*opened);
    }
  };
  server.on_end = [&, &at = server](stream_id id) {
    open_max = std::max<std::size_t>(open_max, at.connection->metrics().peer_streams);
    at.say(id, "answer to " + at.streams[id].text);
    at.finish(id);
  };
  client.on_end = [&, &at = client](stream_id id) {
    answered += at.streams[id].text.starts_with("answer to question ") ? 1 : 0;
  };
  client.on_more_streams = begin_some;
  begin_some();
  world.until([&] { return answered == wanted; });
  CHECK(open_max == 100);
  world.run_for(1s);
  CHECK(client.connection->metrics().own_streams == 1);
  CHECK(server.connection->metrics().peer_streams == 1);
}

TEST_CASE("a reader that does not read holds its sender at the window, and goes on when it reads") {
  quic_world world{{.client = narrow(), .server = narrow()}};
  auto [client, server] = world.connect();
  const auto text = pattern(std::size_t{1} << 20U);
  server.reads = false;
  client.say(0, text);
  client.finish(0);
  world.run_for(5s);
  const auto held = client.connection->bytes_acked(0);
  CHECK(held == window);
  // What lies there, in the slabs in which it came; the rest is the sender's.
  const auto kept_by_sender = text.size() - client.unsent[0].size() - held;
  CHECK(buffered_by_reader(world) <= 4 * window + kept_by_sender);
  server.reads = true;
  server.read(0);
  world.until([&, &at = server] { return at.streams[0].ended; });
  CHECK((server.streams[0].text == text));
}

TEST_CASE("streams share the connection's window, and one that is read lets others go on") {
  quic_world world{{.client = narrow(), .server = narrow()}};
  auto [client, server] = world.connect();
  server.reads = false;
  std::vector<stream_id> ids;
  for (int count = 0; count < 4; ++count) {
    ids.push_back(client.open(unidirectional));
    client.say(ids.back(), pattern(window));
    client.finish(ids.back());
  }
  world.run_for(5s);
  CHECK(client.connection->metrics().bytes_acked == connection_window);
  server.reads = true;
  for (const auto id : ids)
    server.read(id);
  world.until(
      [&, &at = server] { return std::ranges::all_of(ids, [&](stream_id id) { return at.streams[id].ended; }); });
  for (const auto id : ids)
    CHECK((server.streams[id].text == pattern(window)));
}

TEST_CASE("a stream that waits for the connection's window goes on in a flush that the socket has interrupted") {
  quic_world world{{.client = narrow(), .server = narrow()}};
  auto [client, server] = world.connect();
  server.reads = false;
  const auto first = client.open(unidirectional);
  for (const auto id : {first, client.open(unidirectional), client.open(unidirectional)})
    client.say(id, pattern(window));
  world.run_for(5s);
  CHECK(client.connection->metrics().bytes_acked == connection_window);
  // The socket takes one datagram, and then no more for a while.
  std::vector<std::byte> room(departure_bytes_max);
  REQUIRE(client.say_unreliably("before"));
  REQUIRE(world.client->poll_transmit(room, world.now));
  server.read(first);
  while (const auto train = world.server->poll_transmit(room, world.now))
    for (std::size_t offset = 0; offset < train->bytes.size(); offset += train->segment_size)
      world.client->handle_datagram({world.to_client(), train->mark,
                                     train->bytes.subspan(offset,
                                                          std::min(train->segment_size, train->bytes.size() - offset))},
                                    world.now);
  std::size_t sent = 0;
  while (const auto train = world.client->poll_transmit(room, world.now))
    sent += train->bytes.size();
  CHECK(sent > 5'000);
}

TEST_CASE("a stream that is not read keeps no memory of those that are") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto unread = client.open();
  client.say(unread, "x");
  world.until([&, &at = server] { return !at.opened.empty(); });
  server.ignored.insert(unread);
  const auto before = world.budget->used();
  std::size_t said = 0;
  for (int count = 0; count < 100; ++count) {
    client.say(0, pattern(60'000));
    client.say(unread, "x");
    said += 60'000;
    world.until([&, &at = server] { return at.streams[0].text.size() == said; });
  }
  world.run_for(1s);
  CHECK(world.budget->used() <= before + 8 * buffer_pool::slab_sizes[1]);
  server.read(unread);
  CHECK(server.streams[unread].text.size() >= 100);
}

TEST_CASE("bytes that come one by one, on streams that are not read, are kept as they would be had they come at once") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto one = client.open();
  const auto other = client.open();
  server.ignored = {one, other};
  const auto before = world.budget->used();
  for (int count = 0; count < 5'000; ++count) {
    client.say(one, "a");
    client.say(other, "b");
    world.run_for(100us);
  }
  world.run_for(1s);
  CHECK(world.budget->used() <= before + 4 * 10'000 + 2 * buffer_pool::slab_sizes[1]);
  int pieces = 0;
  while (!server.connection->read(one, 10'000).empty())
    ++pieces;
  CHECK(pieces <= 10);
  server.read(other);
  CHECK((server.streams[other].text == std::string(5'000, 'b')));
}

TEST_CASE("where there is room for one, the most urgent stream has it") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto late = client.open(unidirectional, {6, false});
  const auto urgent = client.open(unidirectional, {0, false});
  const std::size_t size = std::size_t{8} << 20U;
  client.say(late, pattern(size));
  client.say(urgent, pattern(size));
  world.until([&, &at = server] { return at.streams[urgent].text.size() == size; });
  CHECK(server.streams[late].text.size() <= size / 4);
  world.until([&, &at = server] { return at.streams[late].text.size() == size; });
}

TEST_CASE("a sender takes no more than there is room for, and tells when there is again") {
  quic_world world{{.server = narrow()}};
  auto [client, server] = world.connect();
  server.reads = false;
  const auto text = pattern(std::size_t{2} << 20U);
  const outgoing piece{reinterpret_cast<const std::byte*>(text.data()), text.size(), nullptr};
  const auto taken = client.connection->send(0, {&piece, 1});
  REQUIRE(taken);
  CHECK(*taken >= std::size_t{256} << 10U);
  CHECK(*taken < text.size());
  client.touch();
  CHECK(*client.connection->send(0, {&piece, 1}) == 0);
  world.run_for(1s);
  // The rest goes when `stream_writable` says so.
  client.unsent[0] = text.substr(*taken);
  server.reads = true;
  server.read(0);
  client.finishing[0] = true;
  world.until([&, &at = server] { return at.streams[0].ended; });
  CHECK((server.streams[0].text == text));
}

TEST_CASE("a stream that the peer does not read leaves others the room to go on") {
  quic_world world{
      {.server = quic_with([](quic_config& quic) { quic.stream_window = quic.stream_window_max = window; })}};
  auto [client, server] = world.connect();
  const auto unread = client.open();
  server.ignored.insert(unread);
  // What of it the peer's window keeps back is all the room there is, or most of it.
  client.say(unread, pattern(window + GENERATE(std::size_t{200} << 10U, std::size_t{1} << 20U)));
  world.until([&, &at = client] { return at.connection->bytes_acked(unread) == window; });
  world.run_for(1s);
  const auto text = pattern(std::size_t{1} << 20U);
  client.say(0, text);
  world.until([&, &at = server] { return at.streams[0].text.size() == text.size(); });
  CHECK(client.connection->bytes_sent(unread) == window);
  CHECK(client.connection->bytes_acked(unread) == window);
  CHECK(client.connection->is_held_by_peer(unread));
}

TEST_CASE("a stream that waits for more urgent ones, or for the network, is not held back by the peer") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto late = client.open(unidirectional, {6, false});
  client.say(0, pattern(std::size_t{8} << 20U));
  client.say(late, "late");
  world.sky.loss = 1;
  world.run_for(500ms);
  CHECK(client.connection->bytes_acked(late) == 0);
  CHECK_FALSE(client.connection->is_held_by_peer(late));
}

TEST_CASE("what was acknowledged is counted by stream and for all") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto other = client.open();
  client.say(0, pattern(10'000));
  client.say(other, pattern(5'000));
  CHECK_FALSE(client.connection->is_all_acked());
  world.until([&, &at = client] { return at.connection->is_all_acked(); });
  CHECK(client.connection->bytes_acked(0) == 10'000);
  CHECK(client.connection->bytes_acked(other) == 5'000);
  CHECK(client.connection->metrics().bytes_acked == 15'000);
}

// -- giving up ------------------------------------------------------------------------------------------------------------

TEST_CASE("a stream that its sender gives up ends with the sender's code") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto id = client.open();
  client.say(id, "half of");
  world.until([&, &at = server] { return at.streams[id].text == "half of"; });
  client.reset(id, 77);
  world.until([&, &at = server] { return at.streams[id].reset.has_value(); });
  CHECK(server.streams[id].reset == 77U);
  // The other half is not touched.
  server.say(id, "still here");
  server.finish(id);
  world.until([&, &one = client, &two = server] { return one.streams[id].closed && two.streams[id].closed; });
  CHECK(client.streams[id].text == "still here");
}

TEST_CASE("a stream that its reader does not want ends with the reader's code") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto id = client.open(unidirectional);
  client.say(id, pattern(std::size_t{1} << 20U));
  world.until([&, &at = server] { return !at.streams[id].text.empty(); });
  server.stop(id, 88);
  world.until([&, &at = client] { return at.streams[id].stopped.has_value(); });
  CHECK(client.streams[id].stopped == (NGTCP2_VERSION_NUM >= 0x011800 ? 88U : 0U));
  world.until([&, &one = client, &two = server] { return one.streams[id].closed && two.streams[id].closed; });
  CHECK(client.connection->is_all_acked());
}

TEST_CASE("who does not want to read may go on sending") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto id = client.open();
  client.say(id, "to be continued");
  world.until([&, &at = server] { return !at.streams[id].text.empty(); });
  server.stop(id, 88);
  server.say(id, "enough");
  world.until([&, &at = client] { return at.streams[id].text == "enough"; });
  CHECK_FALSE(server.streams[id].stopped);
  server.finish(id);
  world.until([&, &one = client, &two = server] { return one.streams[id].closed && two.streams[id].closed; });
}

TEST_CASE("streams that are given up unread leave the connection's window as it was") {
  quic_world world{{.client = narrow(), .server = narrow()}};
  auto [client, server] = world.connect();
  server.reads = false;
  const auto how = GENERATE(0, 1);
  // Together many times the window.
  for (int round = 0; round < 20; ++round) {
    const auto id = client.open(unidirectional);
    client.say(id, pattern(window));
    world.run_for(200ms);
    if (how == 0)
      client.reset(id, 1);
    else
      server.stop(id, 1);
    world.until([&, &one = client, &two = server] { return one.streams[id].closed && two.streams[id].closed; });
  }
  server.reads = true;
  const auto last = client.open();
  client.say(last, pattern(2 * connection_window));
  client.finish(last);
  world.until([&, &at = server] { return at.streams[last].ended; });
}

TEST_CASE("streams that are given up half-way leave the sender's room as it was", "[random]") {
  quic_world world{{.seed = 3}, {.loss = 0.05}};
  auto [client, server] = world.connect();
  for (int round = 0; round < 50; ++round) {
    const auto id = client.open(unidirectional);
    client.say(id, pattern(std::size_t{512} << 10U));
    world.run_for(20ms);
    client.reset(id, 1);
    client.unsent.erase(id);
    world.until([&, &at = client] { return at.streams[id].closed; });
  }
  CHECK(client.connection->is_all_acked());
  const auto text = pattern(std::size_t{1} << 20U);
  client.say(0, text);
  client.finish(0);
  world.until([&, &at = server] { return at.streams[0].ended; });
  CHECK((server.streams[0].text == text));
}

TEST_CASE("what was given up on a stream is no reason to end the connection abruptly") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto id = client.open(unidirectional);
  // What of the stream is on its way is acknowledged by nobody.
  auto is_deaf = true;
  world.passes = [&](const udp_path& path, const std::string&) {
    return path.local != world.client_address || !is_deaf;
  };
  client.say(id, pattern(5'000));
  world.run_for(20ms);
  CHECK_FALSE(client.connection->is_all_acked());
  client.reset(id, 1);
  CHECK(client.connection->is_all_acked());
  is_deaf = false;
  client.release();
  world.until([&, &at = server] { return at.reason.has_value(); });
  CHECK(server.reason->code == error_code::closed);
}

TEST_CASE("a stream may be given up before anything was sent on it") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto id = client.open();
  client.reset(id, 5);
  client.stop(id, 6);
  world.until([&, &at = client] { return at.streams[id].closed; });
  world.run_for(1s);
  CHECK(client.connection->metrics().own_streams == 1);
  CHECK(server.connection->metrics().peer_streams == 1);
}

// -- priorities -------------------------------------------------------------------------------------------------------------

TEST_CASE("what is urgent arrives first") {
  quic_world world;
  auto [client, server] = world.connect();
  std::vector<stream_id> ended;
  server.on_end = [&](stream_id id) { ended.push_back(id); };
  const auto text = pattern(50'000);
  const auto late = client.open(unidirectional, {7, false});
  const auto usual = client.open(unidirectional, {3, false});
  const auto soon = client.open(unidirectional, {0, false});
  for (const auto id : {late, usual, soon}) {
    client.say(id, text);
    client.finish(id);
  }
  SECTION("as it was opened") {
    world.until([&] { return ended.size() == 3; });
    CHECK(ended == std::vector{soon, usual, late});
  }
  SECTION("as it was changed later") {
    client.connection->prioritize(late, {0, false});
    client.connection->prioritize(soon, {7, false});
    world.until([&] { return ended.size() == 3; });
    CHECK(ended == std::vector{late, usual, soon});
  }
}

TEST_CASE("incremental streams take turns, and others go one after another") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto is_incremental = GENERATE(true, false);
  const auto one = client.open(unidirectional, {3, is_incremental});
  const auto two = client.open(unidirectional, {3, is_incremental});
  for (const auto id : {one, two}) {
    client.say(id, pattern(100'000));
    client.finish(id);
  }
  world.until([&, &at = server] { return !at.streams[one].text.empty(); });
  // The first flight has room for a few packets only.
  CHECK(server.streams[two].text.empty() != is_incremental);
  world.until([&, &at = server] { return at.streams[two].ended; });
}

} // namespace actorwire::test
