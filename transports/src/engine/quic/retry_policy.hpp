#pragma once

#include <cstddef>

namespace actorwire {

/// When a server asks clients to prove their address before it spends a connection on them (RFC 9000, 8.1.2). A Retry
/// costs honest clients a round trip, so it is asked for while many connections are half-open: their handshake is not
/// done, as that of a flood from invented addresses never is. Once it asks, it goes on until half as many are left, so
/// that it does not change its mind with each packet. *Thread:* one at a time.
class retry_policy {
public:
  /// *Units:* connections. With `half_open_max` 0 every client is asked.
  explicit retry_policy(std::size_t half_open_max) noexcept : half_open_max_(half_open_max) {}

  /// Returns whether a client without a good token is asked, when there are so many half-open connections.
  [[nodiscard]] bool wants_retry(std::size_t half_open) noexcept {
    if (half_open >= half_open_max_)
      is_asking_ = true;
    else if (half_open <= half_open_max_ / 2)
      is_asking_ = false;
    return is_asking_;
  }

private:
  std::size_t half_open_max_;
  bool is_asking_ = false;
};

} // namespace actorwire
