#pragma once

#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <span>
#include <vector>

namespace actorwire {

/// What `transport_config` says, in the form that ngtcp2 takes.
struct quic_setup {
  /// `now` is when the connection begins.
  quic_setup(const transport_config& config, const quic_config& quic, ngtcp2_tstamp now);

  quic_setup(const quic_setup&) = delete;
  quic_setup& operator=(const quic_setup&) = delete;

  ngtcp2_settings settings;
  ngtcp2_transport_params params;

private:
  void set_packet_size(const transport_config& config, const quic_config& quic);

  std::vector<std::uint32_t> versions_;
  std::vector<std::uint16_t> probes_;
};

/// As ngtcp2 names the version.
[[nodiscard]] std::uint32_t wire_version(quic_version version) noexcept;

} // namespace actorwire
