#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view server = "tcp://server:1";

acquire_options with_credit(std::size_t bytes) {
  acquire_options options;
  options.reconnection = quick_policy();
  options.transport.flow.read_credit = bytes;
  return options;
}

/// Bytes that increase, so that a missing or a repeated one is seen.
std::string numbered(std::size_t size) {
  std::string text;
  for (std::size_t number = 0; text.size() < size; ++number)
    text += std::to_string(number) + ' ';
  text.resize(size);
  return text;
}

/// A host that says `bytes` to whoever connects, and nothing more.
simulated_network::accept_function saying(std::string bytes) {
  class speaker final : public transport_observer {
  public:
    speaker(local_ref<transport> wire, std::string bytes) : wire_(std::move(wire)), bytes_(std::move(bytes)) {
      static_cast<void>(wire_->init({}, *this));
    }
    ~speaker() { wire_->detach(); }
    speaker(const speaker&) = delete;
    speaker& operator=(const speaker&) = delete;

  private:
    void on_progress(connection_state) override {}
    void on_connected(const transport_opening&) override {
      const outgoing piece{reinterpret_cast<const std::byte*>(bytes_.data()), bytes_.size(), nullptr};
      static_cast<void>(wire_->send(std::span{&piece, 1}));
    }
    void on_received(payload) override {}
    void on_peer_finished() override {}
    void on_writable() override {}
    void on_closed(const transport_error&) override {}

    local_ref<transport> wire_;
    std::string bytes_;
  };
  return [bytes = std::move(bytes), all = std::make_shared<std::list<speaker>>()](local_ref<transport> accepted) {
    all->emplace_back(std::move(accepted), bytes);
  };
}

/// A peer of an echo, and the two who deal with it: one asks and sends, one gets the data.
struct echoed_peer {
  explicit echoed_peer(const acquire_options& options) : asker(world.make_probe()), reader(world.make_probe()) {
    world.hosts().listen(server, echo_service());
    peer = world.acquire(server, options);
    world.run_for(1s);
  }

  std::uint64_t bytes_read() {
    const auto figures = asker.get_stats(peer);
    world.run_now();
    return figures->value.value().transport.bytes_received;
  }

  simulated_system world;
  probe asker;
  probe reader;
  connection_actor peer;
};

} // namespace

