// What becomes of a peer that nobody has, and whose server speaks or hangs up.

#include "host_and_peer.hpp"
#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

/// The accepted end of a connection, which says what a test wants.
class talker final : public transport_observer {
public:
  talker(local_ref<transport> accepted, const transport_config& config) : wire_(std::move(accepted)) {
    if (wire_->init(config, *this))
      wire_->receive(std::numeric_limits<std::size_t>::max());
  }
  ~talker() { wire_->detach(); }

  talker(const talker&) = delete;
  talker& operator=(const talker&) = delete;

  void say(std::string_view text) {
    waiting_ += text;
    flush();
  }
  void finish() { wire_->finish(); }

  std::string heard;

private:
  void on_progress(connection_state) override {}
  void on_connected(const transport_opening&) override {}
  void on_received(payload bytes) override { heard += bytes.text(); }
  void on_peer_finished() override { wire_->finish(); }
  void on_writable() override { flush(); }
  void on_closed(const transport_error&) override {}

  void flush() {
    while (!waiting_.empty()) {
      const outgoing piece{reinterpret_cast<const std::byte*>(waiting_.data()), waiting_.size(), nullptr};
      const auto taken = wire_->send(std::span{&piece, 1});
      if (!taken || *taken == 0)
        return;
      waiting_.erase(0, *taken);
    }
  }

  local_ref<transport> wire_;
  std::string waiting_;
};

/// A host that greets, or waits to be told, and somebody who leases its peers.
struct talking_host {
  explicit talking_host(std::string_view uri = "tcp://server:1", const pool_limits& limits = {},
                        std::string_view first_words = {}, bool hangs_up = false)
    : world({.pool = limits}), user(world.make_probe()), other(world.make_probe()) {
    options.transport.protocol_settings = default_settings(uri);
    remote = parse_endpoint(uri).value();
    user.subscribe_to_pool(world.supervisor());
    world.hosts().listen(uri, [this, first_words, hangs_up](local_ref<transport> accepted) {
      auto& made = ends.emplace_back(std::move(accepted), options.transport);
      if (!first_words.empty())
        made.say(first_words);
      if (hangs_up)
        made.finish();
    });
  }

  static protocol_config default_settings(std::string_view uri) {
    if (uri.starts_with("quic"))
      return quic_config{};
    return tcp_config{};
  }

  lease borrow(probe& owner) {
    actorwire::checkout request{remote, options, {}};
    request.wait = 30s;
    const auto answer = owner.checkout(world.supervisor(), request);
    if (!world.run_until([&] { return answer->count > 0; }) || !answer->value)
      throw std::runtime_error{"no lease"};
    return *answer->value;
  }

  void give_back(const lease& what) {
    const auto answer = user.release(world.supervisor(), what.id);
    world.run_now();
    REQUIRE(answer->value);
  }

  pool_stats figures() { return test::figures(world, user); }

  /// Why peers left the pool.
  std::vector<transport_error> removals() const {
    std::vector<transport_error> all;
    for (const auto& each : user.all<pool_event>())
      if (each.change == pool_change::removed)
        all.push_back(each.reason);
    return all;
  }

  /// Bytes come as they are.
  acquire_options options;
  endpoint remote;
  std::deque<talker> ends;
  simulated_system world;
  probe user;
  probe other;
};

std::string any_uri() {
  return GENERATE(std::string{"tcp://server:1"}, std::string{"quic://server:1"});
}

} // namespace

TEST_CASE("a peer is not lent again after its server has said something that nobody asked for, or hung up",
          "[simulation][P2][P3]") {
  talking_host here{any_uri()};
  const auto first = here.borrow(here.user);
  here.user.subscribe(first.peer);
  here.user.send(first.peer, "question");
  here.world.run_for(1s);
  here.ends.front().say("answer");
  here.world.run_for(1s);
  REQUIRE(here.user.text() == "answer");
  here.give_back(first);
  here.world.run_for(1s);
  REQUIRE(here.figures().leasable == 1);
  const auto way = GENERATE(0, 1, 2);
  CAPTURE(way);
  if (way != 2)
    here.ends.front().say("bye");
  if (way != 0)
    here.ends.front().finish();
  here.world.run_for(1s);
  CHECK(here.figures().leasable == 0);
  CHECK(here.figures().peers == 0);
  CHECK(here.figures().losses == 0);
  REQUIRE(here.removals().size() == 1);
  CHECK(here.removals().front().code == (way == 2 ? error_code::peer_closed : error_code::lease_ended));
  CHECK((way == 2) == (here.removals().front().text.find("data that nobody asked for") == std::string::npos));

  const auto second = here.borrow(here.other);
  CHECK(second.peer != first.peer);
  here.other.subscribe(second.peer);
  const auto sent = here.other.send(second.peer, "mine");
  here.world.run_for(1s);
  CHECK(sent->value.value().result == outcome::written);
  CHECK(here.ends.back().heard == "mine");
  here.ends.back().say("yours");
  here.world.run_for(1s);
  CHECK(here.other.text() == "yours");
}

