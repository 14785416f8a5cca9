// Sessions over real connections that are cut, over every transport: nothing is lost, nothing comes twice, all in order.

#include "secured_schemes.hpp"
#include "seed.hpp"
#include "session_line.hpp"
#include "session_programs.hpp"

#include <catch2/generators/catch_generators_range.hpp>

#include <cstddef>
#include <string>

namespace actorwire::test {

namespace {

constexpr std::size_t cut_count = 8;
/// Of either side, unsettled. What is not taken fills the buffers of a connection that stalls.
constexpr std::size_t window = 300;
constexpr std::size_t endless = 1'000'000;

/// Ends are noticed soon.
transport_config wary(const std::string& scheme) {
  auto config = in_session(scheme);
  config.connect_timeout = config.attempt_timeout = 1s;
  config.operation_timeout = config.keepalive_timeout = 500ms;
  config.keepalive_interval = 0ms;
  return config;
}

} // namespace

TEST_CASE("wherever connections of a session are cut, what both sides say is delivered once and in order",
          "[D1][D8][random]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  const test_seed seed;
  session_side of_client{"client", window, true};
  session_side of_server{"server", window, true};
  session_server server{scheme, of_server, to_listen(wary(scheme))};
  const session_line line{scheme, server.at().port, cut_count, seed.engine()};
  session_client client{uri_of(scheme, line.port()), of_client, with_session(wary(scheme))};
  server.say(endless);
  client.say(endless);
  std::size_t connections = 0;
  do {
    of_client.await("the session goes on", [&](const session_account& now) {
      return now.opened.size() > connections && now.settled >= now.settled_when_opened + 200;
    });
    connections = of_client.read([](const session_account& now) { return now.opened.size(); });
  } while (!line.has_cut_all());
  of_client.stop();
  of_server.stop();
  const auto is_settled = [](const session_account& now) { return now.settled == now.said.size(); };
  of_client.await("all is settled", is_settled);
  of_server.await("all is settled", is_settled);
  of_client.await_heard(of_server.accepted_texts().size());
  const auto totals = client.totals();
  const auto report = client.me().must_ask<close_report>(client.peer(), close{close_mode::drain, 10s});
  CHECK(report.complete);
  CHECK(report.delivery == totals);

  const auto told_client = of_client.account();
  const auto told_server = of_server.account();
  INFO("client:\n" << told_client.changes_text() << "server:\n" << told_server.changes_text());
  CHECK(told_client.count(outcome::confirmed) == told_client.said.size());
  CHECK((told_server.heard == of_client.accepted_texts()));
  CHECK((told_client.heard == of_server.accepted_texts()));
  CHECK(told_client.heard.size() > 200);
  check_totals(told_client, totals);
  CHECK(std::ranges::all_of(told_server.said, [](const auto& each) { return each.outcomes == 1; }));
  CHECK(told_client.lost.empty());
  CHECK(told_server.lost.empty());
  // One session, that went on with each connection and sent some again.
  REQUIRE_FALSE(told_client.opened.empty());
  CHECK(std::ranges::count_if(told_client.opened, &session_opened::resumed) == std::ssize(told_client.opened) - 1);
  CHECK(told_client.opened.size() > cut_count / 4);
  CHECK(std::ranges::any_of(told_client.opened, [](const auto& each) { return each.replayed > 0; }));
}

TEST_CASE("a newer connection takes the session from an older one whose client is gone unnoticed, over every transport",
          "[D8]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  session_side of_client{"client", 100};
  session_side of_server{"server", 100};
  // The server notices nothing by itself.
  auto patient = in_session(scheme);
  patient.keepalive_interval = 0ms;
  patient.keepalive_timeout = patient.operation_timeout = 1h;
  auto attentive = wary(scheme);
  if (auto* quic = std::get_if<quic_config>(&patient.protocol_settings))
    quic->idle_timeout = 0ms;
  if (auto* quic = std::get_if<quic_config>(&attentive.protocol_settings))
    quic->idle_timeout = 0ms;
  session_server server{scheme, of_server, to_listen(patient)};
  session_line line{scheme, server.at().port};
  session_client client{uri_of(scheme, line.port()), of_client, with_session(attentive)};
  client.say(10);
  of_client.await_settled(10);
  server.say(10);
  of_server.await_settled(10);
  line.silence();
  // Both are on their way when the client goes.
  server.say(10);
  client.say(10);
  for (const auto* side : {&of_client, &of_server})
    side->await("the older connection has taken it", [](const session_account& now) { return now.asked == 20; });
  line.heal();
  line.end_silenced_clients();
  of_client.await_settled(20);
  of_client.await_heard(20);
  of_server.await("the older connection is fenced",
                  [](const session_account& now) { return now.has_closed_with(error_code::session_fenced); });
  of_server.await_settled(20);
  server.say(10);
  of_server.await_settled(30);
  of_client.await_heard(30);

  const auto told_client = of_client.account();
  const auto told_server = of_server.account();
  INFO("client:\n" << told_client.changes_text() << "server:\n" << told_server.changes_text());
  CHECK(told_client.count(outcome::confirmed) == 20);
  CHECK(told_server.heard == of_client.accepted_texts());
  CHECK(told_client.heard == of_server.accepted_texts());
  // What the older connection had taken, and the newer has delivered.
  CHECK(told_server.count(outcome::maybe_sent) == 10);
  CHECK(told_server.count(outcome::confirmed) == 20);
  REQUIRE(told_client.opened.size() == 2);
  REQUIRE(told_server.opened.size() == 2);
  CHECK(told_client.opened.back().resumed);
  CHECK(told_client.opened.back().replayed == 10);
  CHECK(told_server.opened.back().resumed);
  CHECK(told_server.opened.back().replayed == 10);
  CHECK(told_client.lost.empty());
  CHECK(told_server.lost.empty());
  check_totals(told_client, client.totals());
}

} // namespace actorwire::test
