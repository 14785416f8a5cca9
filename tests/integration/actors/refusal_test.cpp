// Whatever a program asks for that cannot be is refused through the actors' own interface, at once, and with the field,
// the value and what is allowed.

#include "program.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace actorwire::test {

namespace {

void check_names(const transport_error& reason, std::string_view field, std::string_view value,
                 std::string_view allowed) {
  CAPTURE(reason.text, field, value, allowed);
  CHECK(reason.kind == error_kind::configuration);
  CHECK(reason.who == origin::local);
  CHECK_FALSE(reason.retryable);
  CHECK(reason.text.find(field) != std::string::npos);
  CHECK(reason.text.find(value) != std::string::npos);
  CHECK(reason.text.find(allowed) != std::string::npos);
}

template <class Config>
struct bad_field {
  std::function<void(Config&)> spoil;
  std::string_view field;
  std::string_view value;
  std::string_view allowed;
};

const std::vector<bad_field<transport_config>> bad_transport_fields{
    {[](auto& c) { c.mtu = 535; }, "mtu", "535", "536..32767"},
    {[](auto& c) { c.mtu = 32'768; }, "mtu", "32768", "536..32767"},
    {[](auto& c) { c.keepalive_interval = 999ms; }, "keepalive_interval", "999 ms", "1000..32767000 ms"},
    {[](auto& c) { c.keepalive_interval = -1ms; }, "keepalive_interval", "-1 ms", "1000..32767000 ms"},
    {[](auto& c) { c.keepalive_timeout = 0ms; }, "keepalive_timeout", "0 ms", "1..86400000 ms"},
    {[](auto& c) { c.keepalive_timeout = 24h + 1ms; }, "keepalive_timeout", "86400001 ms", "1..86400000 ms"},
    {[](auto& c) { c.connect_timeout = 0ms; }, "connect_timeout", "0 ms", "1..86400000 ms"},
    {[](auto& c) { c.connect_timeout = 30s; }, "connect_timeout", "30000 ms", "attempt_timeout = 20000 ms"},
    {[](auto& c) { c.attempt_timeout = 25h; }, "attempt_timeout", "90000000 ms", "1..86400000 ms"},
    {[](auto& c) { c.operation_timeout = -5ms; }, "operation_timeout", "-5 ms", "1..86400000 ms"},
    {[](auto& c) { c.happy_eyeballs_delay = 9ms; }, "happy_eyeballs_delay", "9 ms", "10..2000 ms"},
    {[](auto& c) { c.happy_eyeballs_delay = 2'001ms; }, "happy_eyeballs_delay", "2001 ms", "10..2000 ms"},
    {[](auto& c) { c.fallback_delay = 9ms; }, "fallback_delay", "9 ms", "10..2000 ms"},
    {[](auto& c) { c.fallback_delay = 2'001ms; }, "fallback_delay", "2001 ms", "10..2000 ms"},
    {[](auto& c) { c.framing.mode = static_cast<framing_mode>(7); }, "framing.mode", "7",
     "none, length_prefixed, line"},
    {[](auto& c) { c.framing.max_frame_size = 0; }, "framing.max_frame_size", "0", "1..1073741824"},
    {[](auto& c) { c.framing.max_frame_size = 1'073'741'825; }, "framing.max_frame_size", "1073741825",
     "1..1073741824"},
    {[](auto& c) { c.framing.partial_frame_timeout = 0ms; }, "framing.partial_frame_timeout", "0 ms", "1..86400000 ms"},
    {[](auto& c) { c.flow.read_credit = 0; }, "flow.read_credit", "0", "1..1073741824"},
    {[](auto& c) { c.flow.high_water = 0; }, "flow.high_water", "0", "1..1073741824"},
    {[](auto& c) { c.flow.low_water = 0; }, "flow.low_water", "0", "1..1073741824"},
    {[](auto& c) { c.flow.write_limit = 0; }, "flow.write_limit", "0", "1..1073741824"},
    {[](auto& c) { c.flow.low_water = 2'000'000; }, "flow.low_water", "2000000", "flow.high_water = 1048576"},
    {[](auto& c) { c.flow.high_water = 5'000'000; }, "flow.high_water", "5000000", "flow.write_limit = 4194304"},
    {[](auto& c) { c.flow.queue_messages = 0; }, "flow.queue_messages", "0", "1..1000000"},
    {[](auto& c) { c.flow.queue_messages = 1'000'001; }, "flow.queue_messages", "1000001", "1..1000000"},
    {[](auto& c) { c.flow.queue_bytes = 0; }, "flow.queue_bytes", "0", "1..1073741824"},
    {[](auto& c) { c.flow.queue_age = 0ms; }, "flow.queue_age", "0 ms", "1..86400000 ms"},
    {[](auto& c) { c.session.replay_messages = 0; }, "session.replay_messages", "0", "1..1000000"},
    {[](auto& c) { c.session.mode = session_mode::on; }, "session.mode", "on", "framing.mode = numbered"},
    {[](auto& c) { std::get<tcp_config>(c.protocol_settings).send_buffer_size = 1; }, "tcp.send_buffer_size", "1",
     "4096..1073741824"},
    {[](auto& c) { std::get<tcp_config>(c.protocol_settings).recv_buffer_size = 4'095; }, "tcp.recv_buffer_size",
     "4095", "4096..1073741824"},
    {[](auto& c) { std::get<tcp_config>(c.protocol_settings).keepalive_probes = 0; }, "tcp.keepalive_probes", "0",
     "1..127"},
    {[](auto& c) { std::get<tcp_config>(c.protocol_settings).keepalive_probes = 128; }, "tcp.keepalive_probes", "128",
     "1..127"},
};

const std::vector<bad_field<reconnection_policy>> bad_policy_fields{
    {[](auto& p) { p.base_delay = 0ms; }, "reconnection.base_delay", "0 ms", "1..86400000 ms"},
    {[](auto& p) { p.base_delay = 31s; }, "reconnection.base_delay", "31000 ms", "reconnection.max_delay = 30000 ms"},
    {[](auto& p) { p.max_delay = 25h; }, "reconnection.max_delay", "90000000 ms", "1..86400000 ms"},
    {[](auto& p) { p.backoff_factor = 0.5; }, "reconnection.backoff_factor", "0.5", "1..100"},
    {[](auto& p) { p.backoff_factor = std::numeric_limits<double>::quiet_NaN(); }, "reconnection.backoff_factor", "nan",
     "1..100"},
    {[](auto& p) { p.jitter = 1.0; }, "reconnection.jitter", "1", "at least 0 and below 1"},
    {[](auto& p) { p.jitter = -0.1; }, "reconnection.jitter", "-0.1", "at least 0 and below 1"},
    {[](auto& p) { p.reset_after = -1ms; }, "reconnection.reset_after", "-1 ms", "0..86400000 ms"},
    {[](auto& p) { p.on_permanent = static_cast<permanent_error_policy>(9); }, "reconnection.on_permanent", "9",
     "fail, keep_trying"},
};

const std::vector<bad_field<pool_limits>> bad_pool_fields{
    {[](auto& l) { l.max_connections = 0; }, "pool.max_connections", "0", "1..1000000"},
    {[](auto& l) { l.max_connections = 1'000'001; }, "pool.max_connections", "1000001", "1..1000000"},
    {[](auto& l) { l.max_connecting = 0; }, "pool.max_connecting", "0", "1..1000000"},
    {[](auto& l) { l.max_connecting = 1'000'001; }, "pool.max_connecting", "1000001", "1..1000000"},
    {[](auto& l) { l.reconnects_per_second = 0; }, "pool.reconnects_per_second", "0", "0.001..1000000"},
    {[](auto& l) { l.reconnect_burst = 0; }, "pool.reconnect_burst", "0", "1..1000000"},
    {[](auto& l) { l.crash_limit = 1'001; }, "pool.crash_limit", "1001", "0..1000"},
    {[](auto& l) { l.crash_window = 0ms; }, "pool.crash_window", "0 ms", "1..86400000 ms"},
    {[](auto& l) { l.breaker_failures = 1'000'001; }, "pool.breaker_failures", "1000001", "0..1000000"},
    {[](auto& l) { l.max_leased = 0; }, "pool.max_leased", "0", "1..1024"},
    {[](auto& l) { l.max_leased = 1'025; }, "pool.max_leased", "1025", "1..1024"},
    {[](auto& l) { l.min_idle = 11; }, "pool.min_idle", "11", "pool.max_leased = 10"},
    {[](auto& l) { l.lease_idle_timeout = -1ms; }, "pool.lease_idle_timeout", "-1 ms",
     "0 (for ever) or 1..86400000 ms"},
    {[](auto& l) { l.lease_idle_timeout = 24h + 1ms; }, "pool.lease_idle_timeout", "86400001 ms",
     "0 (for ever) or 1..86400000 ms"},
};

const std::vector<bad_field<listen_config>> bad_listen_fields{
    {[](auto& c) { c.backlog = 0; }, "listen.backlog", "0", "1..65535"},
    {[](auto& c) { c.backlog = 65'536; }, "listen.backlog", "65536", "1..65535"},
    {[](auto& c) { c.max_connections = 0; }, "listen.max_connections", "0", "1..1000000"},
    {[](auto& c) { c.max_connections = 1'000'001; }, "listen.max_connections", "1000001", "1..1000000"},
    {[](auto& c) { c.max_connections_per_address = 1'000'001; }, "listen.max_connections_per_address", "1000001",
     "0 (no limit) or 1..1000000"},
    {[](auto& c) { c.max_handshakes = 0; }, "listen.max_handshakes", "0", "1..1000000"},
    {[](auto& c) { c.max_handshakes = 1'000'001; }, "listen.max_handshakes", "1000001", "1..1000000"},
    {[](auto& c) { c.max_handshakes_per_address = 0; }, "listen.max_handshakes_per_address", "0", "1..1000000"},
    {[](auto& c) { c.max_handshakes_per_address = 1'025; }, "listen.max_handshakes_per_address", "1025",
     "listen.max_handshakes = 1024"},
    {[](auto& c) { c.session_keep = 0ms; }, "listen.session_keep", "0 ms", "1..86400000 ms"},
    {[](auto& c) { c.sessions_max = 0; }, "listen.sessions_max", "0", "1..1000000"},
    {[](auto& c) { c.parked_bytes_max = (std::size_t{1} << 40U) + 1; }, "listen.parked_bytes_max", "1099511627777",
     "0..1099511627776"},
    {[](auto& c) { c.transport.mtu = 1; }, "transport.mtu", "1", "536..32767"},
};

/// Every field of a configuration that can be wrong stands in its table; a switch, which is on or off, cannot.
template <class Config>
void check_covers(const std::vector<bad_field<Config>>& table, const std::string& path) {
  const Config sample;
  const auto note = [&]<class... Ts>(std::string_view, field<Ts>... fields) {
    const auto look = [&]<class T>(const field<T>& each) {
      CAPTURE(each.name);
      if constexpr (!std::is_same_v<std::remove_const_t<T>, bool>)
        CHECK(std::ranges::any_of(table, [&](const auto& row) {
          return row.field == path + std::string{each.name} || row.field.starts_with(std::string{each.name} + ".");
        }));
    };
    (look(fields), ...);
    return true;
  };
  CHECK(Config::describe(sample, note));
}

} // namespace

TEST_CASE("a malformed address is refused before anything is opened, with what it should look like") {
  program here;
  const auto descriptors = open_descriptors();
  struct bad_uri {
    std::string_view text;
    std::string_view named;
  };
  const bad_uri uri_list[] = {
      {"", "endpoint"},
      {"127.0.0.1:80", "endpoint"},
      {"http://127.0.0.1:80", "endpoint.proto"},
      {"tcp://127.0.0.1", "endpoint"},
      {"tcp://127.0.0.1:", "endpoint.port"},
      {"tcp://127.0.0.1:65536", "65536"},
      {"tcp://127.0.0.1:-1", "-1"},
      {"tcp://127.0.0.1:080", "080"},
      {"tcp://127.0.0.1:80/path", "path"},
      {"tcp://127.0.0.1:80?query", "query"},
      {"tcp://127.0.0.1:80#part", "fragment"},
      {"tcp://user@127.0.0.1:80", "user"},
      {"tcp://127.1:80", "127.1"},
      {"tcp://0x7f000001:80", "0x7f000001"},
      {"tcp://[::1:80", "endpoint"},
      {"tcp://[fe80::1%25eth0]:80", "endpoint"},
      {"tcp://a%2eb:80", "endpoint"},
      {"tcp://example.org.:80", "endpoint.host"},
      {"tcp://-a:80", "endpoint.host"},
      {"tcp://a b:80", "endpoint"},
  };
  for (const auto& [text, named] : uri_list) {
    CAPTURE(text);
    const auto peer = here.net->acquire(text);
    REQUIRE_FALSE(peer);
    CHECK(peer.error().kind == error_kind::configuration);
    CHECK(peer.error().text.find(named) != std::string::npos);
    const auto server = here.net->listen(text, echo);
    REQUIRE_FALSE(server);
    CHECK(server.error() == peer.error());
  }
  // What is refused never repeats a password.
  CHECK(here.net->acquire("tcp://user:secret@127.0.0.1:80").error().text.find("secret") == std::string::npos);
  // Threads that have just begun look things up in files of the system, which is over in no time.
  wait_until("nothing was opened", [&] { return open_descriptors() <= descriptors; });
}

TEST_CASE("an address that cannot be dialled or listened on is refused with its reason") {
  program here;
  const auto nowhere = here.net->acquire("tcp://127.0.0.1:0");
  REQUIRE_FALSE(nowhere);
  check_names(nowhere.error(), "endpoint.port", "0", "1..65535");
  // Nobody is believed to be anybody without a certificate.
  CHECK(here.net->listen("tls://127.0.0.1:0", echo).error().code
        == (ACTORWIRE_TLS ? error_code::invalid_credentials : error_code::unsupported));
  // Without a certificate nobody can be a server of QUIC.
  CHECK(here.net->listen("quic://127.0.0.1:0", echo).error().code
        == (ACTORWIRE_QUIC ? error_code::invalid_credentials : error_code::unsupported));
  const auto named = here.net->listen("tcp://example.org:0", echo);
  REQUIRE_FALSE(named);
  CHECK(named.error().text.find("example.org") != std::string::npos);
  // 192.0.2.0/24 is nobody's (RFC 5737).
  const auto foreign = here.net->listen("tcp://192.0.2.1:0", echo);
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().text.find("192.0.2.1") != std::string::npos);
}

TEST_CASE("every invalid field of a transport is refused to whoever dials and whoever listens") {
  program here;
  witness me{here.system};
  for (const auto& [spoil, field, value, allowed] : bad_transport_fields) {
    acquire_options options;
    spoil(options.transport);
    const auto peer = here.net->acquire("tcp://127.0.0.1:9", options);
    REQUIRE_FALSE(peer);
    check_names(peer.error(), field, value, allowed);

    const auto asked =
        me.try_to_ask<connection_actor>(here.net->supervisor(), acquire{{protocol::tcp, "127.0.0.1", 9}, options});
    REQUIRE_FALSE(asked);
    CHECK(asked.error() == peer.error());

    listen_config config;
    spoil(config.transport);
    const auto server = here.net->listen("tcp://127.0.0.1:0", echo, config);
    REQUIRE_FALSE(server);
    CHECK(server.error() == peer.error());
  }
  CHECK(me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{}).peers == 0);
}

TEST_CASE("every invalid field of a reconnection policy is refused, and the old policy stays") {
  program here;
  witness me{here.system};
  plain_listener server;
  const auto peer = here.net->acquire(uri(server.port())).value();
  const auto id = me.must_ask<connection_info>(peer, connect{}).id;
  for (const auto& [spoil, field, value, allowed] : bad_policy_fields) {
    acquire_options options;
    spoil(options.reconnection);
    const auto refused = here.net->acquire("tcp://127.0.0.1:9", options);
    REQUIRE_FALSE(refused);
    check_names(refused.error(), field, value, allowed);

    const auto asked = me.try_to_ask<void>(here.net->supervisor(), set_policy{id, options.reconnection});
    REQUIRE_FALSE(asked);
    CHECK(asked.error() == refused.error());
  }
  CHECK(me.try_to_ask<void>(here.net->supervisor(), set_policy{id, {}}));
  CHECK_FALSE(me.try_to_ask<void>(here.net->supervisor(), set_policy{id + 1'000, {}}));
  CHECK(me.must_ask<connection_status>(peer, get_state{}).state == connection_state::ready);
}

TEST_CASE("every invalid limit of a pool or a listener is refused") {
  check_covers(bad_pool_fields, "pool.");
  check_covers(bad_listen_fields, "listen.");
  program here;
  for (const auto& [spoil, field, value, allowed] : bad_pool_fields) {
    pool_limits limits;
    spoil(limits);
    const auto refused = here.net->make_supervisor(limits);
    REQUIRE_FALSE(refused);
    check_names(refused.error(), field, value, allowed);
  }
  for (const auto& [spoil, field, value, allowed] : bad_listen_fields) {
    listen_config config;
    spoil(config);
    const auto refused = here.net->listen("tcp://127.0.0.1:0", echo, config);
    REQUIRE_FALSE(refused);
    check_names(refused.error(), field, value, allowed);
  }
}

TEST_CASE("a network with invalid options is never made") {
  const std::vector<bad_field<network_options>> bad_options{
      {[](auto& o) { o.shards = 1'025; }, "network.shards", "1025", "1..1024"},
      {[](auto& o) { o.memory_limit = 1; }, "network.memory_limit", "1", "1048576"},
      {[](auto& o) { o.drain_timeout = -1ms; }, "network.drain_timeout", "-1 ms", "0..86400000 ms"},
      {[](auto& o) { o.pool.max_connecting = 0; }, "pool.max_connecting", "0", "1..1000000"},
  };
  system_config config;
  caf::actor_system system{config};
  for (const auto& [spoil, field, value, allowed] : bad_options) {
    network_options options;
    spoil(options);
    try {
      network net{system, options};
      FAIL("accepted: " << field);
    } catch (const std::invalid_argument& refused) {
      const std::string_view text{refused.what()};
      CAPTURE(text);
      CHECK(text.find(field) != std::string_view::npos);
      CHECK(text.find(value) != std::string_view::npos);
      CHECK(text.find(allowed) != std::string_view::npos);
    }
  }
}

TEST_CASE("settings of one protocol are refused where another is dialled") {
  program here;
  acquire_options options;
  options.transport.protocol_settings = quic_config{};
  // The peer is made, because what a protocol takes is known to its transport alone; it must not go on trying.
  witness me{here.system};
  plain_listener server;
  const auto peer = here.net->acquire(uri(server.port()), options);
  if (!peer) {
    CHECK(peer.error().kind == error_kind::configuration);
    return;
  }
  const auto refused = me.try_to_ask<connection_info>(*peer, connect{});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == error_kind::configuration);
}

#if !ACTORWIRE_QUIC
TEST_CASE("a protocol that the build has not is refused with the option that left it out, and nobody goes on trying") {
  program here;
  witness me{here.system};
  std::vector<std::string> schemes{"quic"};
  if (!ACTORWIRE_TLS)
    schemes.emplace_back("tls");
  for (const auto& scheme : schemes) {
    CAPTURE(scheme);
    const std::string option = ACTORWIRE_TLS ? "ACTORWIRE_QUIC=OFF" : "ACTORWIRE_TLS=OFF";
    const auto server = here.net->listen(scheme + "://127.0.0.1:0", echo);
    REQUIRE_FALSE(server);
    CHECK(server.error().code == error_code::unsupported);
    check_names(server.error(), scheme, "this build", option);
    // Which protocols there are is known to those who make transports.
    const auto peer = here.net->acquire(scheme + "://127.0.0.1:1").value();
    const auto refused = me.try_to_ask<connection_info>(peer, connect{});
    REQUIRE_FALSE(refused);
    check_names(refused.error(), scheme, "this build", option);
  }
}
#endif

#if !ACTORWIRE_TLS
TEST_CASE("settings of TLS do not keep TCP from working in a build without, and nobody believes that they are in use") {
  program here;
  witness me{here.system};
  listen_config config;
  config.transport.tls.certificate.text = "of a site";
  config.transport.tls.key.text = secret{"of its own"};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo, config).value();
  acquire_options options;
  options.transport.tls.server_name = "example.org";
  const auto peer = here.net->acquire(uri(server.port), options).value();
  CHECK(me.must_ask<connection_info>(peer, connect{}).tls == tls_info{});
  const auto by_server = me.try_to_ask<void>(server.listener, reload_tls{});
  REQUIRE_FALSE(by_server);
  CHECK(by_server.error().code == error_code::unsupported);
  // A peer that would need them is told why it has none.
  static_cast<void>(here.net->acquire("tls://127.0.0.1:1", options).value());
  const auto by_peers = me.try_to_ask<void>(here.net->supervisor(), reload_tls{});
  REQUIRE_FALSE(by_peers);
  check_names(by_peers.error(), "tls", "this build", "ACTORWIRE_TLS=OFF");
}
#endif

} // namespace actorwire::test
