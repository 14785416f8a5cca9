#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire {

/// How many of how many durations took how long: a log-linear histogram. Each power of two is cut into 8 equal buckets, and
/// below 8 us each microsecond has its own, so that one that says 40 us and one that says 40 s are equally exact, in bounded
/// memory. Two of them add up to the histogram of both, and one less an earlier one is what happened between.
///
/// *Units:* whole microseconds, rounded down; 0 .. 4,294.967295 s (71 min), and what is outside counts as the nearer end.
/// *Limits:* `bucket_count_max` buckets of 8 bytes; only those between the least and the greatest duration take memory, and
/// an empty one takes none.
/// *Errors:* `quantile` is off by at most 1/16 (6.25 %) of the duration that it stands for. Counts stop at 2^64-1.
/// *Thread:* plain value.
class histogram {
public:
  using microseconds = std::chrono::microseconds;

  /// Buckets of each power of two.
  static constexpr std::uint32_t buckets_per_octave = 8;
  static constexpr std::size_t bucket_count_max = 240;
  static constexpr microseconds longest{0xFFFF'FFFF};
  /// Characters of the longest text that `parse_histogram` reads.
  static constexpr std::size_t text_size_max = 5'200;

  /// Counts one duration. Without memory for another bucket it is left out.
  ACTORWIRE_EXPORT void record(std::chrono::nanoseconds taken) noexcept;

  /// Adds what `other` has counted: the result is what counting all of it here would have led to.
  ACTORWIRE_EXPORT histogram& operator+=(const histogram& other);

  /// Takes away what `earlier`, a copy made before, has counted. Of the least and the greatest duration that are left only
  /// the buckets are known: `min` and `max` tell their outer ends then. What has counted something that this one has not
  /// takes away no more than there is.
  ACTORWIRE_EXPORT histogram& operator-=(const histogram& earlier) noexcept;

  friend histogram operator+(histogram left, const histogram& right) { return left += right; }
  friend histogram operator-(histogram left, const histogram& right) noexcept { return left -= right; }

  [[nodiscard]] bool empty() const noexcept { return counts_.empty(); }

  /// Durations that were counted. Linear in the number of buckets.
  [[nodiscard]] ACTORWIRE_EXPORT std::uint64_t count() const noexcept;

  /// The least and the greatest duration, exact unless something was taken away; 0 if there is none.
  [[nodiscard]] microseconds min() const noexcept { return microseconds{min_}; }
  [[nodiscard]] microseconds max() const noexcept { return microseconds{max_}; }

  /// The duration that `share` of all did not exceed: 0.5 asks for the median, 0.99 for what the slowest hundredth took at
  /// least. It is the middle of the bucket of that duration, and `min` and `max` where these are asked for, with 0 or less
  /// and 1 or more. 0 if nothing was counted. Linear in the number of buckets.
  [[nodiscard]] ACTORWIRE_EXPORT microseconds quantile(double share) const noexcept;

  friend bool operator==(const histogram&, const histogram&) = default;

  /// Renders the form that `parse_histogram` reads back.
  friend ACTORWIRE_EXPORT std::string to_string(const histogram& counted);
  friend ACTORWIRE_EXPORT result<histogram> parse_histogram(std::string_view text);

private:
  /// What falls into the buckets from `first_` on; neither the first nor the last is empty.
  std::vector<std::uint64_t> counts_;
  std::uint32_t min_ = 0;
  std::uint32_t max_ = 0;
  std::uint32_t first_ = 0;
};

/// Reads `min max first counts`, in decimal: microseconds, the index of the first bucket, and what is in it and in those
/// behind it, with a comma between two and nothing for 0. An empty text is an empty histogram. This is how histograms
/// travel, so it comes from anywhere.
/// *Errors:* `invalid_value` for what `to_string` would not have written.
[[nodiscard]] ACTORWIRE_EXPORT result<histogram> parse_histogram(std::string_view text);

[[nodiscard]] ACTORWIRE_EXPORT std::string to_string(const histogram& counted);

} // namespace actorwire
