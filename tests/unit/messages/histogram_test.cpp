#include "seed.hpp"

#include <actorwire/messages/histogram.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

using microseconds = std::chrono::microseconds;

histogram of(const std::vector<std::uint32_t>& values) {
  histogram counted;
  for (const auto value : values)
    counted.record(microseconds{value});
  return counted;
}

/// As many as asked for, spread over a random part of the whole range so that each power of two is as likely.
std::vector<std::uint32_t> random_values(std::mt19937_64& chance, std::size_t count) {
  std::uniform_real_distribution<double> end{0, 32};
  auto low = end(chance);
  auto high = end(chance);
  if (low > high)
    std::swap(low, high);
  std::uniform_real_distribution<double> exponent{low, high};
  std::vector<std::uint32_t> values;
  for (std::size_t index = 0; index < count; ++index)
    values.push_back(static_cast<std::uint32_t>(std::min(std::exp2(exponent(chance)), 4'294'967'295.0)));
  return values;
}

/// What `share` of the values do not exceed, exactly.
std::uint32_t exact_quantile(std::vector<std::uint32_t> values, double share) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values.at(std::clamp<std::size_t>(rank, 1, values.size()) - 1);
}

} // namespace

TEST_CASE("an empty histogram knows nothing and has no memory") {
  const histogram nothing;
  CHECK(nothing.empty());
  CHECK(nothing.count() == 0);
  CHECK(nothing.min() == 0us);
  CHECK(nothing.max() == 0us);
  CHECK(nothing.quantile(0.5) == 0us);
  CHECK(to_string(nothing).empty());
  CHECK(sizeof(histogram) <= 40);
}

TEST_CASE("times up to 15 us are told exactly") {
  for (std::uint32_t value = 0; value < 16; ++value)
    CHECK(of({value, value, 1'000}).quantile(0.5) == microseconds{value});
}

TEST_CASE("times outside of the range count as its nearer end") {
  histogram counted;
  counted.record(-1h);
  counted.record(999ns);
  CHECK(counted.max() == 0us);
  counted.record(72h);
  counted.record(std::chrono::nanoseconds::max());
  counted.record(std::chrono::nanoseconds::min());
  CHECK(counted.count() == 5);
  CHECK(counted.min() == 0us);
  CHECK(counted.max() == histogram::longest);
  CHECK(histogram::longest > 1h);
}

TEST_CASE("every quantile is within the documented error of the exact one", "[random]") {
  const test::test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    const auto values = random_values(chance, 1 + chance() % 500);
    const auto counted = of(values);
    REQUIRE(counted.count() == values.size());
    REQUIRE(counted.quantile(0) == microseconds{exact_quantile(values, 0)});
    REQUIRE(counted.quantile(1) == microseconds{exact_quantile(values, 1)});
    for (const auto share : {1e-9, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1 - 1e-9}) {
      CAPTURE(share);
      const double exact = exact_quantile(values, share);
      const auto told = static_cast<double>(counted.quantile(share).count());
      REQUIRE(std::abs(told - exact) <= exact / 16);
    }
  }
}

TEST_CASE("every number of microseconds around each power of two is within the documented error") {
  for (int power = 0; power < 32; ++power)
    for (int offset = -40; offset <= 40; ++offset) {
      const auto value =
          (std::int64_t{1} << power) + offset * std::max(std::int64_t{1}, (std::int64_t{1} << power) / 37);
      if (value < 0 || value > histogram::longest.count())
        continue;
      // Other ones on both sides, so that neither end of what was counted helps.
      const auto counted = of({0, static_cast<std::uint32_t>(value), 0xFFFF'FFFF});
      const auto told = counted.quantile(0.5).count();
      CAPTURE(value, told);
      REQUIRE(std::abs(static_cast<double>(told - value)) <= static_cast<double>(value) / 16);
    }
}

TEST_CASE("a share that makes no sense asks for an end") {
  const auto counted = of({5, 6, 7});
  CHECK(counted.quantile(-1) == 5us);
  CHECK(counted.quantile(std::numeric_limits<double>::quiet_NaN()) == 5us);
  CHECK(counted.quantile(17) == 7us);
  CHECK(counted.quantile(std::numeric_limits<double>::infinity()) == 7us);
}

TEST_CASE("a sum is the histogram of everything, in whatever order", "[random]") {
  const test::test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    const auto first = random_values(chance, chance() % 200);
    const auto second = random_values(chance, chance() % 200);
    auto all = first;
    all.insert(all.end(), second.begin(), second.end());
    std::shuffle(all.begin(), all.end(), chance);
    REQUIRE(of(first) + of(second) == of(all));
    REQUIRE(of(second) + of(first) == of(all));
  }
  auto twice = of({1, 2, 300});
  twice += twice;
  CHECK(twice == of({1, 1, 2, 2, 300, 300}));
}

TEST_CASE("what happened between two copies is their difference", "[random]") {
  const test::test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    const auto before = random_values(chance, chance() % 200);
    const auto between = random_values(chance, chance() % 200);
    const auto difference = of(before) + of(between) - of(before);
    const auto exact = of(between);
    REQUIRE(difference.count() == between.size());
    REQUIRE(difference.empty() == between.empty());
    // Of the least and the greatest the buckets are known.
    REQUIRE(difference.min() <= exact.min());
    REQUIRE(difference.max() >= exact.max());
    REQUIRE(static_cast<double>(difference.min().count()) >= static_cast<double>(exact.min().count()) * 8 / 9);
    REQUIRE(static_cast<double>(difference.max().count()) <= static_cast<double>(exact.max().count()) * 9 / 8);
    for (const auto share : {0.01, 0.5, 0.99}) {
      if (between.empty())
        break;
      const double value = exact_quantile(between, share);
      REQUIRE(std::abs(static_cast<double>(difference.quantile(share).count()) - value) <= value / 16);
    }
  }
}

TEST_CASE("no more is taken away than there is") {
  CHECK((of({1, 2}) - of({1, 1, 1, 50})) == of({2}));
  CHECK((of({1, 2}) - of({1, 2})).empty());
  CHECK((of({1, 2}) - of({1, 2})) == histogram{});
  CHECK((histogram{} - of({1, 2})) == histogram{});
  CHECK((of({1, 2}) - histogram{}) == of({1, 2}));
}

TEST_CASE("a histogram is read back as it was written", "[random]") {
  const test::test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    auto counted = of(random_values(chance, chance() % 300));
    if (round % 3 == 0)
      counted -= of(random_values(chance, chance() % 300));
    const auto read = parse_histogram(to_string(counted));
    REQUIRE(read);
    REQUIRE(*read == counted);
  }
  CHECK(to_string(of({3, 3, 6, 100})) == "3 100 3 2,,,1,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,1");
}

TEST_CASE("the longest text there is has its size") {
  std::string text = "0 4294967295 0 18446744073709551615";
  for (std::size_t bucket = 1; bucket < histogram::bucket_count_max; ++bucket)
    text += ",18446744073709551615";
  CHECK(text.size() <= histogram::text_size_max);
  const auto full = parse_histogram(text);
  REQUIRE(full);
  CHECK(to_string(*full) == text);
  // Counts end where their numbers do, and a quantile is still one of the range.
  CHECK(full->count() == std::numeric_limits<std::uint64_t>::max());
  CHECK(to_string(*full + *full) == text);
  auto more = *full;
  more.record(1ms);
  CHECK(more == *full);
  CHECK(full->quantile(0.5) <= histogram::longest);
  CHECK(!parse_histogram(text + ","));
  CHECK(!parse_histogram(text + ",1"));
}

TEST_CASE("what no histogram was written as is refused") {
  for (const auto* text : {" ",
                           "1",
                           "1 1",
                           "1 1 1",
                           "1 1 1 ",
                           "1 1 1 0",
                           "1 1 1 1 ",
                           "1 1 1 1,",
                           "1 2 1 1,,",
                           "1 1 1 ,1",
                           "1 3 1 1,0,1",
                           "1  1 1 1",
                           "01 1 1 1",
                           "1 1 1 01",
                           "+1 1 1 1",
                           "1 1 1 -1",
                           "1 1 1 1x",
                           "x",
                           "1 1 240 1",
                           "1 1 2 1",
                           "2 1 1 1,1",
                           "1 2 1 1",
                           "1 1 1 1,1",
                           "4294967296 4294967296 239 1",
                           "1 1 1 18446744073709551616",
                           "1 1 18446744073709551616 1",
                           "1,1,1,1",
                           "1 1 1 1\n",
                           "0x1 1 1 1",
                           "1 1 1 1.0",
                           "1 1 1 1e3"}) {
    CAPTURE(text);
    const auto read = parse_histogram(text);
    REQUIRE(!read);
    CHECK(read.error().code == error_code::invalid_value);
  }
  CHECK(!parse_histogram(std::string{"1 1 1 1\0", 8}));
  CHECK(!parse_histogram(std::string(histogram::text_size_max + 1, '1')));
}

TEST_CASE("whatever single character of a text is changed, what is read is a histogram or nothing", "[random]") {
  const test::test_seed seed;
  auto chance = seed.engine();
  std::size_t refused = 0;
  for (int round = 0; round < 200; ++round) {
    auto text = to_string(of(random_values(chance, 1 + chance() % 20)));
    constexpr std::string_view characters = "0123456789 ,-x";
    text[chance() % text.size()] = characters[chance() % characters.size()];
    CAPTURE(text);
    const auto read = parse_histogram(text);
    if (!read) {
      ++refused;
      continue;
    }
    REQUIRE(to_string(*read) == text);
    REQUIRE(read->min() <= read->max());
    REQUIRE(read->quantile(0.5) >= read->min());
    REQUIRE(read->quantile(0.5) <= read->max());
  }
  CHECK(refused > 0);
}
