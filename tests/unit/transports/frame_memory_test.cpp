#include "prefixed.hpp"
#include "seed.hpp"

#include <actorwire/transports/frame_decoder.hpp>
#include <actorwire/transports/memory_budget.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <utility>

using namespace actorwire;
using actorwire::test::prefixed;

namespace {

framing_config config_of(framing_mode mode) {
  framing_config config;
  config.mode = mode;
  config.max_frame_size = 1U << 20U;
  return config;
}

} // namespace

TEST_CASE("a message in parts takes its memory from the budget before it allocates, and waits while there is none") {
  constexpr std::size_t limit = 100'000;
  memory_budget budget{limit};
  REQUIRE(budget.try_take(limit));
  const auto mode = framing_mode::length_prefixed;
  frame_decoder decoder{config_of(mode)};
  frame_label label;
  const std::string text(5'000, 'x');
  decoder.feed(payload::copy_of(prefixed(text).substr(0, 3'000)));
  auto frame = decoder.next(label, &budget);
  REQUIRE((frame && !*frame));
  CHECK(decoder.waits_for_memory());
  CHECK(decoder.has_partial());
  CHECK(decoder.assembly_capacity() == 0);
  CHECK(budget.used() == limit);

  // There is enough for what has come, and not for the rest.
  budget.give_back(5'000);
  frame = decoder.next(label, &budget);
  REQUIRE((frame && !*frame));
  CHECK_FALSE(decoder.waits_for_memory());
  CHECK(budget.used() == limit);
  CHECK(decoder.assembly_capacity() == 5'000);
  decoder.feed(payload::copy_of(prefixed(text).substr(3'000)));
  frame = decoder.next(label, &budget);
  REQUIRE((frame && *frame));
  CHECK((*frame)->text() == text);
  CHECK(budget.used() == limit - 5'000);
}

TEST_CASE("a line that waits for memory has begun") {
  memory_budget budget{1'000};
  frame_decoder decoder{config_of(framing_mode::line)};
  frame_label label;
  decoder.feed(payload::copy_of("a"));
  auto line = decoder.next(label, &budget);
  REQUIRE((line && !*line));
  CHECK(decoder.waits_for_memory());
  CHECK(decoder.has_partial());
  // One that has come whole needs no memory.
  decoder.feed(payload::copy_of("\nb\n"));
  line = decoder.next(label, &budget);
  REQUIRE((line && !*line));
  memory_budget more{10'000};
  line = decoder.next(label, &more);
  REQUIRE((line && *line));
  CHECK((*line)->text() == "a");
  line = decoder.next(label, &more);
  REQUIRE((line && *line));
  CHECK((*line)->text() == "b");
  CHECK(more.used() == 0);
}

TEST_CASE("what a decoder has taken goes back with the message, with an error, and by release") {
  memory_budget budget{1U << 20U};
  frame_label label;
  SECTION("with an error") {
    auto config = config_of(framing_mode::line);
    config.max_frame_size = 10;
    frame_decoder decoder{config};
    decoder.feed(payload::copy_of("12345"));
    REQUIRE(decoder.next(label, &budget));
    CHECK(budget.used() == decoder.assembly_capacity());
    CHECK(budget.used() > 0);
    decoder.feed(payload::copy_of("67890123"));
    REQUIRE_FALSE(decoder.next(label, &budget));
  }
  SECTION("by release") {
    frame_decoder decoder{config_of(framing_mode::length_prefixed)};
    decoder.feed(payload::copy_of(prefixed("12345").substr(0, 6)));
    REQUIRE(decoder.next(label, &budget));
    CHECK(budget.used() > 0);
    decoder.release(budget);
    decoder.release(budget);
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("however little memory there is, messages come out as they went in") {
  test::test_seed seed;
  auto random = seed.engine();
  const auto up_to = [&](std::size_t limit) { return std::uniform_int_distribution<std::size_t>{0, limit}(random); };
  for (int round = 0; round < 200; ++round) {
    const auto mode = round % 2 == 0 ? framing_mode::length_prefixed : framing_mode::line;
    std::string stream;
    std::string expected;
    for (int number = 0; number < 5; ++number) {
      const std::string text(up_to(20'000), static_cast<char>('a' + number));
      stream += mode == framing_mode::line ? text + "\n" : prefixed(text);
      expected += text + "|";
    }
    memory_budget budget{60'000};
    std::size_t held = 0;
    frame_decoder decoder{config_of(mode)};
    frame_label label;
    std::string got;
    while (!stream.empty() || decoder.unread_size() > 0) {
      // What others take, and give back.
      budget.give_back(std::exchange(held, 0));
      if (const auto wanted = up_to(60'000); budget.try_take(wanted))
        held = wanted;
      if (!decoder.waits_for_memory()) {
        const auto size = std::min(stream.size(), up_to(3'000));
        decoder.feed(payload::copy_of(stream.substr(0, size)));
        stream.erase(0, size);
      }
      for (;;) {
        const auto frame = decoder.next(label, &budget);
        REQUIRE(frame);
        REQUIRE(budget.used() == held + decoder.assembly_capacity());
        if (!*frame)
          break;
        got.append((*frame)->text()).append("|");
      }
    }
    REQUIRE((got == expected));
    CHECK(budget.used() == held);
  }
}
