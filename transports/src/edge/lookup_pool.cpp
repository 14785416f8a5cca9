#include "lookup_pool.hpp"

#include "quiet_thread.hpp"
#include "system_lookup.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

namespace actorwire {

namespace {

/// Drops addresses beyond the limit of their family.
void limit(std::vector<ip_address>& addresses) {
  std::array<std::size_t, 2> kept{};
  std::erase_if(addresses, [&kept](const ip_address& each) {
    return kept[each.is_v6 ? 1 : 0]++ >= resolver::addresses_per_family_max;
  });
}

} // namespace

lookup_pool::lookup_pool(resolver::lookup_function look_up, std::size_t threads_max)
  : look_up_(std::move(look_up)), threads_max_(threads_max) {
  assert(threads_max > 0);
}

// -- questions ----------------------------------------------------------------------------------------------------------

lookup_pool::ticket lookup_pool::ask(const std::string& host, const std::shared_ptr<asker>& who, time_point now) {
  std::unique_lock locked{guard_};
  mark_hung(now);
  if (const auto known = names_.find(host); known != names_.end() && !may_look_again(known->second, now)) {
    const auto& newest = known->second.newest;
    newest->askers.push_back(who);
    ++counts_.joined;
    return newest;
  }
  const auto refuse = [&](const std::string& why) {
    locked.unlock();
    asker::deliver(who, lookup_failure(host, why));
    return nullptr;
  };
  if (waiting_.size() >= resolver::waiting_max)
    drop_unwanted();
  if (waiting_.size() >= resolver::waiting_max)
    return refuse(std::to_string(resolver::waiting_max) + " names wait to be looked up already");
  if (!make_room(waiting_.size() + 1))
    return refuse("no thread can be started for it");
  auto made = std::make_shared<lookup>(lookup{host, ++last_number_, now, {who}});
  waiting_.push_back(made);
  if (waiting_.size() <= free_threads())
    made->running_since = now;
  names_[host].newest = made;
  locked.unlock();
  changed_.notify_one();
  return made;
}

bool lookup_pool::may_look_again(const name& which, time_point now) const noexcept {
  const auto& newest = which.newest;
  if (!newest)
    return true;
  if (!newest->is_hung)
    return false;
  if (which.running < running_per_name)
    return true;
  // Half of the threads are for other names, and they bound how often the time is doubled.
  return counts_.hung < resolver::hung_threads_max / 2
      && now - *newest->running_since >= resolver::look_again_after * (1U << (which.running - running_per_name));
}

void lookup_pool::withdraw(const ticket& from, const std::shared_ptr<asker>& who) noexcept {
  const std::lock_guard locked{guard_};
  std::erase(from->askers, who);
}

void lookup_pool::drop_unwanted() {
  std::erase_if(waiting_, [this](const ticket& each) {
    if (!each->askers.empty())
      return false;
    forget_lookup(each);
    return true;
  });
}

void lookup_pool::forget_lookup(const ticket& which) noexcept {
  const auto known = names_.find(which->host);
  assert(known != names_.end());
  auto& of_name = known->second;
  if (of_name.newest == which)
    of_name.newest = nullptr;
  if (!of_name.newest && of_name.running == 0)
    names_.erase(known);
}

// -- time ---------------------------------------------------------------------------------------------------------------

void lookup_pool::note_time(time_point now) {
  const std::lock_guard locked{guard_};
  mark_hung(now);
  make_room(waiting_.size());
}

void lookup_pool::mark_hung(time_point now) noexcept {
  for (const auto& each : running_) {
    // A thread knows no time: one that had to wait is taken to run since it was first seen to do so.
    if (!each->running_since)
      each->running_since = now;
    if (!each->is_hung && now - *each->running_since >= resolver::hung_after) {
      each->is_hung = true;
      ++counts_.hung;
    }
  }
}

transport_error lookup_pool::lateness(const ticket& of, duration waited) {
  const std::lock_guard locked{guard_};
  const auto time = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(waited).count()) + " ms";
  if (of->is_running || counts_.hung == 0)
    return lookup_failure(of->host, "no answer within " + time);
  return lookup_failure(of->host, "no thread became free for it within " + time + ", because "
                                      + std::to_string(counts_.hung) + " look-ups hang");
}

std::optional<std::vector<ip_address>> lookup_pool::recall(const std::string& host, time_point now) {
  const std::lock_guard locked{guard_};
  auto known = memory_.recall(host, now);
  ++(known ? counts_.stale : counts_.failed);
  return known;
}

void lookup_pool::count_failed() {
  const std::lock_guard locked{guard_};
  ++counts_.failed;
}

resolver::figures lookup_pool::counts() {
  const std::lock_guard locked{guard_};
  return counts_;
}

// -- threads ------------------------------------------------------------------------------------------------------------

std::size_t lookup_pool::threads_allowed() const noexcept {
  return threads_max_ + std::min<std::size_t>(counts_.hung, resolver::hung_threads_max);
}

std::size_t lookup_pool::free_threads() const noexcept {
  return threads_ - running_.size();
}

bool lookup_pool::make_room(std::size_t waiting) {
  for (auto free = free_threads(); free < waiting && threads_ < threads_allowed() && !is_stopping_; ++free) {
    try {
      start_quiet_thread([self = shared_from_this()] { self->run(); });
    } catch (const std::system_error&) {
      break;
    }
    ++threads_;
  }
  return threads_ > 0;
}

void lookup_pool::stop() {
  {
    const std::lock_guard locked{guard_};
    is_stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
}

void lookup_pool::run() {
  std::unique_lock locked{guard_};
  // One that took the place of another that hung goes when that is back.
  while (!is_stopping_ && threads_ <= threads_allowed()) {
    changed_.wait(locked, [this] { return is_stopping_ || !waiting_.empty(); });
    if (!is_stopping_)
      run_next(locked);
  }
  --threads_;
}

void lookup_pool::run_next(std::unique_lock<std::mutex>& locked) {
  const auto next = std::move(waiting_.front());
  waiting_.pop_front();
  if (next->askers.empty()) {
    forget_lookup(next);
    return;
  }
  next->is_running = true;
  running_.push_back(next);
  ++names_[next->host].running;
  ++counts_.lookups;
  locked.unlock();
  auto found = look_up(next->host);
  if (found && found->empty())
    found = no_address(next->host);
  if (found)
    limit(*found);
  locked.lock();
  finish(next, found);
  const auto waiting = std::exchange(next->askers, {});
  locked.unlock();
  for (const auto& each : waiting)
    asker::deliver(each, found);
  locked.lock();
}

resolver::answer lookup_pool::look_up(const std::string& host) const {
  // It is the program's, and would take the process with it from a thread of ours.
  try {
    return look_up_(host);
  } catch (const std::exception& thrown) {
    return lookup_failure(host, std::string{"the look-up function has thrown: "} + thrown.what());
  } catch (...) {
    return lookup_failure(host, "the look-up function has thrown");
  }
}

void lookup_pool::finish(const ticket& done, const resolver::answer& found) {
  std::erase(running_, done);
  if (done->is_hung)
    --counts_.hung;
  auto& of_name = names_[done->host];
  --of_name.running;
  const auto is_answer = found || found.error().code == error_code::name_unknown;
  const auto is_news = is_answer && done->number > of_name.answered;
  if (is_news)
    of_name.answered = done->number;
  forget_lookup(done);
  // Also where nobody waits for it any more: a name service that is slower than all patience is heard all the same.
  if (is_news && found)
    memory_.remember(done->host, *found, done->asked_at);
  else if (is_news)
    memory_.forget(done->host);
}

} // namespace actorwire
