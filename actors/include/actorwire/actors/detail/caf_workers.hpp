#pragma once

// How actors are handed to CAF's own workers: what differs in that between CAF 0.17 and 1.x. Not part of the public
// interface.

#include <actorwire/actors/detail/caf_execution.hpp>

#include <caf/actor_system.hpp>
#include <caf/resumable.hpp>

#if ACTORWIRE_CAF_0_17
#  include <caf/scheduler/abstract_coordinator.hpp>
#else
#  include <caf/actor_system_config.hpp>
#  include <caf/detail/cleanup_and_release.hpp>

#  include <thread>
#endif

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

namespace actorwire::detail {

/// How many threads run the actors of `system` that live on no shard.
inline std::size_t worker_count(caf::actor_system& system) {
#if ACTORWIRE_CAF_0_17
  return system.scheduler().num_workers();
#else
  const auto by_default = std::max<std::size_t>(std::thread::hardware_concurrency(), 4);
  return caf::get_or(system.config(), "caf.scheduler.max-threads", by_default);
#endif
}

/// Ends an actor that CAF's workers will never run, since they have ended, and gives back the reference that was counted
/// for the run.
inline void give_up_run(caf::resumable* who) {
#if ACTORWIRE_CAF_0_17
  caf::scheduler::abstract_coordinator::cleanup_and_release(who);
#else
  caf::detail::cleanup_and_release(who);
#endif
}

/// Actors that are handed to CAF's workers in one piece. Every worker that comes by takes one after the other out of it
/// until none is left: none waits behind one that takes long as long as a worker is free, and what it costs to hand over
/// and to wake is paid for each worker and not for each actor.
class worker_batch final : public caf::resumable {
public:
  /// `actors` have been counted as referred to for their run. The batch itself begins with so many references.
  worker_batch(caf::actor_system& system, std::vector<caf::resumable*> actors, std::size_t references)
    : system_(system), actors_(std::move(actors)), references_(references) {}

  ~worker_batch() override {
    while (auto* who = take())
      give_up_run(who);
  }

  worker_batch(const worker_batch&) = delete;
  worker_batch& operator=(const worker_batch&) = delete;

  subtype_t subtype() const noexcept override { return function_object; }

  resume_result resume(execution_context* worker, std::size_t throughput) override {
    while (auto* who = take())
      if (who->resume(worker, throughput) == resume_later)
        run_on_main_scheduler(system_, who);
      else
        caf::intrusive_ptr_release(who);
    return done;
  }

#if ACTORWIRE_CAF_0_17
  void intrusive_ptr_add_ref_impl() override {
    add_reference();
  }
  void intrusive_ptr_release_impl() override {
    drop_reference();
  }
#else
  void ref_resumable() const noexcept override {
    add_reference();
  }
  void deref_resumable() const noexcept override {
    drop_reference();
  }
#endif

private:
  /// The next actor to run, or null.
  caf::resumable* take() noexcept {
    const auto place = next_.fetch_add(1, std::memory_order_relaxed);
    return place < actors_.size() ? actors_[place] : nullptr;
  }

  void add_reference() const noexcept {
    references_.fetch_add(1, std::memory_order_relaxed);
  }

  void drop_reference() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

  caf::actor_system& system_;
  const std::vector<caf::resumable*> actors_;
  std::atomic<std::size_t> next_{0};
  mutable std::atomic<std::size_t> references_;
};

/// Has CAF's workers run actors, at least one, each of which has been counted as referred to for its run. *Thread:* any.
inline void run_on_workers(caf::actor_system& system, std::vector<caf::resumable*> actors) {
  if (actors.size() == 1) {
    run_on_main_scheduler(system, actors.front());
    return;
  }
  // A reference for each worker that is given the batch: the first may be done with it before the last has it.
  const auto workers = std::min(actors.size(), std::max<std::size_t>(worker_count(system), 1));
  auto* batch = new worker_batch(system, std::move(actors), workers);
  for (std::size_t count = 0; count < workers; ++count)
    run_on_main_scheduler(system, batch);
}

} // namespace actorwire::detail
