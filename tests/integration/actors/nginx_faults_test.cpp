// Real faults on real sockets, with nginx at the other end: each page comes whole, or the connection is reported as lost, and
// what nginx has written down agrees.

#include "nginx_server.hpp"
#include "page_reader.hpp"
#include "persistent_peer.hpp"
#include "seed.hpp"
#include "tcp_fault_proxy.hpp"

#include <caf/response_promise.hpp>
#include <caf/sec.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// Never says that all is well, so that silence for long enough is a failure.
caf::behavior silent_prober(caf::event_based_actor* self) {
  return {[self](const health_probe&) {
    auto answer = self->make_response_promise();
    answer.deliver(caf::make_error(caf::sec::runtime_error));
  }};
}

/// Reads pages by a line that has these faults, until so many connections are lost and another has carried some pages, and
/// holds the accounts against the log. Returns what each connection was lost of. Where something may fail so that nobody is
/// told, a prober is to find out by `patience_with_silence`.
std::vector<transport_error> read_through(protocol carried, const std::vector<tcp_faults>& weather,
                                          const test_seed& seed, std::size_t losses, std::size_t pages = 20,
                                          const std::optional<probe_policy>& patience_with_silence = std::nullopt) {
  const nginx_server server;
  const tcp_fault_proxy proxy{server.port(carried), weather, seed.engine()};
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri_of(carried, proxy.port()), persistent()).value();
  // Kept, because the peer does not keep it.
  const auto prober = patience_with_silence ? here.system.spawn(silent_prober) : caf::actor{};
  if (prober)
    me.must_ask<void>(peer, set_probe{prober, *patience_with_silence});
  page_reader reader{me, peer, [=](const page_ledger& books) {
                       return books.losses.size() >= losses && books.answered_by_newest >= pages;
                     }};
  const auto report = reader.finish();
  check_pages(reader.books(), report, server);
  if (prober)
    caf::anon_send_exit(prober, caf::exit_reason::user_shutdown);
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
  const auto losses = read_through(carried, weather, seed, weather.size());
  CHECK(losses.size() == weather.size());
  for (const auto& reason : losses) {
    INFO(to_string(reason));
    CHECK(is_loss(reason, carried));
    CHECK(is_explained(reason));
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
  read_through(carried, weather, seed, weather.size());
}

TEST_CASE("pages that come in pieces of 1 to 16 bytes come whole, and the rest of one that is cut comes again",
          "[D1][D2][D3][D4][random]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  const auto carried = either_protocol();
  const test_seed seed;
  constexpr std::size_t piece = 16;
  const std::vector<tcp_faults> weather{{.to_server = {.piece_max = piece},
                                         .to_client = {.fate = tcp_fate::cut, .at = 54'321, .piece_max = piece}},
                                        {.to_server = {.piece_max = piece}, .to_client = {.piece_max = piece}}};
  const auto losses = read_through(carried, weather, seed, 1, 10);
  REQUIRE(losses.size() == 1);
  CHECK(is_loss(losses.front(), carried));
}

TEST_CASE("lines to nginx that are half open are found by a prober, and the pages come by the next",
          "[D1][D2][D3][D4][H1][random]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  const auto carried = either_protocol();
  const test_seed seed;
  // To the systems of both sides all is well: what is swallowed was acknowledged.
  const std::vector<tcp_faults> weather{{.to_client = {.fate = tcp_fate::swallow, .at = 123'456}},
                                        {.to_server = {.fate = tcp_fate::swallow, .at = 1'500}},
                                        {.to_client = {.fate = tcp_fate::swallow, .at = 5'000}}};
  const auto losses = read_through(carried, weather, seed, weather.size(), 20,
                                   probe_policy{.interval = 100ms, .timeout = 1s, .failures_to_fail = 4});
  // A machine that is slow by itself may be taken for one that says nothing.
  CHECK(losses.size() >= weather.size());
  for (const auto& reason : losses) {
    INFO(to_string(reason));
    CHECK(reason.code == error_code::probe_failed);
    CHECK(reason.where == phase::established);
  }
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
  const auto losses = read_through(protocol::tls, weather, seed, weather.size());
  REQUIRE(losses.size() == weather.size());
  for (const auto& reason : losses) {
    INFO(to_string(reason));
    CHECK(reason.code == error_code::malformed);
  }
}

namespace {

/// A program that reads pages until it is told that it is enough.
struct busy_reader {
  explicit busy_reader(protocol carried)
    : peer(connected(carried)), reader(me, peer, [enough = is_enough](const page_ledger& books) {
        return *enough && books.answered_by_newest >= 20;
      }) {}

  connection_actor connected(protocol carried) {
    auto made = here.net->acquire(uri_of(carried, server.port(carried)), persistent()).value();
    me.must_ask<connection_info>(made, connect{});
    return made;
  }

  void read_some_more() {
    const auto bytes_received = [&] { return me.must_ask<stats>(peer, get_stats{}).transport.bytes_received; };
    const auto before = bytes_received();
    wait_until("nginx has sent some more", [&] { return bytes_received() > before + 1'000'000; });
  }

  close_report finish() {
    *is_enough = true;
    return reader.finish();
  }

  nginx_server server;
  program here;
  witness me{here.system};
  connection_actor peer;
  std::shared_ptr<std::atomic<bool>> is_enough = std::make_shared<std::atomic<bool>>(false);
  page_reader reader;
};

} // namespace

TEST_CASE("nginx is killed amid its answers, and each page comes whole or the connection is reported as lost",
          "[D1][D2][D3][D4]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  constexpr std::size_t kills = 3;
  busy_reader with{either_protocol()};
  for (std::size_t count = 0; count < kills; ++count) {
    const auto generation = with.me.must_ask<connection_info>(with.peer, connect{}).generation;
    with.read_some_more();
    with.server.kill();
    with.server.start();
    wait_until("the peer is connected anew",
               [&] { return with.me.must_ask<connection_info>(with.peer, connect{}).generation > generation; });
  }
  const auto report = with.finish();
  CHECK(with.reader.books().losses.size() >= kills);
  check_pages(with.reader.books(), report, with.server, kills);
}

TEST_CASE("nginx is stopped amid its answers, and each page comes whole when it goes on, by the same connection",
          "[D1][D2][D3]") {
  if (nginx_program().empty())
    SKIP("nginx is not installed");
  busy_reader with{either_protocol()};
  for (int count = 0; count < 3; ++count) {
    with.read_some_more();
    with.server.stop();
    wait_until("all that it had sent has come",
               [&] { return with.me.must_ask<health_report>(with.peer, get_health{}).silence >= 200ms; });
    const auto status = with.me.must_ask<connection_status>(with.peer, get_state{});
    CHECK(status.state == connection_state::ready);
    CHECK(status.info.generation == 1);
    with.server.go_on();
  }
  const auto report = with.finish();
  CHECK(with.reader.books().losses.empty());
  CHECK(report.complete);
  for (const auto& each : with.reader.books().requests)
    CHECK(each.is_answered);
  check_pages(with.reader.books(), report, with.server);
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
