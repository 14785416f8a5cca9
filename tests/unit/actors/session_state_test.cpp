#include "session/session_state.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

using namespace actorwire;

namespace {

template <class E>
std::vector<E> all_of_them() {
  std::vector<E> values;
  for (std::size_t number = 0; number < names_of(E{}).size(); ++number)
    values.push_back(static_cast<E>(number));
  return values;
}

std::set<session_state> reachable_from(session_state start) {
  std::set<session_state> seen{start};
  std::vector<session_state> open{start};
  while (!open.empty()) {
    const auto state = open.back();
    open.pop_back();
    for (const auto event : all_of_them<session_event>())
      if (const auto to = next(state, event); to && seen.insert(*to).second)
        open.push_back(*to);
  }
  return seen;
}

} // namespace

TEST_CASE("the transitions of a session are those of the kept table", "[D8]") {
  std::ifstream file{ACTORWIRE_SESSION_TABLE};
  REQUIRE(file);
  std::ostringstream kept;
  kept << file.rdbuf();
  REQUIRE(print_session_table() == kept.str());
}

TEST_CASE("nothing leads out of a session that is over, and something out of every other", "[D8]") {
  for (const auto state : all_of_them<session_state>())
    REQUIRE((reachable_from(state).size() == 1) == is_over(state));
}

TEST_CASE("a transition changes the state of a session", "[D8]") {
  for (const auto state : all_of_them<session_state>())
    for (const auto event : all_of_them<session_event>())
      REQUIRE(next(state, event) != state);
}

TEST_CASE("every state of a session is reached from fresh", "[D8]") {
  REQUIRE(reachable_from(session_state::fresh).size() == names_of(session_state{}).size());
}
