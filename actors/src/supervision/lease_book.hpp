#pragma once

#include "supervision/options_table.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace actorwire {

/// Identifies a checkout that waits; grows with each, from 1, so that who has the lower one has waited longer.
using waiter_id = std::uint64_t;

/// Whoever checks out, as the user of a `lease_book` numbers them.
using owner_id = std::uint64_t;

/// Identifies a group of peers, from 1, as long as it has any or somebody waits for one.
using lease_group_id = std::uint64_t;

/// What a `lease_book` has decided, and its user carries out.
struct lease_step {
  enum class kind : std::uint8_t {
    /// `waiter` gets `peer` as `lease`.
    grant,
    /// The time of `waiter` is over, or it does not want to wait while all peers are down, and nothing is free: say why, and
    /// call `withdraw`.
    refuse,
    /// A peer is wanted for `group`: call `joined`, or `cannot_grow`.
    make,
    /// The time of `lease` is over: `peer` is to be closed.
    expire,
    /// Nobody has wanted `peer` for long, connected or not, or others want its place: it is to be closed.
    retire,
  };
  kind what = kind::grant;
  waiter_id waiter = 0;
  lease_id lease = 0;
  connection_id peer = 0;
  lease_group_id group = 0;
};

/// Who has leased which peer, who waits for one, and until when: a data structure that is told what happened and what time
/// it is, and starts nothing. Peers belong to a *group*, the one of their endpoints and options, for life; each is either
/// away (not connected, or given back a moment ago), free, leased, or leaving (about to close, and counted until it has). A
/// waiter belongs to a group, too, and each group serves its own in the order in which they came. A peer that is not connected
/// is *down* when its last attempt has failed, it has lost its connection, or a breaker holds it back; where all are,
/// those who do not want to wait then are refused.
///
/// A group that was used not longer than `lease_idle_timeout` ago keeps `min_idle` peers free, as far as there is a place and
/// nobody waits for one; where there was none, they are made when there is.
///
/// Rules that hold after a `poll` that returns nothing: no group has both a waiter and a free peer; the ends of all waits
/// and leases lie ahead; a group with more waiters than peers that are away has as many peers as it may, or there is no
/// place for more. No call takes time that grows with the number of peers or waiters, but for those of one owner when that
/// ends, and those of one group when nothing is left to wait for, or when the first begins and the last ceases to wait for
/// peers that are away.
/// *Thread:* shard only.
class lease_book {
public:
  /// Checkouts that wait at most, over all groups.
  static constexpr std::size_t waiters_max = 1'024;

  /// Goes by `max_leased`, `min_idle` and `lease_idle_timeout`.
  explicit lease_book(const pool_limits& limits);

  lease_book(const lease_book&) = delete;
  lease_book& operator=(const lease_book&) = delete;

  // -- what users want ------------------------------------------------------------------------------------------------

  /// Puts `owner` in the line of the group that `request` names; nothing when too many wait. `request` must be valid.
  [[nodiscard]] std::optional<waiter_id> ask(const checkout& request, owner_id owner, time_point now);

  /// A peer that was given back, and whether it is to be closed: then it leaves.
  struct returned {
    connection_id peer = 0;
    bool leaves = false;
  };

  /// Gives a lease back; nothing if there is no such lease. The peer stays in its group, unless it is not to be used again
  /// or has given up: away until `note_cleared`, connected or not.
  std::optional<returned> release(lease_id id, bool reuse, time_point now);

  /// Takes a waiter out of its line. Returns whether there was one.
  bool withdraw(waiter_id id);

  /// What an owner had: its waiters were taken out of their lines, and its peers leave and are to be closed.
  struct estate {
    std::vector<waiter_id> waiters;
    std::vector<connection_id> peers;
  };
  [[nodiscard]] estate bury(owner_id owner);

  /// Returns the next owner that neither waits nor has a lease any more, and that was not named here since.
  [[nodiscard]] std::optional<owner_id> poll_former_owner();

  /// Takes all waiters out of their lines, for whoever closes.
  [[nodiscard]] std::vector<waiter_id> withdraw_all();

  // -- what becomes of peers ------------------------------------------------------------------------------------------

  /// A `make` for the group `home` was carried out: `peer` has joined it, and is away.
  void joined(lease_group_id home, connection_id peer);

  /// There is no place for another peer, for no group, until `may_grow`.
  void cannot_grow() noexcept { is_full_ = true; }
  void may_grow() noexcept;

