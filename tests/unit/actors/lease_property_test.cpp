#include "seed.hpp"
#include "supervision/lease_book.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

using kind = lease_step::kind;

/// Users full of wishes, and peers that come and go, around one book, on virtual time; and next to it a second opinion of
/// who has what and who waits, kept in the simplest way.
class world {
public:
  explicit world(std::mt19937_64 engine) : engine_(std::move(engine)), limits_(draw_limits()), book_(limits_) {
    places_ = 1 + engine_() % 12;
  }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      something_happens();
      settle();
      check();
    }
  }

  /// Everybody gives back what they have and stops waiting; nothing may be left.
  void end() {
    while (!leases_.empty())
      give_back(leases_.begin()->first, false);
    while (!waiters_.empty()) {
      const auto id = waiters_.begin()->first;
      REQUIRE(book_.withdraw(id));
      answered(id);
    }
    settle();
    while (!peers_.empty())
      lose(peers_.begin()->first);
    while (!leaving_.empty())
      close_one_that_leaves();
    settle();
    check();
    REQUIRE(book_.group_count() == 0);
    REQUIRE_FALSE(book_.next_timeout());
    while (book_.poll_former_owner())
      continue;
    REQUIRE(granted_ + otherwise_answered_ == asked_);
    REQUIRE(granted_ == book_.granted());
  }

