// What a shard sends to actors outside: CAF's workers run them, each message once, in order, and none is kept waiting by
// another that takes long.

#include "program.hpp"

#include <actorwire/actors/detail/caf_workers.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

constexpr std::size_t workers = 4;

/// An actor system with so many workers, whatever the machine has.
struct workers_config : system_config {
  explicit workers_config(std::size_t messages_per_run = 0) {
    const std::string prefix{detail::config_prefix};
    set(prefix + "scheduler.max-threads", workers);
    if (messages_per_run > 0)
      set(prefix + "scheduler.max-throughput", messages_per_run);
  }
};

/// Tells each actor all the numbers up to one, each number to all of them before the next, in one turn of its shard.
auto distributor(std::vector<caf::actor> receivers) {
  return [receivers = std::move(receivers)](caf::event_based_actor* self) {
    return caf::behavior{[self, receivers](std::int32_t first, std::int32_t last) {
      for (auto number = first; number <= last; ++number)
        for (const auto& receiver : receivers)
          tell(self, receiver, number);
    }};
  };
}

/// Counts what others do, for who waits for it.
class tally {
public:
  void add() {
    {
      const std::lock_guard guard{mutex_};
      ++count_;
    }
    changed_.notify_all();
  }

  [[nodiscard]] bool wait_for(int wanted) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, patience, [&] { return count_ >= wanted; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

/// Ends them, and returns when nothing of theirs runs any more.
void shut_down(caf::actor_system& system, const std::vector<caf::actor>& actors) {
  witness me{system};
  for (const auto& who : actors) {
    caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
    (void)me.await_end_of(who);
  }
}

/// Keeps what it is given to run.
class keeping_context final : public detail::routing_context {
public:
  using routing_context::routing_context;

  void route(caf::resumable* what) override { kept.push_back(what); }

  bool take_over(caf::scheduled_actor&, detail::direct_handler, caf::mailbox_element_ptr&) override { return false; }

  std::vector<caf::resumable*> kept;
};

} // namespace

TEST_CASE("actors outside that take long hold up none that the shard wakes with them, as long as a worker is free") {
  constexpr int quick = 40;
  workers_config config;
  caf::actor_system system{config};
  network net{system, program::two_shards()};
  tally handled;
  std::atomic<int> gave_up{0};
  std::vector<caf::actor> receivers;
  for (std::size_t count = 0; count + 1 < workers; ++count)
    receivers.push_back(system.spawn([&](caf::event_based_actor*) {
      return caf::behavior{[&](std::int32_t) { gave_up += handled.wait_for(quick) ? 0 : 1; }};
    }));
  for (int count = 0; count < quick; ++count)
    receivers.push_back(
        system.spawn([&](caf::event_based_actor*) { return caf::behavior{[&](std::int32_t) { handled.add(); }}; }));
  anonymous_tell(net.spawn_on_shard(0, distributor(receivers)), std::int32_t{1}, std::int32_t{1});
  CHECK(handled.wait_for(quick));
  shut_down(system, receivers);
  CHECK(gave_up == 0);
}

TEST_CASE("messages from a shard to actors outside come once and in order, however few each may handle at a time",
          "[C2]") {
  constexpr std::int32_t rounds = 200;
  constexpr std::int32_t round_size = 5;
  constexpr std::size_t actors = 20;
  workers_config config{1};
  caf::actor_system system{config};
  network net{system, program::two_shards()};
  tally complete;
  std::atomic<int> misplaced{0};
  std::vector<caf::actor> receivers;
  for (std::size_t count = 0; count < actors; ++count)
    receivers.push_back(system.spawn([&](caf::event_based_actor*) {
      return caf::behavior{[&, next = std::int32_t{0}](std::int32_t number) mutable {
        misplaced += number == next++ ? 0 : 1;
        if (next == rounds * round_size)
          complete.add();
      }};
    }));
  const auto sender = net.spawn_on_shard(0, distributor(receivers));
  for (std::int32_t round = 0; round < rounds; ++round)
    anonymous_tell(sender, round * round_size, (round + 1) * round_size - 1);
  CHECK(complete.wait_for(static_cast<int>(actors)));
  shut_down(system, receivers);
  CHECK(misplaced == 0);
}

TEST_CASE("what an actor sends outside as the last that it and its shard do is handled") {
  constexpr int actors = 100;
  program here;
  witness me{here.system};
  tally handled;
  std::vector<caf::actor> receivers;
  for (int count = 0; count < actors; ++count)
    receivers.push_back(here.system.spawn(
        [&](caf::event_based_actor*) { return caf::behavior{[&](std::int32_t) { handled.add(); }}; }));
  const auto sender = here.net->spawn_on_shard(1, [receivers](caf::event_based_actor* self) {
    return caf::behavior{[self, receivers](caf::ok_atom) {
      for (const auto& receiver : receivers)
        tell(self, receiver, std::int32_t{1});
      self->quit();
    }};
  });
  anonymous_tell(sender, caf::ok_atom_v);
  CHECK(me.await_end_of(sender) == caf::error{});
  here.net.reset();
  CHECK(handled.wait_for(actors));
  shut_down(here.system, receivers);
}

TEST_CASE("an actor outside that no worker is left to run ends, and whoever asked it something is answered") {
  program here;
  witness me{here.system};
  keeping_context shard{here.system};
  const auto who = here.system.spawn<caf::lazy_init>(
      [](caf::event_based_actor*) { return caf::behavior{[](caf::get_atom) { return std::int64_t{1}; }}; });
  detail::enqueue_to(caf::actor_cast<caf::strong_actor_ptr>(who), caf::strong_actor_ptr{}, &shard, caf::get_atom_v);
  REQUIRE(shard.kept.size() == 1);
  caf::resumable* const batch = new detail::worker_batch{here.system, std::exchange(shard.kept, {}), 1};
  caf::intrusive_ptr_release(batch);
  CHECK(me.await_end_of(who) == caf::exit_reason::user_shutdown);
  CHECK_FALSE(me.try_to_ask<std::int64_t>(who, caf::get_atom_v));
}

} // namespace actorwire::test
