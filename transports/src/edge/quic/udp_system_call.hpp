#pragma once

#include <cerrno>

namespace actorwire {

/// Calls the system until no signal comes in between, or a flood of them shows that there is no end to it.
template <class Call>
[[nodiscard]] auto retry_interrupted(Call call) {
  constexpr int tries_max = 8;
  auto outcome = call();
  for (int tries = 1; tries < tries_max && outcome < 0 && errno == EINTR; ++tries)
    outcome = call();
  return outcome;
}

} // namespace actorwire
