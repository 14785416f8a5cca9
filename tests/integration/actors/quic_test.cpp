// quic:// through actors, over real sockets.

#include "secured_program.hpp"
#include "temporary_directory.hpp"

#include <actorwire/messages/stream.hpp>

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <variant>

namespace actorwire::test {

namespace {

/// Sends back what it gets: on the stream that it came by, or as a datagram.
caf::behavior echo_each_way(caf::event_based_actor* self, const connection_actor& client) {
  tell(self, client, subscribe{event_mask::data | event_mask::streams | event_mask::datagrams, credit_mode::automatic});
  return {
      [self, client](received& data) {
        send_options by;
        by.stream = data.stream;
        tell(self, client, cast{std::move(data.body), by});
      },
      [self, client](datagram_received& data) { tell(self, client, send_datagram{std::move(data.body)}); },
      [self, client](const peer_closing& end) { tell(self, client, finish_stream{end.stream}); },
      [](const stream_opened&) {},
      [](const stream_closed&) {},
      [](const actorwire::stream_reset&) {},
      [](const datagram_sent&) {},
      [](const opened&) {},
      [](const state_changed&) {},
      [](const connection_status&) {},
  };
}

/// Wants nothing of other streams.
caf::behavior echo_bytes_alone(caf::event_based_actor* self, const connection_actor& client) {
  tell(self, client, subscribe{event_mask::data, credit_mode::automatic});
  return echo(self, client);
}

} // namespace

TEST_CASE("streams and datagrams of one connection come back where they were sent") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo_each_way, to_listen()).value();
  const auto peer = here.net->acquire(quic_uri(server.port), to_acquire()).value();
  me.must_ask<connection_info>(peer, connect{});
  me.must_ask<connection_status>(peer, subscribe{event_mask::data | event_mask::streams | event_mask::datagrams,
                                                 credit_mode::automatic});
  std::map<stream_id, std::string> wanted{{0, pattern(300'000)}};
  for (const auto size : {1U, 70'000U, 400'000U})
    wanted[me.must_ask<stream_opened>(peer, open_stream{}).stream] = pattern(size);
  for (const auto& [stream, text] : wanted) {
    send_options by;
    by.stream = stream;
    anonymous_tell(peer, cast{payload::copy_of(text), by});
  }
  std::map<stream_id, std::string> got;
  while (got != wanted) {
    const auto data = me.await<received>();
    got[data.stream] += data.body.text();
    REQUIRE(got[data.stream].size() <= wanted[data.stream].size());
  }
  CHECK(me.must_ask<datagram_sent>(peer, send_datagram{payload::copy_of("small and quick")}).result
        == datagram_outcome::written);
  CHECK(me.await<datagram_received>().body.text() == "small and quick");
  const auto stream = std::next(wanted.begin())->first;
  anonymous_tell(peer, finish_stream{stream});
  CHECK(me.await<stream_closed>().stream == stream);
}

TEST_CASE("a program that was refused a stream hears when it may open another one") {
  program here;
  witness me{here.system};
  auto settings = to_listen();
  settings.transport.protocol_settings = quic_config{.max_streams = 2};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo_each_way, settings).value();
  const auto peer = here.net->acquire(quic_uri(server.port), to_acquire()).value();
  me.must_ask<connection_info>(peer, connect{});
  me.listen_to(peer, event_mask::streams);
  const auto only = me.must_ask<stream_opened>(peer, open_stream{}).stream;
  CHECK(me.try_to_ask<stream_opened>(peer, open_stream{}).error().code == error_code::stream_limit);
  anonymous_tell(peer, finish_stream{only});
  CHECK(me.await<actorwire::streams_available>().direction == stream_direction::bidirectional);
  CHECK(me.must_ask<stream_opened>(peer, open_stream{}).stream != only);
}

TEST_CASE("a program written for TCP runs over QUIC when its URIs say so") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo, to_listen());
  if (!server)
    FAIL(to_string(server.error()));
  const auto peer = here.net->acquire(quic_uri(server->port), to_acquire()).value();
  const auto info = me.must_ask<connection_info>(peer, connect{});
  CHECK(info.tls.version == "TLS1.3");
  CHECK(info.tls.alpn == "actorwire");
  CHECK(info.tls.peer_key == pin_of("server-ec"));
  me.listen_to(peer, event_mask::data);
  const auto text = pattern(std::size_t{1} << 20U);
  anonymous_tell(peer, cast{payload::copy_of(text), {}});
  CHECK((me.await_bytes(text.size()) == text));
  const auto figures = me.must_ask<stats>(peer, get_stats{});
  CHECK(figures.transport.bytes_sent == text.size());
  CHECK(figures.transport.bytes_received == text.size());
  const auto& metrics = std::get<quic_metrics>(figures.transport.metrics);
  CHECK(metrics.mtu >= 1'200);
  CHECK(metrics.packets_sent > 700);
  const auto report = me.must_ask<close_report>(peer, close{close_mode::drain, 5s});
  CHECK(report.complete);
}

