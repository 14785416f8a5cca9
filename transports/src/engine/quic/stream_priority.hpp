#pragma once

#include <cstdint>

namespace actorwire {

/// How urgent a stream is (RFC 9218, 4). *Units:* `urgency` 0 to 7, 0 goes first. Streams of one urgency that are
/// `incremental` share the bandwidth, because their receiver uses parts of them; the others go one after the other.
struct stream_priority {
  std::uint8_t urgency = 3;
  bool incremental = false;

  friend bool operator==(const stream_priority&, const stream_priority&) = default;
};

} // namespace actorwire
