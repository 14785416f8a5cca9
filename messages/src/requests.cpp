#include "range_check.hpp"

#include <actorwire/messages/requests.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire {

namespace {

// RFC 9000, 20.2: codes travel as integers of variable length, which have 62 bits.
constexpr std::uint64_t largest_code = (std::uint64_t{1} << 62U) - 1;

result<void> check_connectable(const endpoint& where) {
  return range_check{"endpoint"}.allowed("port", "0", where.port != 0, "1..65535 to connect to").verdict();
}

/// What `acquire` and `checkout` have in common: which endpoints, and with which options.
void check_whom_and_how(range_check& checks, const auto& request) {
  checks.nested(check_connectable(request.remote))
      .within("alternatives", request.alternatives.size(), 0, endpoints_per_peer_max - 1);
  for (auto each = request.alternatives.begin(); each != request.alternatives.end(); ++each)
    checks.nested(check_connectable(*each))
        .allowed("alternatives", to_string(*each),
                 *each != request.remote && std::find(request.alternatives.begin(), each, *each) == each,
                 "endpoints of which none is named twice");
  checks.nested(validate(request.options.transport))
      .nested(validate(request.options.reconnection))
      .within("options.max_per_endpoint", request.options.max_per_endpoint, 1, 64)
      .zero_or_within("options.max_lifetime", request.options.max_lifetime, "for ever", std::chrono::seconds{1},
                      longest_time)
      .zero_or_within("options.idle_timeout", request.options.idle_timeout, "for ever", std::chrono::seconds{1},
                      longest_time)
      .allowed("options.idle_timeout", std::to_string(request.options.idle_timeout.count()) + " ms",
               request.options.idle_timeout.count() == 0 || request.options.transport.session.mode == session_mode::off,
               "0 with a session, which would be lost by a rest of more than session_keep");
}

constexpr std::string_view byte_stream_ends_otherwise = "another than 0, which ends with finish_stream or close";

} // namespace

result<void> validate(const send_batch& request) {
  return range_check{"send_batch"}
      .within("bodies", request.bodies.size(), 1, batch_messages_max)
      .allowed("options.key", std::to_string(request.options.key), request.options.key == 0, "0 for a batch")
      .verdict();
}

result<void> validate(const receive& request) {
  return range_check{"receive"}
      .zero_or_within("timeout", request.timeout, "for ever", shortest_time, longest_time)
      .verdict();
}

result<void> validate(const open_stream& request) {
  return range_check{"open_stream"}.named("direction", request.direction).nested(validate(request.priority)).verdict();
}

result<void> validate(const reset_stream& request) {
  return range_check{"reset_stream"}
      .allowed("stream", "0", request.stream != 0, byte_stream_ends_otherwise)
      .within("code", request.code, 0, largest_code)
      .verdict();
}

result<void> validate(const stop_stream& request) {
  return range_check{"stop_stream"}
      .allowed("stream", "0", request.stream != 0, byte_stream_ends_otherwise)
      .within("code", request.code, 0, largest_code)
      .verdict();
}

result<void> validate(const prioritize_stream& request) {
  return validate(request.priority);
}

result<void> validate(const acquire& request) {
  range_check checks{"acquire"};
  check_whom_and_how(checks, request);
  return checks.verdict();
}

result<void> validate(const checkout& request) {
  range_check checks{"checkout"};
  check_whom_and_how(checks, request);
  const auto mode = request.options.transport.session.mode;
  return checks
      .allowed("options.transport.session.mode", name_of(mode), mode != session_mode::on,
               "off for a peer that is lent, since a session would go on with the next owner")
      .within("wait", request.wait, std::chrono::milliseconds{0}, longest_time)
      .within("hold", request.hold, shortest_time, longest_time)
      .named("policy", request.policy)
      .allowed("policy", name_of(request.policy), request.policy != when_down::drop, "one of queue, fail")
      .verdict();
}

result<void> validate(const reload_tls& request) {
  return range_check{"reload_tls"}
      .within("drain_timeout", request.drain_timeout, shortest_time, longest_time)
      .verdict();
}

} // namespace actorwire
