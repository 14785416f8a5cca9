#include <actorwire/messages/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cerrno>
#include <map>
#include <set>
#include <string_view>
#include <system_error>

using namespace actorwire;

namespace {

/// What the documentation promises of each code: its kind, and whether a later attempt can succeed.
struct expectation {
  error_kind kind;
  bool retryable;
};

const std::map<error_code, expectation> table{
    {error_code::descriptor_limit, {error_kind::initialization, true}},
    {error_code::memory_limit, {error_kind::initialization, true}},
    {error_code::address_in_use, {error_kind::initialization, false}},
    {error_code::resolve_failed, {error_kind::connection, true}},
    {error_code::refused, {error_kind::connection, true}},
    {error_code::unreachable, {error_kind::connection, true}},
    {error_code::connect_timeout, {error_kind::connection, true}},
    {error_code::handshake_failed, {error_kind::connection, true}},
    {error_code::certificate_rejected, {error_kind::connection, false}},
    {error_code::no_common_protocol, {error_kind::connection, false}},
    {error_code::no_common_version, {error_kind::connection, false}},
    {error_code::peer_closed, {error_kind::connection, true}},
    {error_code::reset, {error_kind::connection, true}},
    {error_code::keepalive_timeout, {error_kind::connection, true}},
    {error_code::idle_timeout, {error_kind::connection, true}},
    {error_code::stalled, {error_kind::connection, true}},
    {error_code::closed, {error_kind::connection, false}},
    {error_code::draining, {error_kind::connection, false}},
    {error_code::pool_exhausted, {error_kind::connection, true}},
    {error_code::crashed, {error_kind::connection, true}},
    {error_code::crash_limit, {error_kind::connection, false}},
    {error_code::attempts_exhausted, {error_kind::connection, false}},
    {error_code::not_connected, {error_kind::connection, true}},
    {error_code::request_timeout, {error_kind::connection, true}},
    {error_code::stream_closed, {error_kind::connection, false}},
    {error_code::stream_reset, {error_kind::connection, true}},
    {error_code::stream_limit, {error_kind::connection, true}},
    {error_code::connection_failed, {error_kind::connection, true}},
    {error_code::would_block, {error_kind::send, true}},
    {error_code::expired, {error_kind::send, true}},
    {error_code::message_too_large, {error_kind::send, false}},
    {error_code::send_failed, {error_kind::send, true}},
    {error_code::frame_too_large, {error_kind::receive, true}},
    {error_code::partial_frame_timeout, {error_kind::receive, true}},
    {error_code::truncated_frame, {error_kind::receive, true}},
    {error_code::truncated_stream, {error_kind::receive, true}},
    {error_code::invalid_value, {error_kind::configuration, false}},
    {error_code::conflicting_values, {error_kind::configuration, false}},
    {error_code::unsupported, {error_kind::configuration, false}},
    {error_code::invalid_credentials, {error_kind::configuration, false}},
    {error_code::malformed, {error_kind::protocol, true}},
    {error_code::peer_error, {error_kind::protocol, true}},
    {error_code::name_unknown, {error_kind::connection, true}},
    {error_code::breaker_open, {error_kind::connection, true}},
    {error_code::lease_ended, {error_kind::connection, true}},
    {error_code::queue_overflow, {error_kind::send, true}},
    {error_code::superseded, {error_kind::send, false}},
    {error_code::probe_failed, {error_kind::connection, true}},
    {error_code::call_unanswered, {error_kind::receive, true}},
    {error_code::call_refused, {error_kind::protocol, false}},
    {error_code::session_lost, {error_kind::connection, true}},
    {error_code::session_fenced, {error_kind::connection, true}},
};

} // namespace

TEST_CASE("every code belongs to one kind and says whether trying again can help") {
  // All but `none`: a new code must be decided on here too.
  CHECK(table.size() == names_of(error_code{}).size() - 1);
  std::set<error_kind> kinds;
  for (const auto& [code, expected] : table) {
    INFO("code: " << name_of(code));
    CHECK(kind_of(code) == expected.kind);
    CHECK(is_retryable(code) == expected.retryable);
    kinds.insert(kind_of(code));
  }
  CHECK(kinds.size() == names_of(error_kind{}).size());
}

TEST_CASE("a built error takes kind and retryability from its code") {
  const auto reason = make_error(error_code::would_block, phase::established, origin::local, "4 MiB are waiting", 7);
  CHECK(reason.kind == error_kind::send);
  CHECK(reason.code == error_code::would_block);
  CHECK(reason.where == phase::established);
  CHECK(reason.who == origin::local);
  CHECK(reason.retryable);
  CHECK(reason.system_code == 7);
  CHECK(reason.text == "4 MiB are waiting");
}

