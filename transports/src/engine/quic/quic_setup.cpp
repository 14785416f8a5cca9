#include "quic_setup.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <string>

namespace actorwire {

namespace {

/// The UDP payload that fits every path of Ethernet, over IPv6 with a little to spare; what discovery looks for.
constexpr std::uint16_t usual_packet_size = 1'452;

/// What tunnels leave of it, and what every path of IPv6 carries.
constexpr std::array<std::uint16_t, 2> smaller_packet_sizes{1'404, 1'232};

/// An ngtcp2 before 1.12 that is told not to look for packet sizes aborts when a peer's address changes and changes back.
constexpr int searches_can_be_off_since = 0x010c00;

/// No UDP datagram carries so much.
constexpr std::uint16_t impossible_packet_size = 65'535;

/// IDs that the peer may hold of us, and we of it: enough to change the path a few times.
constexpr std::uint64_t connection_ids = 4;

/// Acknowledgements ride on what is sent at the end of each batch; with more to wait for they would need packets of their
/// own, since ngtcp2 delays them by an eighth of the round trip only.
constexpr std::size_t acknowledge_each = 1;

ngtcp2_cc_algo algorithm(quic_congestion_control wanted) noexcept {
  switch (wanted) {
    case quic_congestion_control::bbr:
      return NGTCP2_CC_ALGO_BBR;
    case quic_congestion_control::reno:
      return NGTCP2_CC_ALGO_RENO;
    case quic_congestion_control::cubic:
      break;
  }
  return NGTCP2_CC_ALGO_CUBIC;
}

ngtcp2_duration nanoseconds(std::chrono::milliseconds time) noexcept {
  return static_cast<ngtcp2_duration>(std::chrono::nanoseconds{time}.count());
}

} // namespace

std::uint32_t wire_version(quic_version version) noexcept {
  return version == quic_version::v2 ? NGTCP2_PROTO_VER_V2 : NGTCP2_PROTO_VER_V1;
}

quic_version version_of(std::uint32_t wire) noexcept {
  return wire == NGTCP2_PROTO_VER_V2 ? quic_version::v2 : quic_version::v1;
}

result<void> check_qlog(const quic_config& quic) {
  // 1.22.1 is the first that is repaired.
  constexpr int repaired_since = 0x011601;
  const auto* library = ::ngtcp2_version(0);
  if (quic.qlog_directory.empty() || quic.qlog_forced || library->version_num >= repaired_since)
    return {};
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    std::string{"quic.qlog_directory: ngtcp2 "}.append(library->version_str)
                        + " must not write qlog (CVE-2026-40170); quic.qlog_forced allows it");
}

quic_setup::quic_setup(const transport_config& config, const quic_config& quic, ngtcp2_tstamp now) {
  ngtcp2_settings_default(&settings);
  ngtcp2_transport_params_default(&params);
  settings.initial_ts = now;
  settings.cc_algo = algorithm(quic.congestion_control);
  settings.ack_thresh = acknowledge_each;
  settings.max_window = quic.connection_window_max;
  settings.max_stream_window = quic.stream_window_max;
  // The limit of an attempt is the transport's, which knows what else belongs to it.
  settings.handshake_timeout = UINT64_MAX;
  for (const auto each : quic.versions)
    versions_.push_back(wire_version(each));
  settings.preferred_versions = settings.available_versions = versions_.data();
  settings.preferred_versionslen = settings.available_versionslen = versions_.size();
  set_packet_size(config, quic);

  params.initial_max_streams_bidi = params.initial_max_streams_uni = quic.max_streams;
  params.initial_max_data = quic.connection_window;
  params.initial_max_stream_data_bidi_local = quic.stream_window;
  params.initial_max_stream_data_bidi_remote = quic.stream_window;
  params.initial_max_stream_data_uni = quic.stream_window;
  params.max_idle_timeout = nanoseconds(quic.idle_timeout);
  params.active_connection_id_limit = connection_ids;
  params.max_datagram_frame_size = quic.datagrams ? UINT16_MAX : 0;
  params.disable_active_migration = quic.migration == quic_migration::refuse ? 1 : 0;
  params.grease_quic_bit = quic.grease ? 1 : 0;
}

/// A size that is set is what the path carries, unless the path is to be asked: then it is the most that is asked for.
void quic_setup::set_packet_size(const transport_config& config, const quic_config& quic) {
  const auto size = config.mtu != 0 ? config.mtu : usual_packet_size;
  settings.max_tx_udp_payload_size = size;
  settings.no_tx_udp_payload_size_shaping = !quic.path_mtu_discovery && config.mtu != 0 ? 1 : 0;
  if (quic.path_mtu_discovery) {
    // The usual size first: where it gets through, the smaller ones are left out.
    probes_.push_back(usual_packet_size);
    if (size > usual_packet_size)
      probes_.push_back(static_cast<std::uint16_t>(size));
    probes_.insert(probes_.end(), smaller_packet_sizes.begin(), smaller_packet_sizes.end());
    std::erase_if(probes_, [size](std::uint16_t each) { return each > size; });
  } else if (::ngtcp2_version(0)->version_num >= searches_can_be_off_since) {
    settings.no_pmtud = 1;
  } else {
    // With nothing to try a search is over before it begins.
    probes_.push_back(impossible_packet_size);
  }
  settings.pmtud_probes = probes_.data();
  settings.pmtud_probeslen = probes_.size();
}

} // namespace actorwire
