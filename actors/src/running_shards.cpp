#include "running_shards.hpp"

#include <iostream>
#include <sstream>

namespace actorwire {

namespace {

using namespace std::chrono_literals;

/// When the first report comes, and how long after each the next.
constexpr duration first_report_after = 5s;
constexpr duration next_report_after = 30s;

/// How often the clock is looked at meanwhile: it need not run like the machine's.
constexpr duration look_interval = 100ms;

} // namespace

running_shards::running_shards(caf::actor_system& system, const network_options& options, std::size_t count,
                               const std::shared_ptr<memory_budget>& budget)
  : mode_(options.run), time_(options.time != nullptr ? *options.time : monotonic_clock()) {
  try {
    for (std::size_t index = 0; index < count; ++index) {
      shard::options settings;
      settings.index = index;
      settings.run = options.run;
      settings.budget = budget;
      settings.time = &time_;
      shards_.push_back(std::make_shared<shard_context>(system, settings));
    }
    for (const auto& shard : shards_) {
      shard->launch();
      ++launched_;
    }
  } catch (...) {
    // Threads that run already would outlive what they run on.
    join();
    throw;
  }
}

running_shards::~running_shards() {
  for (const auto& shard : shards_)
    shard->end_actors();
  join();
}

void running_shards::join() noexcept {
  if (mode_ == shard::mode::threaded)
    await_ends();
  for (std::size_t index = 0; index < launched_; ++index)
    shards_[index]->join();
}

void running_shards::await_ends() {
  // On this thread and not on the shards: an actor that blocks its shard would block what is said about it, too.
  const auto beginning = time_.now();
  auto next_report = beginning + first_report_after;
  for (std::size_t index = 0; index < launched_; ++index) {
    while (!shards_[index]->shard().stop_within(look_interval)) {
      const auto now = time_.now();
      if (now < next_report)
        continue;
      report(now - beginning);
      next_report = now + next_report_after;
    }
  }
}

void running_shards::report(duration passed) const {
  std::ostringstream text;
  for (const auto& shard : shards_) {
    const auto left = shard->shard().lease_count();
    if (left == 0)
      continue;
    text << "actorwire: the network cannot end: " << left << (left == 1 ? " actor is" : " actors are")
         << " left on shard " << shard->shard().index() << ' '
         << std::chrono::duration_cast<std::chrono::seconds>(passed).count()
         << " s after the exit message (an actor on a shard must neither block nor ignore it)\n";
  }
  // In one piece, since other threads may write as well.
  std::cerr << text.str();
}

} // namespace actorwire
