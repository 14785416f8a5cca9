#include "tcp_fault_lane.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace actorwire::test {

namespace {

/// Whether nothing of the byte at which it strikes, nor of any later one, is taken.
bool stops(tcp_fate fate) {
  return fate == tcp_fate::cut || fate == tcp_fate::reset || fate == tcp_fate::stall;
}

} // namespace

tcp_fault_lane::tcp_fault_lane(const tcp_lane_faults& faults, std::mt19937_64 chance)
  : faults_(faults), chance_(std::move(chance)) {
  assert(faults_.piece_max > 0);
  draw_piece();
}

std::size_t tcp_fault_lane::room() const {
  if (told_ != ending::none)
    return 0;
  const auto space = held_max - held_size_;
  if (!stops(faults_.fate))
    return space;
  return static_cast<std::size_t>(std::min<std::uint64_t>(space, faults_.at - std::min(faults_.at, taken_)));
}

void tcp_fault_lane::take(std::string_view bytes, time_point now) {
  assert(bytes.size() <= room());
  const auto before = taken_;
  taken_ += bytes.size();
  if (faults_.fate == tcp_fate::swallow)
    bytes = bytes.substr(0, static_cast<std::size_t>(
                                std::min<std::uint64_t>(bytes.size(), faults_.at - std::min(faults_.at, before))));
  if (bytes.empty())
    return;
  // Drawn in any case: where the bits go does not depend on delays.
  const auto delay = std::chrono::milliseconds{
      std::uniform_int_distribution<std::chrono::milliseconds::rep>{0, faults_.delay_max.count()}(chance_)};
  auto until = now + delay;
  if (!held_.empty())
    until = std::max(until, held_.back().until);
  held_.push_back({std::string{bytes}, until});
  held_size_ += bytes.size();
  if (faults_.fate == tcp_fate::corrupt && before <= faults_.at && faults_.at < taken_) {
    const auto bit = std::uniform_int_distribution<unsigned>{0, 7}(chance_);
    held_.back().bytes[static_cast<std::size_t>(faults_.at - before)] ^= static_cast<char>(1U << bit);
  }
}

void tcp_fault_lane::take_end(ending how) {
  if (told_ == ending::none)
    told_ = how;
}

std::string_view tcp_fault_lane::piece(time_point now) const {
  if (held_.empty() || held_.front().until > now)
    return {};
  const auto limit = static_cast<std::size_t>(piece_end_ - passed_);
  return std::string_view{held_.front().bytes}.substr(offset_, limit);
}

void tcp_fault_lane::left(std::size_t count) {
  assert(!held_.empty() && offset_ + count <= held_.front().bytes.size());
  passed_ += count;
  offset_ += count;
  held_size_ -= count;
  if (offset_ == held_.front().bytes.size()) {
    held_.pop_front();
    offset_ = 0;
  }
  if (passed_ == piece_end_)
    draw_piece();
}

std::optional<tcp_fault_lane::time_point> tcp_fault_lane::next_time() const {
  if (held_.empty())
    return std::nullopt;
  return held_.front().until;
}

tcp_fault_lane::ending tcp_fault_lane::end() const {
  if (!held_.empty() || is_silent())
    return ending::none;
  if (is_struck() && faults_.fate == tcp_fate::cut)
    return ending::cut;
  if (is_struck() && faults_.fate == tcp_fate::reset)
    return ending::reset;
  return told_;
}

bool tcp_fault_lane::is_struck() const {
  if (faults_.fate == tcp_fate::carry)
    return false;
  return stops(faults_.fate) ? taken_ >= faults_.at : taken_ > faults_.at;
}

bool tcp_fault_lane::is_silent() const {
  return is_struck() && (faults_.fate == tcp_fate::swallow || faults_.fate == tcp_fate::stall);
}

void tcp_fault_lane::draw_piece() {
  piece_end_ = passed_ + std::uniform_int_distribution<std::size_t>{1, faults_.piece_max}(chance_);
}

} // namespace actorwire::test
