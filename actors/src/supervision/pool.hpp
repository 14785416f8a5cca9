#pragma once

#include "delivery/load_gauge.hpp"
#include "supervision/attempt_id.hpp"
#include "supervision/backoff.hpp"
#include "supervision/crash_budget.hpp"
#include "supervision/dial_gate.hpp"
#include "supervision/endpoint_book.hpp"
#include "supervision/options_table.hpp"
#include "supervision/random_source.hpp"
#include "supervision/renewal_book.hpp"
#include "supervision/state_machine.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/reconnection_policy.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/statistics.hpp>
#include <actorwire/transports/clock.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace actorwire {

/// The peer that a program gets for its `acquire`.
struct acquired {
  connection_id id = 0;
  bool is_new = false;
};

/// An order to dial, now.
struct dial {
  connection_id id = 0;
  attempt_id attempt = 0;
  endpoint remote;
  std::shared_ptr<const acquire_options> options;
  /// Failed attempts in a row before this one.
  std::uint32_t failures = 0;
  /// Set for a connection that is to take the place of the present one: how long that may take to end then.
  std::optional<std::chrono::milliseconds> renewal_limit{};
};

/// What follows from the end of an attempt or connection.
struct verdict {
  /// `backoff`, `failed`, `idle` if it rests, or `closed` if it was draining.
  connection_state state = connection_state::backoff;
  /// Time until the peer may dial again, when `state` is backoff; the gate may make it later.
  duration delay{0};
  /// Failed attempts in a row.
  std::uint32_t attempt = 0;
  /// The error that was reported, or the limit that it reached.
  transport_error reason;
};

/// A peer that the breaker of its endpoint holds back.
struct held_back {
  connection_id id = 0;
  /// `breaker_open`, naming the last failure of the endpoint.
  transport_error reason;
};

/// The peers of one supervisor and all that decides who dials, when, and who gives up: a data structure that is told
/// what happened and what time it is. It starts nothing. Actors carry out `poll_dial` and report back.
///
///     acquire -> poll_dial -> connected -> ended or crashed -> poll_dial -> ...
///
/// Rules that hold whatever is reported, in whatever order: only `poll_dial` leads to a dial; at most one attempt or
/// connection exists per peer, and beside a connection one that is to replace it; nothing but `reset` shortens a delay;
/// reports about an attempt that is over change nothing. No call but `list` takes time that grows with the number of peers
/// (lookups are hashed, queues are trees); only when a breaker closes, all who waited behind it are let go, and `acquire`
/// looks at the `max_per_endpoint` peers of its group.
/// *Thread:* shard only.
class pool {
public:
  /// `next_id` returns an id that is new in the whole network. `limits` must be valid.
  pool(const pool_limits& limits, random_source random, std::function<connection_id()> next_id);

  /// Peers point into each other's queues.
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  // -- what the user wants --------------------------------------------------------------------------------------------

  /// Returns a peer for these endpoints and these options, new or known; a new one is to be dialled. There are new ones until
  /// there are `max_per_endpoint`, or the pool is full; then the one is returned that has the least to do, rather one that is
  /// connected, rather one that has not given up. One that is being closed is not returned: it does not count. What an
  /// endpoint did to a peer that was closed is remembered until it has rested for `max_delay`: new peers, whatever their
  /// options, wait until the delay is over, count as redials, and their delays grow on. A connection that proved healthy, or
  /// a reset, lets it be forgotten. A peer of several endpoints counts as one of `remote`, until it is connected: then as one
  /// of the endpoint that carries it.
  /// *Errors:* `pool_exhausted` with `max_connections` peers in the pool, the closing ones included. `options` must be
  /// valid.
  [[nodiscard]] result<acquired> acquire(const endpoint& remote, const acquire_options& options, time_point now,
                                         const std::vector<endpoint>& alternatives = {});

  /// Returns a new peer for these endpoints and options that no `acquire` ever returns, to be lent; all else is as for one
  /// that is shared. *Errors:* those of `acquire`.
  [[nodiscard]] result<connection_id> add(const endpoint& remote, const acquire_options& options, time_point now,
                                          const std::vector<endpoint>& alternatives = {});

