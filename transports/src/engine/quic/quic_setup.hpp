#pragma once

#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/result.hpp>
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

/// Whether connections may write qlog as `quic` says. Whoever opens the files asks first.
/// *Errors:* `unsupported` with an ngtcp2 that a peer can make write past the end of its buffer then (CVE-2026-40170),
/// unless that is forced.
[[nodiscard]] result<void> check_qlog(const quic_config& quic);

/// As ngtcp2 names the version.
[[nodiscard]] std::uint32_t wire_version(quic_version version) noexcept;
/// The way back, for a number of one of them.
[[nodiscard]] quic_version version_of(std::uint32_t wire) noexcept;

} // namespace actorwire
