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

/// Whether ngtcp2 tells when it begins to ask for the proof of a path.
inline constexpr bool tells_when_it_asks_for_proof = NGTCP2_VERSION_NUM >= 0x010e00;

/// While an object of this class lives, `limit` sees what the packets say that ngtcp2 opens on this thread: its callback for
/// that knows no connection. *Thread:* of one thread.
class proof_watch {
public:
  /// Null: nobody waits for a proof.
  explicit proof_watch(amplification_limit* limit) noexcept;
  ~proof_watch();

  proof_watch(const proof_watch&) = delete;
  proof_watch& operator=(const proof_watch&) = delete;

private:
  amplification_limit* outer_;
};

} // namespace actorwire
