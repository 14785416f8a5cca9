#include "socket_options.hpp"

#include "option_setter.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <variant>

namespace actorwire {

keepalive_plan plan_keepalive(const transport_config& config) {
  using std::chrono::ceil;
  using std::chrono::seconds;
  const auto* settings = std::get_if<tcp_config>(&config.protocol_settings);
  const auto probes =
      static_cast<int>(settings != nullptr ? settings->keepalive_probes : tcp_config{}.keepalive_probes);
  keepalive_plan plan;
  plan.user_timeout_milliseconds = static_cast<unsigned>(config.keepalive_timeout.count());
  if (config.keepalive_interval.count() == 0)
    return plan;

  const auto idle = ceil<seconds>(config.keepalive_interval);
  const auto room_before_timeout = config.keepalive_timeout - idle;
  const auto has_room = room_before_timeout >= seconds{probes};
  const auto room = has_room ? room_before_timeout : config.keepalive_timeout;
  auto spacing = std::max(seconds{1}, std::chrono::floor<seconds>(room / probes));
  // The verdict comes with the first probe behind the timeout. It is not to be later than the interval and the timeout
  // together, and a second.
  const auto lateness = [&] { return spacing - seconds{1} - (ceil<seconds>(room) - seconds{1}) % spacing; };
  while (has_room && lateness() > idle)
    --spacing;
  const std::chrono::milliseconds last_verdict = idle + spacing * probes;
  plan.is_probing = true;
  plan.idle_seconds = static_cast<int>(idle.count());
  plan.probe_interval_seconds = static_cast<int>(spacing.count());
  plan.probes = probes;
  plan.user_timeout_milliseconds = static_cast<unsigned>(std::max(config.keepalive_timeout, last_verdict).count());
  return plan;
}

result<void> apply_options(int descriptor, const transport_config& config) {
  option_setter options{descriptor};
  if (const auto* tcp = std::get_if<tcp_config>(&config.protocol_settings)) {
    options.set(IPPROTO_TCP, TCP_NODELAY, int{tcp->nodelay}, "set TCP_NODELAY");
    if (tcp->send_buffer_size != 0)
      options.set(SOL_SOCKET, SO_SNDBUF, to_int(tcp->send_buffer_size), "set SO_SNDBUF");
    if (tcp->recv_buffer_size != 0)
      options.set(SOL_SOCKET, SO_RCVBUF, to_int(tcp->recv_buffer_size), "set SO_RCVBUF");
  }
  if (config.mtu != 0)
    options.set(IPPROTO_TCP, TCP_MAXSEG, to_int(config.mtu), "set TCP_MAXSEG");
  const auto plan = plan_keepalive(config);
  options.set(IPPROTO_TCP, TCP_USER_TIMEOUT, plan.user_timeout_milliseconds, "set TCP_USER_TIMEOUT");
  if (plan.is_probing)
    options.set(SOL_SOCKET, SO_KEEPALIVE, 1, "set SO_KEEPALIVE")
        .set(IPPROTO_TCP, TCP_KEEPIDLE, plan.idle_seconds, "set TCP_KEEPIDLE")
        .set(IPPROTO_TCP, TCP_KEEPINTVL, plan.probe_interval_seconds, "set TCP_KEEPINTVL")
        .set(IPPROTO_TCP, TCP_KEEPCNT, plan.probes, "set TCP_KEEPCNT");
  return options.outcome();
}

} // namespace actorwire
