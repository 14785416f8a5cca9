#pragma once

#include "root_book.hpp"

#include <actorwire/actors/type_ids.hpp>

#include <caf/actor_system.hpp>

#include <chrono>
#include <functional>
#include <vector>

namespace actorwire {

/// How all roots of a network are closed.
struct root_closing {
  close_mode mode = close_mode::drain;
  /// After this time what is left is aborted.
  std::chrono::milliseconds timeout{0};
  /// Runs what is ready, where no thread does, and no clock moves on; empty: there are threads.
  std::function<void()> run_ready;
};

/// Closes all of them at the same time, the sockets of all listeners before the first connection, and waits for the
/// last. Returns the sum of what they report. One that does not answer within a second beyond the timeout leaves the
/// report incomplete; one that had ended adds nothing. *Thread:* any but the shards'.
[[nodiscard]] close_report close_roots(caf::actor_system& system, const std::vector<root_book::root>& roots,
                                       const root_closing& how);

} // namespace actorwire
