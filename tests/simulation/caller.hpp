#pragma once

#include "numbered_host.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <actorwire/messages/calls.hpp>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace actorwire::test {

inline constexpr std::string_view tcp_server = "tcp://server:1";

inline acquire_options numbered() {
  auto options = framed();
  options.transport.framing.mode = framing_mode::numbered;
  return options;
}

/// A peer of a host that speaks by hand, and an actor that calls and wants no data.
struct caller {
  explicit caller(const acquire_options& options = numbered(), bool listens = true, simulated_system_options how = {})
    : world(how), user(world.make_probe()) {
    if (listens)
      listen();
    peer = world.acquire(tcp_server, options);
    world.run_for(std::chrono::milliseconds{50});
  }

  void listen() { world.hosts().listen(tcp_server, host.accept()); }

  stats figures() {
    const auto told = user.get_stats(peer);
    world.run_now();
    return told->value.value();
  }

  call_totals totals() { return figures().lifetime.calls; }

  numbered_host host;
  simulated_system world;
  probe user;
  connection_actor peer;
};

inline bool adds_up(const call_totals& totals, std::uint64_t open) {
  return totals.made == open + totals.answered + totals.refused + totals.unanswered;
}

/// Whether a call failed with `call_unanswered`, and says that its message did not leave, or may have.
inline bool is_unanswered(const answer<answered>& told, bool may_have_left) {
  return told.count == 1 && told.code() == error_code::call_unanswered
      && may_have_been_handled(*told.error) == may_have_left;
}

} // namespace actorwire::test
