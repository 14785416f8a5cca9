#include <actorwire/messages/error.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace actorwire {

error_kind kind_of(error_code code) noexcept {
  // The enumeration lists the codes kind by kind, so the kind is a question of position; but not for those that came
  // later, because numbers are stable.
  if (code == error_code::name_unknown || code == error_code::breaker_open || code == error_code::lease_ended
      || code == error_code::probe_failed || code == error_code::session_lost || code == error_code::session_fenced)
    return error_kind::connection;
  if (code == error_code::queue_overflow || code == error_code::superseded)
    return error_kind::send;
  if (code == error_code::call_unanswered)
    return error_kind::receive;
  if (code <= error_code::address_in_use)
    return error_kind::initialization;
  if (code <= error_code::connection_failed)
    return error_kind::connection;
  if (code <= error_code::send_failed)
    return error_kind::send;
  if (code <= error_code::truncated_stream)
    return error_kind::receive;
  if (code <= error_code::invalid_credentials)
    return error_kind::configuration;
  return error_kind::protocol;
}

bool is_retryable(error_code code) noexcept {
  switch (code) {
    case error_code::none:
    case error_code::address_in_use:
    case error_code::closed:
    case error_code::draining:
    case error_code::crash_limit:
    case error_code::attempts_exhausted:
    case error_code::message_too_large:
    case error_code::invalid_value:
    case error_code::conflicting_values:
    case error_code::unsupported:
    case error_code::invalid_credentials:
    case error_code::certificate_rejected:
    case error_code::no_common_protocol:
    case error_code::no_common_version:
    case error_code::stream_closed:
    case error_code::superseded:
    case error_code::call_refused:
      return false;
    case error_code::descriptor_limit:
    case error_code::memory_limit:
    case error_code::resolve_failed:
    case error_code::refused:
    case error_code::unreachable:
    case error_code::connect_timeout:
    case error_code::handshake_failed:
    case error_code::peer_closed:
    case error_code::reset:
    case error_code::keepalive_timeout:
    case error_code::idle_timeout:
    case error_code::stalled:
    case error_code::pool_exhausted:
    case error_code::crashed:
    case error_code::not_connected:
    case error_code::request_timeout:
    case error_code::stream_reset:
    case error_code::stream_limit:
    case error_code::connection_failed:
    case error_code::breaker_open:
    case error_code::lease_ended:
    case error_code::probe_failed:
    case error_code::session_lost:
    case error_code::session_fenced:
    case error_code::would_block:
    case error_code::expired:
    case error_code::send_failed:
    case error_code::queue_overflow:
    case error_code::frame_too_large:
    case error_code::partial_frame_timeout:
    case error_code::truncated_frame:
    case error_code::truncated_stream:
    case error_code::malformed:
    case error_code::peer_error:
    case error_code::call_unanswered:
    // Names are made and come back; whoever knows that this one does not says so by `max_attempts`.
    case error_code::name_unknown:
      return true;
  }
  return false;
}

transport_error make_error(error_code code, phase where, origin who, std::string text, std::int32_t system_code) {
  return {kind_of(code), code, where, who, is_retryable(code), system_code, std::move(text)};
}

namespace {

struct classification {
  error_code code;
  origin who;
};

classification classify(int errno_value, phase where) {
  switch (errno_value) {
    case ECONNREFUSED:
      return {error_code::refused, origin::remote};
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
      return {error_code::unreachable, origin::system};
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return {error_code::reset, origin::remote};
    case ETIMEDOUT:
      // An established connection times out when keepalive probes or sent bytes stay unanswered (tcp(7)).
      return {where == phase::established ? error_code::keepalive_timeout : error_code::connect_timeout,
              origin::system};
    case EMFILE:
    case ENFILE:
      return {error_code::descriptor_limit, origin::local};
    case ENOMEM:
    case ENOBUFS:
      return {error_code::memory_limit, origin::local};
    case EADDRINUSE:
      return {error_code::address_in_use, origin::local};
    default:
      return {error_code::connection_failed, origin::system};
  }
}

/// Says in the user's words why it could not be done, and what may help; empty where there are only the system's.
std::string_view explain(int errno_value, phase where) {
  const auto is_established = where == phase::established;
  switch (errno_value) {
    case ECONNREFUSED:
      return "nobody listens there; check host and port, or start the server";
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
      return "there is no way to that address; check it, and the network of this machine";
    case EADDRNOTAVAIL:
      return where == phase::setup ? "this machine does not have that address"
                                   : "this machine has no address and port left to do it from";
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return "the other side, or something between, cut the connection";
    case ETIMEDOUT:
      return is_established ? "the other side does not answer any more; its machine or the network may be down"
                            : "nobody answers; the machine may be down, or a firewall drops what is sent to it";
    case EMFILE:
      return "this program has as many files and connections open as it may; raise the limit (ulimit -n) or open fewer";
    case ENFILE:
      return "the system has as many files and connections open as it may; raise its limit (fs.file-max) or open fewer";
    case ENOMEM:
    case ENOBUFS:
      return "the system has no memory left for it";
    case EADDRINUSE:
      return "another socket has this address and port; end the program that holds it, or take another port";
    case EACCES:
    case EPERM:
      return "the system does not permit it; ports below 1024 need a privilege, and a firewall may forbid the rest";
    default:
      return {};
  }
}

} // namespace

transport_error make_system_error(int errno_value, phase where, std::string_view doing) {
  const auto [code, who] = classify(errno_value, where);
  std::string text{"cannot "};
  text.append(doing).append(": ");
  // The system's own words come along: they are what logs are searched for.
  const auto original = std::generic_category().message(errno_value);
  if (const auto explanation = explain(errno_value, where); !explanation.empty())
    text.append(explanation).append(" (").append(original).append(")");
  else
    text.append(original);
  return make_error(code, where, who, std::move(text), errno_value);
}

transport_error make_invalid_value(std::string_view field_name, std::string_view value, std::string_view allowed) {
  std::string text{field_name};
  text.append(" = ").append(value).append(": must be ").append(allowed);
  return make_error(error_code::invalid_value, phase::setup, origin::local, std::move(text));
}

std::string to_string(const transport_error& reason) {
  std::string text{name_of(reason.kind)};
  text.append("/").append(name_of(reason.code));
  text.append(" (").append(name_of(reason.where)).append(", ").append(name_of(reason.who)).append(")");
  if (!reason.text.empty())
    text.append(": ").append(reason.text);
  return text;
}

} // namespace actorwire
