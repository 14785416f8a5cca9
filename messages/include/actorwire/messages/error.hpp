#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire {

/// The six kinds of failure. Each `error_code` belongs to exactly one.
enum class error_kind : std::uint8_t { initialization, connection, send, receive, configuration, protocol };

constexpr std::array<std::string_view, 6> names_of(error_kind) {
  return {"initialization", "connection", "send", "receive", "configuration", "protocol"};
}

/// What happened. Numbers are stable: programs may store and compare them.
enum class error_code : std::uint8_t {
  none = 0,
  // initialization
  descriptor_limit,
  memory_limit,
  address_in_use,
  // connection
  resolve_failed,
  refused,
  unreachable,
  connect_timeout,
  handshake_failed,
  certificate_rejected,
  no_common_protocol,
  no_common_version,
  peer_closed,
  reset,
  keepalive_timeout,
  idle_timeout,
  stalled,
  closed,
  draining,
  pool_exhausted,
  crashed,
  crash_limit,
  attempts_exhausted,
  not_connected,
  request_timeout,
  stream_closed,
  stream_reset,
  stream_limit,
  connection_failed,
  // send
  would_block,
  expired,
  message_too_large,
  send_failed,
  // receive
  frame_too_large,
  partial_frame_timeout,
  truncated_frame,
  truncated_stream,
  // configuration
  invalid_value,
  conflicting_values,
  unsupported,
  invalid_credentials,
  // protocol
  malformed,
  peer_error,
  // later ones, each of any kind: numbers are stable
  name_unknown,
  breaker_open,
  lease_ended,
  queue_overflow,
  superseded,
  probe_failed,
  call_unanswered,
  call_refused,
  session_lost,
  session_fenced,
};

constexpr std::array<std::string_view, 53> names_of(error_code) {
  return {"none",
          "descriptor_limit",
          "memory_limit",
          "address_in_use",
          "resolve_failed",
          "refused",
          "unreachable",
          "connect_timeout",
          "handshake_failed",
          "certificate_rejected",
          "no_common_protocol",
          "no_common_version",
          "peer_closed",
          "reset",
          "keepalive_timeout",
          "idle_timeout",
          "stalled",
          "closed",
          "draining",
          "pool_exhausted",
          "crashed",
          "crash_limit",
          "attempts_exhausted",
          "not_connected",
          "request_timeout",
          "stream_closed",
          "stream_reset",
          "stream_limit",
          "connection_failed",
          "would_block",
          "expired",
          "message_too_large",
          "send_failed",
          "frame_too_large",
          "partial_frame_timeout",
          "truncated_frame",
          "truncated_stream",
          "invalid_value",
          "conflicting_values",
          "unsupported",
          "invalid_credentials",
          "malformed",
          "peer_error",
          "name_unknown",
          "breaker_open",
          "lease_ended",
          "queue_overflow",
          "superseded",
          "probe_failed",
          "call_unanswered",
          "call_refused",
          "session_lost",
          "session_fenced"};
}

/// What the connection was doing when it failed.
enum class phase : std::uint8_t { setup, resolve, connect, handshake, established, close };

constexpr std::array<std::string_view, 6> names_of(phase) {
  return {"setup", "resolve", "connect", "handshake", "established", "close"};
}

/// Who caused it: this program, the peer, or the operating system and the network between.
enum class origin : std::uint8_t { local, remote, system };

constexpr std::array<std::string_view, 3> names_of(origin) {
  return {"local", "remote", "system"};
}

/// Why something failed, as a value that travels in messages.
/// *Units:* `system_code` is errno, a resolver code (negative) or the peer's protocol code; 0 when there is none.
/// *Errors:* `text` is public: it never holds secrets, file paths or memory contents, and may be shown to users.
struct transport_error {
  error_kind kind = error_kind::connection;
  error_code code = error_code::none;
  phase where = phase::setup;
  origin who = origin::local;
  /// Whether trying the same thing again later can succeed.
  bool retryable = false;
  std::int32_t system_code = 0;
  std::string text;

  friend bool operator==(const transport_error&, const transport_error&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("transport_error", field{"kind", self.kind}, field{"code", self.code}, field{"where", self.where},
                 field{"who", self.who}, field{"retryable", self.retryable}, field{"system_code", self.system_code},
                 field{"text", self.text});
  }
};

/// Returns the kind that `code` belongs to.
[[nodiscard]] ACTORWIRE_EXPORT error_kind kind_of(error_code code) noexcept;

/// Returns whether a later attempt can succeed where `code` was seen.
[[nodiscard]] ACTORWIRE_EXPORT bool is_retryable(error_code code) noexcept;

/// Builds an error; kind and retryability follow from `code`.
[[nodiscard]] ACTORWIRE_EXPORT transport_error make_error(error_code code, phase where, origin who, std::string text,
                                                          std::int32_t system_code = 0);

/// Builds the error for `errno_value`, seen in the phase `where`, with the code that fits it. The text says what could not
/// be done, why, and what may help: "cannot " and `doing`, a verb and whom it concerns, such as `connect to 10.0.0.1:80`,
/// then the reason.
[[nodiscard]] ACTORWIRE_EXPORT transport_error make_system_error(int errno_value, phase where, std::string_view doing);

/// Builds the error for an input value that is out of range. The text names the field, the value and what is allowed.
[[nodiscard]] ACTORWIRE_EXPORT transport_error make_invalid_value(std::string_view field_name, std::string_view value,
                                                                  std::string_view allowed);

/// Renders `kind/code (phase, origin): text` for logs and people.
[[nodiscard]] ACTORWIRE_EXPORT std::string to_string(const transport_error& reason);

} // namespace actorwire