  /// Revives a failed peer, and lets a waiting one dial as soon as the gate opens. Its failed attempts and crashes are
  /// forgotten in every state. Returns false if there is no such peer, or it is being closed.
  bool reset(connection_id id, time_point now);

  /// The present connection, or what comes of the attempt in flight, is to be replaced, and may take `limit` to end when the
  /// other is ready. Returns false if there is no such peer, or nothing to replace.
  bool renew(connection_id id, std::chrono::milliseconds limit, time_point now);

  /// The peer has ended: what would have taken the place of its present connection does not.
  void drop_replacement(connection_id id);

  /// Nobody uses the present connection, which is about to end in order: its end is no loss, and the peer is `idle` then, until
  /// `wake`. Returns false if there is no such peer, or no connection, or another takes the place of this one.
  bool rest(connection_id id);

  /// Something is wanted of a peer that rests, or is about to: it is to be dialled, as for the first time, when its connection
  /// has ended. Returns false if there is none that rests.
  bool wake(connection_id id, time_point now);

  /// Replaces the policy; takes effect at the next delay. The peer is still found by the options it was acquired with.
  /// Returns false if there is no such peer. `policy` must be valid.
  bool set_policy(connection_id id, const reconnection_policy& policy);

  /// The peer takes no more messages and is no longer found by its key, but dials on until what it has is sent: all else
  /// is as before. Returns false if there is no such peer or it is not found by its key already.
  bool retire(connection_id id, time_point now);

  /// The server has ended, or spoilt, the connection of a peer that is to be closed for it: whoever comes next to the endpoint
  /// waits as after a loss. To be called before `close`.
  void note_spoilt(connection_id id, time_point now);

  /// Begins to close: the peer dials no more, and is no longer found by its key. Returns `draining`, then wait for what
  /// is on its way and call `remove`; or `closed`; or nothing if there is no such peer or it is closed already. Its
  /// `draining` ends as `closed` by `ended`, `crashed` or `close` with mode `abort`.
  std::optional<connection_state> close(connection_id id, close_mode mode, time_point now);

  /// Forgets the peer, whatever its state; an attempt in flight counts as ended. Returns whether there was one.
  bool remove(connection_id id, time_point now);

  // -- dialling -------------------------------------------------------------------------------------------------------

  /// Returns the next peer to be dialled at `now`: due, admitted by the gate, and the one that has been due the longest. Those
  /// that have a connection, which is to be replaced, come last, and not while the breaker of their endpoint is open, nor while
  /// there are `max_connecting` replacements.
  /// Call it until it returns nothing, after each call that changes the pool and at `next_timeout`.
  [[nodiscard]] std::optional<dial> poll_dial(time_point now);

  /// Returns when to ask `poll_dial` again, no later than it has something; nothing if only an event can change that.
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept;

  /// Returns the next peer that the breaker of its endpoint has begun to hold back, or goes on to after a failure, and that
  /// was not told of here since. Ask after each call that changes the pool.
  [[nodiscard]] std::optional<held_back> poll_held_back();

  /// Returns the next peer that a breaker which has closed holds back no longer, and that was not told of here since. Ask
  /// before `poll_held_back`, after each call that changes the pool.
  [[nodiscard]] std::optional<connection_id> poll_let_go();

  /// Returns the next breaker that has opened or closed.
  [[nodiscard]] std::optional<breaker_change> poll_breaker_change() { return book_.poll_change(); }

  // -- what became of it; all ignore an `attempt` that is over --------------------------------------------------------

  /// The attempt became a ready connection, by `carried_by` where that is another than the first endpoint. Returns its
  /// generation; nothing for one that is to replace another, as long as that has not ended.
  std::optional<std::uint64_t> connected(connection_id id, attempt_id attempt, time_point now,
                                         const endpoint* carried_by = nullptr);

  /// The attempt failed or the connection was lost, whichever it was, because of `reason`. There is no verdict where another
  /// connection takes the place of this one, which is no loss; nor for an attempt that was to bring such a one. Where that
  /// had not come so far, it is over with the connection.
  std::optional<verdict> ended(connection_id id, attempt_id attempt, const transport_error& reason, time_point now);

  /// The actor of the attempt or connection crashed. This is charged to the crash budget and counts no attempt.
  std::optional<verdict> crashed(connection_id id, attempt_id attempt, const transport_error& reason, time_point now);

