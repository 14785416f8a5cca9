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

/// What is known of a path to which a client has gone: ngtcp2 asks for a proof of each until 1.11, and later not of those
/// that were proved some minutes ago. Since 1.14 it tells when it asks.
enum class proof_knowledge : std::uint8_t { is_always_asked, is_told, none };

/// By the version of ngtcp2 that this was built with, and that it runs with.
[[nodiscard]] constexpr proof_knowledge proof_knowledge_of(std::int32_t built_with, std::int32_t runs_with) noexcept {
  if (runs_with < 0x010c00)
    return proof_knowledge::is_always_asked;
  return built_with >= 0x010e00 && runs_with >= 0x010e00 ? proof_knowledge::is_told : proof_knowledge::none;
}

/// That of this process.
[[nodiscard]] proof_knowledge proof_knowledge_here() noexcept;

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
