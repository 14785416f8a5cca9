#include "random_story.hpp"
#include "seed.hpp"
#include "trace_digest.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

std::string digest_of(const std::vector<std::string>& trace) {
  trace_digest digest;
  for (const auto& line : trace)
    digest.add(line);
  return digest.text();
}

/// Writes the trace to the file that `ACTORWIRE_TRACE` names, for whoever looks for the reason of a failure.
void keep(const std::vector<std::string>& trace) {
  const char* where = std::getenv("ACTORWIRE_TRACE");
  if (where == nullptr || *where == '\0')
    return;
  std::ofstream file{where};
  for (const auto& line : trace)
    file << line << '\n';
  REQUIRE(file.flush());
}

std::string summary_of(const random_story& told, const std::vector<std::string>& trace) {
  auto text = std::to_string(told.message_count()) + " messages,";
  const auto faults = told.faults();
  for (std::size_t index = 0; index < faults.size(); ++index)
    text += ' ' + std::string{names_of(fault{})[index]} + ' ' + std::to_string(faults[index]);
  const auto recovery = std::chrono::duration_cast<std::chrono::milliseconds>(told.recovery());
  return text + ", ready in " + std::to_string(recovery.count()) + " ms, trace " + digest_of(trace);
}

/// What tells one story again, in a program like this one.
std::string replay_of(std::uint64_t seed) {
#if defined(__SANITIZE_ADDRESS__)
  return "./dev sim --sanitize --seed " + std::to_string(seed);
#elif defined(__SANITIZE_THREAD__)
  return "ACTORWIRE_SEED=" + std::to_string(seed) + " ACTORWIRE_SEEDS=1 build/tsan/bin/simulation_test '[seeds]'";
#else
  return "./dev sim --seed " + std::to_string(seed);
#endif
}

std::vector<std::string> tell(std::uint64_t seed, duration span) {
  random_story told{seed};
  told.go_wrong(span);
  told.become_good();
  told.close();
  return told.trace();
}

} // namespace

TEST_CASE("in any random story every message has one true outcome, every state is legal, and all peers come back",
          "[simulation][seeds][B9][B11][D1][D2][D3][D4][D5][D8][S1][S2][S3]") {
  const test_seed first;
  const auto count = seed_count(200);
  fault_counts all{};
  for (std::uint64_t number = 0; number < count; ++number) {
    const auto seed = first.value() + number;
    const auto replay = replay_of(seed);
    INFO("this one story again: " << replay);
    // Written before, so that a story that kills the program is the last one that was announced.
    std::cout << replay << std::endl;
    random_story told{seed};
    told.go_wrong(3s);
    told.become_good();
    told.close();
    const auto trace = told.trace();
    keep(trace);
    std::cout << "  " << summary_of(told, trace) << std::endl;
    told.check();
    for (std::size_t index = 0; index < all.size(); ++index)
      all[index] += told.faults()[index];
  }
  // Each story has its own; many together have them all.
  if (count >= 20)
    for (std::size_t index = 0; index < all.size(); ++index) {
      CAPTURE(names_of(fault{})[index]);
      CHECK(all[index] >= count);
    }
}

TEST_CASE("the same seed tells the same story", "[simulation][determinism][C4]") {
  const test_seed seed;
  for (const std::uint64_t number : {0U, 1U}) {
    const auto first = tell(seed.value() + number, 3s);
    CHECK(first.size() > 1'000);
    CHECK(digest_of(first) == digest_of(tell(seed.value() + number, 3s)));
    CHECK(digest_of(first) != digest_of(tell(seed.value() + number + 2, 3s)));
  }
}

} // namespace actorwire::test