TEST_CASE("many peers are served by all shards of a QUIC listener") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo, to_listen()).value();
  std::vector<connection_actor> peers;
  for (int count = 0; count < 50; ++count) {
    auto options = to_acquire();
    // A pool has one peer for equal options.
    options.reconnection.base_delay = std::chrono::milliseconds{100 + count};
    peers.push_back(here.net->acquire(quic_uri(server.port), options).value());
    anonymous_tell(peers.back(), cast{payload::copy_of("hello"), {}});
  }
  for (const auto& peer : peers) {
    me.listen_to(peer, event_mask::data);
    CHECK(me.await_bytes(5) == "hello");
  }
}

namespace {

/// A listener on four shards that few clients come to. Where the kernel deals them is chance: some socket has none, closes
/// when no more are taken, and has the kernel deal the others out anew.
struct sparse_listener {
  static constexpr int clients = 3;
  /// After so many, such an end has moved some client to a socket that is not its own.
  static constexpr int rounds = 8;

  explicit sparse_listener(program& here) : me(here.system) {
    server = here.net->listen("quic://127.0.0.1:0", echo, to_listen()).value();
    for (int count = 0; count < clients; ++count) {
      auto options = to_acquire();
      // A pool has one peer for equal options.
      options.reconnection.base_delay = std::chrono::milliseconds{100 + count};
      peers.push_back(here.net->acquire(quic_uri(server.port), options).value());
      me.listen_to(peers.back(), event_mask::data);
      talk_to(peers.back());
    }
  }
  ~sparse_listener() {
    for (const auto& peer : peers)
      me.must_ask<close_report>(peer, close{close_mode::drain, 5s});
  }

  static network_options four_shards() {
    auto options = program::two_shards();
    options.shards = 4;
    return options;
  }

  /// Says something and hears it back.
  void talk_to(const connection_actor& peer) {
    anonymous_tell(peer, cast{payload::copy_of("still here"), {}});
    CHECK(me.await_bytes(10) == "still here");
  }

  witness me;
  listening server;
  std::vector<connection_actor> peers;
};

} // namespace

TEST_CASE("the clients of a suspended listener are served on, whichever of its sockets are left") {
  program here{sparse_listener::four_shards()};
  for (int round = 0; round < sparse_listener::rounds; ++round) {
    sparse_listener with{here};
    with.me.must_ask<void>(with.server.listener, suspend{});
    for (int times = 0; times < 3; ++times)
      for (const auto& peer : with.peers)
        with.talk_to(peer);
  }
}

TEST_CASE("what is sent over QUIC is acknowledged by the peer's transport") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo, to_listen()).value();
  const auto peer = here.net->acquire(quic_uri(server.port), to_acquire()).value();
  send_options wanted;
  wanted.wanted = outcome::acked;
  const auto answer = me.must_ask<sent>(peer, actorwire::send{payload::copy_of("once"), wanted});
  CHECK(answer.result == outcome::acked);
}

