#pragma once

#include "questions.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <chrono>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace actorwire::test {

/// What is asked for.
inline actorwire::checkout wanted(std::string_view uri = "tcp://server:1",
                                  std::chrono::milliseconds wait = std::chrono::seconds{30},
                                  std::chrono::milliseconds hold = std::chrono::minutes{5}) {
  return {parse_endpoint(uri).value(), framed(), {}, wait, hold};
}

/// Asks for a lease and runs until it is there.
inline lease borrow(simulated_system& world, probe& owner, actorwire::checkout request = wanted()) {
  const auto answer = owner.checkout(world.supervisor(), std::move(request));
  if (!world.run_until([&] { return answer->count > 0; }) || !answer->value)
    throw std::runtime_error{"no lease"};
  return *answer->value;
}

} // namespace actorwire::test
