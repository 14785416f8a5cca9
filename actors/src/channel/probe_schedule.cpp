#include "channel/probe_schedule.hpp"

#include <limits>
#include <utility>

namespace actorwire {

void probe_schedule::begin(time_point now, std::uint64_t received) noexcept {
  end();
  rest(now, received);
}

void probe_schedule::end() noexcept {
  due_.reset();
  waits_ = false;
  open_ = 0;
  in_a_row_ = 0;
}

probe_schedule::step probe_schedule::handle_timeout(time_point now, std::uint64_t received, bool is_read) noexcept {
  if (!due_ || now < *due_)
    return step::nothing;
  if (has_heard(received)) {
    rest(now, received);
    return note_life();
  }
  if (!is_read) {
    rest(now, received);
    return step::nothing;
  }
  if (waits_) {
    rest(now, received);
    return note_failure();
  }
  waits_ = true;
  due_ = now + policy_.timeout;
  received_before_ = received;
  if (open_ != 0)
    return step::nothing;
  open_ = ++asked_;
  asked_at_ = now;
  return step::ask;
}

probe_schedule::step probe_schedule::note_answer(std::uint64_t number, bool is_good, time_point now,
                                                 std::uint64_t received, bool is_read) noexcept {
  if (number == 0 || number != open_)
    return step::nothing;
  open_ = 0;
  rest(now, received);
  if (!is_good)
    return is_read ? note_failure() : step::nothing;
  ++successes_;
  round_trip_ = now - asked_at_;
  return note_life();
}

void probe_schedule::note_reading(time_point now) noexcept {
  if (waits_)
    due_ = now + policy_.timeout;
}

void probe_schedule::withdraw(time_point now, std::uint64_t received) noexcept {
  open_ = 0;
  --asked_;
  rest(now, received);
}

void probe_schedule::rest(time_point now, std::uint64_t received) noexcept {
  waits_ = false;
  due_ = now + policy_.interval;
  received_before_ = received;
}

bool probe_schedule::has_heard(std::uint64_t received) const noexcept {
  return policy_.only_when_quiet && received > received_before_;
}

probe_schedule::step probe_schedule::note_life() noexcept {
  return std::exchange(in_a_row_, 0) > 0 ? step::recover : step::nothing;
}

probe_schedule::step probe_schedule::note_failure() noexcept {
  ++failures_;
  if (in_a_row_ < std::numeric_limits<std::uint32_t>::max())
    ++in_a_row_;
  if (policy_.failures_to_fail != 0 && in_a_row_ >= policy_.failures_to_fail)
    return step::fail;
  if (policy_.failures_to_degrade != 0 && in_a_row_ >= policy_.failures_to_degrade)
    return step::degrade;
  return step::nothing;
}

} // namespace actorwire
