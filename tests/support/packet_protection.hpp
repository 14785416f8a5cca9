#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire::test {

/// Seals and opens packets of an established connection of QUIC (1-RTT; RFC 9001, 5), by the secret of one direction as a
/// log of keys tells it. By hand and by GnuTLS alone, so that packets can say what no engine says. For AES-GCM, which is
/// what our engines agree on. *Thread:* immutable; any thread.
class packet_protection {
public:
  /// All connection IDs of our endpoints are so long.
  static constexpr std::size_t id_size = 8;

  struct opened {
    std::uint64_t number = 0;
    std::string frames;
  };

  /// *Units:* a secret of 32 bytes is one of AES-128, of 48 one of AES-256. *Errors:* throws `std::runtime_error` for
  /// secrets of another size, and when GnuTLS refuses.
  packet_protection(std::string_view secret, bool is_version_2);

  /// Makes a packet with a number of four bytes.
  [[nodiscard]] std::string seal(std::string_view destination, std::uint64_t number, std::string_view frames) const;

  /// Returns what is in a datagram of one packet; empty if it is no packet under these keys. Numbers are taken as they
  /// stand in the packet, which is the truth while there are few.
  [[nodiscard]] std::optional<opened> open(std::string_view packet) const;

  /// Of which phase the keys of a packet are (RFC 9001, 6): it is told under keys that never change. Empty if the packet
  /// is one of the handshake; for a packet of another connection it is chance.
  [[nodiscard]] std::optional<bool> key_phase_of(std::string_view packet) const;

private:
  static constexpr std::size_t nonce_size = 12;

  [[nodiscard]] std::string nonce_of(std::uint64_t number) const;
  [[nodiscard]] std::array<char, 5> mask_of(std::string_view sample) const;

  std::string key_;
  std::string iv_;
  std::string header_key_;
};

} // namespace actorwire::test
