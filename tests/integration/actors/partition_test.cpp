// Two networks of their own, with redis in the one, a program in the other, and a link between them that loses packets or
// carries none for a while. Only where the machine allows networks of one's own: that takes root, and TUN.

#include "fault_ledger.hpp"
#include "packet_link.hpp"
#include "persistent_peer.hpp"
#include "redis_server.hpp"
#include "seed.hpp"
#include "time_to_notice.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace actorwire::test {

namespace {

/// A redis and a program, each in a network of its own.
struct two_networks {
  two_networks(protocol carried, double loss, const acquire_options& options) : link(near, far, loss, seed.engine()) {
    far.run([&] { server.emplace(std::vector<std::string>{packet_link::second_address}); });
    near.run([&] { here.emplace(); });
    me.emplace(here->system);
    const auto uri = uri_of(carried, server->port(carried), packet_link::second_address);
    peer = here->net->acquire(uri, options).value();
  }

  [[nodiscard]] std::vector<std::string> list() const {
    std::vector<std::string> all;
    far.run([&] { all = server->list("orders"); });
    return all;
  }

  test_seed seed;
  network_namespace near;
  network_namespace far;
  packet_link link;
  std::optional<redis_server> server;
  std::optional<program> here;
  std::optional<witness> me;
  connection_actor peer;
};

/// Why these tests cannot be run here; empty when they can.
std::string refusal() {
  if (!is_installed("redis-server"))
    return "redis-server is not installed";
  const auto reason = network_namespace::refusal();
  return reason.empty() ? reason : "no networks of one's own here: " + reason;
}

} // namespace

TEST_CASE(
    "a partition ends connections with sent bytes as unanswered, and redis has what the accounts say when it is over",
    "[D1][D2][D3][D4][H1][random]") {
  if (const auto reason = refusal(); !reason.empty())
    SKIP(reason);
  auto options = persistent();
  options.transport.keepalive_interval = 0ms;
  options.transport.keepalive_timeout = 500ms;
  options.transport.attempt_timeout = options.transport.connect_timeout = 500ms;
  two_networks both{either_protocol(), 0, options};
  auto& me = *both.me;
  const auto is_enough = std::make_shared<std::atomic<bool>>(false);
  list_filler filler{me, both.peer,
                     [is_enough](const fault_ledger& books) { return *is_enough && books.replies_to_newest() >= 100; }};
  wait_until("redis has answered",
             [&] { return me.must_ask<stats>(both.peer, get_stats{}).transport.bytes_received > 500; });
  me.listen_to(both.peer, event_mask::state);
  const time_to_notice passed;
  both.link.part();
  const auto lost = me.await<state_changed>();
  passed.check(options.transport.keepalive_timeout);
  CHECK(lost.from == connection_state::ready);
  CHECK(lost.to == connection_state::backoff);
  CHECK(lost.reason.code == error_code::keepalive_timeout);
  // Nobody says that there is nobody.
  const auto failed = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  CHECK(failed.reason.code == error_code::connect_timeout);
  both.link.heal();
  static_cast<void>(me.await<opened>());
  *is_enough = true;
  const auto report = filler.finish();
  check_accounts(filler.books(), report, both.list(), acknowledged_by::redis);
}

TEST_CASE("an idle connection across a partition is found by keepalive, and no other is", "[H1]") {
  if (const auto reason = refusal(); !reason.empty())
    SKIP(reason);
  auto options = persistent();
  options.transport.keepalive_interval = 1s;
  options.transport.keepalive_timeout = 1s;
  std::get<tcp_config>(options.transport.protocol_settings).keepalive_probes = 1;
  options.transport.attempt_timeout = options.transport.connect_timeout = 500ms;
  two_networks both{either_protocol(), 0, options};
  auto& me = *both.me;
  me.must_ask<connection_info>(both.peer, connect{});
  const auto report = me.must_ask<health_report>(both.peer, get_health{});
  CHECK(report.half_open_bound == 3s);
  me.listen_to(both.peer, event_mask::state);
  // As long as somebody answers the kernel's probes nothing is lost, though nobody says anything.
  CHECK_FALSE(me.await_or_nothing<state_changed>(report.half_open_bound + 1s));
  const time_to_notice passed;
  both.link.part();
  const auto lost = me.await<state_changed>();
  passed.check(report.half_open_bound);
  CHECK(lost.from == connection_state::ready);
  CHECK(lost.to == connection_state::backoff);
  CHECK(lost.reason.code == error_code::keepalive_timeout);
  both.link.heal();
  CHECK(me.await<opened>().info.generation == 2);
}

TEST_CASE("a link that loses packets costs time, and no message", "[D1][D3][D4][D5][random]") {
  if (const auto reason = refusal(); !reason.empty())
    SKIP(reason);
  two_networks both{either_protocol(), 0.03, persistent()};
  list_filler filler{*both.me, both.peer, [](const fault_ledger& books) { return books.replies_to_newest() >= 2'000; }};
  const auto report = filler.finish();
  CHECK(filler.books().failures.empty());
  CHECK(both.link.counts().lost > 0);
  check_accounts(filler.books(), report, both.list(), acknowledged_by::redis);
}

} // namespace actorwire::test