  // -- questions ------------------------------------------------------------------------------------------------------

  /// `ready` counts the degraded too: both carry data.
  [[nodiscard]] pool_stats stats() const noexcept;

  /// Addresses are left empty: the pool does not know them, nor how far an attempt has come, which is `resolving` to it.
  [[nodiscard]] std::optional<connection_status> status(connection_id id, time_point now) const;

  /// Where a peer of a group shows what it has to do; null for one that is alone with its key.
  [[nodiscard]] std::shared_ptr<load_gauge> gauge(connection_id id) const;

  /// What the peer was acquired with, shared by all peers with equal options; null if there is no such peer.
  [[nodiscard]] std::shared_ptr<const acquire_options> options(connection_id id) const;

  /// When a connection of the peer that nobody uses is to end; 0 for never.
  [[nodiscard]] std::chrono::milliseconds idle_timeout(connection_id id) const;

  /// The endpoints that it has beside the first; null if there are none, or no such peer.
  [[nodiscard]] std::shared_ptr<const std::vector<endpoint>> alternatives(connection_id id) const;

  /// Why peers of the endpoint are held back; nothing if its breaker is closed.
  [[nodiscard]] std::optional<transport_error> breaker(const endpoint& remote);

  /// The status of every peer, ordered by id.
  [[nodiscard]] std::vector<connection_status> list(time_point now) const;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
  using policy_pointer = std::shared_ptr<const reconnection_policy>;

  /// Whether nobody uses a peer's connection.
  enum class resting : std::uint8_t {
    no,
    /// The connection is about to end.
    begins,
    /// The same, and another is wanted already.
    interrupted,
    /// There is none, and nothing leads to another but `wake`.
    lasts,
  };

  /// One peer.
  struct entry {
    connection_id id = 0;
    endpoint remote;
    /// Null if there are none.
    std::shared_ptr<const std::vector<endpoint>> alternatives;
    /// Null unless its key may have several peers.
    std::shared_ptr<load_gauge> gauge;
    std::shared_ptr<const acquire_options> options;
    /// Points into `options` unless `set_policy` gave the peer its own.
    policy_pointer policy;
    /// What is known of its endpoint; null unless its attempts fail, or it is held back.
    endpoint_book::record* trouble = nullptr;
    transport_error last_error;
    backoff delays;
    crash_budget crashes;
    std::uint64_t generation = 0;
    /// The attempt in flight, or the connection that came of it; 0 while there is neither.
    attempt_id attempt = 0;
    /// When it may dial if it waits, and when its endpoint may be dialled if it has failed.
    time_point due = time_point::min();
    /// Its place among those due at the same instant.
    std::uint64_t queue_position = 0;
    /// How often it was the answer to an acquire.
    std::uint32_t handed_out = 0;
    /// Which endpoint carries the present connection, or did the last: 0 for `remote`, 1 for the first alternative.
    std::uint8_t carried_by = 0;
    connection_state state = connection_state::idle;
    dial_cause cause = dial_cause::first;
    resting rest = resting::no;
    bool is_waiting = false;
    /// It waits for the breaker of its endpoint, in no queue of the pool.
    bool is_parked = false;
    bool is_in_flight = false;
    /// Whether it is found by its key.
    bool is_listed = false;
  };

  struct due_earlier {
    bool operator()(const entry* left, const entry* right) const noexcept {
      return left->due != right->due ? left->due < right->due : left->queue_position < right->queue_position;
    }
  };
  using dial_queue = std::set<entry*, due_earlier>;

  struct key {
    const endpoint& remote;
    std::span<const endpoint> alternatives;
    const acquire_options* options;
  };
  static key key_of(const entry* peer) noexcept {
    const auto others = peer->alternatives != nullptr ? std::span{*peer->alternatives} : std::span<const endpoint>{};
    return {peer->remote, others, peer->options.get()};
  }
  static const key& key_of(const key& searched) noexcept { return searched; }

  struct key_hash {
    using is_transparent = void;
    std::size_t operator()(const auto& peer) const noexcept {
      const auto& [remote, alternatives, options] = key_of(peer);
      auto hash = std::hash<endpoint>{}(remote) ^ (std::hash<const void*>{}(options) << 1U);
      for (const auto& each : alternatives)
        hash = hash * 31 + std::hash<endpoint>{}(each);
      return hash;
    }
  };