TEST_CASE("a default error says that nothing went wrong") {
  CHECK(transport_error{}.code == error_code::none);
  CHECK_FALSE(transport_error{}.retryable);
}

TEST_CASE("an error of the operating system becomes the code that fits it") {
  struct system_error_case {
    int number;
    phase where;
    error_code code;
    origin who;
  };
  const system_error_case cases[] = {
      {ECONNREFUSED, phase::connect, error_code::refused, origin::remote},
      {ENETUNREACH, phase::connect, error_code::unreachable, origin::system},
      {EHOSTUNREACH, phase::connect, error_code::unreachable, origin::system},
      {ENETDOWN, phase::connect, error_code::unreachable, origin::system},
      {EADDRNOTAVAIL, phase::connect, error_code::unreachable, origin::system},
      {ECONNRESET, phase::established, error_code::reset, origin::remote},
      {EPIPE, phase::established, error_code::reset, origin::remote},
      {ECONNABORTED, phase::established, error_code::reset, origin::remote},
      {ETIMEDOUT, phase::connect, error_code::connect_timeout, origin::system},
      {ETIMEDOUT, phase::established, error_code::keepalive_timeout, origin::system},
      {EMFILE, phase::setup, error_code::descriptor_limit, origin::local},
      {ENFILE, phase::setup, error_code::descriptor_limit, origin::local},
      {ENOMEM, phase::setup, error_code::memory_limit, origin::local},
      {ENOBUFS, phase::established, error_code::memory_limit, origin::local},
      {EADDRINUSE, phase::setup, error_code::address_in_use, origin::local},
      {EACCES, phase::connect, error_code::connection_failed, origin::system},
  };
  for (const auto& expected : cases) {
    const auto reason = make_system_error(expected.number, expected.where, "connect to 10.0.0.1:80");
    INFO("errno " << expected.number << ": " << reason.text);
    CHECK(reason.code == expected.code);
    CHECK(reason.kind == kind_of(expected.code));
    CHECK(reason.where == expected.where);
    CHECK(reason.who == expected.who);
    CHECK(reason.system_code == expected.number);
    constexpr std::string_view beginning = "cannot connect to 10.0.0.1:80: ";
    CHECK(reason.text.starts_with(beginning));
    CHECK(reason.text.size() > beginning.size());
  }
}

TEST_CASE("the text of a system error says what could not be done, why, and what may help") {
  CHECK(make_system_error(ECONNREFUSED, phase::connect, "connect to 10.0.0.1:80").text
        == "cannot connect to 10.0.0.1:80: nobody listens there; check host and port, or start the server "
           "(Connection refused)");
  CHECK(make_system_error(EPIPE, phase::established, "send").text
        == "cannot send: the other side, or something between, cut the connection (Broken pipe)");
  // The same number means different things to whoever waits for a first answer and whoever waits for the next.
  CHECK(make_system_error(ETIMEDOUT, phase::connect, "x").text
        != make_system_error(ETIMEDOUT, phase::established, "x").text);
  CHECK(make_system_error(EADDRNOTAVAIL, phase::setup, "x").text
        != make_system_error(EADDRNOTAVAIL, phase::connect, "x").text);
  // What has no words here keeps those of the system.
  CHECK(make_system_error(ENOPROTOOPT, phase::setup, "set an option").text
        == "cannot set an option: " + std::generic_category().message(ENOPROTOOPT));
}

TEST_CASE("an invalid value names field, value and what is allowed") {
  const auto reason = make_invalid_value("tcp.send_buffer_size", "5", "0 or 4096..1073741824");
  CHECK(reason.code == error_code::invalid_value);
  CHECK(reason.kind == error_kind::configuration);
  CHECK(reason.where == phase::setup);
  CHECK(reason.who == origin::local);
  CHECK(reason.text == "tcp.send_buffer_size = 5: must be 0 or 4096..1073741824");
}

TEST_CASE("an error is printed with kind, code, phase, origin and text") {
  auto reason = make_error(error_code::refused, phase::connect, origin::remote, "connect: Connection refused");
  CHECK(to_string(reason) == "connection/refused (connect, remote): connect: Connection refused");
  reason.text.clear();
  CHECK(to_string(reason) == "connection/refused (connect, remote)");
}
