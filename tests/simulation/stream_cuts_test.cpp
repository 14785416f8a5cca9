// Connections that are cut in the middle of their streams: every message has one true outcome.

#include "host_and_peer.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

TEST_CASE("a stream ends with its connection, and its number is worth nothing on the next",
          "[simulation][streams][D2][S2]") {
  host_and_peer with;
  with.user.subscribe(with.peer, event_mask::streams | event_mask::loss | event_mask::state);
  const auto stream = with.open();
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  const auto waiting = with.user.send(with.peer, std::string(100'000, 'x'), on(stream));
  const auto behind = with.user.send(with.peer, "behind", on(stream));
  const auto zero = with.user.send(with.peer, "zero", {.wanted = outcome::acked});
  with.world.run_for(1s);
  with.world.hosts().reset_connections("server");
  with.world.hosts().heal("server");
  with.world.run_for(10ms);
  CHECK(waiting->value->result == outcome::maybe_sent);
  CHECK(behind->code() == error_code::reset);
  CHECK(zero->value->result == outcome::maybe_sent);
  REQUIRE(with.user.count<data_lost>() == 1);
  CHECK(with.user.all<data_lost>().front().maybe_sent.messages == 2);
  CHECK(with.user.all<data_lost>().front().not_sent.messages == 1);
  with.world.run_for(1s);
  REQUIRE(with.user.last_state() == connection_state::ready);
  const auto stale = with.user.send(with.peer, "x", on(stream));
  with.world.run_now();
  CHECK(stale->code() == error_code::stream_closed);
  CHECK(with.user.count<stream_closed>() == 0);
  // The same number, another stream.
  CHECK(with.open() == stream);
  const auto fresh = with.user.send(with.peer, "fresh", on(stream, outcome::acked));
  with.world.run_for(1s);
  CHECK(fresh->value->result == outcome::acked);
  CHECK(fresh->value->generation == 2);
  CHECK(with.user.text(stream) == "fresh");
}

TEST_CASE("wherever a connection is cut, every message on every stream has one true outcome",
          "[simulation][streams][D1][D2][D3][D4]") {
  for (std::uint64_t cut = 0; cut <= 140; ++cut) {
    CAPTURE(cut);
    stream_host host;
    simulated_system world;
    world.hosts().listen(server, host.accept());
    world.hosts().plan_next(server, {.fault = connection_fault{connection_fault::kind::reset, side::dialler, cut},
                                     .send_size_max = 7});
    auto user = world.make_probe();
    auto options = over_quic();
    options.reconnection.base_delay = options.reconnection.max_delay = 1h;
    const auto peer = world.acquire(server, options);
    world.run_for(1s);
    std::vector<stream_id> streams{0};
    for (int count = 0; count < 2; ++count) {
      const auto opened = user.open_stream(peer);
      world.run_now();
      streams.push_back(opened->value.value().stream);
    }
    std::map<std::string, std::pair<stream_id, answer_to<sent>>> sends;
    for (int number = 10; number < 22; ++number) {
      const auto stream = streams[static_cast<std::size_t>(number) % 3];
      const auto text = "text" + std::to_string(number);
      sends[text] = {stream, user.send(peer, text, on(stream, number % 2 == 0 ? outcome::acked : outcome::written))};
    }
    world.run_for(1min);
    const auto& record = *world.hosts().records().front();
    for (const auto stream : streams) {
      const auto found = record.streams_at_listener.find(stream);
      const auto arrived = cut_frames(stream == 0                                 ? record.arrived_at_listener
                                      : found != record.streams_at_listener.end() ? found->second
                                                                                  : std::string{});
      CHECK(std::is_sorted(arrived.messages.begin(), arrived.messages.end()));
      for (const auto& [text, sent] : sends) {
        if (sent.first != stream || (stream == 0 && sent.second->count == 0))
          continue;
        CAPTURE(text);
        REQUIRE(sent.second->count == 1);
        const auto count = std::count(arrived.messages.begin(), arrived.messages.end(), text);
        CHECK(count <= 1);
        const auto& known = sent.second->value;
        if (!known)
          CHECK(count == 0);
        else if (known->result == outcome::acked)
          CHECK(count == 1);
      }
    }
    const auto figures = user.get_stats(peer);
    world.run_now();
    CHECK(adds_up(figures->value->delivery));
  }
}

TEST_CASE("in any random story with streams every message has one true outcome",
          "[simulation][streams][D1][D2][D3][D4]") {
  const test_seed seed;
  const auto rounds = seed_count(60);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    std::mt19937_64 chance{seed.value() + round};
    stream_host host;
    simulated_system world{
        {.seed = seed.value() + round, .pool = {.reconnects_per_second = 1'000, .reconnect_burst = 1'000}}};
    world.hosts().listen(server, host.accept());
    world.hosts().plan_by_chance({.refuse = 10,
                                  .reset = 50,
                                  .vanish = 10,
                                  .fault_after_max = 20'000,
                                  .send_size_max = 300,
                                  .lateness_max = 3ms});
    auto options = over_quic();
    options.transport.keepalive_interval = 1s;
    options.transport.keepalive_timeout = 2s;
    options.transport.flow.write_limit = 20'000;
    options.transport.flow.high_water = 10'000;
    options.transport.flow.low_water = 5'000;
    auto user = world.make_probe();
    const auto peer = world.acquire(server, options);
    const auto snapshot = user.subscribe(peer);
    world.run_now();

    std::vector<answer_to<stream_opened>> opened;
    std::vector<answer_to<datagram_sent>> datagrams;
    std::vector<answer_to<received>> pulls;
    std::vector<answer_to<sent>> sends;
    const auto any_stream = [&]() -> stream_id {
      if (chance() % 4 == 0 || opened.empty())
        return 0;
      const auto& one = opened[opened.size() - 1 - chance() % std::min<std::size_t>(opened.size(), 4)];
      return one->value ? one->value->stream : 0;
    };
    for (int step = 0; step < 400; ++step) {
      const auto what = chance() % 100;
      if (what < 10) {
        opened.push_back(user.open_stream(peer, static_cast<stream_direction>(chance() % 2)));
      } else if (what < 75) {
        auto number = std::to_string(sends.size());
        auto how = on(any_stream(), chance() % 2 == 0 ? outcome::written : outcome::acked);
        how.policy = static_cast<when_down>(chance() % 3);
        sends.push_back(
            user.send(peer, std::string(8 - number.size(), '0') + number + std::string(chance() % 500, 'x'), how));
      } else if (what < 79) {
        if (const auto stream = any_stream(); stream != 0)
          user.finish_stream(peer, stream);
      } else if (what < 82) {
        user.reset_stream(peer, any_stream(), chance() % 100);
      } else if (what < 85) {
        user.stop_stream(peer, any_stream(), chance() % 100);
      } else if (what < 88) {
        pulls.push_back(user.receive(peer, 1s, any_stream()));
      } else if (what < 92) {
        datagrams.push_back(user.send_datagram(peer, "datagram"));
      } else if (what < 94 && !host.ends().empty() && !host.last().is_over) {
        auto& there = host.last();
        if (const auto made = there.streams().open(stream_direction::bidirectional, {}))
          there.send(*made, std::string("\0\0\0\x05hello", 9));
      }
      world.run_for(std::chrono::milliseconds{chance() % 30});
    }
    const auto closed = user.close(peer, close_mode::drain, 5s);
    world.run_for(10s);
    REQUIRE(closed->value);
    CHECK(closed->value->delivery.pending == tally{});
    CHECK(adds_up(closed->value->delivery));
    CHECK(world.net().memory_used() == 0);
    for (const auto& each : opened)
      CHECK(each->count == 1);
    for (const auto& each : datagrams)
      CHECK(each->count == 1);
    for (const auto& each : pulls)
      CHECK(each->count == 1);
    check_story(user.notes(), snapshot->value.value());

    std::set<std::size_t> arrived;
    std::set<std::size_t> torn;
    const auto look_at = [&](const std::string& bytes) {
      std::size_t last = 0;
      const auto cut = cut_frames(bytes);
      for (const auto& message : cut.messages) {
        const auto number = std::stoul(message.substr(0, 8)) + 1;
        CHECK(number > last);
        CHECK(arrived.insert(number).second);
        last = number;
      }
      if (cut.rest.size() >= 12)
        torn.insert(std::stoul(cut.rest.substr(4, 8)) + 1);
    };
    for (const auto* record : world.hosts().records()) {
      look_at(record->arrived_at_listener);
      for (const auto& [stream, bytes] : record->streams_at_listener)
        if ((stream & 1U) == 0)
          look_at(bytes);
    }
    for (std::size_t index = 0; index < sends.size(); ++index) {
      CAPTURE(index);
      REQUIRE(sends[index]->count == 1);
      const auto& known = sends[index]->value;
      if (!known || known->result == outcome::not_sent) {
        CHECK(!arrived.contains(index + 1));
        CHECK(!torn.contains(index + 1));
      } else if (known->result == outcome::acked) {
        CHECK(arrived.contains(index + 1));
      }
    }
  }
}

} // namespace actorwire::test
