#include "seed.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::size_t peer_count = 20;

std::string host_of(std::size_t index) {
  return "host" + std::to_string(index);
}

/// Every third peer has several endpoints, which race.
std::string uris_of(std::size_t index) {
  const auto where = "://" + host_of(index) + ":1";
  return index % 3 == 0 ? "quic" + where + ", tls" + where + ", tcp" + where : "tcp" + where;
}

std::vector<endpoint> endpoints_of(std::size_t index) {
  return parse_endpoints(uris_of(index)).value();
}

/// Twenty peers, the hosts that they talk to, and everything that can go wrong between them: a random story, told by
/// its seed.
class story {
public:
  story(std::uint64_t seed, std::size_t shards)
    : chance_(seed),
      world_({.seed = seed,
              .pool = {.reconnects_per_second = 1'000, .reconnect_burst = 1'000, .crash_limit = 1'000},
              .shards = shards}),
      shards_(shards) {
    options_ = framed();
    options_.transport.attempt_timeout = 5s;
    options_.transport.connect_timeout = 1s;
    options_.transport.keepalive_interval = 1s;
    options_.transport.keepalive_timeout = 2s;
    options_.transport.flow.queue_age = 3s;
    options_.transport.flow.queue_messages = 50;
    options_.transport.flow.write_limit = 100'000;
    options_.transport.flow.high_water = 20'000;
    options_.transport.flow.low_water = 5'000;
    options_.transport.flow.overflow = static_cast<overflow_policy>(chance_() % names_of(overflow_policy{}).size());
    for_each_network([](simulated_network& hosts) {
      hosts.plan_by_chance({.refuse = 15,
                            .ignore = 5,
                            .reset = 30,
                            .vanish = 10,
                            .fault_after_max = 5'000,
                            .send_size_max = 300,
                            .lateness_max = 3ms});
      for (std::size_t index = 0; index < peer_count; ++index)
        for (const auto& each : endpoints_of(index))
          hosts.listen(actorwire::to_string(each), echo_service());
    });
    for (std::size_t index = 0; index < peer_count; ++index) {
      auto& made =
          members_.emplace_back(member{world_.make_probe(index % shards), world_.acquire(uris_of(index), options_)});
      const auto answer = made.user.subscribe(made.peer);
      world_.run_now();
      made.snapshot = answer->value.value();
    }
  }

  /// Random things happen for `span`.
  void go_wrong(duration span) {
    const auto end = world_.now() + span;
    while (world_.now() < end) {
      for (auto count = chance_() % 10; count > 0; --count)
        do_something();
      world_.run_for(std::chrono::milliseconds{chance_() % 50});
    }
  }

  /// All faults end; returns whether every peer became ready in time.
  bool become_good() {
    world_.transports().crash_in(transport_call::send, 0);
    world_.transports().crash_in(transport_call::connect, 0);
    for_each_network([](simulated_network& hosts) {
      hosts.plan_by_chance({});
      for (std::size_t index = 0; index < peer_count; ++index) {
        hosts.restart(host_of(index));
        hosts.heal(host_of(index));
        // Connections that carry a fault yet to come, or hang, end now.
        hosts.reset_connections(host_of(index));
      }
    });
    const auto& policy = options_.reconnection;
    world_.run_for(std::chrono::duration_cast<duration>(policy.max_delay * (1 + policy.jitter))
                   + options_.transport.attempt_timeout + 10ms);
    return std::all_of(members_.begin(), members_.end(),
                       [](const member& each) { return each.user.last_state() == connection_state::ready; });
  }

  void close() {
    auto closer = world_.make_probe();
    const auto closed = closer.close(world_.supervisor(), close_mode::drain, 10s);
    world_.run_for(11s);
    REQUIRE(closed->value);
    CHECK(closed->value->delivery.pending == tally{});
    CHECK(adds_up(closed->value->delivery));
  }

  /// Holds what every user was told against what every host got.
  void check() {
    for (const auto& each : figures_) {
      REQUIRE(each->value);
      REQUIRE(adds_up(each->value->delivery));
      auto lost = each->value->losses.expired;
      for (const auto& more : {each->value->losses.dropped_newest, each->value->losses.dropped_oldest,
                               each->value->losses.superseded, each->value->losses.refused, each->value->losses.lost})
        lost += more;
      auto not_written = each->value->delivery.not_sent;
      not_written += each->value->delivery.maybe_sent;
      REQUIRE(lost == not_written);
    }
    for (std::size_t index = 0; index < peer_count; ++index) {
      CAPTURE(index);
      check_story(members_[index].user.notes(), members_[index].snapshot);
      check_delivery(index);
    }
  }

  [[nodiscard]] std::vector<std::string> trace() const {
    std::vector<std::string> lines;
    for (std::size_t index = 0; index < peer_count; ++index)
      for (const auto& each : members_[index].user.notes())
        lines.push_back(std::to_string(index) + " " + to_string(each));
    return lines;
  }

private:
  struct member {
    probe user;
    connection_actor peer;
    connection_status snapshot{};
    std::size_t messages = 0;
    /// By number of message.
    std::map<std::size_t, answer_to<sent>> sends{};
    std::map<std::size_t, std::uint8_t> priorities{};
    /// Those that were cast and are to be reported.
    std::set<std::size_t> reported{};
  };

  template <class Function>
  void for_each_network(Function function) {
    for (std::size_t index = 0; index < shards_; ++index)
      function(world_.hosts(index));
  }

  void do_something() {
    const auto index = chance_() % peer_count;
    auto& who = members_[index];
    auto& hosts = world_.hosts(index % shards_);
    const auto what = chance_() % 100;
    if (what < 55)
      send(who);
    else if (what < 75)
      cast(who);
    else if (what < 90)
      figures_.push_back(who.user.get_stats(who.peer));
    else if (what < 91)
      hosts.crash(host_of(index),
                  chance_() % 2 == 0 ? simulated_network::crash_kind::process : simulated_network::crash_kind::machine);
    else if (what < 94)
      hosts.restart(host_of(index));
    else if (what < 95)
      hosts.partition(host_of(index));
    else if (what < 98)
      hosts.heal(host_of(index));
    else if (what < 99)
      world_.transports().crash_in(chance_() % 2 == 0 ? transport_call::send : transport_call::connect, 1,
                                   host_of(index));
    else
      hosts.reset_connections(host_of(index));
  }

  /// A message names its number in eight digits, so that even a torn one can be recognised.
  std::string next_message(member& who) {
    auto number = std::to_string(++who.messages);
    return std::string(8 - number.size(), '0') + number + std::string(chance_() % 500, 'x');
  }

  send_options next_options(member& who) {
    send_options options;
    options.priority = static_cast<std::uint8_t>(chance_() % send_priorities);
    options.key = chance_() % 10;
    options.tag = who.messages;
    who.priorities[who.messages] = options.priority;
    options.policy = static_cast<when_down>(chance_() % 3);
    options.wanted = chance_() % 2 == 0 ? outcome::written : outcome::acked;
    if (chance_() % 4 == 0)
      options.ttl = std::chrono::milliseconds{1 + chance_() % 2'000};
    return options;
  }

  void send(member& who) {
    const auto text = next_message(who);
    who.sends[who.messages] = who.user.send(who.peer, text, next_options(who));
  }

  void cast(member& who) {
    const auto text = next_message(who);
    auto options = next_options(who);
    options.report = static_cast<message_report>(chance_() % 3);
    if (options.report != message_report::none)
      who.reported.insert(who.messages);
    who.user.cast(who.peer, text, options);
  }

  void check_delivery(std::size_t index) {
    auto& who = members_[index];
    const auto endpoints = endpoints_of(index);
    std::set<std::size_t> arrived;
    std::set<std::size_t> torn;
    std::array<std::size_t, send_priorities> last{};
    const auto keeps_order = options_.transport.flow.overflow != overflow_policy::conflate;
    for (const auto* record : world_.hosts(index % shards_).records()) {
      if (std::ranges::find(endpoints, record->remote) == endpoints.end())
        continue;
      const auto cut = cut_frames(record->arrived_at_listener);
      for (const auto& message : cut.messages) {
        const auto number = std::stoul(message.substr(0, 8));
        // Not repeated, and greater than all before of its priority, over all connections; unless a newer one took the place
        // of an older.
        CHECK(arrived.insert(number).second);
        auto& before = last.at(who.priorities.at(number));
        CHECK((number > before || !keeps_order));
        CHECK(message.find_first_not_of('x', 8) == std::string::npos);
        before = number;
      }
      if (cut.rest.size() >= 12)
        torn.insert(std::stoul(cut.rest.substr(4, 8)));
    }

    const auto check_truth = [&](std::size_t number, outcome told) {
      if (told == outcome::not_sent) {
        CHECK(!arrived.contains(number));
        CHECK(!torn.contains(number));
      } else if (told == outcome::acked) {
        CHECK(arrived.contains(number));
      }
    };
    for (const auto& [number, answer] : who.sends) {
      CAPTURE(number);
      REQUIRE(answer->count == 1);
      check_truth(number, answer->value ? answer->value->result : outcome::not_sent);
      if (answer->value)
        CHECK(answer->value->tag == number);
    }
    std::set<std::size_t> settled;
    for (const auto& each : who.user.all<message_settled>()) {
      CAPTURE(each.tag);
      CHECK(settled.insert(static_cast<std::size_t>(each.tag)).second);
      check_truth(static_cast<std::size_t>(each.tag), each.result);
    }
    CHECK(settled == who.reported);

    std::set<std::size_t> came_back;
    for (const auto& back : who.user.all<received>()) {
      const auto number = std::stoul(std::string{back.body.text().substr(0, 8)});
      CHECK(came_back.insert(number).second);
      CHECK(arrived.contains(number));
    }
  }

  std::mt19937_64 chance_;
  simulated_system world_;
  std::size_t shards_;
  acquire_options options_;
  std::vector<member> members_;
  std::vector<answer_to<stats>> figures_;
};

} // namespace

TEST_CASE("in any random story every message has one true outcome, every state is legal, and all peers come back",
          "[simulation][B11][D1][D2][D3][D4][D5][S1][S2][S3]") {
  const test_seed seed;
  for (std::uint64_t number = 0; number < 50; ++number) {
    CAPTURE(number);
    story told{seed.value() + number, 1 + number % 2};
    told.go_wrong(10s);
    CHECK(told.become_good());
    told.close();
    told.check();
  }
}

TEST_CASE("the same seed tells the same story", "[simulation][determinism]") {
  const test_seed seed;
  const auto tell = [&](std::uint64_t number, std::size_t shards) {
    story told{number, shards};
    told.go_wrong(5s);
    told.become_good();
    told.close();
    return told.trace();
  };
  for (const std::size_t shards : {1U, 2U}) {
    const auto first = tell(seed.value(), shards);
    CHECK(first.size() > 1'000);
    CHECK(first == tell(seed.value(), shards));
    CHECK(first != tell(seed.value() + 1, shards));
  }
}

} // namespace actorwire::test
