#pragma once

#include <actorwire/messages/requests.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

/// A point in an order of events that all threads agree on.
using moment = std::uint64_t;

/// Gives each event its moment. *Thread:* any thread.
class moments {
public:
  moment next() noexcept { return ++last_; }

private:
  std::atomic<moment> last_{0};
};

/// Later than all of them, also when two are added.
constexpr auto never = std::numeric_limits<moment>::max() / 4;

/// What threads asked of one pool at the same time, and what they were answered, each with the moments right before and
/// right behind it. Whatever took place, took place between the two.
///
/// A history is *linearizable* if its requests could have been carried out one after the other, each between its two
/// moments, with the same answers. `objection` looks for a reason why they could not.
struct pool_history {
  struct acquired {
    std::uint64_t peer = 0;
    moment asked = 0;
    moment answered = 0;
  };
  /// A close of a peer that `acquire` handed out, whether it was the first one or not.
  struct closed {
    std::uint64_t peer = 0;
    moment asked = 0;
    moment answered = 0;
  };
  struct lent {
    lease_id id = 0;
    std::uint64_t peer = 0;
    moment asked = 0;
    moment answered = 0;
  };
  struct released {
    lease_id id = 0;
    moment asked = 0;
    moment answered = 0;
    bool was_known = false;
  };

  void append(const pool_history& other) {
    acquires.insert(acquires.end(), other.acquires.begin(), other.acquires.end());
    closes.insert(closes.end(), other.closes.begin(), other.closes.end());
    leases.insert(leases.end(), other.leases.begin(), other.leases.end());
    releases.insert(releases.end(), other.releases.begin(), other.releases.end());
  }

  /// Why the history of one key, of which `acquire` shares one peer, is not linearizable; nothing if it is.
  [[nodiscard]] std::optional<std::string> objection_to_acquires() const {
    /// The peer was there at `born` at the latest, and until `died` at the least.
    struct life {
      moment born = never;
      moment died = 0;
      moment first_closed = never;
    };
    std::map<std::uint64_t, life> lives;
    for (const auto& each : acquires) {
      auto& one = lives[each.peer];
      one.born = std::min(one.born, each.answered);
      one.died = std::max(one.died, each.asked);
    }
    for (const auto& each : closes) {
      auto& one = lives[each.peer];
      one.first_closed = std::min(one.first_closed, each.asked);
      if (each.answered < one.died)
        return "peer " + std::to_string(each.peer) + " was the answer to an acquire that came after its close";
    }
    // Another peer follows only when somebody has asked for the end of this one.
    std::vector<std::pair<std::uint64_t, life>> order;
    for (auto [peer, one] : lives) {
      one.died = std::max(one.died, one.first_closed);
      order.emplace_back(peer, one);
    }
    // If two can follow each other in one order only, it is this one.
    std::sort(order.begin(), order.end(), [](const auto& left, const auto& right) {
      return left.second.died + left.second.born < right.second.died + right.second.born;
    });
    for (std::size_t later = 1; later < order.size(); ++later)
      for (std::size_t earlier = 0; earlier < later; ++earlier)
        if (order[earlier].second.died >= order[later].second.born)
          return "peers " + std::to_string(order[earlier].first) + " and " + std::to_string(order[later].first)
               + " were shared at the same time";
    return std::nullopt;
  }

  /// The same for leases, of which there are no more than `leases_max` at any time.
  [[nodiscard]] std::optional<std::string> objection_to_leases(std::size_t leases_max) const {
    struct holding {
      moment from = 0;
      moment until = never;
      std::uint64_t peer = 0;
      moment asked = 0;
      int times_ended = 0;
    };
    std::map<lease_id, holding> all;
    for (const auto& each : leases)
      if (!all.emplace(each.id, holding{each.answered, never, each.peer, each.asked}).second)
        return "lease " + std::to_string(each.id) + " was granted twice";
    for (const auto& each : releases) {
      const auto found = all.find(each.id);
      if (found == all.end())
        return "lease " + std::to_string(each.id) + " was given back and never granted";
      found->second.until = std::min(found->second.until, each.asked);
      if (each.was_known && ++found->second.times_ended > 1)
        return "lease " + std::to_string(each.id) + " was given back twice";
    }
    for (const auto& [id, one] : all)
      if (one.times_ended == 0 && one.until != never)
        return "lease " + std::to_string(id) + " was given back, and not known";
    // Held for certain from the answer on, and until somebody asks to give it back.
    std::map<moment, std::pair<int, std::uint64_t>> turns;
    for (const auto& [id, one] : all) {
      turns[one.from] = {1, one.peer};
      if (one.until != never)
        turns[one.until] = {-1, one.peer};
    }
    std::map<std::uint64_t, int> holders;
    auto held = 0;
    for (const auto& [when, turn] : turns) {
      held += turn.first;
      if (holders[turn.second] += turn.first; holders[turn.second] > 1)
        return "peer " + std::to_string(turn.second) + " was lent to two at the same time";
      if (held > static_cast<int>(leases_max))
        return std::to_string(held) + " peers were lent at the same time";
    }
    // Leases are numbered as they are granted.
    moment latest_asked = 0;
    for (const auto& [id, one] : all) {
      latest_asked = std::max(latest_asked, one.asked);
      if (latest_asked >= one.from)
        return "lease " + std::to_string(id) + " was granted before one of a lower number was asked for";
    }
    return std::nullopt;
  }

  std::vector<acquired> acquires;
  std::vector<closed> closes;
  std::vector<lent> leases;
  std::vector<released> releases;
};

} // namespace actorwire::test
