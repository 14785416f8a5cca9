#pragma once

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <optional>

namespace actorwire {

/// Which of several endpoints of a peer is to be tried first, because it won where the preferred one could not: a network
/// that blocks UDP costs the wait for QUIC once in a while, and not at each reconnect. Pure: it is told the time.
class winner_memory {
public:
  /// How long a winner is remembered, counted from when it beat the preferred endpoint. What it wins meanwhile does not
  /// prolong that, so that the preferred one is found again.
  static constexpr duration lifetime = std::chrono::minutes{10};

  void note_winner(const endpoint& winner, const endpoint& preferred, time_point now) {
    if (winner == preferred)
      forget();
    else if (favourite(now) != winner)
      remembered_ = {winner, now + lifetime};
  }

  /// An attempt has failed, so the favourite was no use either.
  void forget() noexcept { remembered_.reset(); }

  [[nodiscard]] std::optional<endpoint> favourite(time_point now) const {
    return remembered_ && now < remembered_->until ? std::optional{remembered_->where} : std::nullopt;
  }

private:
  struct memory {
    endpoint where;
    time_point until;
  };

  std::optional<memory> remembered_;
};

} // namespace actorwire
