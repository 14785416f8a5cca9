// What an outbox takes, how its messages leave, and what their senders are told.

#include "counted_heap.hpp"
#include "outbox_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

TEST_CASE("accepted and dropped messages are numbered together from 1", "[outbox][D1]") {
  outbox_fixture f;
  CHECK(f.must_accept("a") == 1);
  CHECK(f.box.drop(5) == 2);
  CHECK(f.must_accept("bc") == 3);
  CHECK(f.box.totals().accepted == tally{3, 8});
  CHECK(f.box.totals().not_sent == tally{1, 5});
  CHECK(f.box.pending() == tally{2, 3});
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("a refused message is neither taken nor counted", "[outbox][D1][D2]") {
  outbox_fixture f{framing_mode::none, limits_of_queue(1, 100)};
  f.must_accept("a");
  auto body = payload::copy_of("b");
  ticket reply{7};
  const auto refused = f.box.accept(std::move(body), {}, std::move(reply), f.now);
  CHECK(!refused);
  CHECK(body.text() == "b"); // NOLINT(bugprone-use-after-move): that it was not moved is what is tested
  CHECK(reply.id() == 7);    // NOLINT(bugprone-use-after-move)
  CHECK(f.box.totals().accepted == tally{1, 1});
}

TEST_CASE("an outcome that cannot be waited for is refused", "[outbox]") {
  outbox_fixture f;
  for (const auto wanted : {outcome::not_sent, outcome::maybe_sent})
    CHECK(f.refusal_of("a", {.wanted = wanted}) == error_code::invalid_value);
}

TEST_CASE("a message keeps its label while it waits, also for the next connection", "[outbox]") {
  outbox_fixture f{framing_mode::numbered};
  const auto call = [&f](std::uint64_t number) {
    return f.box.accept(payload::copy_of("?"), {}, ticket{f.next_id++}, f.now, f.told, {frame_kind::call, number});
  };
  const auto frame = [](std::uint8_t kind, std::uint8_t number, std::string_view body) {
    auto wire = wire_of(body, framing_mode::numbered);
    wire[4] = static_cast<char>(kind);
    wire[12] = static_cast<char>(number);
    return wire;
  };
  REQUIRE(call(7));
  f.must_accept("data");
  f.ready();
  f.take(frame(1, 7, "?").size());
  REQUIRE(call(8));
  f.lose();
  f.ready();
  CHECK(f.take_all() == frame(0, 0, "data") + frame(1, 8, "?"));

  outbox_fixture without_numbers{framing_mode::line};
  const auto refused =
      without_numbers.box.accept(payload::copy_of("?"), {}, ticket{1}, f.now, f.told, {frame_kind::call, 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::unsupported);
}

TEST_CASE("a message is written when its last byte was handed over, and not before", "[outbox][D2][D4]") {
  for (const auto mode : all_framings) {
    CAPTURE(mode);
    outbox_fixture f{mode};
    f.ready();
    f.must_accept("abc");
    const auto wire = wire_of("abc", mode);
    CHECK(f.box.unwritten_bytes() == wire.size());
    CHECK(f.take(wire.size() - 1) == wire.substr(0, wire.size() - 1));
    CHECK(f.told.take().empty());
    CHECK(!f.box.is_flushed());
    CHECK(f.take(1) == wire.substr(wire.size() - 1));
    CHECK(f.told.take() == expected{{1, 1, outcome::written, error_code::none}});
    CHECK(f.box.is_flushed());
    CHECK(f.box.unwritten_bytes() == 0);
    CHECK(f.box.totals().written == tally{1, 3});
  }
}

TEST_CASE("a message is acked when its last byte is acknowledged, and not before", "[outbox][D2][D4]") {
  outbox_fixture f{framing_mode::length_prefixed};
  f.ready();
  f.must_accept("abc", want_acked);
  f.take_all();
  CHECK(f.told.take().empty());
  CHECK(f.box.is_flushed());
  CHECK(f.box.waits_for_acks());
  CHECK(f.box.pending() == tally{1, 3});

  f.box.acknowledged(6, f.told);
  CHECK(f.told.take().empty());
  f.box.acknowledged(7, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}});
  CHECK(!f.box.waits_for_acks());
  CHECK(f.box.totals().acked == tally{1, 3});

  f.box.acknowledged(3, f.told);
  CHECK(f.told.take().empty());
}

TEST_CASE("each kind of wanted outcome is settled in the order of acceptance", "[outbox][D2]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", want_acked);
  f.must_accept("b");
  f.must_accept("c", want_acked);
  f.must_accept("d");
  f.take_all();
  CHECK(f.told.take()
        == expected{{2, 2, outcome::written, error_code::none}, {4, 4, outcome::written, error_code::none}});
  f.box.acknowledged(4, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}, {3, 3, outcome::acked, error_code::none}});
}

