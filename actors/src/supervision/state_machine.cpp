#include "supervision/state_machine.hpp"

#include <cstddef>
#include <initializer_list>
#include <iterator>

namespace actorwire {

namespace {

using enum connection_state;

/// A set of states, one bit each.
class state_set {
public:
  constexpr state_set(std::initializer_list<connection_state> states) {
    for (const auto state : states)
      bits_ |= bit(state);
  }

  [[nodiscard]] constexpr bool contains(connection_state state) const noexcept { return (bits_ & bit(state)) != 0; }
  [[nodiscard]] constexpr bool overlaps(state_set other) const noexcept { return (bits_ & other.bits_) != 0; }

private:
  static constexpr std::uint32_t bit(connection_state state) noexcept {
    return std::uint32_t{1} << static_cast<std::uint32_t>(state);
  }

  std::uint32_t bits_ = 0;
};

struct transition {
  state_event event;
  state_set from;
  connection_state to;
};

/// Every transition there is.
///
/// Closing drains wherever something can still be sent: an attempt in flight goes on, because what the program queued
/// before it closed may yet leave by it. Where nothing dials, waiting would only delay the bad news, so it closes at
/// once; the same when the attempt or connection that drains is gone. A reset leads to `idle` and not straight to
/// `resolving`, because a peer that starts anew needs the gate's permit like any other.
constexpr transition table[] = {
    {state_event::dial, {idle, backoff}, resolving},
    {state_event::progress_connecting, {resolving}, connecting},
    {state_event::progress_handshaking, {connecting}, handshaking},
    // Steps that take no time need not be reported: a numeric address is not resolved, TCP shakes no hands.
    {state_event::connected, {resolving, connecting, handshaking}, ready},
    {state_event::attempt_failed, {resolving, connecting, handshaking}, backoff},
    {state_event::attempt_failed, {draining}, closed},
    {state_event::lost, {ready, degraded}, backoff},
    {state_event::lost, {draining}, closed},
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

constexpr auto state_count = names_of(connection_state{}).size();
constexpr auto event_count = names_of(state_event{}).size();

consteval bool is_deterministic() {
  for (auto row = std::begin(table); row != std::end(table); ++row)
    for (auto other = std::next(row); other != std::end(table); ++other)
      if (row->event == other->event && row->from.overlaps(other->from))
        return false;
  return true;
}
static_assert(is_deterministic(), "an event leads from one state to one other");

consteval bool is_left(connection_state state) {
  for (const auto& row : table)
    if (row.from.contains(state))
      return true;
  return false;
}
static_assert(!is_left(closed), "nothing leads out of closed");

} // namespace

std::optional<connection_state> next(connection_state state, state_event event) noexcept {
  for (const auto& row : table)
    if (row.event == event && row.from.contains(state))
      return row.to;
  return std::nullopt;
}

std::string print_state_table() {
  std::string text;
  for (std::size_t state = 0; state < state_count; ++state) {
    for (std::size_t event = 0; event < event_count; ++event) {
      const auto from = static_cast<connection_state>(state);
      const auto what = static_cast<state_event>(event);
      if (const auto to = next(from, what)) {
        text += name_of(from);
        text += ' ';
        text += name_of(what);
        text += " -> ";
        text += name_of(*to);
        text += '\n';
      }
    }
  }
  return text;
}

} // namespace actorwire
