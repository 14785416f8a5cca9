// Messages of a session, their senders, and the account of both.

#include "outbox_fixture.hpp"
#include "session/session_lane.hpp"
#include "session_fixture.hpp"

#include <actorwire/transports/frame_decoder.hpp>
#include <actorwire/transports/frame_encoder.hpp>

#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

namespace actorwire::test {

namespace {

constexpr framing_config numbered_frames{.mode = framing_mode::numbered};

/// The half of a client in a program, and a listener's machine at the other end that is driven by hand.
struct client_lane {
  explicit client_lane(const session_limits& each = {}) : lane(ledger, numbered_frames, each), host(id_of(1), each) {
    lane.adopt(std::make_unique<session>(id_of(1), each));
  }

  std::uint64_t send(std::string_view text, int id) {
    REQUIRE(lane.check(text.size(), {}));
    REQUIRE(lane.check_room({1, text.size()}));
    const auto sequence = lane.add(payload::copy_of(text), ticket{id}, time_point{});
    REQUIRE(sequence);
    return *sequence;
  }

  /// Takes as many bytes as there are, at most so many at once, and returns the frames in them.
  std::vector<session_frame> transmit(std::size_t at_once = 1'000'000) {
    frame_decoder decoder{numbered_frames, session_mode::on};
    std::vector<session_frame> frames;
    std::array<outgoing, 8> pieces;
    while (const auto count = lane.gather(pieces, now)) {
      std::string bytes;
      for (std::size_t index = 0; index < count; ++index)
        bytes.append(reinterpret_cast<const char*>(pieces[index].data), pieces[index].size);
      bytes.resize(std::min(bytes.size(), at_once));
      lane.handed_over(bytes.size());
      decoder.feed(payload::copy_of(bytes));
      frame_label label;
      for (auto next = decoder.next(label); next && *next; next = decoder.next(label))
        frames.push_back({label.kind, label.number, std::move(**next)});
    }
    return frames;
  }

  session_progress take(const session_frame& frame) {
    const auto progress = lane.take(frame, told);
    REQUIRE(progress);
    return *progress;
  }

  /// A connection begins, and both say what is to be said.
  void connect() {
    lane.connect();
    const auto frames = transmit();
    REQUIRE(frames.size() == 1);
    const auto hello = parse_session_hello(frames[0].number, frames[0].body.bytes());
    REQUIRE(hello);
    REQUIRE(host.handle_hello(*hello));
    take(*host.poll_transmit(now));
    REQUIRE(lane.is_open());
  }

  void disconnect() {
    lane.disconnect();
    host.handle_disconnected(host.epoch());
  }

  /// What the program at the other end has by now, acknowledged or not.
  void let_host_take(const std::vector<session_frame>& frames, bool acknowledges = true) {
    for (const auto& each : frames) {
      const auto progress = host.handle_frame(host.epoch(), each);
      REQUIRE(progress);
      if (progress->delivers) {
        heard.emplace_back(each.body.text());
        host.handle_delivered(each.number, now);
      }
    }
    if (!acknowledges)
      return;
    while (auto frame = host.poll_transmit(now + 1s))
      take(*frame);
  }

