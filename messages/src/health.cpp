#include "range_check.hpp"

#include <actorwire/messages/health.hpp>

#include <algorithm>
#include <variant>

namespace actorwire {

namespace {

/// Asking more often is a load and no watch any more.
constexpr std::chrono::milliseconds shortest_interval{10};

constexpr std::uint32_t most_failures = 1'000;

} // namespace

result<void> validate(const probe_policy& policy) {
  range_check checks{"probe"};
  checks.within("interval", policy.interval, shortest_interval, longest_time)
      .within("timeout", policy.timeout, shortest_time, longest_time)
      .zero_or_within("failures_to_degrade", policy.failures_to_degrade, "never", 1, most_failures)
      .zero_or_within("failures_to_fail", policy.failures_to_fail, "never", 1, most_failures);
  if (policy.failures_to_fail != 0)
    checks.at_most("failures_to_degrade", policy.failures_to_degrade, "failures_to_fail", policy.failures_to_fail);
  return checks.verdict();
}

std::chrono::milliseconds half_open_bound(const transport_config& config, protocol carrier) noexcept {
  using std::chrono::seconds;
  auto silence = config.keepalive_interval;
  if (silence.count() == 0 && carrier == protocol::quic)
    silence = quic_settings(config).idle_timeout;
  if (silence.count() == 0)
    return silence;
  auto patience = config.keepalive_timeout;
  if (carrier != protocol::quic) {
    // Each probe of the kernel has a second at least.
    const auto* settings = std::get_if<tcp_config>(&config.protocol_settings);
    const auto probes = settings != nullptr ? settings->keepalive_probes : tcp_config{}.keepalive_probes;
    patience = std::max<std::chrono::milliseconds>(patience, seconds{probes});
  }
  return std::chrono::ceil<seconds>(silence) + patience + seconds{1};
}

} // namespace actorwire
