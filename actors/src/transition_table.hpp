#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

namespace actorwire {

/// A set of states, one bit each.
template <class State>
class state_set {
public:
  constexpr state_set(std::initializer_list<State> states) {
    for (const auto state : states)
      bits_ |= bit(state);
  }

  [[nodiscard]] constexpr bool contains(State state) const noexcept { return (bits_ & bit(state)) != 0; }
  [[nodiscard]] constexpr bool overlaps(state_set other) const noexcept { return (bits_ & other.bits_) != 0; }

private:
  static_assert(names_of(State{}).size() <= 32);

  static constexpr std::uint32_t bit(State state) noexcept {
    return std::uint32_t{1} << static_cast<std::uint32_t>(state);
  }

  std::uint32_t bits_ = 0;
};

/// A row of the table of a state machine: where an event leads from some states.
template <class State, class Event>
struct transition {
  Event event;
  state_set<State> from;
  State to;
};

/// The rows of a table, which are kept elsewhere.
template <class State, class Event>
using transition_table = std::span<const transition<State, Event>>;

/// Whether an event leads from one state to one other.
template <class State, class Event>
consteval bool is_deterministic(transition_table<State, Event> table) {
  for (std::size_t row = 0; row < table.size(); ++row)
    for (std::size_t other = row + 1; other < table.size(); ++other)
      if (table[row].event == table[other].event && table[row].from.overlaps(table[other].from))
        return false;
  return true;
}

/// Whether something leads out of a state.
template <class State, class Event>
consteval bool is_left(transition_table<State, Event> table, State state) {
  for (const auto& row : table)
    if (row.from.contains(state))
      return true;
  return false;
}

template <class State, class Event>
[[nodiscard]] std::optional<State> next(transition_table<State, Event> table, State state, Event event) noexcept {
  for (const auto& row : table)
    if (row.event == event && row.from.contains(state))
      return row.to;
  return std::nullopt;
}

/// One line for each transition, `state event -> state`, in the order of the enumerations.
template <class State, class Event>
[[nodiscard]] std::string print(transition_table<State, Event> table) {
  std::string text;
  for (std::size_t state = 0; state < names_of(State{}).size(); ++state) {
    for (std::size_t event = 0; event < names_of(Event{}).size(); ++event) {
      const auto from = static_cast<State>(state);
      const auto what = static_cast<Event>(event);
      if (const auto to = next(table, from, what)) {
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
