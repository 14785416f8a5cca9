#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace actorwire::test {

/// Pearson's chi-square of a sample against an even spread over [0, 1), with `bins` equal parts.
inline double chi_square(std::span<const double> sample, std::size_t bins) {
  std::vector<double> counts(bins);
  for (const auto each : sample) {
    const auto bin = static_cast<std::ptrdiff_t>(std::floor(each * static_cast<double>(bins)));
    // What lies outside is as wrong as can be, and counted where it does the most harm: beside its expected place.
    counts[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(bin, 0, static_cast<std::ptrdiff_t>(bins) - 1))] += 1;
  }
  const auto expected = static_cast<double>(sample.size()) / static_cast<double>(bins);
  auto sum = 0.0;
  for (const auto count : counts)
    sum += (count - expected) * (count - expected) / expected;
  return sum;
}

/// What 999 of 1,000 samples of an even spread stay below: the quantile after Wilson and Hilferty (1931), whose error is
/// below one in a hundred from 10 bins on.
inline double chi_square_bound(std::size_t bins) {
  constexpr auto z = 3.0902; // of the normal distribution at 0.999
  const auto degrees = static_cast<double>(bins) - 1;
  const auto part = 2 / (9 * degrees);
  return degrees * std::pow(1 - part + z * std::sqrt(part), 3);
}

} // namespace actorwire::test
