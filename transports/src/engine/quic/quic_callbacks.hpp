#pragma once

#include "amplification_limit.hpp"

#include <ngtcp2/ngtcp2.h>

#include <cstddef>
#include <cstdint>

namespace actorwire {

/// What ngtcp2 calls while it handles a packet. Each call keeps a book of the connection or adds an event: nobody outside
/// is called from here.
[[nodiscard]] const ngtcp2_callbacks& quic_callbacks_for(bool is_server) noexcept;

/// For `ngtcp2_settings::qlog_write`: hands on to the sink of the connection.
void quic_qlog_writer(void* connection, std::uint32_t flags, const void* text, std::size_t size);

/// While an object of this class lives, `reader` sees what the packets say that ngtcp2 opens on this thread: its callback
/// for that knows no connection. *Thread:* of one thread; none within another.
class packet_reader {
public:
  /// Null: nobody reads.
  explicit packet_reader(amplification_limit* reader) noexcept;
  ~packet_reader();

  packet_reader(const packet_reader&) = delete;
  packet_reader& operator=(const packet_reader&) = delete;
};

} // namespace actorwire
