#include <actorwire/messages/calls.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/sessions.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

using namespace actorwire;

namespace {

/// Prints a message with all its members, nested ones included: what a description is for.
struct printer {
  static std::string print(std::string_view text) { return '"' + std::string{text} + '"'; }
  static std::string print(bool value) { return value ? "true" : "false"; }
  template <class T>
    requires std::is_arithmetic_v<T>
  static std::string print(T value) { return std::to_string(value); }
  static std::string print(std::chrono::milliseconds value) { return std::to_string(value.count()) + "ms"; }
  static std::string print(std::chrono::microseconds value) { return std::to_string(value.count()) + "us"; }
  static std::string print(const payload& bytes) { return to_string(bytes); }
  static std::string print(const secret& hidden) { return to_string(hidden); }
  static std::string print(const histogram& counted) { return print(std::string_view{to_string(counted)}); }
  template <class T>
  static std::string print(const std::vector<T>& values) {
    std::string text = "[";
    for (const auto& each : values)
      text.append(text.size() > 1 ? ", " : "").append(print(each));
    return text += ']';
  }
  static std::string print(event_mask mask) { return std::to_string(static_cast<std::uint32_t>(mask)); }
  template <named_enumeration E>
  static std::string print(E value) {
    return to_string(value);
  }
  template <class... Ts>
  static std::string print(const std::variant<Ts...>& choice) {
    return std::visit([](const auto& chosen) { return print(chosen); }, choice);
  }
  template <described T>
  static std::string print(const T& message) {
    return T::describe(message, printer{});
  }

  template <class... Ts>
  std::string operator()(std::string_view type_name, field<Ts>... members) const {
    std::string text{type_name};
    text += '{';
    [[maybe_unused]] const char* separator = ""; // unused where there are no members
    ((text.append(separator).append(members.name).append("=").append(print(members.value)), separator = ", "), ...);
    return text += '}';
  }
};

/// Sets every number of a message to 1.
struct number_setter {
  template <class... Ts>
  int operator()(std::string_view, field<Ts>... members) const {
    return (set(members.value) + ... + 0);
  }
  template <class T>
  static int set(T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      value = T{1};
      return 1;
    } else {
      return 0;
    }
  }
};

struct member_names {
  template <class... Ts>
  std::vector<std::string_view> operator()(std::string_view, field<Ts>... members) const {
    return {members.name...};
  }
};

template <described... Messages>
bool all_print_default_values() {
  return (!printer::print(Messages{}).empty() && ...);
}

} // namespace

TEST_CASE("a visitor sees the type's name and every member with its name") {
  const endpoint where{protocol::quic, "example.org", 443};
  CHECK(printer::print(where) == R"(endpoint{proto=quic, host="example.org", port=443})");
  CHECK(printer::print(actorwire::connect{}) == "connect{}");
  CHECK(printer::print(send_options{when_down::drop, outcome::acked, std::chrono::milliseconds{5}})
        == "send_options{policy=drop, wanted=acked, ttl=5ms, stream=0, idempotent=false, key=0, priority=1, tag=0, "
           "report=none}");
}

TEST_CASE("a visitor reaches the members of nested messages and variants") {
  CHECK(printer::print(actorwire::send{payload::copy_of("abc"), {}})
        == "send{body=payload(3 bytes), options=send_options{policy=queue, wanted=written, ttl=0ms, stream=0, "
           "idempotent=false, key=0, priority=1, tag=0, report=none}}");
  transport_config config;
  config.protocol_settings = quic_config{};
  const auto text = printer::print(config);
  CHECK(text.starts_with("transport_config{mtu=0, keepalive_interval=15000ms, "));
  CHECK(text.find("framing=framing_config{mode=none, ") != std::string::npos);
  CHECK(text.find("protocol_settings=quic_config{max_streams=100, ") != std::string::npos);
}

TEST_CASE("a visitor may change the members of a message that is not constant") {
  tally counted;
  CHECK(tally::describe(counted, number_setter{}) == 2);
  CHECK(counted == tally{1, 1});
  STATIC_REQUIRE(std::is_same_v<decltype(field{"x", std::declval<const int&>()}), field<const int>>);
}

TEST_CASE("members are named in the order of the struct") {
  const reconnection_policy policy;
  CHECK(reconnection_policy::describe(policy, member_names{})
        == std::vector<std::string_view>{"max_attempts", "base_delay", "max_delay", "backoff_factor", "jitter",
                                         "reset_after", "on_permanent"});
}

TEST_CASE("every message and every configuration is described") {
  CHECK(all_print_default_values<endpoint, transport_error, send_options, tally, delivery_totals>());
  CHECK(all_print_default_values<tcp_config, quic_config, tls_config, framing_config, flow_limits, transport_config,
                                 reconnection_policy, pool_limits, listen_config>());
  CHECK(all_print_default_values<tcp_metrics, datagram_totals, quic_metrics, transport_stats, pool_stats,
                                 listener_stats, drop_count, failure_count, state_times, lifetime_stats, pool_totals,
                                 generation_stats>());
  CHECK(all_print_default_values<tls_info, connection_info, opened, received, peer_closing, passivated, sent, data_lost,
                                 backpressure, state_changed, stats, connection_status, close_report, pool_event,
                                 listener_event>());
  CHECK(all_print_default_values<stream_opened, stream_reset, stream_closed, streams_available, datagram_received,
                                 datagram_sent, address_changed, stream_priority, open_stream, reset_stream,
                                 stop_stream, prioritize_stream, send_datagram>());
  CHECK(all_print_default_values<actorwire::call, answered, called, answer, refuse, call_totals>());
  CHECK(all_print_default_values<session_config, number_range, session_ranges, session_opened, session_lost>());
  CHECK(all_print_default_values<actorwire::connect, actorwire::send, cast, receive, subscribe, unsubscribe, grant,
                                 finish_stream, get_stats, stream_stats, get_state, actorwire::close, acquire_options,
                                 acquire, checkout, release, list, lookup, set_policy, reset, reload_tls,
                                 get_pool_stats, get_pool_totals, suspend, resume, set_limit, get_listener_stats>());
}

TEST_CASE("what has no description does not count as described") {
  struct plain {
    int value;
  };
  STATIC_REQUIRE(described<endpoint>);
  STATIC_REQUIRE(described<const endpoint>);
  STATIC_REQUIRE_FALSE(described<plain>);
  STATIC_REQUIRE_FALSE(described<payload>);
  STATIC_REQUIRE_FALSE(described<histogram>);
  STATIC_REQUIRE_FALSE(described<protocol>);
  STATIC_REQUIRE_FALSE(described<int>);
}