  flow_limits limits;
  outbox_ledger ledger{limits};
  session_lane<ticket> lane;
  session host;
  answers told;
  std::vector<std::string> heard;
  time_point now{};
};

} // namespace

TEST_CASE("senders are told when their messages are confirmed, and the account adds up", "[delivery][D8]") {
  client_lane with;
  const auto first = with.send("one", 1);
  CHECK(with.lane.is_flushed() == false);
  with.connect();
  const auto second = with.send("second", 2);
  const auto frames = with.transmit(GENERATE(1U, 7U, 1'000'000U));
  CHECK(frames.size() == 2);
  CHECK(with.told.take().empty());
  CHECK(with.ledger.totals().pending == tally{2, 9});
  with.let_host_take(frames);
  CHECK(with.heard == std::vector<std::string>{"one", "second"});
  CHECK(with.told.take()
        == std::vector<answer>{{1, first, outcome::confirmed, error_code::none},
                               {2, second, outcome::confirmed, error_code::none}});
  CHECK(with.ledger.totals().confirmed == tally{2, 9});
  CHECK(with.ledger.totals().pending == tally{});
  CHECK(with.ledger.unwritten_bytes() == 0);
}

TEST_CASE("what was not confirmed when a connection breaks leaves with the next, whole", "[delivery][D8]") {
  client_lane with;
  with.connect();
  with.send("one", 1);
  with.send("two", 2);
  std::array<outgoing, 1> piece;
  REQUIRE(with.lane.gather(piece, with.now) == 1);
  with.lane.handed_over(5);
  CHECK(with.lane.started_rest() > 0);
  with.disconnect();
  CHECK(with.lane.started_rest() == 0);
  with.connect();
  auto frames = with.transmit();
  REQUIRE(frames.size() == 2);
  with.let_host_take(frames, false);
  // The acknowledgement is lost.
  with.disconnect();
  with.connect();
  CHECK(with.transmit().empty());
  CHECK(with.told.take().size() == 2);
  CHECK(with.heard == std::vector<std::string>{"one", "two"});
}

TEST_CASE("a session that is over settles what waits by its ranges, once", "[delivery][D8]") {
  client_lane with;
  with.connect();
  with.send("had", 1);
  with.let_host_take(with.transmit());
  with.told.clear();
  with.send("doubtful", 2);
  CHECK(with.transmit().size() == 1);
  with.disconnect();
  with.send("kept", 3);
  with.lane.connect();
  CHECK(with.transmit().size() == 1);
  with.take(frame_of({session_answer::not_known, id_of(1), 2, {}}));
  REQUIRE(with.lane.is_over());
  const auto why = make_error(error_code::session_lost, phase::handshake, origin::remote, "forgotten");
  const auto done = with.lane.conclude(why, with.told);
  CHECK(done.is_loss());
  CHECK(done.ranges == session_ranges{{1, 1}, {2, 2}, {3, 3}});
  CHECK(done.lost == loss{{1, 4}, {1, 8}});
  CHECK(with.told.take()
        == std::vector<answer>{{2, 2, outcome::maybe_sent, error_code::session_lost},
                               {3, 3, outcome::not_sent, error_code::session_lost}});
  CHECK(with.lane.is_concluded());
  CHECK(with.ledger.totals().pending == tally{});
  with.lane.adopt(std::make_unique<session>(id_of(2), session_limits{}));
  CHECK(with.send("anew", 4) == 4);
}

TEST_CASE("a session that was never welcomed begins again with all that waits", "[delivery][D8]") {
  client_lane with;
  const auto first = with.send("one", 1);
  with.lane.connect();
  CHECK(with.transmit().size() == 1);
  with.lane.disconnect();
  const auto second = with.send("two", 2);
  with.lane.begin_again(std::make_unique<session>(id_of(1), session_limits{}));
  with.connect();
  CHECK(with.host.epoch() == 1);
  with.let_host_take(with.transmit());
  CHECK(with.heard == std::vector<std::string>{"one", "two"});
  CHECK(with.told.take()
        == std::vector<answer>{{1, first, outcome::confirmed, error_code::none},
                               {2, second, outcome::confirmed, error_code::none}});
}

TEST_CASE("what may wait for its confirmation is limited in messages and in bytes", "[delivery][D8]") {
  session_limits limits;
  limits.replay_messages = 2;
  limits.replay_bytes = 10;
  client_lane with{limits};
  with.send("123456", 1);
  CHECK(with.lane.check_room({1, 5}).error().text
        == "session.replay_bytes = 10: 6 are not confirmed, 5 more do not fit");
  with.send("7890", 2);
  const auto full = with.lane.check_room({1, 0});
  CHECK(full.error().code == error_code::would_block);
  CHECK(full.error().text == "session.replay_messages = 2: 2 are not confirmed, 1 more do not fit");
  CHECK(with.lane.check(11, {}).error().code == error_code::message_too_large);
  CHECK(with.lane.check(1, {.ttl = 1ms}).error().code == error_code::unsupported);
  with.connect();
  with.let_host_take(with.transmit());
  CHECK(with.lane.check_room({2, 10}));
}

TEST_CASE("a batch that never fits is too large, and one that does not fit now would block", "[delivery][D8]") {
  session_limits limits;
  limits.replay_messages = 3;
  limits.replay_bytes = 10;
  client_lane with{limits};
  with.send("1", 1);
  CHECK(with.lane.check_room({3, 3}).error().code == error_code::would_block);
  CHECK(with.lane.check_room({2, 10}).error().code == error_code::would_block);
  const auto many = with.lane.check_room({4, 4});
  CHECK(many.error().code == error_code::message_too_large);
  CHECK(many.error().text == "batch of 4 messages with 4 bytes is larger than session.replay_messages = 3");
  const auto long_ones = with.lane.check_room({2, 11});
  CHECK(long_ones.error().code == error_code::message_too_large);
  CHECK(long_ones.error().text == "batch of 2 messages with 11 bytes is larger than session.replay_bytes = 10");
}

TEST_CASE("what a lane has said that it takes it takes, and after its finish nothing", "[delivery][D8]") {
  client_lane with;
  with.connect();
  with.send("one", 1);
  with.lane.finish();
  CHECK(with.lane.check(1, {}).error().code == error_code::draining);
  // Another session that it is given has to finish, too.
  loss lost;
  auto subject = with.lane.part({}, lost, with.told);
  with.lane.adopt(std::make_unique<session>(id_of(2), session_limits{}));
  CHECK(with.lane.check(1, {}).error().code == error_code::draining);
}

TEST_CASE("a session that is given to others takes its messages along, and leaves their senders in doubt",
          "[delivery][D8]") {
  client_lane with;
  with.connect();
  with.send("one", 1);
  loss lost;
  const auto why = make_error(error_code::reset, phase::established, origin::system, "reset");
  auto subject = with.lane.part(why, lost, with.told);
  REQUIRE(subject != nullptr);
  CHECK(lost == loss{{}, {1, 3}});
  CHECK(with.told.take() == std::vector<answer>{{1, 1, outcome::maybe_sent, error_code::reset}});
  CHECK(with.lane.check(1, {}).error().code == error_code::closed);
  CHECK(with.lane.is_flushed());
  with.host.handle_disconnected(with.host.epoch());
  with.lane.adopt(std::move(subject));
  CHECK(with.lane.inherited() == tally{1, 3});
  const auto own = with.send("two", 2);
  with.connect();
  with.let_host_take(with.transmit());
  CHECK(with.heard == std::vector<std::string>{"one", "two"});
  CHECK(with.told.take() == std::vector<answer>{{2, own, outcome::confirmed, error_code::none}});
  CHECK(with.lane.inherited() == tally{});
}

TEST_CASE("a lane is flushed when its session has said goodbye, or has said all that it can", "[delivery][D8]") {
  client_lane with;
  with.connect();
  with.send("one", 1);
  with.lane.finish();
  const auto frames = with.transmit();
  CHECK_FALSE(with.lane.is_flushed());
  SECTION("the message is confirmed") {
    with.let_host_take(frames);
    CHECK_FALSE(with.lane.is_flushed());
    const auto last = with.transmit();
    REQUIRE(last.size() == 1);
    CHECK(last.front().kind == frame_kind::goodbye);
    CHECK(with.lane.is_flushed());
    CHECK_FALSE(with.lane.conclude({}, with.told).is_loss());
  }
  SECTION("the peer sends no more") {
    with.lane.note_peer_finished();
    CHECK(with.lane.is_flushed());
  }
}

TEST_CASE("a session that a failure has broken off in the middle of a message does not go on", "[delivery][D8]") {
  client_lane with;
  with.connect();
  REQUIRE(with.host.send(payload::copy_of("from the host")));
  CHECK(with.take(*with.host.poll_transmit(with.now)).delivers);
  CHECK(with.lane.is_passing_on());
  SECTION("it was passed on") {
    with.lane.note_passed_on(with.now);
    with.disconnect();
    CHECK_FALSE(with.lane.is_over());
  }
  SECTION("it was not") {
    with.disconnect();
    CHECK(with.lane.is_over());
  }
}

TEST_CASE("what nobody listens to is not taken", "[delivery][D8]") {
  client_lane with;
  with.connect();
  with.lane.stop_listening();
  REQUIRE(with.host.send(payload::copy_of("unheard")));
  CHECK_FALSE(with.take(*with.host.poll_transmit(with.now)).delivers);
  CHECK(with.lane.subject()->receiving().received() == 0);
  with.disconnect();
  with.connect();
  const auto again = with.host.poll_transmit(with.now);
  REQUIRE(again);
  CHECK(with.take(*again).delivers);
}

} // namespace actorwire::test
