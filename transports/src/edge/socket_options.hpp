#pragma once

#include <actorwire/messages/result.hpp>
#include <actorwire/messages/transport_config.hpp>

namespace actorwire {

/// How the kernel is told to find out that a peer is gone. *Units:* as the kernel counts: seconds, and milliseconds for
/// `user_timeout`.
struct keepalive_plan {
  bool is_probing = false;
  int idle_seconds = 0;
  int probe_interval_seconds = 0;
  int probes = 0;
  unsigned user_timeout_milliseconds = 0;

  friend bool operator==(const keepalive_plan&, const keepalive_plan&) = default;
};

/// Translates the settings to what Linux does with them. TCP_USER_TIMEOUT bounds how long sent bytes stay unacknowledged,
/// and it overrules the count of keepalive probes: with it set, an idle connection ends at the first probe's turn after
/// that much silence, however few probes went out (net/ipv4/tcp_timer.c). So the probes are placed to fit: all of
/// `keepalive_probes` before `keepalive_timeout` of silence where the interval leaves room for them, and else, with a
/// longer user timeout, spread over `keepalive_timeout` after the interval. A single lost probe never ends a connection.
/// There are more probes than `keepalive_probes` where their spacing would make the verdict later than `half_open_bound`.
[[nodiscard]] keepalive_plan plan_keepalive(const transport_config& config);

/// Sets what has to be set before a socket connects or right after it was accepted. *Errors:* the
/// system's, naming the option.
[[nodiscard]] result<void> apply_options(int descriptor, const transport_config& config);

} // namespace actorwire
