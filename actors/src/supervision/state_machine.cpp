#include "supervision/state_machine.hpp"

#include "transition_table.hpp"

namespace actorwire {

namespace {

using enum connection_state;

/// Every transition there is.
///
/// Closing drains wherever something can still be sent: an attempt in flight goes on, because what the program queued
/// before it closed may yet leave by it. Where nothing dials, waiting would only delay the bad news, so it closes at
/// once; the same when the attempt or connection that drains is gone. A reset leads to `idle` and not straight to
/// `resolving`, because a peer that starts anew needs the gate's permit like any other.
constexpr transition<connection_state, state_event> rows[] = {
    {state_event::dial, {idle, backoff}, resolving},
    {state_event::progress_connecting, {resolving}, connecting},
    {state_event::progress_handshaking, {connecting}, handshaking},
    // Steps that take no time need not be reported: a numeric address is not resolved, TCP shakes no hands.
    {state_event::connected, {resolving, connecting, handshaking}, ready},
    {state_event::attempt_failed, {resolving, connecting, handshaking}, backoff},
    {state_event::attempt_failed, {draining}, closed},
    {state_event::lost, {ready, degraded}, backoff},
    {state_event::lost, {draining}, closed},
    {state_event::rest, {ready, degraded}, idle},
    {state_event::crashed, {resolving, connecting, handshaking, ready, degraded}, backoff},
    {state_event::crashed, {draining}, closed},
    {state_event::give_up, {resolving, connecting, handshaking, ready, degraded}, failed},
    {state_event::reset, {failed}, idle},
    {state_event::degrade, {ready}, degraded},
    {state_event::recover, {degraded}, ready},
    {state_event::drain, {resolving, connecting, handshaking, ready, degraded}, draining},
    {state_event::drain, {idle, backoff, failed}, closed},
    {state_event::abort,
     {idle, resolving, connecting, handshaking, ready, degraded, backoff, draining, failed},
     closed},
};

constexpr transition_table<connection_state, state_event> table{rows};

static_assert(is_deterministic(table), "an event leads from one state to one other");
static_assert(!is_left(table, closed), "nothing leads out of closed");

} // namespace

std::optional<connection_state> next(connection_state state, state_event event) noexcept {
  return next(table, state, event);
}

std::string print_state_table() {
  return print(table);
}

} // namespace actorwire
