// How a connection that nobody uses ends, and comes back.

#include "supervision/pool.hpp"

#include <string>
#include <utility>

namespace actorwire {

bool pool::rest(connection_id id) {
  auto* peer = find(id);
  if (peer == nullptr || peer->attempt == 0 || peer->is_in_flight || is_leaving(*peer))
    return false;
  if (const auto* planned = renewals_.find(id); planned != nullptr && planned->stands_by)
    return false;
  cancel_renewal(*peer);
  if (peer->rest == resting::no)
    peer->rest = resting::begins;
  return true;
}

bool pool::wake(connection_id id, time_point now) {
  auto* peer = find(id);
  if (peer == nullptr || is_leaving(*peer))
    return false;
  switch (peer->rest) {
    case resting::begins:
      peer->rest = resting::interrupted;
      return true;
    case resting::lasts:
      peer->rest = resting::no;
      enqueue(*peer, now);
      return true;
    case resting::no:
    case resting::interrupted:
      break;
  }
  return false;
}

std::chrono::milliseconds pool::idle_timeout(connection_id id) const {
  const auto found = entries_.find(id);
  // One that is lent goes by other rules.
  return found != entries_.end() && found->second.is_listed ? found->second.options->idle_timeout
                                                            : std::chrono::milliseconds{0};
}

/// However the connection came to its end: nobody had anything on it.
verdict pool::begin_rest(entry& peer, time_point now) {
  forget_if_healthy(peer, now);
  end_attempt(peer);
  peer.delays.rested(*peer.policy, now);
  // There is nothing that it tries again.
  peer.cause = dial_cause::first;
  change(peer, state_event::rest);
  if (std::exchange(peer.rest, resting::lasts) == resting::interrupted) {
    peer.rest = resting::no;
    enqueue(peer, now);
  }
  return {peer.state, duration{0}, peer.delays.attempts(),
          make_error(error_code::idle_timeout, phase::close, origin::local,
                     "nobody used the connection for idle_timeout = "
                         + std::to_string(peer.options->idle_timeout.count())
                         + " ms; there is another when one is wanted")};
}

} // namespace actorwire
