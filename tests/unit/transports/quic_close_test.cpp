// The end of connections of QUIC: in order, by mistake, by a server that has died; and what is left behind.

#include "quic_sides.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace actorwire::test {

TEST_CASE("who closes in order is heard, whichever side it is") {
  quic_world world;
  auto [client, server] = world.connect();
  const auto is_client = GENERATE(true, false);
  auto& one = is_client ? client : server;
  auto& other = is_client ? server : client;
  one.close();
  world.until([&] { return one.reason && other.reason; });
  CHECK(one.reason->who == origin::local);
  CHECK(other.reason->code == error_code::closed);
  CHECK(other.reason->who == origin::remote);
}

TEST_CASE("a connection that is let go with bytes on their way ends abruptly") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  const auto is_idle = GENERATE(true, false);
  if (!is_idle)
    client.say(0, pattern(100'000));
  client.release();
  world.until([&, &at = server] { return at.reason.has_value(); });
  CHECK(server.reason->code == (is_idle ? error_code::closed : error_code::reset));
  CHECK(world.client->size() == 0);
}

TEST_CASE("a client that closes as soon as it is connected is heard as well") {
  quic_world world;
  auto& client = world.dial();
  world.until([&] { return client.is_connected(); });
  client.close();
  world.until([&] { return !world.server_users.empty() && world.server_users[0]->reason; });
  CHECK(world.server_users[0]->reason->who == origin::remote);
  CHECK((world.server_users[0]->reason->code == error_code::closed
         || world.server_users[0]->reason->code == error_code::reset));
  CHECK(world.half_open->get() == 0);
}

TEST_CASE("a code of a foreign application is passed on") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  client.connection->close(4'711, make_error(error_code::closed, phase::close, origin::local, "done"));
  client.touch();
  world.until([&, &at = server] { return at.reason.has_value(); });
  CHECK(server.reason->code == error_code::peer_error);
  CHECK(server.reason->text.find("4711") != std::string::npos);
}

TEST_CASE("a program of another make that is done has ended in order only if all of its byte stream has arrived") {
  constexpr std::uint64_t no_error = 0;
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  auto is_lossy = false;
  int lost = 0;
  world.passes = [&](const udp_path& path, const std::string& bytes) {
    // The end of the connection is a small datagram.
    return !is_lossy || path.local != world.server_address || bytes.size() < 100 || lost++ != 0;
  };
  enum class arrived { all, all_but_the_end, prefix, nothing, all_but_one_packet };
  const auto what =
      GENERATE(arrived::all, arrived::all_but_the_end, arrived::prefix, arrived::nothing, arrived::all_but_one_packet);
  CAPTURE(what);
  const auto text = pattern(10'000);
  is_lossy = what == arrived::all_but_one_packet;
  if (what != arrived::nothing)
    client.say(0, text);
  if (what == arrived::all || what == arrived::all_but_one_packet)
    client.finish(0);
  if (what == arrived::all)
    world.until([&, &at = server] { return at.streams[0].ended; });
  if (what == arrived::all_but_the_end)
    world.until([&, &at = server] { return at.streams[0].text == text; });
  if (what == arrived::all_but_one_packet)
    world.run_for(1ms);
  client.connection->close(no_error, make_error(error_code::closed, phase::close, origin::local, "done"));
  client.touch();
  world.until([&, &at = server] { return at.reason.has_value(); });
  const auto expected = what == arrived::all ? error_code::closed : error_code::truncated_stream;
  CHECK(server.reason->code == expected);
  CHECK(server.reason->who == origin::remote);
}

TEST_CASE("a close that is lost is said again to whoever goes on talking") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  auto is_lost = false;
  world.passes = [&](const udp_path& path, const std::string&) {
    return path.local == world.client_address || std::exchange(is_lost, true);
  };
  const auto begun = world.now.steady;
  client.close();
  server.say(0, "are you there");
  world.until([&, &at = server] { return at.reason.has_value(); });
  CHECK(server.reason->code == error_code::closed);
  CHECK(world.now.steady - begun < 1s);
}

TEST_CASE("a close whose repetitions were all lost in one burst is said again to the next packet") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  auto is_dark = true;
  auto late = 0;
  world.passes = [&](const udp_path& path, const std::string&) {
    late += path.local == world.client_address ? 1 : 0;
    return path.local == world.client_address || !is_dark;
  };
  client.close();
  server.say(0, pattern(200'000));
  world.until([&] { return late >= 10; });
  // The last of them have arrived, and were answered in vain.
  world.run_for(world.sky.delay + 1ms);
  is_dark = false;
  world.until([&, &at = server] { return at.reason.has_value(); });
  CHECK(server.reason->code == error_code::closed);
}

TEST_CASE("after the end nothing is kept but what answers late packets, and that not for long") {
  quic_world world;
  auto [client, server] = world.connect();
  client.close();
  world.until([&, &at = server] { return at.reason.has_value(); });
  CHECK(world.client->size() == 0);
  CHECK(world.server->size() == 0);
  world.run_for(10s);
  CHECK_FALSE(world.client->next_timeout());
  CHECK_FALSE(world.server->next_timeout());
}

TEST_CASE("what has arrived can be read after the end") {
  quic_world world;
  auto [client, server] = world.connect();
  server.reads = false;
  client.say(0, "last words");
  world.until([&, &at = client] { return at.connection->is_all_acked(); });
  auto& receiver = *server.connection;
  receiver.close(0, make_error(error_code::closed, phase::close, origin::local, "done"));
  CHECK(receiver.read(0, 4).text() == "last");
  CHECK(receiver.read(0, 100).text() == " words");
  CHECK(receiver.read(0, 100).empty());
}

TEST_CASE(
    "a peer that ends the connection is believed to have everything only where that can be, and where it says so") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  struct farewell {
    const char* what;
    std::uint64_t code;
    bool client_finishes;
    bool server_finishes;
    bool is_believed;
    error_code reason;
  };
  const auto now =
      GENERATE(farewell{"in order, and both halves have ended", quic_ended_in_order, true, true, false,
                        error_code::closed},
               farewell{"our half goes on", quic_ended_on_both_sides, false, true, false, error_code::closed},
               farewell{"its own half goes on", quic_ended_on_both_sides, true, false, false,
                        error_code::truncated_stream},
               farewell{"both halves have ended", quic_ended_on_both_sides, true, true, true, error_code::closed});
  CAPTURE(now.what);
  if (now.server_finishes) {
    server.finish(0);
    world.until([&, &at = client] { return at.connection->is_read_to_end(0) || at.streams[0].ended; });
  }
  // From here on the client hears of no acknowledgement, but of the end.
  auto is_deaf = true;
  world.passes = [&](const udp_path& path, const std::string&) {
    return path.local != world.client_address || !is_deaf;
  };
  client.say(0, "did this arrive?");
  if (now.client_finishes)
    client.finish(0);
  world.until([&, &at = server] { return at.streams[0].text == "did this arrive?"; });
  is_deaf = false;
  server.connection->close(now.code, make_error(error_code::closed, phase::close, origin::local, "done"));
  server.touch();
  world.until([&, &at = client] { return at.reason.has_value(); });
  CHECK(client.reason->code == now.reason);
  CHECK(client.last_metrics.bytes_acked == (now.is_believed ? 16 : 0));
}

TEST_CASE("nothing is told after the end, although the end of a stream is read only then") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  server.reads = false;
  server.finish(0);
  client.finish(0);
  world.until([&, &at = server] { return at.connection->is_read_to_end(0); });
  world.run_for(1s);
  auto& receiver = *server.connection;
  receiver.close(0, make_error(error_code::closed, phase::close, origin::local, "done"));
  receiver.note_end_was_read(0);
  auto told_last = receiver.poll_event();
  REQUIRE(told_last);
  while (auto event = receiver.poll_event())
    told_last = std::move(event);
  CHECK(std::holds_alternative<quic_event::closed>(*told_last));
}

