#include "simulation.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace actorwire::test {

bool stepper::run_until(const std::function<bool()>& reached, duration limit) {
  // A program that does something new at each nanosecond of a minute is caught in a loop.
  constexpr std::size_t instants_max = 10'000'000;
  const auto end = time_.now() + limit;
  for (std::size_t instant = 0; instant < instants_max; ++instant) {
    where_.run_ready();
    if (reached())
      return true;
    const auto next = where_.timers().next_timeout();
    if (!next || *next > end) {
      time_.set(end);
      return false;
    }
    time_.set(std::max(*next, time_.now()));
  }
  throw std::logic_error{"the simulation does not come to rest"};
}

void stepper::run_for(duration span) {
  run_until([] { return false; }, span);
}

simulation::simulation(std::uint64_t seed, std::size_t memory_limit)
  : shard_({.run = shard::mode::stepped, .time = &time_, .budget = std::make_shared<memory_budget>(memory_limit)}),
    network_(seed),
    steps_(time_, shard_) {
  shard_.start();
  network_.run_on(shard_);
}

simulation::~simulation() = default;

} // namespace actorwire::test