TEST_CASE("the bytes of a message are offered from where they lie, with their owner", "[outbox]") {
  outbox_fixture f{framing_mode::length_prefixed};
  f.ready();
  auto body = payload::copy_of("abc");
  REQUIRE(f.box.accept(payload{body}, {}, ticket{1}, f.now));
  std::array<outgoing, 4> pieces;
  REQUIRE(f.box.gather(pieces) == 2);
  CHECK(pieces[0].size == 4);
  CHECK(pieces[0].owner == nullptr);
  CHECK(pieces[1].data == body.data());
  CHECK(pieces[1].size == 3);
  CHECK(pieces[1].owner == body.memory());
}

TEST_CASE("any number of pieces offers a prefix of the same bytes, wherever the transport stopped", "[outbox][D3]") {
  for (const auto mode : all_framings) {
    const auto wire = wire_of("abc", mode) + wire_of("d", mode) + wire_of("ef", mode);
    for (std::size_t stopped = 0; stopped < wire.size(); ++stopped) {
      CAPTURE(mode, stopped);
      outbox_fixture f{mode};
      f.ready();
      for (const auto* text : {"abc", "d", "ef"})
        f.must_accept(text);
      f.take(stopped);
      const auto rest = wire.substr(stopped);
      CHECK(offered_by(f.box, 0).empty());
      for (std::size_t piece_count = 1; piece_count < 10; ++piece_count) {
        const auto offered = offered_by(f.box, piece_count);
        REQUIRE(!offered.empty());
        REQUIRE(rest.starts_with(offered));
      }
      REQUIRE(offered_by(f.box, 10) == rest);
    }
  }
}

TEST_CASE("a message of which a byte left is maybe sent and never repeated", "[outbox][D3][D4]") {
  outbox_fixture f{framing_mode::line};
  f.ready();
  f.must_accept("abc");
  f.must_accept("def");
  f.take(1);
  CHECK(f.lose() == loss{.not_sent = {}, .maybe_sent = {1, 3}});
  CHECK(f.told.take() == expected{{1, 1, outcome::maybe_sent, error_code::reset}});

  f.ready();
  CHECK(f.take_all() == "def\n");
  CHECK(f.told.take() == expected{{2, 2, outcome::written, error_code::none}});
}

TEST_CASE("a message in flight when the connection is lost is maybe sent", "[outbox][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("ab", want_acked);
  f.must_accept("cd", want_acked);
  f.must_accept("ef", want_acked);
  f.take(5);
  f.box.acknowledged(3, f.told);
  CHECK(f.told.take() == expected{{1, 1, outcome::acked, error_code::none}});
  CHECK(f.lose() == loss{.not_sent = {}, .maybe_sent = {2, 4}});
  CHECK(f.told.take()
        == expected{{2, 2, outcome::maybe_sent, error_code::reset}, {3, 3, outcome::maybe_sent, error_code::reset}});
  CHECK(!f.box.waits_for_acks());
  CHECK(f.box.unwritten_bytes() == 0);
}

TEST_CASE("queued messages go out first and in order on the next connection", "[outbox][D5]") {
  outbox_fixture f;
  f.must_accept("a");
  f.ready();
  f.must_accept("b");
  CHECK(f.lose() == loss{});
  CHECK(f.told.take().empty());
  f.must_accept("c");
  f.ready();
  f.must_accept("d");
  CHECK(f.take_all() == "abcd");
}

TEST_CASE("acknowledgements of each connection count from its own beginning", "[outbox][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("12345");
  f.take_all();
  f.lose();
  f.ready();
  f.must_accept("ab", want_acked);
  f.take_all();
  f.told.clear();
  f.box.acknowledged(1, f.told);
  CHECK(f.told.take().empty());
  f.box.acknowledged(2, f.told);
  CHECK(f.told.take() == expected{{2, 2, outcome::acked, error_code::none}});
}

TEST_CASE("messages that do not wait for a connection are not sent when it is lost", "[outbox][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("a", {.policy = when_down::fail});
  f.must_accept("b", {.policy = when_down::fail});
  f.must_accept("c");
  f.must_accept("d", {.policy = when_down::drop});
  f.take(1);
  f.told.clear();
  CHECK(f.lose() == loss{.not_sent = {2, 2}, .maybe_sent = {}});
  CHECK(f.told.take()
        == expected{{2, 2, outcome::not_sent, error_code::reset}, {4, 4, outcome::not_sent, error_code::reset}});
  f.ready();
  CHECK(f.take_all() == "c");
}