TEST_CASE("a server that was killed and started again tells its clients that it does not know them") {
  quic_world world;
  auto [client, server] = world.connect();
  client.say(0, pattern(10'000));
  world.run_for(1s);
  world.start_server();
  client.say(0, "still there?");
  const auto begun = world.now.steady;
  world.until([&, &at = client] { return at.reason.has_value(); });
  CHECK(client.reason->code == error_code::reset);
  CHECK(client.reason->who == origin::remote);
  CHECK(world.now.steady - begun < 1s);
  CHECK(world.server->size() == 0);
  // And takes them anew.
  auto [again, again_server] = world.connect();
  again.say(0, "hello");
  world.until([&, &at = again_server] { return at.streams[0].text == "hello"; });
}

TEST_CASE("a client that only keeps its connection alive hears too that its server was started again") {
  transport_config settings;
  settings.keepalive_interval = 1s;
  quic_world world{{.client = settings}};
  auto [client, server] = world.connect();
  world.run_for(100ms);
  world.start_server();
  const auto begun = world.now.steady;
  world.until([&, &at = client] { return at.reason.has_value(); });
  CHECK(client.reason->code == error_code::reset);
  CHECK(world.now.steady - begun < 2s);
}

TEST_CASE("a client that may send nothing more hears too that its server was started again") {
  const auto is_stream_full = GENERATE(true, false);
  CAPTURE(is_stream_full);
  constexpr std::uint64_t window = 64U << 10U;
  auto narrow = quic_with([&](quic_config& quic) {
    quic.stream_window = quic.stream_window_max = is_stream_full ? window : 4 * window;
    quic.connection_window = quic.connection_window_max = is_stream_full ? 4 * window : window;
  });
  transport_config settings;
  settings.keepalive_interval = 1s;
  quic_world world{{.client = settings, .server = narrow}};
  auto [client, server] = world.connect();
  server.reads = false;
  client.say(0, pattern(8 * window));
  world.until([&, &at = client] { return at.connection->bytes_acked(0) == window; });
  world.run_for(10s);
  REQUIRE_FALSE(client.reason);
  world.start_server();
  const auto begun = world.now.steady;
  world.until([&, &at = client] { return at.reason.has_value(); });
  CHECK(client.reason->code == error_code::reset);
  CHECK(world.now.steady - begun < 1'100ms);
}

TEST_CASE("a client that gives up before it is connected blames nobody") {
  quic_world world;
  auto& client = world.dial();
  world.passes = [&](const udp_path& path, const std::string&) { return path.local != world.client_address; };
  world.until([&] { return !world.server_users.empty(); });
  REQUIRE_FALSE(client.is_connected());
  client.release();
  auto& server = *world.server_users.front();
  world.until([&] { return server.reason.has_value(); });
  CHECK(server.reason->code == error_code::peer_closed);
}

TEST_CASE("two endpoints that have both forgotten each other fall silent") {
  quic_world world;
  auto [client, server] = world.connect();
  world.run_for(1s);
  std::string last;
  world.passes = [&](const udp_path&, const std::string& bytes) {
    last = bytes;
    return true;
  };
  client.say(0, pattern(1'000));
  world.until([&, &at = server] { return !at.streams[0].text.empty(); });
  const auto to_server = last;
  world.start_server();
  world.inject(world.to_server(), to_server);
  const auto before = world.datagrams_sent;
  world.run_for(2s);
  CHECK(world.datagrams_sent - before < 20);
}

} // namespace actorwire::test
