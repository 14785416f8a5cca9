#pragma once

#include "virtual_clock.hpp"

#include <actorwire/transports/memory_budget.hpp>
#include <actorwire/transports/shard.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>

namespace actorwire::test {

/// A shard whose time and turns belong to the test. Time stands still until it is moved, so nothing times out by accident.
class stepped_shard {
public:
  explicit stepped_shard(std::size_t memory_limit = std::size_t{64} << 20U)
    : budget(std::make_shared<memory_budget>(memory_limit)), run({0, shard::mode::stepped, &time, budget}) {
    run.start();
  }

  ~stepped_shard() { run.stop(); }

  stepped_shard(const stepped_shard&) = delete;
  stepped_shard& operator=(const stepped_shard&) = delete;

  /// Runs the shard until `reached` holds; fails the test if that takes 20 s of real time.
  void until(const std::function<bool()>& reached) {
    const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!reached()) {
      if (!run.run_ready())
        std::this_thread::yield();
      if (std::chrono::steady_clock::now() > give_up_at)
        FAIL("what the test waits for did not happen");
    }
  }

  /// Runs what is ready, and what the kernel has ready for loopback sockets, until nothing is.
  void settle() {
    for (int quiet = 0; quiet < 50; ++quiet)
      if (run.run_ready())
        quiet = 0;
  }

  /// Lets so much time pass, from one deadline to the next.
  void advance(duration step) {
    const auto end = time.now() + step;
    for (;;) {
      while (run.run_ready())
        continue;
      const auto next = run.timers().next_timeout();
      if (time.now() >= end)
        return;
      time.set(next && *next < end ? std::max(*next, time.now()) : end);
    }
  }

  /// Stops the shard for so long: nothing runs, and then everything that has become due.
  void stall(duration length) {
    time.advance(length);
    while (run.run_ready())
      continue;
  }

  virtual_clock time;
  std::shared_ptr<memory_budget> budget;
  shard run;
};

} // namespace actorwire::test