TEST_CASE("a subscriber that does not get round to its messages holds no more than its credit",
          "[simulation][F1][S5]") {
  constexpr std::size_t credit = 10'000;
  echoed_peer with{with_credit(credit)};
  with.reader.subscribe(with.peer, event_mask::data);
  with.world.run_now();
  with.reader.get_busy();
  const auto text = numbered(50'000);
  with.asker.cast(with.peer, text);
  for (int count = 0; count < 1'000; ++count) {
    with.world.run_for(1ms);
    REQUIRE(with.bytes_read() <= credit);
  }
  CHECK(with.bytes_read() == credit);
  with.reader.catch_up();
  with.world.run_for(10s);
  CHECK(with.reader.text() == text);
}

TEST_CASE("credit that is paid by hand passivates once, and a grant goes on without a loss", "[simulation][F1]") {
  constexpr std::size_t credit = 1'000;
  echoed_peer with{with_credit(credit)};
  with.reader.subscribe(with.peer, event_mask::data, credit_mode::manual);
  const auto text = numbered(10'500);
  with.asker.cast(with.peer, text);
  with.world.run_for(5s);
  std::size_t passivated_count = 1;
  while (with.reader.text().size() < text.size()) {
    const auto before = with.reader.text().size();
    REQUIRE(before == passivated_count * credit);
    REQUIRE(with.reader.count<passivated>() == passivated_count);
    with.reader.grant(with.peer, credit);
    with.world.run_for(1s);
    REQUIRE(with.reader.text().size() > before);
    ++passivated_count;
  }
  CHECK(with.reader.text() == text);
  // The last grant was not used up.
  CHECK(with.reader.count<passivated>() == passivated_count - 1);
}

TEST_CASE("a grant is worth no more than what is owed", "[simulation][F1]") {
  constexpr std::size_t credit = 1'000;
  echoed_peer with{with_credit(credit)};
  with.reader.subscribe(with.peer, event_mask::data, credit_mode::manual);
  with.reader.grant(with.peer, 1'000'000);
  with.asker.cast(with.peer, numbered(5'000));
  with.world.run_for(5s);
  CHECK(with.reader.text().size() == credit);
}

TEST_CASE("data that nobody wants stays unread in the transport", "[simulation][F1]") {
  echoed_peer with{with_credit(1'000)};
  const auto text = numbered(5'000);
  with.asker.cast(with.peer, text);
  with.world.run_for(5s);
  CHECK(with.bytes_read() == 0);

  std::string pulled;
  while (pulled.size() < text.size()) {
    const auto next = with.asker.receive(with.peer);
    with.world.run_for(1s);
    REQUIRE(next->value);
    pulled += next->value->body.text();
  }
  CHECK(pulled == text);
}

TEST_CASE("a receive whose time is over is answered so, and the data stay for the next reader", "[simulation][F1]") {
  echoed_peer with{with_credit(1'000)};
  const auto timers = with.world.timer_count();
  const auto later = with.reader.receive(with.peer, 3s);
  const auto sooner = with.reader.receive(with.peer, 1s);
  const auto patient = with.reader.receive(with.peer);
  with.world.run_for(999ms);
  CHECK(sooner->count == 0);
  with.world.run_for(1ms);
  CHECK(sooner->code() == error_code::request_timeout);
  with.world.run_for(1'999ms);
  CHECK(later->count == 0);
  with.world.run_for(1ms);
  CHECK(later->code() == error_code::request_timeout);
  CHECK(with.world.timer_count() == timers);
  with.asker.cast(with.peer, "for the patient");
  with.world.run_for(1s);
  REQUIRE(patient->value);
  CHECK(patient->value->body.text() == "for the patient");

  // What comes after the time of the only reader.
  const auto only = with.reader.receive(with.peer, 1s);
  with.world.run_for(1s);
  REQUIRE(only->code() == error_code::request_timeout);
  with.asker.cast(with.peer, "for the next");
  with.world.run_for(1s);
  const auto next = with.reader.receive(with.peer, 1s);
  with.world.run_for(1s);
  REQUIRE(next->value);
  CHECK(next->value->body.text() == "for the next");
  CHECK(next->count == 1);
  CHECK(with.world.timer_count() == timers);
}

TEST_CASE("a receive may wait for a day, and is refused if it wants less than nothing or more", "[simulation][F1]") {
  echoed_peer with{with_credit(1'000)};
  const auto longest = with.reader.receive(with.peer, 24h);
  const auto too_long = with.reader.receive(with.peer, 24h + 1ms);
  const auto negative = with.reader.receive(with.peer, -1ms);
  with.world.run_now();
  CHECK(longest->count == 0);
  CHECK(too_long->code() == error_code::invalid_value);
  CHECK(negative->code() == error_code::invalid_value);
}

TEST_CASE("data do not go to an asker that has ended", "[simulation][F1]") {
  echoed_peer with{with_credit(1'000)};
  for (int count = 0; count < 3; ++count)
    with.reader.receive(with.peer);
  with.world.run_now();
  with.reader.end();
  with.world.run_now();
  SECTION("but to whoever asked after it") {
    const auto heir = with.asker.receive(with.peer);
    with.asker.cast(with.peer, "inherited");
    with.world.run_for(1s);
    REQUIRE(heir->value);
    CHECK(heir->value->body.text() == "inherited");
  }
  SECTION("and wait for the next if nobody else has asked") {
    with.asker.cast(with.peer, "kept");
    with.world.run_for(1s);
    const auto next = with.asker.receive(with.peer);
    with.world.run_for(1s);
    REQUIRE(next->value);
    CHECK(next->value->body.text() == "kept");
  }
}

TEST_CASE("a frame that nobody waits for any more may stay incomplete", "[simulation][F4]") {
  simulated_system world;
  world.hosts().listen(server, saying(std::string("\x00\x00\x00\x02x", 5)));
  auto options = framed();
  options.transport.framing.partial_frame_timeout = 2s;
  options.reconnection.base_delay = options.reconnection.max_delay = 1h;
  const auto peer = world.acquire(server, options);
  auto asker = world.make_probe();
  auto watcher = world.make_probe();
  watcher.subscribe(peer, event_mask::state);
  SECTION("because the time of the receive is over") {
    const auto late = asker.receive(peer, 1s);
    world.run_for(10s);
    CHECK(late->code() == error_code::request_timeout);
  }
  SECTION("because the asker has ended") {
    asker.receive(peer);
    world.run_for(1s);
    asker.end();
    world.run_for(10s);
  }
  CHECK(watcher.last_state() == connection_state::ready);
}

TEST_CASE("requests whose askers have ended leave their places to others", "[simulation][D2]") {
  constexpr int places = 1'024;
  simulated_system world;
  auto options = framed();
  options.reconnection.base_delay = options.reconnection.max_delay = 1s;
  const auto peer = world.acquire(server, options);
  auto gone = world.make_probe();
  auto there = world.make_probe();
  std::vector<answer_to<connection_info>> connects;
  std::vector<answer_to<received>> pulls;
  // Some that live, among many that do not.
  for (int count = 0; count < places; ++count) {
    auto& asker = count % 256 == 0 ? there : gone;
    connects.push_back(asker.connect(peer));
    pulls.push_back(asker.receive(peer));
  }
  world.run_now();
  gone.end();
  world.run_now();
  connects.push_back(there.connect(peer));
  pulls.push_back(there.receive(peer));
  world.run_now();
  CHECK(connects.back()->count == 0);
  CHECK(pulls.back()->count == 0);

  world.hosts().listen(server, echo_service());
  world.run_for(10s);
  for (int count = 0; count <= places; count += 256)
    CHECK(connects[static_cast<std::size_t>(count)]->value);
  for (int count = 0; count <= places; count += 256) {
    there.cast(peer, std::to_string(count));
    world.run_for(1s);
    REQUIRE(pulls[static_cast<std::size_t>(count)]->value);
    CHECK(pulls[static_cast<std::size_t>(count)]->value->body.text() == std::to_string(count));
  }
  // The places of the living are taken, whatever ends.
  for (int count = 0; count < places + 1; ++count)
    pulls.push_back(there.receive(peer));
  world.run_now();
  CHECK(pulls[pulls.size() - 2]->count == 0);
  CHECK(pulls.back()->code() == error_code::would_block);
}

TEST_CASE("a message larger than the whole credit still arrives", "[simulation][F1]") {
  auto options = framed();
  options.transport.flow.read_credit = 100;
  echoed_peer with{options};
  with.reader.subscribe(with.peer, event_mask::data);
  const auto text = numbered(100'000);
  with.asker.cast(with.peer, text);
  with.asker.cast(with.peer, "and one behind it");
  with.world.run_for(10s);
  CHECK(with.reader.text() == text + "and one behind it");
}

TEST_CASE("back-pressure is told once when it begins and once when it ends", "[simulation][F2]") {
  auto options = framed();
  options.transport.flow.high_water = 100'000;
  options.transport.flow.low_water = 20'000;
  options.transport.operation_timeout = 1h;
  echoed_peer with{options};
  with.reader.subscribe(with.peer, event_mask::backpressure);
  with.world.hosts().set_path("server", simulated_network::path_state::stalled);
  // The window of the network takes 64 KiB before anything waits here.
  for (int count = 0; count < 60; ++count) {
    with.asker.cast(with.peer, std::string(5'000, 'x'));
    with.world.run_for(1ms);
  }
  REQUIRE(with.reader.count<backpressure>() == 1);
  CHECK(with.reader.all<backpressure>().front().on);
  CHECK(with.reader.all<backpressure>().front().queued_bytes > 100'000);
  with.world.hosts().heal("server");
  with.world.run_for(10s);
  REQUIRE(with.reader.count<backpressure>() == 2);
  CHECK(!with.reader.all<backpressure>().back().on);
  CHECK(with.reader.all<backpressure>().back().queued_bytes < 20'000);
}

TEST_CASE("back-pressure ends when what waited expires, is lost or is given up", "[simulation][F2][D6]") {
  enum class relief : std::uint8_t { expiry, loss, failure };
  for (const auto cause : {relief::expiry, relief::loss, relief::failure}) {
    CAPTURE(static_cast<int>(cause));
    auto options = framed();
    options.transport.flow.high_water = 50'000;
    options.transport.flow.low_water = 20'000;
    options.transport.operation_timeout = 1h;
    options.transport.flow.queue_age = cause == relief::expiry ? 2s : 1h;
    options.reconnection.max_attempts = cause == relief::failure ? 3 : 0;
    echoed_peer with{options};
    with.reader.subscribe(with.peer, event_mask::backpressure);
    with.world.hosts().set_path("server", simulated_network::path_state::stalled);
    if (cause == relief::loss)
      // One message, of which the network takes a part: the rest goes with the connection.
      with.asker.cast(with.peer, std::string(200'000, 'x'));
    else
      for (int count = 0; count < 40; ++count)
        with.asker.cast(with.peer, std::string(5'000, 'x'));
    with.world.run_for(10ms);
    REQUIRE(with.reader.count<backpressure>() == 1);
    with.world.hosts().crash("server", simulated_network::crash_kind::process);
    with.world.hosts().heal("server");
    with.world.run_for(10s);
    REQUIRE(with.reader.count<backpressure>() == 2);
    CHECK(!with.reader.all<backpressure>().back().on);
  }
}

TEST_CASE("a peer that is held up does not slow down the others", "[simulation][F2]") {
  simulated_system world;
  auto user = world.make_probe();
  std::vector<connection_actor> peers;
  for (int index = 0; index < 5; ++index) {
    const auto uri = "tcp://host" + std::to_string(index) + ":1";
    world.hosts().listen(uri, index == 0 ? deaf_service() : echo_service());
    peers.push_back(world.acquire(uri, framed()));
  }
  world.run_for(1s);
  for (int count = 0; count < 30; ++count)
    user.cast(peers[0], std::string(100'000, 'x'));
  world.run_now();
  std::vector<answer_to<sent>> answers;
  for (std::size_t index = 1; index < peers.size(); ++index)
    answers.push_back(user.send(peers[index], std::string(1'000, 'x'), {.wanted = outcome::acked}));
  const auto began = world.now();
  REQUIRE(world.run_until([&] {
    return std::all_of(answers.begin(), answers.end(), [](const auto& each) { return each->value.has_value(); });
  }));
  // There and back on the simulated link, and the wait between two looks at the acknowledgements.
  CHECK(world.now() - began <= 5ms);
}

TEST_CASE("many peers that are held up hold no more than their limits", "[simulation][F3]") {
  constexpr std::size_t count = 50;
  constexpr std::size_t limit = 100'000;
  simulated_system world;
  auto user = world.make_probe();
  auto options = framed();
  options.transport.flow.write_limit = options.transport.flow.high_water = limit;
  options.transport.flow.low_water = limit / 2;
  options.transport.flow.queue_bytes = limit;
  std::vector<connection_actor> peers;
  for (std::size_t index = 0; index < count; ++index) {
    const auto uri = "tcp://host" + std::to_string(index) + ":1";
    world.hosts().listen(uri, deaf_service());
    peers.push_back(world.acquire(uri, options));
  }
  world.run_for(1s);
  for (int round = 0; round < 30; ++round)
    for (const auto& peer : peers)
      user.cast(peer, std::string(10'000, 'x'), {.wanted = outcome::acked});
  world.run_for(1s);
  for (const auto& peer : peers) {
    const auto figures = user.get_stats(peer);
    world.run_now();
    REQUIRE(figures->value);
    CHECK(figures->value->delivery.pending.bytes <= limit);
    CHECK(adds_up(figures->value->delivery));
  }
}

TEST_CASE("messages without bytes count against the network's memory limit, and give it back", "[simulation][F3]") {
  constexpr std::size_t limit = std::size_t{1} << 20U;
  simulated_system world{{.memory_limit = limit}};
  auto user = world.make_probe();
  auto options = framed();
  options.transport.flow.queue_messages = 1'000'000;
  options.transport.flow.queue_bytes = std::size_t{1} << 30U;
  options.transport.flow.queue_age = 1h;
  const auto peer = world.acquire(server, options);
  world.run_now();
  for (int count = 0; count < 10'000; ++count)
    user.cast(peer, "");
  world.run_now();
  CHECK(world.net().memory_used() <= limit);
  const auto figures = user.get_stats(peer);
  world.run_now();
  CHECK(figures->value->delivery.pending == tally{limit / waiting_message_cost, 0});
  CHECK(figures->value->delivery.accepted == tally{10'000, 0});
  CHECK(adds_up(figures->value->delivery));
  user.close(peer, close_mode::abort);
  world.run_now();
  CHECK(world.net().memory_used() == 0);
}

TEST_CASE("peers that are held up together hold no more than the network's memory limit", "[simulation][F3]") {
  constexpr std::size_t limit = std::size_t{1} << 20U;
  constexpr std::size_t count = 30;
  simulated_system world{{.memory_limit = limit}};
  auto user = world.make_probe();
  auto options = framed();
  options.transport.operation_timeout = 1h;
  std::vector<connection_actor> peers;
  for (std::size_t index = 0; index < count; ++index) {
    const auto uri = "tcp://host" + std::to_string(index) + ":1";
    world.hosts().listen(uri, sink_service());
    peers.push_back(world.acquire(uri, options));
    world.run_for(100ms);
    world.hosts().set_path("host" + std::to_string(index), simulated_network::path_state::stalled);
  }
  std::vector<answer_to<sent>> answers;
  for (int round = 0; round < 4; ++round)
    for (const auto& peer : peers) {
      answers.push_back(user.send(peer, std::string(100'000, 'x')));
      world.run_now();
      REQUIRE(world.net().memory_used() <= limit);
    }
  const auto is_refused = [](const auto& each) { return each->code() == error_code::would_block; };
  CHECK(std::any_of(answers.begin(), answers.end(), is_refused));
  for (std::size_t index = 0; index < count; ++index)
    world.hosts().heal("host" + std::to_string(index));
  world.run_for(10s);
  CHECK(std::all_of(answers.begin(), answers.end(),
                    [&](const auto& each) { return each->value.has_value() || is_refused(each); }));
  CHECK(world.net().memory_used() == 0);
}

TEST_CASE("a peer whose bytes do not move for operation_timeout is dialled anew", "[simulation][F2][B11]") {
  auto options = framed();
  options.transport.operation_timeout = 5s;
  simulated_system world;
  world.hosts().listen(server, deaf_service());
  auto user = world.make_probe();
  const auto peer = world.acquire(server, options);
  user.subscribe(peer);
  world.run_for(1s);
  user.cast(peer, std::string(200'000, 'x'));
  world.run_for(4s);
  CHECK(user.last_state() == connection_state::ready);
  REQUIRE(world.run_until([&] { return user.last_state() != connection_state::ready; }, 2s));
  const auto changes = user.all<state_changed>();
  CHECK(std::any_of(changes.begin(), changes.end(), [](const auto& change) {
    return change.to == connection_state::backoff && change.reason.code == error_code::stalled;
  }));
}

TEST_CASE("a peer that sends what it may not loses its connection, and nobody else does", "[simulation][F4]") {
  struct garbage {
    std::string bytes;
    error_code expected;
  };
  using namespace std::string_literals;
  for (const auto& [bytes, expected] : {
           garbage{"\xff\xff\xff\xff"s, error_code::frame_too_large},
           garbage{"\x00\x00\x03\xe9"s, error_code::frame_too_large},
           garbage{"\x00"s, error_code::partial_frame_timeout},
           garbage{"\x00\x00\x00\x02x"s, error_code::partial_frame_timeout},
       }) {
    CAPTURE(name_of(expected), bytes.size());
    simulated_system world;
    world.hosts().listen(server, saying(bytes));
    world.hosts().listen("tcp://other:1", echo_service());
    auto options = framed();
    options.transport.framing.max_frame_size = 1'000;
    options.transport.framing.partial_frame_timeout = 2s;
    options.reconnection.base_delay = options.reconnection.max_delay = 1h;
    auto user = world.make_probe();
    auto other_user = world.make_probe();
    const auto peer = world.acquire(server, options);
    const auto other = world.acquire("tcp://other:1", options);
    user.subscribe(peer);
    other_user.subscribe(other, event_mask::state);
    world.run_for(5s);
    REQUIRE(user.last_state() == connection_state::backoff);
    CHECK(user.all<state_changed>().back().reason.code == expected);
    CHECK(user.count<received>() == 0);
    CHECK(other_user.last_state() == connection_state::ready);
  }
}

} // namespace actorwire::test