TEST_CASE("what the last owner has not read is read by no other", "[simulation][P2]") {
  talking_host here{any_uri()};
  here.options.transport.framing.mode = framing_mode::line;
  const auto first = here.borrow(here.user);
  const auto way = GENERATE(0, 1, 2);
  CAPTURE(way);
  if (way == 0) {
    // The second line is here already, and nobody has asked for it.
    const auto line = here.user.receive(first.peer);
    here.world.run_now();
    here.ends.front().say("one\ntwo\n");
    here.world.run_for(1s);
    REQUIRE(line->value);
  } else if (way == 1) {
    // A part of a line.
    here.user.subscribe(first.peer);
    here.ends.front().say("half a li");
    here.world.run_for(1s);
  } else {
    // It is on its way.
    here.user.subscribe(first.peer);
    here.world.run_for(1s);
    here.ends.front().say("late\n");
  }
  const auto next = here.other.checkout(here.world.supervisor(), [&] {
    actorwire::checkout request{here.remote, here.options, {}};
    request.wait = 30s;
    return request;
  }());
  here.give_back(first);
  if (way == 2)
    here.world.run_for(1s);
  REQUIRE(here.world.run_until([&] { return next->count > 0; }));
  const auto second = next->value.value();
  here.other.subscribe(second.peer);
  here.world.run_for(1s);
  if (way == 2) {
    // Its lease was there first: nobody could know.
    CHECK(here.other.text() == (second.peer == first.peer ? "late" : ""));
    return;
  }
  CHECK(second.peer != first.peer);
  CHECK(here.other.text().empty());
  CHECK(here.figures().losses == 0);
}

