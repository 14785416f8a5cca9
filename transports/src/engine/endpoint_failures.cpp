#include "endpoint_failures.hpp"

#include "telling.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <tuple>

namespace actorwire {

namespace {

auto rank(const endpoint_failure& failed) {
  constexpr auto shortage = telling(error_code::memory_limit);
  const auto says = telling(failed.reason.code);
  return std::tuple{failed.reason.retryable, says == shortage, failed.reason.where, says};
}

} // namespace

transport_error sum_up(std::span<const endpoint_failure> all) {
  assert(!all.empty());
  auto sum = std::ranges::max_element(all, {}, rank)->reason;
  sum.text = "none of " + std::to_string(all.size()) + " endpoints could be connected to";
  for (const auto& [where, reason] : all)
    sum.text.append(&where == &all.front().where ? ": " : "; ")
        .append(to_string(where))
        .append(": ")
        .append(reason.text);
  return sum;
}

} // namespace actorwire
