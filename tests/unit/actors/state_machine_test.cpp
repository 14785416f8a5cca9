#include "supervision/state_machine.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
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

std::set<connection_state> reachable_from(connection_state start) {
  std::set<connection_state> seen{start};
  std::vector<connection_state> open{start};
  while (!open.empty()) {
    const auto state = open.back();
    open.pop_back();
    for (const auto event : all_of_them<state_event>())
      if (const auto to = next(state, event); to && seen.insert(*to).second)
        open.push_back(*to);
  }
  return seen;
}

} // namespace

TEST_CASE("the transitions are those of the kept table", "[S1]") {
  std::ifstream file{ACTORWIRE_STATE_TABLE};
  REQUIRE(file);
  std::ostringstream kept;
  kept << file.rdbuf();
  REQUIRE(print_state_table() == kept.str());
}

TEST_CASE("nothing leads out of closed", "[S1]") {
  for (const auto event : all_of_them<state_event>())
    REQUIRE_FALSE(next(connection_state::closed, event));
}

TEST_CASE("abort closes from every other state at once", "[S1][B10]") {
  for (const auto state : all_of_them<connection_state>())
    if (state != connection_state::closed)
      REQUIRE(next(state, state_event::abort) == connection_state::closed);
}

TEST_CASE("draining leads to closed only", "[S1]") {
  REQUIRE(reachable_from(connection_state::draining) == std::set{connection_state::draining, connection_state::closed});
}

TEST_CASE("a transition changes the state", "[S1]") {
  for (const auto state : all_of_them<connection_state>())
    for (const auto event : all_of_them<state_event>())
      REQUIRE(next(state, event) != state);
}

TEST_CASE("every state is reached from idle", "[S1]") {
  REQUIRE(reachable_from(connection_state::idle).size() == names_of(connection_state{}).size());
}

TEST_CASE("a peer that is not closing can always become ready again", "[S1][B11]") {
  for (const auto state : all_of_them<connection_state>())
    if (state != connection_state::draining && state != connection_state::closed)
      REQUIRE(reachable_from(state).contains(connection_state::ready));
}

TEST_CASE("only the gate's dial and nothing else starts an attempt", "[S1][B3]") {
  for (const auto state : all_of_them<connection_state>())
    for (const auto event : all_of_them<state_event>())
      if (next(state, event) == connection_state::resolving)
        REQUIRE(event == state_event::dial);
}
