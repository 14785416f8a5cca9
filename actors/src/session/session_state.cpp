#include "session/session_state.hpp"

#include "transition_table.hpp"

namespace actorwire {

namespace {

using enum session_state;

/// Every transition there is.
///
/// A newer connection takes over by `disconnect` and `accept`: so nothing is taken from the older one in between, and there is
/// no way from `open` to itself that could be forgotten. An attempt that ends before it was answered leaves the session `broken`
/// even if it was never `open`: the listener may know it.
constexpr transition<session_state, session_event> rows[] = {
    {session_event::connect, {fresh, broken}, offered},
    {session_event::accept, {fresh, broken}, open},
    {session_event::welcome, {offered}, open},
    {session_event::disconnect, {offered, open}, broken},
    {session_event::lose, {offered, broken}, lost},
    {session_event::fence, {offered}, fenced},
    {session_event::end, {fresh, offered, open, broken}, ended},
};

constexpr transition_table<session_state, session_event> table{rows};

static_assert(is_deterministic(table), "an event leads from one state to one other");
static_assert(!is_left(table, lost) && !is_left(table, ended) && !is_left(table, fenced), "what is over stays so");

} // namespace

std::optional<session_state> next(session_state state, session_event event) noexcept {
  return next(table, state, event);
}

std::string print_session_table() {
  return print(table);
}

} // namespace actorwire