  struct key_equal {
    using is_transparent = void;
    bool operator()(const auto& left, const auto& right) const noexcept {
      const auto& [left_remote, left_alternatives, left_options] = key_of(left);
      const auto& [right_remote, right_alternatives, right_options] = key_of(right);
      return left_options == right_options && left_remote == right_remote
          && std::ranges::equal(left_alternatives, right_alternatives);
    }
  };

  // -- peers
  result<entry*> make_peer(const endpoint& remote, const acquire_options& options, time_point now,
                           const std::vector<endpoint>& alternatives);
  [[nodiscard]] entry* find(connection_id id) noexcept;
  [[nodiscard]] static bool is_leaving(const entry& peer) noexcept;
  bool change(entry& peer, state_event event) noexcept;
  void enqueue(entry& peer, time_point due);
  void dequeue(entry& peer);
  void hand_down(const entry& peer, backoff& delays, time_point now);
  void unlist(entry& peer) noexcept;
  void forget_if_healthy(const entry& peer, time_point now);
  void end_attempt(entry& peer) noexcept;
  void remember(const entry& peer, const dial_history& history, time_point now);
  verdict end_draining(entry& peer, state_event event, const transport_error& reason);
  verdict redial_at(entry& peer, state_event event, time_point due, const transport_error& reason, time_point now);
  verdict give_up(entry& peer, time_point due, transport_error reason);
  /// First dials and the others wait apart: while the gate has no token, the former still pass.
  [[nodiscard]] dial_queue& queue_of(dial_cause cause) noexcept;

  // -- groups
  [[nodiscard]] static bool is_better(const entry& left, const entry& right) noexcept;

  // -- breakers
  /// The record of the peer's endpoint if its breaker is open; null otherwise.
  [[nodiscard]] endpoint_book::record* find_open(const entry& peer) noexcept;
  [[nodiscard]] bool send_to_line(dial_queue& queue, time_point now);
  void stand_in_line(entry& peer, endpoint_book::record& where);
  void park(entry& peer);
  void make_candidate(entry& peer, endpoint_book::breaker& line);
  void call_next(endpoint_book::record& where);
  void settle(entry& peer, const transport_error& reason, bool counts, time_point due);
  void end_probe(entry& peer);
  void note_success(entry& peer, std::uint8_t carried_by);
  void close_breaker(endpoint_book::record& where);
  void leave_trouble(entry& peer);

  // -- renewals
  void plan_renewal(const entry& peer, time_point now);
  [[nodiscard]] std::optional<std::pair<time_point, connection_id>> next_renewal() const noexcept;
  [[nodiscard]] std::optional<dial> poll_renewal(time_point now);
  [[nodiscard]] static const endpoint& carrier_of(const entry& peer, std::uint8_t index) noexcept;
  void cancel_renewal(const entry& peer);
  bool note_replacement(entry& peer, attempt_id attempt, std::uint8_t carried_by);
  bool end_replaced(entry& peer, attempt_id attempt, time_point now);

  // -- rests
  verdict begin_rest(entry& peer, time_point now);

  // -- questions
  [[nodiscard]] static connection_status status_of(const entry& peer, time_point now);

  pool_limits limits_;
  random_source random_;
  std::function<connection_id()> next_id_;
  dial_gate gate_;
  endpoint_book book_;
  options_table options_;
  std::unordered_map<connection_id, entry> entries_;
  /// Those of one key are its group.
  std::unordered_multiset<entry*, key_hash, key_equal> listed_;
  renewal_book renewals_;
  dial_queue first_dials_;
  dial_queue redials_;
  attempt_id last_attempt_ = 0;
  std::uint64_t last_queue_position_ = 0;
  std::uint32_t parked_ = 0;
  /// Those that `poll_held_back` has not returned yet.
  std::set<connection_id> held_back_;
  /// The same for `poll_let_go`.
  std::set<connection_id> let_go_;
  std::array<std::uint32_t, names_of(connection_state{}).size()> count_by_state_{};
  std::uint64_t connects_ = 0;
  std::uint64_t losses_ = 0;
  std::uint64_t crashes_ = 0;
  std::uint64_t renewed_ = 0;
};

} // namespace actorwire