  /// The peer is connected; or its attempt has failed or its connection was lost; or it is held back, or is so no longer. All
  /// ignore peers that are not here, or leaving.
  void note_ready(connection_id peer, time_point now);
  void note_away(connection_id peer);
  void note_held_back(connection_id peer);
  void note_let_go(connection_id peer);

  /// The peer that was given back says that nothing is left of its last owner, and that it does not close. Ignores peers
  /// that are not here.
  void note_cleared(connection_id peer, time_point now);

  /// The peer begins to close, and a lease of it ends. It takes its place in the group until it is removed.
  void leave(connection_id peer);

  /// The peer is closed. Both ignore peers that are not here.
  void remove(connection_id peer);

  /// The peer will not connect any more. One that is leased stays, for its owner to know what to do; any other leaves, and
  /// is to be closed: then those are returned, taken out of their line, who have no other peer left to wait for.
  struct surrender {
    bool leaves = false;
    std::vector<waiter_id> hopeless;
  };
  [[nodiscard]] surrender give_up(connection_id peer);

  // -- decisions ------------------------------------------------------------------------------------------------------

  /// Returns the next step at `now`. Call it until it returns nothing, after each call that changes the book and at
  /// `next_timeout`. A peer that is to be closed is leaving.
  [[nodiscard]] std::optional<lease_step> poll(time_point now);

  /// Returns when `poll` will have something; nothing if only an event can change that.
  [[nodiscard]] std::optional<time_point> next_timeout() const;

  /// Whether `poll` may have something before that.
  [[nodiscard]] bool has_to_serve() const noexcept { return !to_serve_.empty(); }

  // -- questions ------------------------------------------------------------------------------------------------------

  /// How a group stands.
  struct standing {
    std::size_t away = 0;
    std::size_t free = 0;
    std::size_t leased = 0;
    std::size_t leaving = 0;
    std::size_t waiting = 0;
    /// Of those that are away or leased.
    std::size_t down = 0;
    /// One of those that are away, and one of those that are down; 0 if there is none.
    connection_id somebody_away = 0;
    connection_id somebody_down = 0;
  };
  /// That of the group in which `waiter`, which must be there, waits.
  [[nodiscard]] standing standing_of(waiter_id waiter) const;

  /// What its peers are for.
  struct purpose {
    endpoint remote;
    std::vector<endpoint> alternatives;
    options_table::pointer options;
  };
  /// That of a group which must be there.
  [[nodiscard]] const purpose& purpose_of(lease_group_id id) const { return groups_.at(id).what; }

  /// Whether the peer is here, and not leaving.
  [[nodiscard]] bool has(connection_id peer) const noexcept {
    const auto position = members_.find(peer);
    return position != members_.end() && !position->second.is_leaving;
  }

  /// Whether `owner` waits or has a lease.
  [[nodiscard]] bool knows(owner_id owner) const noexcept { return owners_.contains(owner); }

  /// Whether there is no place for another peer.
  [[nodiscard]] bool is_full() const noexcept { return is_full_; }

  [[nodiscard]] std::size_t waiter_count() const noexcept { return waiters_.size(); }
  [[nodiscard]] std::size_t lease_count() const noexcept { return leases_.size(); }
  /// Those that are not leaving.
  [[nodiscard]] std::size_t peer_count() const noexcept { return members_.size() - leaving_; }
  [[nodiscard]] std::size_t group_count() const noexcept { return groups_.size(); }
  /// Leases that were granted so far.
  [[nodiscard]] std::uint64_t granted() const noexcept { return last_lease_; }

private:
  using group_id = lease_group_id;

  struct group {
    purpose what;
    std::size_t hash = 0;
    std::set<waiter_id> line;
    /// Of these, those that do not wait while all peers are down.
    std::set<waiter_id> impatient;
    std::set<connection_id> away;
    /// The last one goes first: those that are not needed then retire.
    std::vector<connection_id> free;
    std::size_t leased = 0;
    std::size_t leaving = 0;
    /// Of those that are away or leased.
    std::set<connection_id> down;
    /// When somebody last asked for one of its peers, or gave one back.
    time_point used_at{};
    /// None of its peers has given up since somebody asked for one.
    bool is_hopeful = true;
    /// Nobody waits, as far as `serve` has seen: those that are away are idle as well.
    bool is_idle = false;
    /// Its place among those that wait until there is a place for another peer; 0 if it does not.
    std::uint64_t blocked_as = 0;
  };

