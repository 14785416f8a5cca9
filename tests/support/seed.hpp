#pragma once

#include <catch2/catch_message.hpp>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace actorwire::test {

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
    const char* wanted = std::getenv("ACTORWIRE_SEED");
    if (wanted == nullptr || *wanted == '\0') {
      std::random_device chance;
      return (std::uint64_t{chance()} << 32U) | chance();
    }
    const std::string_view text{wanted};
    std::uint64_t seed = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seed);
    // A mistyped seed must not pass as a run with another one.
    if (failure != std::errc{} || end != text.data() + text.size())
      throw std::invalid_argument{"ACTORWIRE_SEED = " + std::string{text} + ": must be a decimal number below 2^64"};
    return seed;
  }

  std::uint64_t value_;
  Catch::ScopedMessage shown_with_failures_;
};

} // namespace actorwire::test
