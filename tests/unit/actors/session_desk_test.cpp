// The sessions of a listener, for connections on several shards.

#include "session_desk.hpp"
#include "session_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <utility>

namespace actorwire::test {

namespace {

constexpr session_hello first_hello(std::uint8_t number, const session_id& id) {
  session_hello hello;
  hello.id = id;
  hello.epoch = number;
  hello.resumes = number > 1;
  return hello;
}

} // namespace

TEST_CASE("a session is granted at once, or when the connection that has it gives it back", "[session][D8]") {
  session_desk desk{{}, {}};
  auto first = desk.claim(first_hello(1, id_of(1)), {}, 11, {}, time_point{});
  REQUIRE(first.own.size() == 1);
  CHECK(first.own[0].what == session_step::kind::grant);
  CHECK(desk.claim(first_hello(2, id_of(1)), {}, 12, {}, time_point{}).own.empty());
  const auto asked = desk.collect(11);
  REQUIRE(asked.own.size() == 1);
  CHECK(asked.own[0].what == session_step::kind::surrender);
  CHECK(desk.collect(11).own.empty());
  CHECK(desk.give_back(11, std::move(first.own[0].subject), time_point{}).own.empty());
  auto second = desk.collect(12);
  REQUIRE(second.own.size() == 1);
  CHECK(second.own[0].what == session_step::kind::grant);
  CHECK(second.own[0].subject->is_resumed());
  CHECK(desk.leave(11, nullptr, time_point{}).own.empty());
  CHECK(desk.leave(12, std::move(second.own[0].subject), time_point{}).own.empty());
  CHECK(desk.session_count() == 1);
}

TEST_CASE("a session that was granted to a connection that has left meanwhile stays at the desk", "[session][D8]") {
  session_desk desk{{}, {}};
  auto first = desk.claim(first_hello(1, id_of(1)), {}, 11, {}, time_point{});
  static_cast<void>(desk.claim(first_hello(2, id_of(1)), {}, 12, {}, time_point{}));
  static_cast<void>(desk.leave(11, std::move(first.own[0].subject), time_point{}));
  static_cast<void>(desk.leave(12, nullptr, time_point{}));
  CHECK(desk.next_timeout().has_value());
  const auto third = desk.claim(first_hello(3, id_of(1)), {}, 13, {}, time_point{});
  REQUIRE(third.own.size() == 1);
  CHECK(third.own[0].what == session_step::kind::grant);
}

TEST_CASE("a session that is given up is told of with the connection that had it last", "[session][D8]") {
  session_book_limits limits;
  limits.keep = std::chrono::seconds{1};
  session_desk desk{limits, {}};
  auto granted = desk.claim(first_hello(1, id_of(1)), {}, 11, {}, time_point{});
  REQUIRE(granted.own[0].subject->send(payload::copy_of("to be lost")));
  CHECK(granted.own[0].subject->poll_transmit(time_point{})->kind == frame_kind::welcome);
  static_cast<void>(desk.leave(11, std::move(granted.own[0].subject), time_point{}));
  CHECK(desk.expire(time_point{} + std::chrono::milliseconds{999}).lost.empty());
  const auto by_time = GENERATE(true, false);
  const auto lost = by_time ? desk.expire(time_point{} + std::chrono::seconds{1}).lost : desk.close().lost;
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].source == 11);
  CHECK(lost[0].generation == 1);
  CHECK(lost[0].ranges == session_ranges{{1, 0}, {1, 0}, {1, 1}});
  CHECK(lost[0].reason.code == error_code::session_lost);
  CHECK(desk.session_count() == 0);
}

TEST_CASE("a session that its connection does not give back is told of as lost, and nobody waits for it",
          "[session][D8]") {
  session_desk desk{{}, {}};
  static_cast<void>(desk.claim(first_hello(1, id_of(1)), {}, 11, {}, time_point{}));
  CHECK(desk.claim(first_hello(2, id_of(1)), {}, 12, {}, time_point{}).own.empty());
  const auto left = desk.leave(11, nullptr, time_point{});
  REQUIRE(left.lost.size() == 1);
  CHECK(left.lost[0].source == 11);
  CHECK(left.lost[0].ranges == session_ranges{});
  CHECK(left.lost[0].reason.code == error_code::session_lost);
  const auto answer = desk.collect(12);
  REQUIRE(answer.own.size() == 1);
  CHECK(answer.own[0].what == session_step::kind::refuse);
  CHECK(answer.own[0].welcome.answer == session_answer::not_known);
  CHECK(desk.session_count() == 0);
  CHECK(desk.leave(12, nullptr, time_point{}).lost.empty());
}

TEST_CASE("a desk that is closed keeps nothing for later", "[session][D8]") {
  session_desk desk{{}, {}};
  auto granted = desk.claim(first_hello(1, id_of(1)), {}, 11, {}, time_point{});
  CHECK(desk.close().lost.empty());
  CHECK(desk.leave(11, std::move(granted.own[0].subject), time_point{}).lost.size() == 1);
  CHECK(desk.session_count() == 0);
}

} // namespace actorwire::test
