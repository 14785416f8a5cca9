#include "race.hpp"

#include <algorithm>
#include <cassert>

namespace actorwire {

race::race(std::size_t count, duration head_start) : head_start_(head_start), attempts_(count) {
  assert(count > 0);
}

void race::handle_connected(std::size_t index) {
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

void race::handle_failure(std::size_t index, const transport_error& reason) {
  auto& reported = attempts_[index];
  if (reported.state != progress::connecting)
    return;
  reported.state = progress::failed;
  reported.reason = reason;
  ++failed_count_;
  // The rest of the head start was meant for this attempt, so the next one need not wait for it.
  next_start_.reset();
}

void race::give_up(std::size_t index, const transport_error& reason) {
  if (!running_since(index))
    return;
  attempts_[index].must_be_dropped = true;
  handle_failure(index, reason);
}

std::optional<race::order> race::poll_order(time_point now) {
  if (auto dropped = take_give_up())
    return dropped;
  if (winner_ || started_count_ == attempts_.size() || (next_start_ && now < *next_start_))
    return std::nullopt;
  const auto index = started_count_++;
  attempts_[index].state = progress::connecting;
  attempts_[index].started = now;
  next_start_ = now + head_start_;
  return order{order::kind::connect, index};
}

std::optional<time_point> race::next_start() const {
  if (winner_ || started_count_ == attempts_.size())
    return std::nullopt;
  return next_start_;
}

std::optional<time_point> race::running_since(std::size_t index) const {
  const auto& asked = attempts_[index];
  return asked.state == progress::connecting ? std::optional{asked.started} : std::nullopt;
}

std::optional<race::order> race::take_give_up() {
  const auto found = std::ranges::find(attempts_, true, &attempt::must_be_dropped);
  if (found == attempts_.end())
    return std::nullopt;
  found->must_be_dropped = false;
  return order{order::kind::give_up, static_cast<std::size_t>(found - attempts_.begin())};
}

} // namespace actorwire
