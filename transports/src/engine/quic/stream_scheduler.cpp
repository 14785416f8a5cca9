#include "stream_scheduler.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace actorwire {

void stream_scheduler::add(std::int64_t id, stream_priority priority) {
  const auto urgency = std::min(priority.urgency, urgency_max);
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    if (known->second->urgency == urgency && known->second->incremental == priority.incremental)
      return;
    remove(id);
  }
  insert(id, urgency, priority.incremental);
}

void stream_scheduler::insert(std::int64_t id, std::uint8_t urgency, bool incremental) {
  place seat{urgency, incremental, 0, id};
  if (incremental)
    seat.turn = ++last_turn_;
  else if (!has_sequential(urgency))
    sequential_turns_[urgency] = ++last_turn_;

  line::const_iterator taken;
  if (spare_places_.empty()) {
    taken = line_.insert(seat).first;
  } else {
    auto node = std::move(spare_places_.back());
    spare_places_.pop_back();
    node.value() = seat;
    taken = line_.insert(std::move(node)).position;
  }
  if (spare_ids_.empty()) {
    by_id_.emplace(id, taken);
  } else {
    auto node = std::move(spare_ids_.back());
    spare_ids_.pop_back();
    node.key() = id;
    node.mapped() = taken;
    by_id_.insert(std::move(node));
  }
}

void stream_scheduler::remove(std::int64_t id) {
  const auto known = by_id_.find(id);
  if (known == by_id_.end())
    return;
  auto seat = line_.extract(known->second);
  auto entry = by_id_.extract(known);
  if (spare_places_.size() < spares_max)
    spare_places_.push_back(std::move(seat));
  if (spare_ids_.size() < spares_max)
    spare_ids_.push_back(std::move(entry));
}

std::optional<std::int64_t> stream_scheduler::next() const {
  if (line_.empty())
    return std::nullopt;
  const auto& first = *line_.begin();
  if (first.incremental)
    return first.id;
  const auto shared = line_.lower_bound({first.urgency, true, 0, std::numeric_limits<std::int64_t>::min()});
  if (shared != line_.end() && shared->urgency == first.urgency && shared->turn < sequential_turns_[first.urgency])
    return shared->id;
  return first.id;
}

void stream_scheduler::rotate(std::int64_t id) {
  const auto known = by_id_.find(id);
  if (known == by_id_.end())
    return;
  const auto& seat = *known->second;
  if (!seat.incremental) {
    sequential_turns_[seat.urgency] = ++last_turn_;
    return;
  }
  auto node = line_.extract(known->second);
  node.value().turn = ++last_turn_;
  known->second = line_.insert(std::move(node)).position;
}

bool stream_scheduler::has_sequential(std::uint8_t urgency) const {
  const auto first = line_.lower_bound({urgency, false, 0, std::numeric_limits<std::int64_t>::min()});
  return first != line_.end() && first->urgency == urgency && !first->incremental;
}

} // namespace actorwire