  struct member {
    group_id home = 0;
    /// 0 if nobody has it.
    lease_id lease = 0;
    bool is_away = true;
    /// It was given back, and has not said yet that it can be lent again.
    bool is_cleared = true;
    bool has_given_up = false;
    /// Its last attempt has failed, or it has lost its connection.
    bool has_failed = false;
    bool is_held_back = false;
    bool is_leaving = false;
    /// Whether nobody has it and nobody waits for it: all that are free, and those that are away where nobody waits.
    bool is_idle = false;
    time_point idle_since{};

    [[nodiscard]] bool is_down() const noexcept { return has_failed || is_held_back; }
  };

  struct applicant {
    group_id home = 0;
    owner_id owner = 0;
    time_point deadline;
    duration hold;
    bool is_impatient = false;
  };

  struct loan {
    connection_id peer = 0;
    owner_id owner = 0;
    time_point deadline;
  };

  struct possessions {
    std::set<waiter_id> waiters;
    std::set<lease_id> leases;
  };

  using instant = std::pair<time_point, std::uint64_t>;

  [[nodiscard]] group_id find_or_make_group(const checkout& request);
  /// Peers that can be lent some day.
  [[nodiscard]] static std::size_t lendable_count(const group& home) noexcept;
  [[nodiscard]] static std::size_t size_of(const group& home) noexcept;
  [[nodiscard]] static bool is_down(const group& home) noexcept;
  [[nodiscard]] time_point last_use(const group& home, time_point now) const noexcept;
  /// How many are to be free at present, whether anybody waits or not.
  [[nodiscard]] std::size_t idle_wanted(const group& home, time_point now) const noexcept;
  void set_down(connection_id id, member& entry, bool has_failed, bool is_held_back);
  void begin_to_leave(connection_id id, member& entry);
  [[nodiscard]] bool is_kept(connection_id id, time_point now);
  [[nodiscard]] std::optional<lease_step> serve(group_id id, time_point now);
  [[nodiscard]] lease_step grant(group& home, time_point now);
  void block(group_id id, group& home);
  void unblock(group& home) noexcept;
  void drop_if_empty(group_id id);
  [[nodiscard]] static bool is_lendable(const member& entry) noexcept { return !entry.is_away && entry.is_cleared; }
  /// One that may have become free.
  void make_free(connection_id id, member& entry, time_point now);
  /// One that has become idle, unless it was before: whether it is connected makes no difference.
  void begin_to_idle(connection_id id, member& entry, time_point now);
  void cease_to_idle(connection_id id, member& entry);
  /// Those that are away are idle while nobody waits.
  void note_demand(group& home, time_point now);
  /// Ends a lease; its peer belongs to nobody, and is in neither list of its group.
  loan end_lease(lease_id id);
  applicant leave_line(waiter_id id);
  void drop_if_done(owner_id owner);

  std::size_t group_max_;
  std::size_t min_idle_;
  duration idle_timeout_;
  options_table options_;
  std::unordered_map<group_id, group> groups_;
  /// Groups by the hash of what they are for.
  std::unordered_multimap<std::size_t, group_id> by_hash_;
  std::unordered_map<connection_id, member> members_;
  std::unordered_map<waiter_id, applicant> waiters_;
  std::unordered_map<lease_id, loan> leases_;
  std::unordered_map<owner_id, possessions> owners_;
  std::set<owner_id> former_owners_;
  /// Groups that something may have to be done for.
  std::set<group_id> to_serve_;
  /// Groups that wait until there is a place for another peer, the one that has waited the longest first.
  std::map<std::uint64_t, group_id> blocked_;
  /// Groups that would keep more peers free, and found no place for them.
  std::set<group_id> lacking_;
  std::set<instant> waiting_until_;
  std::set<instant> leased_until_;
  /// Idle peers by when they became so.
  std::set<instant> idle_since_;
  /// Of the members.
  std::size_t leaving_ = 0;
  group_id last_group_ = 0;
  waiter_id last_waiter_ = 0;
  lease_id last_lease_ = 0;
  std::uint64_t last_blocked_ = 0;
  bool is_full_ = false;
  /// A peer was retired for the place that it takes, which is not free yet.
  bool is_making_room_ = false;
};

} // namespace actorwire