TEST_CASE("a stream that its peer does not read is reset alone, also when all of it was taken, and its end too") {
  program here;
  witness me{here.system};
  auto config = to_listen();
  quic_config narrow;
  narrow.stream_window = narrow.stream_window_max = 16U << 10U;
  config.transport.protocol_settings = narrow;
  const auto server = here.net->listen("quic://127.0.0.1:0", echo_bytes_alone, config).value();
  auto options = to_acquire();
  options.transport.operation_timeout = 200ms;
  const auto peer = here.net->acquire(quic_uri(server.port), options).value();
  me.must_ask<connection_info>(peer, connect{});
  me.must_ask<connection_status>(peer, subscribe{event_mask::data | event_mask::streams, credit_mode::automatic});
  // The server has said by then what it does not want.
  anonymous_tell(peer, cast{payload::copy_of("hello"), {}});
  CHECK(me.await_bytes(5) == "hello");
  send_options by;
  by.stream = me.must_ask<stream_opened>(peer, open_stream{}).stream;
  anonymous_tell(peer, cast{payload::copy_of(pattern(100'000)), by});
  SECTION("that goes on") {}
  SECTION("that has ended") {
    anonymous_tell(peer, finish_stream{by.stream});
  }
  const auto cut = me.await<actorwire::stream_reset>();
  CHECK(cut.stream == by.stream);
  CHECK(cut.half == stream_half::sending);
  CHECK(cut.code == 0x6177'0002);
  anonymous_tell(peer, cast{payload::copy_of("still here"), {}});
  CHECK(me.await_bytes(10) == "still here");
}

TEST_CASE("a stream that is left open does not keep a QUIC connection from being replaced, and is reset with it") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo_bytes_alone, to_listen()).value();
  auto options = to_acquire();
  options.max_lifetime = 1s;
  options.transport.operation_timeout = 500ms;
  const auto peer = here.net->acquire(quic_uri(server.port), options).value();
  me.must_ask<connection_info>(peer, connect{});
  me.must_ask<connection_status>(peer, subscribe{event_mask::state | event_mask::data | event_mask::streams,
                                                 credit_mode::automatic});
  send_options by;
  by.stream = me.must_ask<stream_opened>(peer, open_stream{}).stream;
  by.wanted = outcome::acked;
  CHECK(me.must_ask<sent>(peer, actorwire::send{payload::copy_of("one half"), by}).result == outcome::acked);
  const auto cut = me.await<actorwire::stream_reset>();
  CHECK(cut.stream == by.stream);
  CHECK(cut.code == stream_retired_code);
  CHECK(me.await<opened>().info.generation == 2);
  CHECK(me.must_ask<stream_opened>(peer, open_stream{}).stream == by.stream);
}

TEST_CASE("a connection that its peer has ended in order is over in time, although nobody reads what it brought") {
  program here;
  witness me{here.system};
  const auto leave = [](caf::event_based_actor* self, const connection_actor& client) -> caf::behavior {
    tell(self, client, cast{payload::copy_of(pattern(100'000)), {}});
    tell(self, client, close{close_mode::flush, 5s});
    return {[](const opened&) {}, [](const state_changed&) {}, [](const connection_status&) {}};
  };
  const auto server = here.net->listen("quic://127.0.0.1:0", leave, to_listen()).value();
  auto options = to_acquire();
  options.transport.operation_timeout = 200ms;
  const auto peer = here.net->acquire(quic_uri(server.port), options).value();
  me.listen_to(peer, event_mask::state);
  anonymous_tell(peer, connect{});
  const auto over = me.await<state_changed>([](const auto& change) { return change.to == connection_state::backoff; });
  CHECK(over.reason.code == error_code::peer_closed);
}

TEST_CASE(
    "behind the orderly end of a connection, while what it brought is read, whoever asks for more is told at once") {
  program here;
  witness me{here.system};
  const auto leave = [](caf::event_based_actor* self, const connection_actor& client) -> caf::behavior {
    tell(self, client, cast{payload::copy_of(pattern(100'000)), {}});
    tell(self, client, close{close_mode::flush, 5s});
    return {[](const opened&) {},        [](const state_changed&) {}, [](const connection_status&) {},
            [](const stream_opened&) {}, [](const peer_closing&) {},  [](const data_lost&) {}};
  };
  const auto server = here.net->listen("quic://127.0.0.1:0", leave, to_listen()).value();
  auto options = to_acquire();
  options.transport.operation_timeout = 60s;
  const auto peer = here.net->acquire(quic_uri(server.port), options).value();
  me.must_ask<connection_info>(peer, connect{});
  wait_until("the end has come", [&] {
    const auto opened = me.try_to_ask<stream_opened>(peer, open_stream{});
    return !opened && opened.error().code == error_code::not_connected;
  });
  CHECK(me.must_ask<datagram_sent>(peer, send_datagram{payload::copy_of("late")}).result == datagram_outcome::dropped);
  me.listen_to(peer, event_mask::data);
  CHECK((me.await_bytes(100'000) == pattern(100'000)));
}

TEST_CASE("qlog is refused on both sides where a peer could turn it against us, unless it is forced") {
  if (::ngtcp2_version(0)->version_num >= 0x011601)
    SKIP("the ngtcp2 that is here is repaired");
  program here;
  witness me{here.system};
  quic_config quic;
  quic.qlog_directory = "/tmp";
  auto config = to_listen();
  config.transport.protocol_settings = quic;
  const auto refused = here.net->listen("quic://127.0.0.1:0", echo, config);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::unsupported);
  CHECK(refused.error().text.find("quic.qlog_directory") != std::string::npos);
  auto options = to_acquire();
  options.transport.protocol_settings = quic;
  const auto peer = here.net->acquire("quic://127.0.0.1:4433", options).value();
  const auto info = me.try_to_ask<connection_info>(peer, connect{});
  REQUIRE_FALSE(info);
  CHECK(info.error().code == error_code::unsupported);
}

TEST_CASE("each connection writes qlog into the folder that its side names") {
  const temporary_directory folder;
  const auto config = [&](transport_config made) {
    quic_config quic;
    quic.qlog_directory = folder.path();
    quic.qlog_forced = true;
    made.protocol_settings = quic;
    return made;
  };
  {
    program here;
    witness me{here.system};
    auto listen = to_listen();
    listen.transport = config(listen.transport);
    const auto server = here.net->listen("quic://127.0.0.1:0", echo, listen).value();
    auto options = to_acquire();
    options.transport = config(options.transport);
    const auto peer = here.net->acquire(quic_uri(server.port), options).value();
    me.listen_to(peer, event_mask::data);
    anonymous_tell(peer, cast{payload::copy_of("hello"), {}});
    CHECK(me.await_bytes(5) == "hello");
  }
  std::map<std::string, std::string> logs;
  for (const auto& each : std::filesystem::directory_iterator{folder.path()}) {
    CHECK(each.status().permissions() == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    const auto name = each.path().filename().string();
    std::ifstream file{each.path()};
    logs[name.substr(name.rfind('-') + 1)].assign(std::istreambuf_iterator<char>{file}, {});
  }
  REQUIRE(logs.size() == 2);
  for (const auto& side : {"client.sqlog", "server.sqlog"}) {
    const auto& log = logs[side];
    CHECK(log.find("\"qlog_version\"") != std::string::npos);
    CHECK(log.find("packet_sent") != std::string::npos);
    CHECK(log.find("packet_received") != std::string::npos);
    // Records are whole (RFC 7464): each begins with a separator and ends with a line.
    CHECK(std::ranges::count(log, '\x1e') == std::ranges::count(log, '\n'));
  }
}

TEST_CASE("a folder for qlog that cannot be written to is refused before anything is opened") {
  program here;
  quic_config quic;
  quic.qlog_directory = "/no/such/folder";
  quic.qlog_forced = true;
  auto config = to_listen();
  config.transport.protocol_settings = quic;
  const auto refused = here.net->listen("quic://127.0.0.1:0", echo, config);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::invalid_value);
  CHECK(
      refused.error().text
      == "quic.qlog_directory = (not shown): must be a folder that this program may write to (the system says: No such "
         "file or directory)");
  witness me{here.system};
  auto options = to_acquire();
  options.transport.protocol_settings = quic;
  const auto peer = here.net->acquire("quic://127.0.0.1:4433", options).value();
  const auto info = me.try_to_ask<connection_info>(peer, connect{});
  REQUIRE_FALSE(info);
  CHECK(info.error() == refused.error());
  // One attempt is one, also where it fails before it has begun.
  CHECK(me.must_ask<stats>(peer, get_stats{}).lifetime.failed_attempts
        == std::vector{failure_count{error_code::invalid_value, 1}});
}

TEST_CASE("nobody listens: a peer is told that it was refused, and tries again") {
  program here;
  witness me{here.system};
  const auto port = free_port();
  const auto peer = here.net->acquire(quic_uri(port), to_acquire()).value();
  me.listen_to(peer, event_mask::state);
  anonymous_tell(peer, connect{});
  const auto change = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  CHECK(change.reason.code == error_code::refused);
  auto config = to_listen();
  const auto server = here.net->listen(quic_uri(port), echo, config);
  REQUIRE(server);
  me.await<state_changed>([](const auto& each) { return each.to == connection_state::ready; });
}

TEST_CASE(
    "while the connections of a suspended listener go on, its port is theirs, and a new client is refused at once") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo, to_listen()).value();
  const auto peer = here.net->acquire(quic_uri(server.port), to_acquire()).value();
  me.must_ask<connection_info>(peer, connect{});
  me.must_ask<void>(server.listener, suspend{});
  auto options = to_acquire();
  // A pool has one peer for equal options.
  options.reconnection.base_delay = 51ms;
  // A socket without connections is gone, so which answer comes depends on the shard.
  const auto late = here.net->acquire(quic_uri(server.port), options).value();
  me.listen_to(late, event_mask::state);
  anonymous_tell(late, connect{});
  const auto change = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  CHECK(change.reason.code == error_code::refused);
  const auto again = here.net->listen(quic_uri(server.port), echo, to_listen());
  REQUIRE_FALSE(again);
  CHECK(again.error().code == error_code::address_in_use);
  me.must_ask<void>(server.listener, resume{});
  me.await<state_changed>([](const auto& each) { return each.to == connection_state::ready; });
  me.listen_to(peer, event_mask::data);
  anonymous_tell(peer, cast{payload::copy_of("still here"), {}});
  CHECK(me.await_bytes(10) == "still here");
}

} // namespace actorwire::test
