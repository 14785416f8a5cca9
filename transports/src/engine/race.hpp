#pragma once

#include <actorwire/messages/error.hpp>
#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace actorwire {

/// Decides which of several ways to one peer is tried when. Pure: it is told the time and what became of the attempts; its
/// user makes them. Addresses of a name race by it, and endpoints of a peer.
///
/// The ways are numbered from 0 in the order in which they are tried. The next attempt starts when the one before failed, or
/// has had the head start to itself. The first that succeeds wins and the others are given up. It ends exactly once: with a
/// winner, or when the last attempt has failed.
///
/// After each call that changes something, take orders with `poll_order` until there is none, and again at `next_start`.
class race {
public:
  struct order {
    enum class kind : std::uint8_t {
      /// Start the attempt `index`.
      connect,
      /// Drop the attempt `index`, it no longer matters. Reports about it are ignored.
      give_up,
    };
    kind what;
    std::size_t index;

    friend bool operator==(const order&, const order&) = default;
  };

  /// `count` is at least 1. `head_start` is the time that an attempt has to itself before the next one starts beside it.
  race(std::size_t count, duration head_start);

  // -- in --------------------------------------------------------------------------------------------------------------

  void handle_connected(std::size_t index);
  void handle_failure(std::size_t index, const transport_error& reason);
  /// The attempt has failed because it is waited for no longer; the user will be told to drop it.
  void give_up(std::size_t index, const transport_error& reason);

  // -- out -------------------------------------------------------------------------------------------------------------

  /// Returns what is to be done now, if anything; the attempt it starts counts from `now`.
  [[nodiscard]] std::optional<order> poll_order(time_point now);

  /// Returns when the next attempt starts; empty when none does, unless a report comes.
  [[nodiscard]] std::optional<time_point> next_start() const;

  // -- state -----------------------------------------------------------------------------------------------------------

  [[nodiscard]] std::size_t size() const noexcept { return attempts_.size(); }

  /// When the attempt was started, if it is under way.
  [[nodiscard]] std::optional<time_point> running_since(std::size_t index) const;

  /// The attempt that succeeded, if one did.
  [[nodiscard]] std::optional<std::size_t> winner() const noexcept { return winner_; }

  /// Whether all attempts have failed.
  [[nodiscard]] bool is_lost() const noexcept { return failed_count_ == attempts_.size(); }

  /// Why the attempt failed, if it did.
  [[nodiscard]] const transport_error& reason(std::size_t index) const { return attempts_[index].reason; }

private:
  /// waiting -> connecting -> failed | won | given_up; waiting -> given_up.
  enum class progress : std::uint8_t { waiting, connecting, won, failed, given_up };

  struct attempt {
    progress state = progress::waiting;
    /// Whether the user still has to be told to drop it.
    bool must_be_dropped = false;
    time_point started{};
    transport_error reason;
  };

  [[nodiscard]] std::optional<order> take_give_up();

  duration head_start_;
  std::vector<attempt> attempts_;
  /// Attempts are started in order, so this is also how many were.
  std::size_t started_count_ = 0;
  std::size_t failed_count_ = 0;
  /// When the next attempt may start beside the others; at once if none is running.
  std::optional<time_point> next_start_;
  std::optional<std::size_t> winner_;
};

} // namespace actorwire
