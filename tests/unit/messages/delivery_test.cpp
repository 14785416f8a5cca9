#include "seed.hpp"

#include <actorwire/messages/delivery.hpp>

#include <catch2/catch_test_macros.hpp>

#include <deque>
#include <random>

using namespace actorwire;

namespace {

tally sum_of_fates(const delivery_totals& totals) {
  tally sum = totals.pending;
  sum += totals.not_sent;
  sum += totals.maybe_sent;
  sum += totals.written;
  sum += totals.acked;
  return sum;
}

} // namespace

TEST_CASE("a tally counts messages and bytes together") {
  tally counted;
  counted.add(10);
  counted.add(0);
  counted.add(5);
  CHECK(counted == tally{3, 15});
  counted.remove(10);
  CHECK(counted == tally{2, 5});
  counted += tally{1, 100};
  CHECK(counted == tally{3, 105});
}

TEST_CASE("a tally counts more bytes than 32 bits hold") {
  tally counted;
  for (int message = 0; message < 3; ++message)
    counted.add(4'294'967'295);
  CHECK(counted == tally{3, 12'884'901'885});
}

TEST_CASE("removing all that was added leaves an empty tally") {
  const test::test_seed seed;
  auto engine = seed.engine();
  std::uniform_int_distribution<std::uint64_t> sizes{0, 1U << 20U};
  std::deque<std::uint64_t> added;
  tally counted;
  for (int message = 0; message < 1'000; ++message) {
    added.push_back(sizes(engine));
    counted.add(added.back());
  }
  CHECK(counted.messages == 1'000);
  for (const auto size : added)
    counted.remove(size);
  CHECK(counted == tally{});
}

TEST_CASE("accounts stay balanced while messages move from pending to one outcome each") {
  const test::test_seed seed;
  auto engine = seed.engine();
  std::uniform_int_distribution<std::uint64_t> sizes{0, 100'000};
  std::uniform_int_distribution<int> coin{0, 1};
  std::uniform_int_distribution<int> fate{0, 3};
  delivery_totals totals;
  std::deque<std::uint64_t> waiting;
  for (int step = 0; step < 10'000; ++step) {
    if (waiting.empty() || coin(engine) == 0) {
      waiting.push_back(sizes(engine));
      totals.accepted.add(waiting.back());
      totals.pending.add(waiting.back());
    } else {
      tally* const outcomes[] = {&totals.not_sent, &totals.maybe_sent, &totals.written, &totals.acked};
      totals.pending.remove(waiting.front());
      outcomes[fate(engine)]->add(waiting.front());
      waiting.pop_front();
    }
    if (sum_of_fates(totals) != totals.accepted)
      FAIL("unbalanced after step " << step);
  }
  CHECK(totals.pending.messages == waiting.size());
}

TEST_CASE("a message waits by default, and is done when the system has it") {
  CHECK(send_options{}.policy == when_down::queue);
  CHECK(send_options{}.wanted == outcome::written);
  CHECK(send_options{}.ttl == std::chrono::milliseconds{0});
  CHECK(send_options{}.stream == 0);
  CHECK_FALSE(send_options{}.idempotent);
  CHECK(send_options{}.key == 0);
  CHECK(send_options{}.priority == 1);
  CHECK(send_options{}.report == message_report::none);
}
