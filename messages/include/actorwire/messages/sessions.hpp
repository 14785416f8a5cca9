#pragma once

#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>

#include <cstdint>

namespace actorwire {

/// The messages of one direction of a session from one number to another, both included. Numbers begin with 1: a message has
/// that of its place among all that were accepted in its session.
struct number_range {
  std::uint64_t first = 1;
  /// Before the first if there are none.
  std::uint64_t last = 0;

  [[nodiscard]] constexpr bool empty() const noexcept { return last < first; }
  [[nodiscard]] constexpr std::uint64_t count() const noexcept { return empty() ? 0 : last - first + 1; }
  [[nodiscard]] constexpr bool contains(std::uint64_t number) const noexcept {
    return first <= number && number <= last;
  }

  friend constexpr bool operator==(const number_range&, const number_range&) noexcept = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("number_range", field{"first", self.first}, field{"last", self.last});
  }
};

/// What became of everything that one side of a session was given to send, when the session is over. Each number is in
/// exactly one of the three, and they follow one another: `delivered` begins with 1.
struct session_ranges {
  /// The other side has said that its program got them.
  number_range delivered;
  /// They left, and whether they arrived will never be known.
  number_range maybe_delivered;
  /// They never left, or the other side has said that its program will not get them. To send them again is safe.
  number_range not_delivered;

  friend constexpr bool operator==(const session_ranges&, const session_ranges&) noexcept = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("session_ranges", field{"delivered", self.delivered}, field{"maybe_delivered", self.maybe_delivered},
                 field{"not_delivered", self.not_delivered});
  }
};

/// A connection is ready, and goes on with a session, or has begun one. Comes behind `opened`, and before any data of the
/// connection. Topic `event_mask::sessions`, as for `session_lost`.
struct session_opened {
  connection_id source = 0;
  std::uint64_t generation = 0;
  /// Whether an earlier connection began it. At a listener that was another connection actor.
  bool resumed = false;
  /// Messages of an earlier connection that are not confirmed, and are sent again on this one.
  std::uint64_t replayed = 0;

  friend bool operator==(const session_opened&, const session_opened&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("session_opened", field{"source", self.source}, field{"generation", self.generation},
                 field{"resumed", self.resumed}, field{"replayed", self.replayed});
  }
};

/// A session is over with messages that are not known to be delivered, or was lost. Each message that waits has its
/// outcome by then: `confirmed` if it is `delivered`, else `maybe_sent` or `not_sent`. A peer that goes on begins another
/// session, with numbers from 1, and this comes between the two.
///
/// A listener sends it, by its own subscription, for a session that it has given up while no connection had it; `source` and
/// `generation` are those of its last connection. It is an event like others: of more than 1,024 that a subscriber has not taken
/// yet only the latest and the number are told.
struct session_lost {
  connection_id source = 0;
  /// The last of the session; 0 if none was ready.
  std::uint64_t generation = 0;
  session_ranges ranges;
  /// `session_lost` if the other side, or a listener, does not know it any more; `session_fenced` if another goes on with it;
  /// else why this side, or the other, has ended it.
  transport_error reason;

  friend bool operator==(const session_lost&, const session_lost&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("session_lost", field{"source", self.source}, field{"generation", self.generation},
                 field{"ranges", self.ranges}, field{"reason", self.reason});
  }
};

} // namespace actorwire
