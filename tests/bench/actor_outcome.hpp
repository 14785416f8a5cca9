#pragma once

#include "posix.hpp"

#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>

namespace actorwire::bench {

/// What an actor has come to, once it has.
template <class Result>
using outcome_of = std::shared_ptr<std::promise<Result>>;

/// *Errors:* throws after `limit`, and what the actor has told.
template <class Result>
[[nodiscard]] Result await(std::future<Result> told, std::chrono::nanoseconds limit) {
  if (told.wait_for(limit) != std::future_status::ready)
    throw std::runtime_error("the connection has stalled");
  return told.get();
}

[[nodiscard]] inline double seconds_between(steady_clock::time_point from, steady_clock::time_point until) {
  return std::chrono::duration<double>(until - from).count();
}

} // namespace actorwire::bench
