#pragma once

#include "race.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/ip_address.hpp>

#include <cstddef>
#include <optional>
#include <vector>

namespace actorwire {

/// Decides which address of a name to connect to, and when (RFC 8305). Pure: it is told the time and what became of the
/// attempts; its user owns the sockets.
///
/// The addresses are tried one after the other, the families taking turns, beginning with the family of the first
/// address: a `race` in which each attempt has its time limit.
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

  /// What is to be done with `addresses()[index]`.
  using order = race::order;

  /// `found` is in the resolver's order of preference and not empty.
  happy_eyeballs(const std::vector<ip_address>& found, settings times);

  // -- in --------------------------------------------------------------------------------------------------------------

  void handle_connected(std::size_t index) { race_.handle_connected(index); }
  void handle_failure(std::size_t index, const transport_error& reason) { race_.handle_failure(index, reason); }
  void handle_timeout(time_point now);

  // -- out -------------------------------------------------------------------------------------------------------------

  /// Returns what is to be done now, if anything; the attempt it starts counts from `now`.
  [[nodiscard]] std::optional<order> poll_order(time_point now) { return race_.poll_order(now); }

  /// Returns when to call `handle_timeout` next; empty when only reports can change anything.
  [[nodiscard]] std::optional<time_point> next_timeout() const;

  // -- state -----------------------------------------------------------------------------------------------------------

  /// The addresses in the order in which they are tried, each once.
  [[nodiscard]] const std::vector<ip_address>& addresses() const noexcept { return addresses_; }

  /// The attempt that succeeded, if one did.
  [[nodiscard]] std::optional<std::size_t> winner() const noexcept { return race_.winner(); }

  /// Why all attempts failed, once they have: the reason that tells most about the peer, and how many were made.
  [[nodiscard]] std::optional<transport_error> failure() const;

private:
  duration connect_timeout_;
  std::vector<ip_address> addresses_;
  race race_;
};

} // namespace actorwire
