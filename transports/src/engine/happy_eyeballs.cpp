#include "happy_eyeballs.hpp"

#include "telling.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

namespace actorwire {

namespace {

/// Sorts so that the families take turns, each keeping its own order (RFC 8305, 4, with a first address family count of
/// 1). Addresses named twice are kept once.
std::vector<ip_address> interleave(const std::vector<ip_address>& found) {
  std::array<std::vector<ip_address>, 2> families;
  for (const auto& address : found) {
    auto& family = families[address.is_v6 == found.front().is_v6 ? 0 : 1];
    if (std::ranges::find(family, address) == family.end())
      family.push_back(address);
  }
  std::vector<ip_address> sorted;
  const auto longest = std::max(families[0].size(), families[1].size());
  for (std::size_t rank = 0; rank < longest; ++rank)
    for (const auto& family : families)
      if (rank < family.size() && sorted.size() < happy_eyeballs::addresses_max)
        sorted.push_back(family[rank]);
  return sorted;
}

} // namespace

happy_eyeballs::happy_eyeballs(const std::vector<ip_address>& found, settings times)
  : connect_timeout_(times.connect_timeout),
    addresses_(interleave(found)),
    race_(addresses_.size(), times.attempt_delay) {}

void happy_eyeballs::handle_timeout(time_point now) {
  for (std::size_t index = 0; index < addresses_.size(); ++index) {
    const auto started = race_.running_since(index);
    if (!started || now - *started < connect_timeout_)
      continue;
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(connect_timeout_);
    race_.give_up(index, make_error(error_code::connect_timeout, phase::connect, origin::system,
                                    "no answer within " + std::to_string(waited.count()) + " ms"));
  }
}

std::optional<time_point> happy_eyeballs::next_timeout() const {
  auto earliest = race_.next_start();
  for (std::size_t index = 0; index < addresses_.size(); ++index)
    if (const auto started = race_.running_since(index)) {
      const auto expiry = *started + connect_timeout_;
      earliest = std::min(earliest.value_or(expiry), expiry);
    }
  return earliest;
}

std::optional<transport_error> happy_eyeballs::failure() const {
  if (!race_.is_lost())
    return std::nullopt;
  const auto count = addresses_.size();
  std::size_t chosen = 0;
  for (std::size_t index = 1; index < count; ++index)
    if (telling(race_.reason(index).code) > telling(race_.reason(chosen).code))
      chosen = index;
  auto reason = race_.reason(chosen);
  reason.text.append(" (").append(std::to_string(count)).append(count == 1 ? " address" : " addresses");
  reason.text.append(" tried)");
  return reason;
}

} // namespace actorwire
