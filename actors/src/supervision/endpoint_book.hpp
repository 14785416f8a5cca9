#pragma once

#include "supervision/backoff.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/transports/clock.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

namespace actorwire {

/// A breaker has opened, or closed.
struct breaker_change {
  bool is_open = false;
  endpoint remote;
  /// Its last failure.
  transport_error cause;
};

/// What a pool knows of endpoints, whichever of its peers taught it.
///
/// What closed peers leave behind, so that a program that closes and acquires in a loop dials no faster than one that
/// waits. Each endpoint is forgotten at its time, and before it when there are too many: then the one that would have gone
/// next. And how often attempts failed in a row. After `breaker_failures` of them the endpoint's breaker is open until one
/// succeeds. Then one peer at a time dials: the *probe* is the one whose attempt is in flight, the *candidate* waits for
/// its turn, and all others are parked, in the order in which they were due. Whenever there is neither probe nor
/// candidate, nobody is parked. *Thread:* shard only.
class endpoint_book {
public:
  /// Endpoints that are remembered at most for peers that were closed. Beside them are those of peers in trouble.
  static constexpr std::size_t endpoints_max = 1'024;
  /// Changes of breakers that wait to be asked for; the oldest goes when there are more.
  static constexpr std::size_t changes_max = 1'024;

  /// A peer that waits behind others, and where.
  struct place {
    time_point due;
    std::uint64_t queue_position = 0;
    connection_id id = 0;

    friend auto operator<=>(const place&, const place&) = default; // NOLINT(modernize-use-nullptr)
  };

  struct breaker {
    transport_error cause;
    /// The peer whose attempt is in flight; 0 if there is none.
    connection_id probe = 0;
    /// The peer that goes next, and when it was due itself; its id is 0 if there is none, or a probe.
    place candidate;
    /// When the next probe may start.
    time_point not_before = time_point::min();
    std::set<place> parked;
  };

  using queue = std::multimap<time_point, const endpoint*>;

  /// What is known of one endpoint. Its address is good for as long as somebody holds it.
  struct record {
    const endpoint* remote = nullptr;
    /// Null unless it is open.
    std::unique_ptr<breaker> open;
    /// Failed attempts in a row, by whichever peers.
    std::uint32_t failures = 0;
    /// Peers that hold it.
    std::uint32_t holders = 0;
    dial_history history;
    /// When its history is forgotten; nothing if it has none.
    std::optional<queue::iterator> end;
  };

  /// `breaker_failures` as in `pool_limits`.
  explicit endpoint_book(std::uint32_t breaker_failures) noexcept : breaker_failures_(breaker_failures) {}

  endpoint_book(const endpoint_book&) = delete;
  endpoint_book& operator=(const endpoint_book&) = delete;

  // -- what closed peers leave behind ---------------------------------------------------------------------------------

  /// Remembers `history` until `until`. Of what is known already, the later instant and the higher number count.
  void keep(const endpoint& remote, const dial_history& history, time_point until, time_point now);

  /// Returns what is known of the endpoint. It stays known: who acquires the same with other options is to wait as well.
  [[nodiscard]] std::optional<dial_history> find(const endpoint& remote, time_point now);

  /// What closed peers left of the endpoint counts no longer.
  void forget(const endpoint& remote);

  /// Forgets everything whose time is over.
  void forget_until(time_point now);

  // -- breakers -------------------------------------------------------------------------------------------------------

  /// Returns the record of the endpoint, made if there is none. It stays until it is released as often.
  [[nodiscard]] record& hold(const endpoint& remote);

  void release(record& held);

  /// Null if nothing is known of the endpoint.
  [[nodiscard]] record* look_up(const endpoint& remote) noexcept;

  /// An attempt has failed; the next probe, if the breaker is or becomes open, comes at `not_before` at the earliest, or
  /// later if something is known already that is later. Returns whether it has opened.
  bool note_failure(record& where, const transport_error& reason, time_point not_before);

  /// An attempt has succeeded, or everything is to begin anew. Returns the breaker as it was, with whoever waits in it;
  /// null if it was not open.
  std::unique_ptr<breaker> close(record& where);

  /// What to tell whoever is held back. `where` must be open.
  [[nodiscard]] static transport_error describe(const record& where);

  /// The next change that nobody has asked for yet.
  [[nodiscard]] std::optional<breaker_change> poll_change();

  [[nodiscard]] std::uint32_t open_count() const noexcept { return open_count_; }
  [[nodiscard]] std::uint64_t openings() const noexcept { return openings_; }

  /// Endpoints of which something is known, those included whose time is over and that nobody has asked about since.
  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }

private:
  void note_change(const record& where, bool is_open);
  void forget_history(record& known);
  void erase_if_unused(record& known);

  std::uint32_t breaker_failures_;
  std::unordered_map<endpoint, record> records_;
  /// The next to be forgotten first.
  queue by_end_;
  std::deque<breaker_change> changes_;
  std::uint32_t open_count_ = 0;
  std::uint64_t openings_ = 0;
};

} // namespace actorwire
