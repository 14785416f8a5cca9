#pragma once

#include "packet_protection.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire::test {

/// A frame of QUIC: numbers as RFC 9000, 16 encodes them, the first of which is the frame's type, and bytes behind them.
[[nodiscard]] std::string raw_frame(std::initializer_list<std::uint64_t> numbers, std::string_view bytes = {});

/// Somebody who knows the keys of connections, and says under them whatever he wants: what a peer could that is not ours.
/// *Thread:* one at a time.
class raw_quic_peer {
public:
  /// Takes a line of a log of keys. Of the newest connections their keys are kept.
  void learn(std::string_view line);

  /// Goes on in the name of whoever sent this. Returns whether it was a packet under keys that are known; else nothing
  /// changes.
  bool impersonate(std::string_view datagram);

  /// The next packet of the one who is impersonated. *Units:* one datagram holds about 1,200 bytes of frames.
  [[nodiscard]] std::string say(std::string_view frames);

  /// What a datagram says, if it is one packet under keys that are known.
  [[nodiscard]] std::optional<std::string> hear(std::string_view datagram) const;

  /// The code of RFC 9000, 20.1 with which a datagram ends a connection; empty if it does not.
  [[nodiscard]] std::optional<std::uint64_t> close_code_of(std::string_view datagram) const;

private:
  /// Two directions by two versions of four connections.
  static constexpr std::size_t known_max = 16;
  /// The numbers between are those that the one who is impersonated may have used since.
  static constexpr std::uint64_t number_gap = 1'000;

  std::deque<packet_protection> known_;
  std::optional<packet_protection> assumed_;
  std::string destination_;
  std::uint64_t next_number_ = 0;
};

} // namespace actorwire::test