TEST_CASE("what was accepted from the last owner is sent before its peer leaves", "[simulation][P2][D1]") {
  talking_host here{any_uri()};
  here.world.hosts().set_link({.delay = 10ms, .window = 1'000});
  const auto first = here.borrow(here.user);
  const auto text = std::string(20'000, 'x');
  here.user.cast(first.peer, text);
  here.give_back(first);
  here.world.run_for(20ms);
  here.ends.front().say("stop it");
  here.world.run_for(10s);
  CHECK(here.ends.front().heard == text);
  CHECK(here.figures().peers == 0);
}

TEST_CASE("what a server says first is for the first owner of its peer, however long that takes to come",
          "[simulation][P2]") {
  talking_host here{any_uri(), {.max_leased = 4, .min_idle = 1}, "hello"};
  const auto first = here.borrow(here.user);
  here.user.subscribe(first.peer);
  here.world.run_for(1min);
  CHECK(here.user.text() == "hello");
  REQUIRE(here.figures().leasable == 1);
  const auto second = here.borrow(here.other);
  here.other.subscribe(second.peer);
  here.world.run_for(1s);
  CHECK(here.other.text() == "hello");
  CHECK(here.removals().empty());
}

TEST_CASE("a server that greets, and hangs up before somebody comes, does not greet the next owner",
          "[simulation][P2]") {
  talking_host here{any_uri(), {.max_leased = 4, .min_idle = 1}, "hello"};
  here.borrow(here.user);
  here.world.run_for(1s);
  REQUIRE(here.ends.size() == 2);
  here.ends.back().say(" and bye");
  here.ends.back().finish();
  here.world.run_for(10s);
  REQUIRE(here.ends.size() == 3);
  const auto second = here.borrow(here.other);
  here.other.subscribe(second.peer);
  here.world.run_for(1s);
  CHECK(here.other.text() == "hello");
}

TEST_CASE("a server that talks to nobody fills no memory, and is read on when somebody comes", "[simulation][P2][F1]") {
  const auto text = std::string(50'000, 'x');
  talking_host here{"tcp://server:1", {.max_leased = 4, .min_idle = 1}, text};
  here.borrow(here.user);
  here.world.run_for(1min);
  REQUIRE(here.ends.size() == 2);
  const auto totals = here.user.get_pool_totals(here.world.supervisor());
  here.world.run_for(1ms);
  // What the one had that is lent, and reads nothing, before it was, and what the one has that is free.
  CHECK(totals->value.value().bytes_received <= 2 * (16U << 10U));
  const auto second = here.borrow(here.other);
  here.other.subscribe(second.peer);
  here.world.run_for(1min);
  CHECK(here.other.text() == text);
}

TEST_CASE("a server that hangs up on peers that nobody has is not dialled in a loop", "[simulation][P2][B2][B4]") {
  const auto words = GENERATE(std::string_view{}, std::string_view{"go away"});
  talking_host here{"tcp://server:1", {.max_leased = 4, .min_idle = 2}, words, true};
  const auto answer = here.user.checkout(here.world.supervisor(), [&] {
    actorwire::checkout request{here.remote, here.options, {}};
    request.wait = 1s;
    return request;
  }());
  here.world.run_for(1min);
  CHECK(answer->count == 1);
  // Four at a time, each by the delays of its endpoint: 0.1, 0.2, 0.4 .. 30 s.
  CHECK(here.ends.size() <= 60);
}

TEST_CASE("a peer that nobody has stays when its connection is renewed", "[simulation][P2][P5]") {
  talking_host here{any_uri()};
  here.options.max_lifetime = 5s;
  const auto first = here.borrow(here.user);
  here.give_back(first);
  here.world.run_for(1min);
  CHECK(here.figures().renewals >= 9);
  CHECK(here.removals().empty());
  CHECK(here.borrow(here.other).peer == first.peer);
}

TEST_CASE("a lent peer whose server says something is its owner's, as ever", "[simulation][P2]") {
  talking_host here{any_uri()};
  const auto first = here.borrow(here.user);
  here.give_back(first);
  const auto second = here.borrow(here.other);
  REQUIRE(second.peer == first.peer);
  here.ends.front().say("news");
  here.world.run_for(1s);
  here.other.subscribe(second.peer);
  here.world.run_for(1s);
  CHECK(here.other.text() == "news");
  here.ends.front().finish();
  here.world.run_for(1s);
  // Dialled again for its owner.
  CHECK(here.ends.size() == 2);
  CHECK(here.figures().leased == 1);
}

TEST_CASE("a peer that is lost while nobody has it is dialled again, and is as good as new", "[simulation][P2]") {
  talking_host here{any_uri(), {}, "hello"};
  const auto first = here.borrow(here.user);
  here.user.subscribe(first.peer);
  here.world.run_for(1s);
  here.give_back(first);
  here.world.hosts().reset_connections("server");
  here.world.run_for(10s);
  REQUIRE(here.ends.size() == 2);
  const auto second = here.borrow(here.other);
  CHECK(second.peer == first.peer);
  here.other.subscribe(second.peer);
  here.world.run_for(1s);
  CHECK(here.other.text() == "hello");
}

TEST_CASE("what comes on a stream or as a datagram makes a peer that nobody has leave as well", "[simulation][P2]") {
  stream_host host{stream_manners::sink};
  simulated_system world;
  world.hosts().listen("quic://server:1", host.accept());
  auto user = world.make_probe();
  actorwire::checkout request{parse_endpoint("quic://server:1").value(), over_quic(), {}};
  request.wait = 30s;
  const auto mine = user.checkout(world.supervisor(), request);
  REQUIRE(world.run_until([&] { return mine->count > 0; }));
  const auto peer = mine->value.value().peer;
  const auto opened = user.open_stream(peer);
  world.run_now();
  const auto stream = opened->value.value().stream;
  user.send(peer, "question", on(stream));
  world.run_for(1s);
  user.release(world.supervisor(), mine->value->id);
  world.run_for(1s);
  switch (GENERATE(0, 1, 2)) {
    case 0:
      host.last().send(stream, "late answer");
      break;
    case 1:
      REQUIRE(host.last().streams().send_datagram(payload::copy_of("news")));
      break;
    default:
      REQUIRE(host.last().streams().open(stream_direction::bidirectional, {}));
      host.last().send(1, "news");
      break;
  }
  world.run_for(1s);
  const auto figures = user.get_pool_stats(world.supervisor());
  world.run_now();
  CHECK(figures->value.value().leasable == 0);
  CHECK(figures->value->losses == 0);
}

} // namespace actorwire::test
