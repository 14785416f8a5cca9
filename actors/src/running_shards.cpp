#include "running_shards.hpp"

#include <iostream>
#include <sstream>

namespace actorwire {

namespace {

using namespace std::chrono_literals;

/// When the first report comes, and how long after each the next.
constexpr duration first_report_after = 5s;
constexpr duration next_report_after = 30s;

} // namespace

running_shards::running_shards(caf::actor_system& system, const network_options& options, std::size_t count,
                               const std::shared_ptr<memory_budget>& budget)
  : mode_(options.run) {
  try {
    for (std::size_t index = 0; index < count; ++index) {
      shard::options settings;
      settings.index = index;
      settings.run = options.run;
      settings.budget = budget;
      if (options.time != nullptr)
        settings.time = options.time;
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
  std::vector<std::unique_ptr<vigil>> vigils;
  for (const auto& shard : shards_) {
    shard->end_actors();
    if (mode_ == shard::mode::threaded) {
      vigils.push_back(std::make_unique<vigil>(shard->shard()));
      vigils.back()->begin();
    }
  }
  join();
}

void running_shards::join() noexcept {
  for (std::size_t index = 0; index < launched_; ++index)
    shards_[index]->join();
}

void running_shards::vigil::begin() {
  // On the shard's own timers: they end with its loop, and an end in good time costs no thread. Should the loop end
  // before the task has its turn, it never runs.
  where_.post([this] {
    beginning_ = where_.now();
    where_.arm(next_report_, first_report_after);
  });
}

void running_shards::vigil::report() {
  const auto left = where_.lease_count();
  if (left == 0)
    return;
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(where_.now() - beginning_);
  std::ostringstream text;
  text << "actorwire: the network cannot end: " << left << (left == 1 ? " actor is" : " actors are")
       << " left on shard " << where_.index() << ' ' << passed.count()
       << " s after the exit message (an actor on a shard must neither block nor ignore it)\n";
  // In one piece, since other threads may write as well.
  std::cerr << text.str();
  where_.arm(next_report_, next_report_after);
}

} // namespace actorwire