private:
  struct waiting {
    std::uint16_t group = 0;
    owner_id owner = 0;
    time_point deadline;
    duration hold{};
    bool is_impatient = false;
  };

  struct lent {
    connection_id peer = 0;
    owner_id owner = 0;
    time_point deadline;
  };

  struct machine {
    std::uint16_t group = 0;
    bool is_ready = false;
    bool is_cleared = true;
    bool has_given_up = false;
    /// Its last attempt has failed, or its connection was lost.
    bool is_down = false;
    lease_id lease = 0;
    /// Since when nobody has had it or waited for it.
    std::optional<time_point> idle_since;
  };

  pool_limits draw_limits() {
    pool_limits limits;
    limits.max_leased = static_cast<std::uint32_t>(1 + engine_() % 4);
    limits.lease_idle_timeout = engine_() % 4 == 0 ? 0ms : std::chrono::milliseconds{1 + engine_() % 5'000};
    return limits;
  }

  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }

  template <class Map>
  auto any_of(Map& all) {
    return std::next(all.begin(), static_cast<std::ptrdiff_t>(below(all.size())));
  }

  // -- what happens ---------------------------------------------------------------------------------------------------

  void something_happens() {
    switch (below(14)) {
      case 0:
      case 1:
      case 2:
        return ask();
      case 3:
      case 4:
        if (!leases_.empty())
          give_back(any_of(leases_)->first, below(4) != 0);
        return;
      case 5:
      case 6:
        if (!peers_.empty())
          connect(any_of(peers_)->first);
        return;
      case 12:
      case 13:
        if (!peers_.empty())
          clear(any_of(peers_)->first);
        return;
      case 7:
        if (!peers_.empty())
          disconnect(any_of(peers_)->first);
        return;
      case 8:
        if (!peers_.empty() && below(3) == 0)
          lose(any_of(peers_)->first);
        else if (!peers_.empty() && below(3) == 0)
          begin_to_close(any_of(peers_)->first);
        else if (!peers_.empty())
          give_up(any_of(peers_)->first);
        return;
      case 9:
        if (below(3) == 0)
          return die(1 + below(5));
        if (!waiters_.empty()) {
          const auto id = any_of(waiters_)->first;
          REQUIRE(book_.withdraw(id));
          answered(id);
        }
        return;
      case 10:
        if (const auto next = book_.next_timeout(); next && below(2) == 0) {
          now_ = std::max(now_, *next - duration{below(2)});
          return;
        }
        now_ += std::chrono::milliseconds{below(1'000)};
        return;
      default:
        // The past speaks.
        REQUIRE_FALSE(book_.release(1'000'000 + below(10), true, now_));
        REQUIRE_FALSE(book_.withdraw(1'000'000));
        book_.note_ready(1'000'000, now_);
        book_.note_away(1'000'000);
        book_.remove(1'000'000);
        close_one_that_leaves();
    }
  }

  void ask() {
    const auto group = static_cast<std::uint16_t>(1 + below(4));
    checkout request{{protocol::tcp, "server", group},
                     {},
                     {},
                     std::chrono::milliseconds{below(3'000)},
                     std::chrono::milliseconds{1 + below(3'000)}};
    request.policy = below(3) == 0 ? when_down::fail : when_down::queue;
    const auto owner = 1 + below(5);
    const auto id = book_.ask(request, owner, now_);
    REQUIRE(id);
    REQUIRE(*id > last_waiter_);
    last_waiter_ = *id;
    waiters_[*id] = {group, owner, now_ + request.wait, request.hold, request.policy == when_down::fail};
    ++asked_;
  }

  void give_back(lease_id id, bool reuse) {
    const auto ended = leases_.at(id);
    auto& peer = peers_.at(ended.peer);
    const auto back = book_.release(id, reuse, now_);
    REQUIRE(back);
    REQUIRE(back->peer == ended.peer);
    REQUIRE(back->leaves == (!reuse || peer.has_given_up));
    REQUIRE_FALSE(book_.release(id, reuse, now_));
    leases_.erase(id);
    peer.lease = 0;
    peer.is_cleared = false;
    if (back->leaves)
      retire(ended.peer);
  }

  void connect(connection_id id) {
    auto& peer = peers_.at(id);
    peer.is_ready = true;
    peer.is_down = false;
    peer.has_given_up = false;
    book_.note_ready(id, now_);
  }

  void clear(connection_id id) {
    auto& peer = peers_.at(id);
    peer.is_cleared = true;
    book_.note_cleared(id, now_);
  }

  void disconnect(connection_id id) {
    peers_.at(id).is_ready = false;
    peers_.at(id).is_down = true;
    book_.note_away(id);
  }

  void lose(connection_id id) {
    book_.remove(id);
    if (const auto lease = peers_.at(id).lease; lease != 0)
      leases_.erase(lease);
    peers_.erase(id);
    --in_use_;
    book_.may_grow();
  }

  void begin_to_close(connection_id id) {
    book_.leave(id);
    if (const auto lease = peers_.at(id).lease; lease != 0)
      leases_.erase(lease);
    retire(id);
  }

  void give_up(connection_id id) {
    auto& peer = peers_.at(id);
    const auto group = peer.group;
    const auto left = book_.give_up(id);
    REQUIRE(left.leaves == (peer.lease == 0));
    if (!left.leaves) {
      peer.is_ready = false;
      peer.has_given_up = true;
      REQUIRE(left.hopeless.empty());
      return;
    }
    retire(id);
    std::vector<waiter_id> expected;
    if (std::none_of(peers_.begin(), peers_.end(), [&](const auto& each) { return each.second.group == group; }))
      for (const auto& [waiter, entry] : waiters_)
        if (entry.group == group)
          expected.push_back(waiter);
    REQUIRE(left.hopeless == expected);
    for (const auto waiter : expected)
      answered(waiter);
  }

  void die(owner_id owner) {
    auto left = book_.bury(owner);
    std::vector<waiter_id> lines;
    for (const auto& [id, entry] : waiters_)
      if (entry.owner == owner)
        lines.push_back(id);
    REQUIRE(left.waiters == lines);
    for (const auto id : lines)
      answered(id);
    std::set<connection_id> had;
    std::erase_if(leases_, [&](const auto& entry) {
      if (entry.second.owner != owner)
        return false;
      had.insert(entry.second.peer);
      return true;
    });
    REQUIRE(std::set(left.peers.begin(), left.peers.end()) == had);
    REQUIRE(left.peers.size() == had.size());
    for (const auto id : had)
      retire(id);
    REQUIRE_FALSE(book_.knows(owner));
  }

  /// A peer leaves, and takes its place until it is closed.
  void retire(connection_id id) {
    REQUIRE_FALSE(book_.has(id));
    leaving_[id] = peers_.at(id).group;
    peers_.erase(id);
  }

  void close_one_that_leaves() {
    if (leaving_.empty())
      return;
    const auto gone = any_of(leaving_);
    book_.remove(gone->first);
    leaving_.erase(gone);
    --in_use_;
    book_.may_grow();
  }

  void answered(waiter_id id) {
    REQUIRE(waiters_.erase(id) == 1);
    ++otherwise_answered_;
  }

  // -- decisions ------------------------------------------------------------------------------------------------------

  void settle() {
    decide();
    for (auto& [id, peer] : peers_) {
      if (peer.lease != 0 || count(peer.group).waiting > 0)
        peer.idle_since.reset();
      else if (!peer.idle_since)
        peer.idle_since = now_;
    }
  }

  void decide() {
    while (const auto step = book_.poll(now_)) {
      switch (step->what) {
        case kind::grant: {
          const auto who = waiters_.at(step->waiter);
          // P3: nobody of the group has waited longer.
          for (const auto& [id, entry] : waiters_)
            REQUIRE((entry.group != who.group || id >= step->waiter));
          // P2: it is free, and one of theirs.
          auto& peer = peers_.at(step->peer);
          REQUIRE(peer.group == who.group);
          REQUIRE(peer.is_ready);
          REQUIRE(peer.is_cleared);
          REQUIRE(peer.lease == 0);
          REQUIRE(step->lease > last_lease_);
          last_lease_ = step->lease;
          peer.lease = step->lease;
          peer.idle_since.reset();
          leases_[step->lease] = {step->peer, who.owner, now_ + who.hold};
          waiters_.erase(step->waiter);
          ++granted_;
          break;
        }
        case kind::refuse:
          REQUIRE((waiters_.at(step->waiter).deadline <= now_
                   || (waiters_.at(step->waiter).is_impatient && is_down(waiters_.at(step->waiter).group))));
          REQUIRE(count(waiters_.at(step->waiter).group).free == 0);
          // They were waited for until now.
          for (auto& [id, peer] : peers_)
            if (peer.group == waiters_.at(step->waiter).group)
              peer.idle_since.reset();
          REQUIRE(book_.withdraw(step->waiter));
          answered(step->waiter);
          break;
        case kind::make: {
          if (in_use_ == places_) {
            book_.cannot_grow();
            break;
          }
          ++in_use_;
          peers_[++last_peer_].group = book_.purpose_of(step->group).remote.port;
          book_.joined(step->group, last_peer_);
          break;
        }
        case kind::expire:
          REQUIRE(leases_.at(step->lease).deadline <= now_);
          REQUIRE(leases_.at(step->lease).peer == step->peer);
          leases_.erase(step->lease);
          retire(step->peer);
          break;
        case kind::retire: {
          const auto& peer = peers_.at(step->peer);
          REQUIRE(peer.lease == 0);
          REQUIRE(count(peer.group).waiting == 0);
          const auto is_old = limits_.lease_idle_timeout > 0ms && peer.idle_since
                           && *peer.idle_since + limits_.lease_idle_timeout <= now_;
          REQUIRE((is_old || book_.is_full()));
          retire(step->peer);
          break;
        }
      }
    }
  }

  // -- books ----------------------------------------------------------------------------------------------------------

  struct tally {
    std::size_t away = 0;
    std::size_t free = 0;
    std::size_t leased = 0;
    std::size_t leaving = 0;
    std::size_t waiting = 0;
  };

  tally count(std::uint16_t group) const {
    tally sum;
    for (const auto& [id, peer] : peers_)
      if (peer.group == group)
        ++(peer.lease != 0 ? sum.leased : peer.is_ready && peer.is_cleared ? sum.free : sum.away);
    for (const auto& [id, home] : leaving_)
      sum.leaving += home == group ? 1U : 0U;
    for (const auto& [id, entry] : waiters_)
      sum.waiting += entry.group == group ? 1U : 0U;
    return sum;
  }

  [[nodiscard]] bool is_down(std::uint16_t group) const {
    std::size_t up = 0;
    std::size_t down = 0;
    for (const auto& [id, peer] : peers_)
      if (peer.group == group)
        ++(peer.is_down ? down : up);
    return down > 0 && up == 0;
  }

  void check() {
    for (std::uint16_t group = 1; group <= 4; ++group) {
      const auto sum = count(group);
      // P2: no lost wake-up.
      REQUIRE((sum.waiting == 0 || sum.free == 0));
      // P1
      const auto size = sum.away + sum.free + sum.leased + sum.leaving;
      REQUIRE(size <= limits_.max_leased);
      if (sum.waiting > sum.away && size < limits_.max_leased)
        REQUIRE(book_.is_full());
    }
    REQUIRE(in_use_ <= places_);
    REQUIRE(in_use_ == peers_.size() + leaving_.size());
    REQUIRE(book_.waiter_count() == waiters_.size());
    REQUIRE(book_.lease_count() == leases_.size());
    REQUIRE(book_.peer_count() == peers_.size());
    std::optional<time_point> earliest;
    const auto consider = [&earliest](time_point when) { earliest = std::min(earliest.value_or(when), when); };
    for (const auto& [id, entry] : waiters_) {
      consider(entry.deadline);
      REQUIRE(book_.knows(entry.owner));
      REQUIRE_FALSE((entry.is_impatient && is_down(entry.group)));
      const auto told = book_.standing_of(id);
      const auto sum = count(entry.group);
      REQUIRE(told.away == sum.away);
      REQUIRE(told.free == sum.free);
      REQUIRE(told.leased == sum.leased);
      REQUIRE(told.leaving == sum.leaving);
      REQUIRE(told.waiting == sum.waiting);
      const auto is_down_here = [group = entry.group](const auto& each) {
        return each.second.group == group && each.second.is_down;
      };
      REQUIRE(told.down == static_cast<std::size_t>(std::ranges::count_if(peers_, is_down_here)));
      REQUIRE((told.somebody_down != 0) == (told.down > 0));
      if (told.down > 0)
        REQUIRE(is_down_here(*peers_.find(told.somebody_down)));
    }
    for (const auto& [id, entry] : leases_) {
      consider(entry.deadline);
      REQUIRE(book_.knows(entry.owner));
    }
    for (const auto& [id, peer] : peers_)
      if (peer.idle_since && limits_.lease_idle_timeout > 0ms)
        consider(*peer.idle_since + limits_.lease_idle_timeout);
    REQUIRE(book_.next_timeout() == earliest);
    // P3: whatever is over was decided.
    REQUIRE((!earliest || *earliest > now_));
    while (const auto owner = book_.poll_former_owner())
      REQUIRE_FALSE(book_.knows(*owner));
  }

  std::mt19937_64 engine_;
  pool_limits limits_;
  lease_book book_;
  time_point now_{1h};
  std::map<waiter_id, waiting> waiters_;
  std::map<lease_id, lent> leases_;
  std::map<connection_id, machine> peers_;
  std::size_t places_ = 0;
  std::size_t in_use_ = 0;
  /// Peers that are about to close, and the groups in which they take a place.
  std::map<connection_id, std::uint16_t> leaving_;
  waiter_id last_waiter_ = 0;
  lease_id last_lease_ = 0;
  connection_id last_peer_ = 0;
  std::uint64_t asked_ = 0;
  std::uint64_t granted_ = 0;
  std::uint64_t otherwise_answered_ = 0;
};

} // namespace

TEST_CASE("whatever users and peers do, every lease is in one place and every checkout is answered once, in its turn",
          "[P1][P2][P3][D2]") {
  const test::test_seed seed;
  const auto rounds = test::seed_count(1'000);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    world around{seed.engine(round)};
    around.run(400);
    around.end();
  }
}
