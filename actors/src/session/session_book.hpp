#pragma once

#include "session/session.hpp"
#include "session/session_handshake.hpp"
#include "session/session_id.hpp"
#include "session/session_limits.hpp"

#include <actorwire/messages/sessions.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire {

/// A connection of a listener, as the user of a `session_book` numbers them. None is used twice.
using session_holder = std::uint64_t;

/// What a `session_book` has decided, and its user carries out.
struct session_step {
  enum class kind : std::uint8_t {
    /// The session is that connection's from now on, and open. One that is gone already gives it back.
    grant,
    /// The connection is to send `welcome`, and to be closed behind it.
    refuse,
    /// The connection is to take nothing more of its session, give it back at once, and be closed: another goes on with it.
    surrender,
    /// The session was given up, and is lost: whoever wants to know its ranges is to be told.
    lost,
  };
  kind what = kind::grant;
  /// Whom it is about; nobody for `lost`.
  session_holder holder = 0;
  /// Of `grant` and `lost`; null for what was lost with its connection.
  std::unique_ptr<session> subject{};
  /// Of `grant`: what is known to be delivered since the session had its last connection.
  number_range confirmed{};
  /// Of `refuse`; of `surrender` and `lost` only the id says something.
  session_welcome welcome{};
};

/// The sessions of a listener. One that has a connection is held by that; the others are parked here, for clients that come
/// back.
///
/// A session has one holder at a time, wherever its connections live. When a client says hello on another connection while the
/// earlier one has not gone yet, the earlier one is told to surrender, and until it has given the session back the later one
/// waits for its welcome. So what the earlier one has passed on by then is in that welcome, and nothing is passed on twice.
///
/// Nobody is told more than `not_known` about a session that is not his: whether it was begun by another identity, or by nobody.
/// *Limits:* those of `session_book_limits`; at the bound the session that was parked first is lost, or nobody new gets in. For
/// each session at most one connection waits.
/// *Thread:* one at a time.
class session_book {
public:
  session_book(const session_book_limits& limits, const session_limits& each) noexcept;

  /// A connection was said hello to. `identity` is what its client has proved to be, empty if nothing; it is kept, so its length
  /// is the user's to bound. What `who` is to do is polled: granted, refused, or nothing for now.
  void claim(const session_hello& hello, std::string_view identity, session_holder who, time_point now);

  /// The connection that holds this session is gone, or does what it was told. A session that is over is forgotten.
  void give_back(session_holder from, std::unique_ptr<session> subject, time_point now);

  /// The connection, which said hello for this session, is gone and has nothing to give back: it was not granted, or refused. If
  /// it was, and something has failed, the session went with it and is lost, with no ranges that anybody knows.
  void withdraw(session_holder who, const session_id& id);

  /// Gives up what has been parked for long enough.
  void handle_timeout(time_point now);
  /// When that is due; nothing if nothing is parked.
  [[nodiscard]] std::optional<time_point> next_timeout() const noexcept;

  /// Returns the next thing to do. Call it until it returns nothing, after each call that changes the book.
  [[nodiscard]] std::optional<session_step> poll();

  [[nodiscard]] std::size_t session_count() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t parked_count() const noexcept { return parked_.size(); }
  /// Bytes of messages in those, with `waiting_message_cost` for each.
  [[nodiscard]] std::size_t parked_bytes() const noexcept { return parked_bytes_; }

private:
  struct claimant {
    session_holder who = 0;
    session_hello hello;
  };

  struct entry {
    std::string identity;
    /// That of the newest hello.
    std::uint64_t epoch = 0;
    /// Who has it; 0 while it is parked.
    session_holder holder = 0;
    /// Who waits for it, and whether its holder was told so.
    std::optional<claimant> next{};
    bool is_recalled = false;
    std::unique_ptr<session> parked{};
    std::uint64_t parked_as = 0;
    time_point parked_at{};
  };
  /// A tree, because strangers choose the keys, and could choose those that a hash table is slow with.
  using entries = std::map<session_id, entry>;

  void begin(const session_hello& hello, std::string_view identity, session_holder who);
  void take_over(entries::iterator where, const session_hello& hello, session_holder who);
  void grant(entries::iterator where, std::unique_ptr<session> subject, const session_hello& hello, session_holder who);
  void refuse(const session_hello& hello, session_holder who, session_answer answer);
  void park(entries::iterator where, std::unique_ptr<session> subject, time_point now);
  [[nodiscard]] std::unique_ptr<session> unpark(entry& where) noexcept;
  void give_up_first_parked();
  void tell_lost(std::unique_ptr<session> subject);

  session_book_limits limits_;
  session_limits each_;
  entries entries_;
  /// The one that was parked first in front.
  std::map<std::uint64_t, entries::iterator> parked_;
  std::uint64_t last_parked_ = 0;
  std::size_t parked_bytes_ = 0;
  /// As many as one call has decided.
  std::deque<session_step> steps_;
};

} // namespace actorwire
