#include "session/replay_buffer.hpp"

#include <actorwire/messages/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <utility>

using namespace actorwire;

namespace {

session_limits limits(std::uint32_t messages, std::size_t bytes) {
  session_limits made;
  made.replay_messages = messages;
  made.replay_bytes = bytes;
  return made;
}

result<std::uint64_t> put(replay_buffer& buffer, std::string_view text) {
  return buffer.accept(payload::copy_of(text));
}

} // namespace

TEST_CASE("messages are numbered from 1 and stay until they are acknowledged", "[D8]") {
  replay_buffer buffer{limits(10, 100)};
  CHECK(buffer.last() == 0);
  CHECK(*put(buffer, "one") == 1);
  CHECK(*put(buffer, "two") == 2);
  CHECK(*put(buffer, "") == 3);
  CHECK(buffer.size_bytes() == 6);
  CHECK(buffer.acknowledge(1) == number_range{1, 1});
  CHECK(buffer.at(2).text() == "two");
  CHECK(buffer.at(3).empty());
  CHECK(buffer.acknowledge(1).empty());
  CHECK(buffer.acknowledge(3) == number_range{2, 3});
  CHECK(buffer.acknowledged() == 3);
  CHECK(buffer.message_count() == 0);
  CHECK(buffer.size_bytes() == 0);
  CHECK(*put(buffer, "four") == 4);
}

TEST_CASE("a replay buffer refuses a message at either of its limits and not before, and names that limit", "[D8]") {
  SECTION("messages") {
    replay_buffer buffer{limits(2, 100)};
    REQUIRE(put(buffer, "one"));
    REQUIRE(put(buffer, ""));
    auto third = payload::copy_of("three");
    const auto refused = buffer.accept(std::move(third));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::would_block);
    CHECK(refused.error().text == "replay_messages = 2: 2 are not acknowledged, 1 more does not fit");
    CHECK(third.text() == "three"); // NOLINT(bugprone-use-after-move): it was not taken
    buffer.acknowledge(1);
    CHECK(*buffer.accept(std::move(third)) == 3); // NOLINT(bugprone-use-after-move)
  }
  SECTION("bytes") {
    replay_buffer buffer{limits(100, 10)};
    REQUIRE(put(buffer, "123456"));
    REQUIRE(put(buffer, "7890"));
    REQUIRE(put(buffer, ""));
    const auto refused = put(buffer, "1");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::would_block);
    CHECK(refused.error().text == "replay_bytes = 10: 10 are not acknowledged, 1 more do not fit");
    buffer.acknowledge(1);
    CHECK(put(buffer, "123456"));
    CHECK_FALSE(put(buffer, "1"));
  }
}

TEST_CASE("a message that no replay buffer of this size could ever hold is too large", "[D8]") {
  replay_buffer buffer{limits(100, 10)};
  REQUIRE(put(buffer, "1234567890"));
  const auto refused = put(buffer, "12345678901");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::message_too_large);
  CHECK(refused.error().text == "replay_bytes = 10: message of 11 bytes");
}
