#pragma once

#include <catch2/catch_message.hpp>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace actorwire::test {

/// The number in an environment variable; nothing if it is not set or empty. Throws for what is no number: a mistyped one
/// must not pass as a run with another.
inline std::optional<std::uint64_t> number_from_environment(const char* name) {
  const char* found = std::getenv(name);
  if (found == nullptr || *found == '\0')
    return std::nullopt;
  const std::string_view text{found};
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size())
    throw std::invalid_argument{std::string{name} + " = " + std::string{text}
                                + ": must be a decimal number below 2^64"};
  return number;
}

/// How many seeds a test goes through that takes one after the other, from that of `test_seed` on: the number in
/// `ACTORWIRE_SEEDS`, or `usual`.
inline std::uint64_t seed_count(std::uint64_t usual) {
  const auto wanted = number_from_environment("ACTORWIRE_SEEDS").value_or(usual);
  if (wanted == 0)
    throw std::invalid_argument{"ACTORWIRE_SEEDS = 0: must be at least 1"};
  return wanted;
}

/// The source of chance of one random test: the number in `ACTORWIRE_SEED`, or a new one. Declare it first in the test
/// case. The seed is printed at once, so that it survives a crash, and again with each failure while this object lives.
class test_seed {
public:
  test_seed() : test_seed(from_environment_or_chance()) {}
  /// One that has found something.
  explicit test_seed(std::uint64_t value)
    : value_(value),
      shown_with_failures_(Catch::MessageBuilder{"INFO", CATCH_INTERNAL_LINEINFO, Catch::ResultWas::Info}
                           << "repeat with ACTORWIRE_SEED=" << value_) {
    std::clog << "ACTORWIRE_SEED=" << value_ << '\n';
  }

  test_seed(const test_seed&) = delete;
  test_seed& operator=(const test_seed&) = delete;

  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

  /// A generator that depends on the seed and `stream` only. Parts of a test that draw at different rates, threads for
  /// instance, take a stream each and stay repeatable.
  [[nodiscard]] std::mt19937_64 engine(std::uint32_t stream = 0) const {
    std::seed_seq mixed{static_cast<std::uint32_t>(value_), static_cast<std::uint32_t>(value_ >> 32U), stream};
    return std::mt19937_64{mixed};
  }

private:
  static std::uint64_t from_environment_or_chance() {
    if (const auto wanted = number_from_environment("ACTORWIRE_SEED"))
      return *wanted;
    std::random_device chance;
    return (std::uint64_t{chance()} << 32U) | chance();
  }

  std::uint64_t value_;
  Catch::ScopedMessage shown_with_failures_;
};

} // namespace actorwire::test
