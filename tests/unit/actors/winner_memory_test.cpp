#include "supervision/winner_memory.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

const endpoint quick{protocol::quic, "server.example", 1};
const endpoint sure{protocol::tls, "server.example", 1};
const endpoint plain{protocol::tcp, "server.example", 1};
constexpr time_point start{};

} // namespace

TEST_CASE("the preferred endpoint needs no memory") {
  winner_memory memory;
  CHECK_FALSE(memory.favourite(start));
  memory.note_winner(quick, quick, start);
  CHECK_FALSE(memory.favourite(start));
}

TEST_CASE("what won instead of the preferred endpoint is remembered for 10 minutes, however often it wins meanwhile") {
  winner_memory memory;
  memory.note_winner(sure, quick, start);
  for (auto minute = 0min; minute < 10min; ++minute) {
    REQUIRE(memory.favourite(start + minute) == sure);
    memory.note_winner(sure, quick, start + minute);
  }
  CHECK(memory.favourite(start + 10min - 1ns) == sure);
  CHECK_FALSE(memory.favourite(start + 10min));
  memory.note_winner(sure, quick, start + 10min);
  CHECK(memory.favourite(start + 20min - 1ns) == sure);
}

TEST_CASE("another winner is remembered instead, from then on") {
  winner_memory memory;
  memory.note_winner(sure, quick, start);
  memory.note_winner(plain, quick, start + 9min);
  CHECK(memory.favourite(start + 18min) == plain);
  memory.note_winner(quick, quick, start + 18min);
  CHECK_FALSE(memory.favourite(start + 18min));
}

TEST_CASE("a winner that was no use is forgotten") {
  winner_memory memory;
  memory.note_winner(sure, quick, start);
  memory.forget();
  CHECK_FALSE(memory.favourite(start));
}
