#pragma once

#include <cstdint>

namespace actorwire {

/// Chance as an input: the same seed gives the same draws. Each supervisor has its own, so that programs started at the
/// same time do not dial at the same time.
///
/// SplitMix64, because eight bytes of state are all that spreading delays asks for (a Mersenne twister has 2,504), any
/// seed is a good one, and its output is the same with every standard library, which `std::uniform_real_distribution`
/// does not promise. Not for secrets: one output tells all that follow.
/// *Thread:* owned by one shard. *Source:* Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.
class random_source {
public:
  explicit constexpr random_source(std::uint64_t seed) noexcept : state_(seed) {}

  /// Returns a number from [0, 1).
  constexpr double uniform() noexcept {
    // 53 bits are what a double holds; with more, rounding could give 1.
    return static_cast<double>(next() >> 11U) * 0x1p-53;
  }

  /// Returns 64 random bits.
  constexpr std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15ULL;
    auto mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31U);
  }

private:
  std::uint64_t state_;
};

} // namespace actorwire