TEST_CASE("giving up settles everything: what left in part is maybe sent, the rest is not", "[outbox][D1][D2][D4]") {
  outbox_fixture f;
  f.ready();
  f.must_accept("ab", want_acked);
  f.must_accept("cd");
  f.must_accept("ef");
  f.take(3);
  CHECK(f.box.abandon(closed_by_user(), f.told) == loss{.not_sent = {1, 2}, .maybe_sent = {2, 4}});
  CHECK(f.told.take()
        == expected{{1, 1, outcome::maybe_sent, error_code::closed},
                    {2, 2, outcome::maybe_sent, error_code::closed},
                    {3, 3, outcome::not_sent, error_code::closed}});
  CHECK(f.box.pending() == tally{});
  CHECK(f.box.unwritten_bytes() == 0);
  CHECK(!f.box.is_ready());
  CHECK(adds_up(f.box.totals()));
}

TEST_CASE("an empty outbox holds no memory but itself", "[outbox][F3]") {
  CHECK(sizeof(outbox<ticket>) <= 112);
  const auto nobody = [](ticket&&, const settled&) {};
  outbox_fixture f;
  f.ready();
  // Queues of a thread pass one small block of each kind on to each other.
  (void)f.accept("a", want_acked);
  f.box.handed_over(1, nobody);
  f.box.acknowledged(1, nobody);
  const auto blocks_before = blocks_held;
  for (int index = 0; index < 100; ++index)
    (void)f.accept("a", want_acked);
  CHECK(blocks_held == blocks_before + 1);
  f.box.handed_over(100, nobody);
  CHECK(blocks_held == blocks_before + 1);
  f.box.acknowledged(101, nobody);
  CHECK(blocks_held == blocks_before);
  (void)f.accept("a", want_acked);
  f.box.handed_over(1, nobody);
  (void)f.accept("b");
  f.box.abandon(closed_by_user(), nobody);
  CHECK(blocks_held == blocks_before);
}

TEST_CASE("a message in flight does not keep its bytes: the transport does", "[outbox][F3]") {
  outbox_fixture f;
  f.ready();
  auto body = payload::copy_of("abc");
  REQUIRE(f.box.accept(payload{body}, want_acked, ticket{1}, f.now));
  CHECK(body.memory()->references == 2);
  f.take_all();
  CHECK(body.memory()->references == 1);
}

TEST_CASE("a sender that is told its outcome may send again at once", "[outbox][D1][D2]") {
  outbox_fixture f{framing_mode::none, limits_of_writing(2 + waiting_message_cost)};
  std::vector<std::uint64_t> sent_again;
  const auto resend = [&](ticket&& reply, const settled& outcome_told) {
    CHECK(adds_up(f.box.totals()));
    f.told(std::move(reply), outcome_told);
    if (auto sequence = f.accept("+", want_acked))
      sent_again.push_back(*sequence);
  };

  SECTION("when it was written") {
    f.ready();
    f.must_accept("a");
    f.must_accept("b");
    f.box.handed_over(2, resend);
    CHECK(sent_again == std::vector<std::uint64_t>{3, 4});
    CHECK(f.take_all() == "++");
  }
  SECTION("when it was acked") {
    f.ready();
    f.must_accept("a", want_acked);
    f.must_accept("b", want_acked);
    f.take_all();
    f.box.acknowledged(2, resend);
    CHECK(sent_again == std::vector<std::uint64_t>{3, 4});
  }
  SECTION("when its connection was lost") {
    f.ready();
    f.must_accept("a", want_acked);
    f.must_accept("b", {.policy = when_down::fail});
    f.take(1);
    f.box.connection_lost(f.now, reset_by_peer(), resend);
    CHECK(sent_again == std::vector<std::uint64_t>{3, 4});
  }
  SECTION("when it expired") {
    f.must_accept("a");
    f.must_accept("b", {.ttl = 1h});
    f.now += 10s;
    CHECK(f.box.expire(f.now, resend) == loss{.not_sent = {1, 1}});
    CHECK(sent_again == std::vector<std::uint64_t>{3});
    CHECK(f.box.next_timeout() == f.now + 10s);
  }
  SECTION("when it was given up") {
    f.must_accept("a");
    f.must_accept("b");
    CHECK(f.box.abandon(closed_by_user(), resend) == loss{.not_sent = {2, 2}, .maybe_sent = {}});
    CHECK(f.box.pending() == tally{2, 2});
  }
  CHECK(adds_up(f.box.totals()));
}
