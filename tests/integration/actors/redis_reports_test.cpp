// What a peer of redis tells of its connections, on real sockets: how much they have carried, and why they ended.

#include "persistent_peer.hpp"
#include "redis_server.hpp"
#include "seed.hpp"
#include "tcp_fault_proxy.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace actorwire::test {

namespace {

/// Sends so many orders and a goodbye, and waits for all answers; redis then ends the connection in order.
void say_and_leave(witness& me, const connection_actor& peer, std::size_t orders) {
  for (std::size_t number = 0; number < orders; ++number)
    anonymous_tell(peer, cast{payload::copy_of(command({"RPUSH", "orders", pattern(100 + number * 37)})), {}});
  anonymous_tell(peer, cast{payload::copy_of(command({"QUIT"})), {}});
  reply_parser parser;
  std::size_t replies = 0;
  while (replies <= orders) {
    parser.feed(me.await<received>().body.text());
    while (parser.next())
      ++replies;
  }
}

bool is_failed_dial(const state_changed& change) {
  return change.from == connection_state::connecting && change.to == connection_state::backoff;
}

} // namespace

TEST_CASE("over reconnects a peer counts to the byte what each of its connections has carried", "[H5][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  constexpr std::size_t connections = 5;
  const test_seed seed;
  const redis_server server;
  const std::vector<tcp_faults> in_pieces(connections,
                                          {.to_server = {.piece_max = 700}, .to_client = {.piece_max = 3}});
  const tcp_fault_proxy proxy{server.port(protocol::tcp), in_pieces, seed.engine()};
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri_of(protocol::tcp, proxy.port()), persistent()).value();
  me.listen_to(peer, event_mask::data | event_mask::state);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (std::size_t number = 1; number <= connections; ++number) {
    CAPTURE(number);
    REQUIRE(me.must_ask<connection_info>(peer, connect{}).generation == number);
    say_and_leave(me, peer, 20 * number);
    me.await<state_changed>([](const state_changed& change) { return change.from == connection_state::ready; });
    const auto figures = me.must_ask<stats>(peer, get_stats{}).transport;
    const auto record = proxy.records().at(number - 1);
    // Nobody sends meanwhile, so what has come about since the last time is this connection's.
    CHECK(figures.bytes_sent - sent == record.from_client);
    CHECK(figures.bytes_received - received == record.to_client);
    CHECK(record.from_client == record.to_server);
    CHECK(record.to_client == record.from_server);
    CHECK(figures.reconnect_count >= number - 1);
    sent = figures.bytes_sent;
    received = figures.bytes_received;
  }
  const auto report = me.must_ask<close_report>(peer, close{close_mode::abort, 10s});
  CHECK(report.delivery.written.bytes == sent);
  const auto totals = me.must_ask<pool_totals>(here.net->supervisor(), get_pool_totals{});
  CHECK(totals.bytes_sent == sent);
  CHECK(totals.bytes_received == received);
}

TEST_CASE("where nobody listens, and where a line is reset, the reason has the phase and what the system said",
          "[S3][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const auto carried = either_protocol();
  const test_seed seed;
  redis_server server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri_of(carried, server.port(carried)), persistent()).value();
  me.must_ask<connection_info>(peer, connect{});
  me.listen_to(peer, event_mask::state);
  server.kill();
  const auto lost = me.await<state_changed>().reason;
  INFO(to_string(lost));
  CHECK(is_loss(lost, carried));
  CHECK(is_explained(lost));
  // One attempt may still have found the socket of the process that was killed.
  const auto refused = me.await<state_changed>([](const auto& each) {
                           return is_failed_dial(each) && each.reason.code == error_code::refused;
                         }).reason;
  INFO(to_string(refused));
  CHECK(refused.where == phase::connect);
  CHECK(refused.who == origin::remote);
  CHECK(refused.system_code == ECONNREFUSED);
  CHECK(refused.retryable);
  const auto status = me.must_ask<connection_status>(peer, get_state{});
  CHECK(status.last_error.system_code == ECONNREFUSED);
  server.start();
  me.await<opened>([](const opened& event) { return event.info.generation > 1; });

  // As soon as something is said: amid the handshake, where there is one.
  const tcp_fault_proxy proxy{server.port(carried),
                              {{.to_server = {.fate = tcp_fate::reset, .at = 20}}},
                              seed.engine()};
  const auto other = here.net->acquire(uri_of(carried, proxy.port()), persistent()).value();
  anonymous_tell(other, cast{payload::copy_of(command({"RPUSH", "orders", "one"})), {}});
  const auto last_error = [&] { return me.must_ask<connection_status>(other, get_state{}).last_error; };
  wait_until("the line is reset", [&] { return last_error().code != error_code::none; });
  const auto reset = last_error();
  INFO(to_string(reset));
  CHECK(reset.code == error_code::reset);
  CHECK(reset.where == (carried == protocol::tls ? phase::handshake : phase::established));
  CHECK(reset.who == origin::remote);
  CHECK(reset.system_code == ECONNRESET);
}

} // namespace actorwire::test
