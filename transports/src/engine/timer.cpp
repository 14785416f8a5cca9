#include <actorwire/transports/timer.hpp>

#include <utility>

namespace actorwire {

timer::~timer() {
  cancel();
}

void timer::cancel() noexcept {
  if (queue_ != nullptr)
    queue_->remove(*this);
}

timer_queue::~timer_queue() {
  for (auto* entry : heap_)
    entry->queue_ = nullptr;
}

void timer_queue::arm(timer& entry, time_point deadline) {
  entry.cancel();
  heap_.push_back(&entry);
  entry.deadline_ = deadline;
  entry.queue_ = this;
  entry.index_ = heap_.size() - 1;
  sift_up(entry.index_);
}

std::optional<time_point> timer_queue::next_timeout() const noexcept {
  if (heap_.empty())
    return std::nullopt;
  return heap_.front()->deadline_;
}

std::size_t timer_queue::handle_timeout(time_point now) {
  // Due timers are taken out first: one that is set anew while they run would otherwise be found again, for ever.
  std::vector<timer*> due;
  while (!heap_.empty() && heap_.front()->deadline_ <= now) {
    due.push_back(heap_.front());
    remove(*heap_.front());
  }
  // A timer may cancel, rearm or destroy another that is due too. `due_` marks survive in a queue of their own: a
  // private one, from which `cancel` and `~timer` take them like from any other.
  timer_queue pending;
  for (auto* entry : due)
    pending.arm(*entry, entry->deadline_);
  std::size_t count = 0;
  while (!pending.heap_.empty()) {
    auto* entry = pending.heap_.front();
    pending.remove(*entry);
    ++count;
    // Called through a copy, because the function may destroy the timer that holds it.
    auto expired = entry->expired_;
    expired();
  }
  return count;
}

void timer_queue::remove(timer& entry) noexcept {
  const auto hole = entry.index_;
  auto* last = heap_.back();
  heap_.pop_back();
  entry.queue_ = nullptr;
  if (last == &entry)
    return;
  place(hole, last);
  sift_up(hole);
  sift_down(last->index_);
}

void timer_queue::place(std::size_t index, timer* entry) noexcept {
  heap_[index] = entry;
  entry->index_ = index;
}

void timer_queue::sift_up(std::size_t index) noexcept {
  auto* entry = heap_[index];
  while (index > 0) {
    const auto parent = (index - 1) / 2;
    if (heap_[parent]->deadline_ <= entry->deadline_)
      break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void timer_queue::sift_down(std::size_t index) noexcept {
  auto* entry = heap_[index];
  for (;;) {
    auto child = 2 * index + 1;
    if (child >= heap_.size())
      break;
    if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_)
      ++child;
    if (entry->deadline_ <= heap_[child]->deadline_)
      break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, entry);
}

} // namespace actorwire
