#include "session/session_state.hpp"

#include <cstddef>
#include <initializer_list>
#include <iterator>

namespace actorwire {

namespace {

using enum session_state;

/// A set of states, one bit each.
class session_states {
public:
  constexpr session_states(std::initializer_list<session_state> states) {
    for (const auto state : states)
      bits_ |= bit(state);
  }

  [[nodiscard]] constexpr bool contains(session_state state) const noexcept { return (bits_ & bit(state)) != 0; }
  [[nodiscard]] constexpr bool overlaps(session_states other) const noexcept { return (bits_ & other.bits_) != 0; }

private:
  static constexpr std::uint32_t bit(session_state state) noexcept {
    return std::uint32_t{1} << static_cast<std::uint32_t>(state);
  }

  std::uint32_t bits_ = 0;
};

struct transition {
  session_event event;
  session_states from;
  session_state to;
};

/// Every transition there is.
///
/// A newer connection takes over by `disconnect` and `accept`: so nothing is taken from the older one in between, and there is
/// no way from `open` to itself that could be forgotten. An attempt that ends before it was answered leaves the session `broken`
/// even if it was never `open`: the listener may know it.
constexpr transition table[] = {
    {session_event::connect, {fresh, broken}, offered},
    {session_event::accept, {fresh, broken}, open},
    {session_event::welcome, {offered}, open},
    {session_event::disconnect, {offered, open}, broken},
    {session_event::lose, {offered, broken}, lost},
    {session_event::fence, {offered}, fenced},
    {session_event::end, {fresh, offered, open, broken}, ended},
};

constexpr auto state_count = names_of(session_state{}).size();
constexpr auto event_count = names_of(session_event{}).size();

consteval bool is_deterministic() {
  for (auto row = std::begin(table); row != std::end(table); ++row)
    for (auto other = std::next(row); other != std::end(table); ++other)
      if (row->event == other->event && row->from.overlaps(other->from))
        return false;
  return true;
}
static_assert(is_deterministic(), "an event leads from one state to one other");

consteval bool is_never_left(session_state state) {
  for (const auto& row : table)
    if (row.from.contains(state))
      return false;
  return true;
}
static_assert(is_never_left(lost) && is_never_left(ended) && is_never_left(fenced), "what is over stays so");

} // namespace

std::optional<session_state> next(session_state state, session_event event) noexcept {
  for (const auto& row : table)
    if (row.event == event && row.from.contains(state))
      return row.to;
  return std::nullopt;
}

std::string print_session_table() {
  std::string text;
  for (std::size_t state = 0; state < state_count; ++state) {
    for (std::size_t event = 0; event < event_count; ++event) {
      const auto from = static_cast<session_state>(state);
      const auto what = static_cast<session_event>(event);
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
