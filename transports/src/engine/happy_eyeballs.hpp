#pragma once

#include <actorwire/messages/error.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/ip_address.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace actorwire {

/// Decides which address of a name to connect to, and when (RFC 8305). Pure: it is told the time and what became of the
/// attempts; its user owns the sockets.
///
/// The addresses are tried one after the other, the families taking turns, beginning with the family of the first
/// address. The next attempt starts when the one before failed, or has had `attempt_delay` to itself. The first that
/// succeeds wins and the others are given up. It ends exactly once: with a winner, or with an error after the last
/// attempt failed.
///
/// After each `handle_*` call, take orders with `poll_order` until there is none, then wait until `next_timeout`.
class happy_eyeballs {
public:
  struct settings {
    /// Time that an attempt has to itself before the next one starts beside it (RFC 8305, 5).
    duration attempt_delay;
    /// Time after which one attempt counts as failed.
    duration connect_timeout;
  };

  /// Addresses beyond this number are not tried; each one is a socket at worst.
  static constexpr std::size_t addresses_max = 32;

  struct order {
    enum class kind : std::uint8_t {
      /// Start to connect to `addresses()[index]`.
      connect,
      /// Drop the attempt at `addresses()[index]`, it no longer matters. Reports about it are ignored.
      give_up,
    };
    kind what;
    std::size_t index;

    friend bool operator==(const order&, const order&) = default;
  };

  /// `found` is in the resolver's order of preference and not empty.
  happy_eyeballs(const std::vector<ip_address>& found, settings times);

  // -- in --------------------------------------------------------------------------------------------------------------

  void handle_connected(std::size_t index);
  void handle_failure(std::size_t index, const transport_error& reason);
  void handle_timeout(time_point now);

  // -- out -------------------------------------------------------------------------------------------------------------

  /// Returns what is to be done now, if anything; the attempt it starts counts from `now`.
  [[nodiscard]] std::optional<order> poll_order(time_point now);

  /// Returns when to call `handle_timeout` next; empty when only reports can change anything.
  [[nodiscard]] std::optional<time_point> next_timeout() const;

  // -- state -----------------------------------------------------------------------------------------------------------

  /// The addresses in the order in which they are tried, each once.
  [[nodiscard]] const std::vector<ip_address>& addresses() const noexcept { return addresses_; }

  /// The attempt that succeeded, if one did.
  [[nodiscard]] std::optional<std::size_t> winner() const noexcept { return winner_; }

  /// Why all attempts failed, once they have: the reason that tells most about the peer, and how many were made.
  [[nodiscard]] std::optional<transport_error> failure() const;

private:
  /// waiting -> connecting -> failed | won | given_up.
  enum class progress : std::uint8_t { waiting, connecting, won, failed, given_up };

  struct attempt {
    progress state = progress::waiting;
    /// Whether the user still has to be told to drop it.
    bool must_be_dropped = false;
    time_point started{};
  };

  void fail(attempt& ended, const transport_error& reason);
  [[nodiscard]] bool is_over() const noexcept { return winner_ || failed_count_ == attempts_.size(); }
  [[nodiscard]] std::optional<order> take_give_up();

  settings times_;
  std::vector<ip_address> addresses_;
  std::vector<attempt> attempts_;
  /// Attempts are started in order, so this is also how many were.
  std::size_t started_count_ = 0;
  std::size_t failed_count_ = 0;
  /// When the next attempt may start beside the others; at once if none is running.
  std::optional<time_point> next_start_;
  std::optional<std::size_t> winner_;
  transport_error most_telling_{};
};

} // namespace actorwire
