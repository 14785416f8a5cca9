#include "happy_eyeballs.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <string>
#include <utility>

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

/// How much a reason says about why the peer cannot be had. What is wrong on this machine explains everything; an answer
/// from the peer explains more than silence; an address without a route is often just a family that is not in use here.
int telling(error_code code) {
  switch (code) {
    case error_code::descriptor_limit:
    case error_code::memory_limit:
      return 4;
    case error_code::refused:
    case error_code::reset:
      return 3;
    case error_code::connect_timeout:
      return 1;
    case error_code::unreachable:
      return 0;
    default:
      return 2;
  }
}

} // namespace

happy_eyeballs::happy_eyeballs(const std::vector<ip_address>& found, settings times)
  : times_(times), addresses_(interleave(found)), attempts_(addresses_.size()) {
  assert(!addresses_.empty());
}

void happy_eyeballs::handle_connected(std::size_t index) {
  auto& reported = attempts_[index];
  if (reported.state != progress::connecting)
    return;
  reported.state = progress::won;
  winner_ = index;
  for (auto& other : attempts_) {
    if (other.state == progress::connecting)
      other.must_be_dropped = true;
    if (other.state == progress::connecting || other.state == progress::waiting)
      other.state = progress::given_up;
  }
}

void happy_eyeballs::handle_failure(std::size_t index, const transport_error& reason) {
  auto& reported = attempts_[index];
  if (reported.state == progress::connecting)
    fail(reported, reason);
}

void happy_eyeballs::handle_timeout(time_point now) {
  for (auto& running : attempts_) {
    if (running.state != progress::connecting || now - running.started < times_.connect_timeout)
      continue;
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(times_.connect_timeout);
    running.must_be_dropped = true;
    fail(running, make_error(error_code::connect_timeout, phase::connect, origin::system,
                             "no answer within " + std::to_string(waited.count()) + " ms"));
  }
}

std::optional<happy_eyeballs::order> happy_eyeballs::poll_order(time_point now) {
  if (auto dropped = take_give_up())
    return dropped;
  if (is_over() || started_count_ == attempts_.size() || (next_start_ && now < *next_start_))
    return std::nullopt;
  const auto index = started_count_++;
  attempts_[index].state = progress::connecting;
  attempts_[index].started = now;
  next_start_ = now + times_.attempt_delay;
  return order{order::kind::connect, index};
}

std::optional<time_point> happy_eyeballs::next_timeout() const {
  if (is_over())
    return std::nullopt;
  std::optional<time_point> earliest;
  if (started_count_ > 0 && started_count_ < attempts_.size())
    earliest = next_start_;
  // Attempts time out in the order in which they were started.
  const auto oldest = std::ranges::find(attempts_, progress::connecting, &attempt::state);
  if (oldest != attempts_.end()) {
    const auto expiry = oldest->started + times_.connect_timeout;
    earliest = earliest ? std::min(*earliest, expiry) : expiry;
  }
  return earliest;
}

std::optional<transport_error> happy_eyeballs::failure() const {
  if (failed_count_ < attempts_.size())
    return std::nullopt;
  auto reason = most_telling_;
  const auto count = attempts_.size();
  reason.text.append(" (").append(std::to_string(count)).append(count == 1 ? " address" : " addresses");
  reason.text.append(" tried)");
  return reason;
}

void happy_eyeballs::fail(attempt& ended, const transport_error& reason) {
  ended.state = progress::failed;
  // The rest of the delay was meant for this attempt, so the next address need not wait for it.
  next_start_.reset();
  if (failed_count_++ == 0 || telling(reason.code) > telling(most_telling_.code))
    most_telling_ = reason;
}

std::optional<happy_eyeballs::order> happy_eyeballs::take_give_up() {
  const auto found = std::ranges::find(attempts_, true, &attempt::must_be_dropped);
  if (found == attempts_.end())
    return std::nullopt;
  found->must_be_dropped = false;
  return order{order::kind::give_up, static_cast<std::size_t>(found - attempts_.begin())};
}

} // namespace actorwire
