// Real faults on real sockets, with nginx at the other end: each page comes whole, or the connection is reported as lost, and
// what nginx has written down agrees.

#include "nginx_server.hpp"
#include "page_reader.hpp"
#include "persistent_peer.hpp"
#include "seed.hpp"
#include "tcp_fault_proxy.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// Reads pages by a line that has these faults, until the connection after them has carried some, and holds the accounts
/// against the log. Returns what each connection was lost of.
std::vector<transport_error> read_through(protocol carried, const std::vector<tcp_faults>& weather,
                                          const test_seed& seed) {
  const nginx_server server;
  const tcp_fault_proxy proxy{server.port(carried), weather, seed.engine()};
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri_of(carried, proxy.port()), persistent()).value();
  page_reader reader{me, peer, [count = weather.size()](const page_ledger& books) {
                       return books.losses.size() >= count && books.answered_by_newest >= 20;
                     }};
  const auto report = reader.finish();
  check_pages(reader.books(), report, server);
  return reader.books().losses;
}

} // namespace

TEST_CASE("wherever a line to nginx is cut or reset, each page comes whole or the connection is reported as lost",
          "[D1][D2][D3][D4][random]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  const auto carried = either_protocol();
  const test_seed seed;
  std::vector<tcp_faults> weather;
  for (const auto fate : {tcp_fate::cut, tcp_fate::reset}) {
    // Within an answer's head, its body, and between others; after what TLS says before.
    for (const auto at : {5'000U, 123'456U, 333'333U})
      weather.push_back({.to_client = {.fate = fate, .at = at}});
    for (const auto at : {1'500U, 2'003U})
      weather.push_back({.to_server = {.fate = fate, .at = at}});
  }
  const auto losses = read_through(carried, weather, seed);
  CHECK(losses.size() == weather.size());
  for (const auto& reason : losses) {
    INFO(to_string(reason));
    CHECK(is_loss(reason, carried));
  }
}

TEST_CASE("whatever befalls lines to nginx, each page comes whole or the connection is reported as lost",
          "[D1][D2][D3][D4][random]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  const auto carried = either_protocol();
  const test_seed seed;
  auto chance = seed.engine(1);
  std::vector<tcp_faults> weather;
  for (int count = 0; count < 8; ++count) {
    auto drawn = drawn_faults(chance, {tcp_fate::cut, tcp_fate::reset}, 60'000);
    // Requests are small.
    drawn.to_server.at %= 1'500;
    // Pages are not: each byte by itself takes long.
    drawn.to_client.piece_max = std::max<std::size_t>(drawn.to_client.piece_max, 512);
    drawn.to_client.delay_max = std::chrono::milliseconds{chance() % 3};
    weather.push_back(drawn);
  }
  read_through(carried, weather, seed);
}

TEST_CASE("a byte of a page that goes wrong on the way is found by TLS, and nothing of it is delivered",
          "[D3][D4][random]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  const test_seed seed;
  auto chance = seed.engine(1);
  std::vector<tcp_faults> weather;
  for (int count = 0; count < 6; ++count)
    // So that enough follows, should it be one that says how much does.
    weather.push_back({.to_client = {.fate = tcp_fate::corrupt, .at = 10'000 + chance() % 100'000}});
  const auto losses = read_through(protocol::tls, weather, seed);
  REQUIRE(losses.size() == weather.size());
  for (const auto& reason : losses) {
    INFO(to_string(reason));
    CHECK(reason.code == error_code::malformed);
  }
}

TEST_CASE("nginx is killed amid its answers, and each page comes whole or the connection is reported as lost",
          "[D1][D2][D3][D4]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  constexpr std::size_t kills = 3;
  const auto carried = either_protocol();
  nginx_server server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri_of(carried, server.port(carried)), persistent()).value();
  me.must_ask<connection_info>(peer, connect{});
  const auto is_enough = std::make_shared<std::atomic<bool>>(false);
  page_reader reader{me, peer,
                     [is_enough](const page_ledger& books) { return *is_enough && books.answered_by_newest >= 20; }};
  const auto bytes_received = [&] { return me.must_ask<stats>(peer, get_stats{}).transport.bytes_received; };
  for (std::size_t count = 0; count < kills; ++count) {
    const auto generation = me.must_ask<connection_info>(peer, connect{}).generation;
    const auto before = bytes_received();
    wait_until("nginx has sent some more", [&] { return bytes_received() > before + 1'000'000; });
    server.kill();
    server.start();
    wait_until("the peer is connected anew",
               [&] { return me.must_ask<connection_info>(peer, connect{}).generation > generation; });
  }
  *is_enough = true;
  const auto report = reader.finish();
  CHECK(reader.books().losses.size() >= kills);
  check_pages(reader.books(), report, server, kills);
}

TEST_CASE("a stopped nginx keeps its connection, and sends the page when it goes on") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  const auto carried = either_protocol();
  nginx_server server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri_of(carried, server.port(carried)), persistent()).value();
  me.must_ask<connection_info>(peer, connect{});
  server.stop();
  const auto became =
      me.must_ask<sent>(peer, actorwire::send{payload::copy_of("GET /0?n=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                                              {when_down::fail, outcome::acked, 0ms}});
  CHECK(became.result == outcome::acked);
  const auto nothing = me.try_to_ask<received>(peer, receive{300ms});
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == error_code::request_timeout);
  server.go_on();
  const auto page = nginx_server::content(0);
  std::string got;
  while (got.size() < page.size() || !got.ends_with(page))
    got += me.must_ask<received>(peer, receive{}).body.text();
  CHECK(got.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(me.must_ask<connection_status>(peer, get_state{}).info.generation == 1);
}

} // namespace actorwire::test
