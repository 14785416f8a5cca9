#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace actorwire::bench {

/// How values are spread: pairs of a share of them and the greatest among it.
using quantiles = std::vector<std::pair<double, double>>;

/// Of values in ascending order, in units of so many; as far into their tail as at least five values lie beyond.
template <class Number>
[[nodiscard]] quantiles quantiles_of(const std::vector<Number>& sorted, double unit) {
  quantiles spread;
  const auto count = static_cast<double>(sorted.size());
  for (const auto share : {0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999})
    if ((1 - share) * count >= 5)
      spread.emplace_back(share, static_cast<double>(sorted[static_cast<std::size_t>(share * (count - 1))]) / unit);
  return spread;
}

} // namespace actorwire::bench
