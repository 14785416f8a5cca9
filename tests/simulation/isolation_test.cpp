// What one connection that is held up costs the others: next to nothing.

#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::string_view deaf_host = "tcp://deaf:1";

/// Four peers with an echo each, and one user who keeps all of them busy and gets all of their data; beside them perhaps one
/// whose host reads nothing.
class busy_user {
public:
  explicit busy_user(bool has_held_up_peer) : user_(world_.make_probe()) {
    world_.hosts().set_link({.bandwidth = 400'000});
    for (std::size_t index = 0; index < 4; ++index) {
      const auto uri = "tcp://host" + std::to_string(index) + ":1";
      world_.hosts().listen(uri, echo_service());
      echoing_.push_back({world_.acquire(uri, framed())});
      user_.subscribe(echoing_.back().peer, event_mask::data);
    }
    if (has_held_up_peer) {
      auto options = framed();
      options.transport.operation_timeout = 1h;
      world_.hosts().listen(deaf_host, deaf_service());
      held_up_ = world_.acquire(deaf_host, options);
      user_.subscribe(*held_up_);
    }
    world_.run_for(1s);
    for (auto& each : echoing_) {
      const auto status = user_.get_state(each.peer);
      world_.run_now();
      REQUIRE(status->value);
      REQUIRE(status->value->state == connection_state::ready);
      index_of_[status->value->info.id] = &each;
    }
  }

  /// Sends for ten seconds, and returns how many bytes came back.
  std::uint64_t work() {
    for (int step = 0; step < 1'000; ++step) {
      for (auto& each : echoing_)
        for (; each.sent < each.echoed + under_way; each.sent += message_size)
          user_.cast(each.peer, std::string(message_size, 'x'));
      // As much as it takes, and then some.
      if (held_up_)
        user_.cast(*held_up_, std::string(100'000, 'x'));
      world_.run_for(10ms);
      count();
    }
    std::uint64_t sum = 0;
    for (const auto& each : echoing_)
      sum += each.echoed;
    return sum;
  }

  /// The one whose host reads nothing is held up, and has told so once.
  void check_held_up_peer() {
    CHECK(user_.count<backpressure>() == 1);
    const auto figures = user_.get_stats(held_up_.value());
    world_.run_now();
    REQUIRE(figures->value);
    CHECK(figures->value->state == connection_state::ready);
    CHECK(figures->value->generation == 1);
    CHECK(figures->value->delivery.pending.bytes > 1'000'000);
    CHECK(adds_up(figures->value->delivery));
  }

private:
  static constexpr std::size_t message_size = 8'000;
  static constexpr std::size_t under_way = std::size_t{64} << 10U;

  struct echoing_peer {
    connection_actor peer;
    std::uint64_t sent = 0;
    std::uint64_t echoed = 0;
  };

  void count() {
    for (; seen_ < user_.notes().size(); ++seen_)
      if (const auto* data = std::get_if<received>(&user_.notes()[seen_].what))
        index_of_.at(data->source)->echoed += data->body.size();
  }

  simulated_system world_;
  probe user_;
  std::vector<echoing_peer> echoing_;
  std::map<connection_id, echoing_peer*> index_of_;
  std::optional<connection_actor> held_up_;
  std::size_t seen_ = 0;
};

} // namespace

TEST_CASE("beside a peer that is held up others move at least nine tenths of what they move without it",
          "[simulation][F2]") {
  const auto without = busy_user{false}.work();
  busy_user with{true};
  const auto beside = with.work();
  CAPTURE(without, beside);
  with.check_held_up_peer();
  // The links are what holds them up, both times.
  CHECK(without > 4 * std::uint64_t{3'000'000});
  CHECK(beside * 10 >= without * 9);
}

} // namespace actorwire::test
