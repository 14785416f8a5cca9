#include "range_check.hpp"

#include <actorwire/messages/transport_config.hpp>

namespace actorwire {

namespace {

using namespace std::chrono_literals;

// tcp(7), TCP_MAXSEG: Linux takes 88 .. 32,767; below 536, the size that every host accepts (RFC 9293, 3.7.1), headers
// would outweigh data.
constexpr std::size_t least_segment = 536;
constexpr std::size_t largest_segment = 32'767;

// RFC 9000, 14 and 18.2: a path that carries less than 1,200 bytes cannot carry QUIC, and UDP over IPv6 no more than
// 65,527.
constexpr std::size_t least_quic_payload = 1'200;
constexpr std::size_t largest_quic_payload = 65'527;

// The kernel counts the time between keepalive probes in seconds and takes at most 32,767 (TCP_KEEPIDLE).
constexpr std::chrono::milliseconds least_keepalive_interval = 1s;
constexpr std::chrono::milliseconds longest_keepalive_interval = 32'767s;

// A hello, and a welcome, are messages of 50 bytes.
constexpr std::size_t least_frame_of_sessions = 64;

void check_session(range_check& checks, const transport_config& config) {
  if (config.session.mode == session_mode::off)
    return;
  const auto* quic = std::get_if<quic_config>(&config.protocol_settings);
  checks.nested(range_check{"session"}
                    .compatible("mode = on", config.framing.mode == framing_mode::numbered,
                                "needs framing.mode = numbered, and it is " + to_string(config.framing.mode))
                    .compatible("mode = on", config.framing.max_frame_size >= least_frame_of_sessions,
                                "needs framing.max_frame_size of at least " + std::to_string(least_frame_of_sessions)
                                    + ", and it is " + std::to_string(config.framing.max_frame_size))
                    .compatible("mode = on", config.flow.overflow == overflow_policy::fail,
                                "needs flow.overflow = fail, and it is " + to_string(config.flow.overflow))
                    .compatible("mode = on", quic == nullptr || !quic->early_data, "needs quic.early_data = false")
                    .verdict());
}

void check(range_check& checks, const transport_config& config, const tcp_config& tcp) {
  checks.zero_or_within("mtu", config.mtu, "the path decides", least_segment, largest_segment).nested(validate(tcp));
}

void check(range_check& checks, const transport_config& config, const quic_config& quic) {
  checks.zero_or_within("mtu", config.mtu, "the path decides", least_quic_payload, largest_quic_payload)
      .nested(validate(quic));
  // A probe that comes after the idle timeout finds the connection gone.
  if (quic.idle_timeout != 0ms && config.keepalive_interval != 0ms)
    checks.below("keepalive_interval", config.keepalive_interval, "quic.idle_timeout", quic.idle_timeout);
  // The first flight is encrypted with what an earlier session left.
  checks.nested(
      range_check{"quic"}
          .compatible("early_data", !quic.early_data || config.tls.session_resumption, "needs tls.session_resumption")
          .verdict());
}

} // namespace

const quic_config& quic_settings(const transport_config& config) noexcept {
  static const quic_config defaults;
  const auto* chosen = std::get_if<quic_config>(&config.protocol_settings);
  return chosen != nullptr ? *chosen : defaults;
}

result<void> validate(const transport_config& config) {
  range_check checks{"transport"};
  checks
      .zero_or_within("keepalive_interval", config.keepalive_interval, "off", least_keepalive_interval,
                      longest_keepalive_interval)
      .within("keepalive_timeout", config.keepalive_timeout, shortest_time, longest_time)
      .within("connect_timeout", config.connect_timeout, shortest_time, longest_time)
      .within("attempt_timeout", config.attempt_timeout, shortest_time, longest_time)
      .within("operation_timeout", config.operation_timeout, shortest_time, longest_time)
      // RFC 8305, 8: less than 10 ms floods the addresses at once, more than 2 s helps nobody.
      .within("happy_eyeballs_delay", config.happy_eyeballs_delay, 10ms, 2s)
      .within("fallback_delay", config.fallback_delay, 10ms, 2s)
      .at_most("connect_timeout", config.connect_timeout, "attempt_timeout", config.attempt_timeout)
      .nested(validate(config.framing))
      .nested(validate(config.flow))
      .nested(validate(config.session))
      .nested(validate(config.tls));
  check_session(checks, config);
  std::visit([&](const auto& settings) { check(checks, config, settings); }, config.protocol_settings);
  return checks.verdict();
}

} // namespace actorwire
