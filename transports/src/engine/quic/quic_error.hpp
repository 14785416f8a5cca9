#pragma once

#include <actorwire/messages/error.hpp>

#include <ngtcp2/ngtcp2.h>

#include <cstdint>

namespace actorwire {

/// The application's codes with which connections of this library end (RFC 9000, 20.2). Those that promise something are no
/// small numbers, by which another program could mean something else.
///
/// In order: all that whoever says so has sent was acknowledged, and so is with the other side.
inline constexpr std::uint64_t quic_ended_in_order = 0x6177'0000;
/// With bytes on their way that are lost.
inline constexpr std::uint64_t quic_ended_abruptly = 1;
/// Both halves of the byte stream have ended, and whoever says so has read the other's to its end: what the other has not
/// seen acknowledged has arrived all the same.
inline constexpr std::uint64_t quic_ended_on_both_sides = 0x6177'0001;
/// More waited for the other side than this one was to keep, because it did not read (`overflow_policy::disconnect`).
inline constexpr std::uint64_t quic_ended_for_slowness = 0x6177'0003;

/// What to tell the peer when ngtcp2 fails: nothing, or why.
enum class quic_farewell : std::uint8_t { none, close };

/// Whether a peer is to be told of `failure`, a code of ngtcp2. It is not when it has ended the connection itself, or there
/// is nobody any more (RFC 9000, 10.1 and 10.2.2).
[[nodiscard]] quic_farewell farewell_for(int failure) noexcept;

/// A failure that ngtcp2 reported on this side. That of the handshake (`NGTCP2_ERR_CRYPTO`) is `quic_tls`'s to explain.
[[nodiscard]] transport_error make_quic_error(int failure, phase where);

/// Why the peer ended the connection, as it said in its CONNECTION_CLOSE (RFC 9000, 19.19). What else it wrote there is not
/// passed on: it could be anything. `has_all` is whether the byte stream has arrived to its end: a packet that ends the
/// connection overtakes what is on its way, so that without this end most programs' "no error" says little of what is missing.
[[nodiscard]] transport_error make_peer_close_error(const ngtcp2_ccerr& told, phase where, bool is_detailed,
                                                    bool has_all);

} // namespace actorwire
