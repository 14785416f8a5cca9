// Sessions over every transport, between two programs: what is confirmed, and what is told when a session is lost.

#include "secured_schemes.hpp"
#include "session_line.hpp"
#include "session_programs.hpp"

#include <catch2/generators/catch_generators_range.hpp>

#include <optional>
#include <string>
#include <vector>

namespace actorwire::test {

namespace {

// See docs/framing.md.
constexpr std::size_t frame_head_size = 13;
constexpr std::size_t greeting_size = frame_head_size + 50;

std::vector<std::string> texts(const session_side& side, std::size_t first, std::size_t last) {
  std::vector<std::string> all;
  for (auto number = first; number <= last; ++number)
    all.push_back(side.text(number));
  return all;
}

} // namespace

TEST_CASE("what both sides of a session say is confirmed over every transport, and their accounts say so", "[D1][D8]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  constexpr std::size_t count = 3'000;
  session_side of_client{"client", 500, true};
  session_side of_server{"server", 500, true};
  session_server server{scheme, of_server, to_listen(in_session(scheme))};
  session_client client{uri_of(scheme, server.at().port), of_client, with_session(in_session(scheme))};
  client.say(count);
  server.say(count);
  of_client.await_settled(count);
  of_server.await_settled(count);
  of_client.await_heard(count);
  // Those of a batch too, behind what was said before.
  const std::vector batch{payload::copy_of("first of a batch"), payload::copy_of("last of a batch")};
  const auto of_batch = client.me().must_ask<batch_sent>(client.peer(), send_batch{batch, {.wanted = outcome::acked}});
  CHECK(of_batch.results == std::vector{outcome::confirmed, outcome::confirmed});
  const auto totals = client.totals();
  const auto report = client.me().must_ask<close_report>(client.peer(), close{close_mode::drain, 10s});
  CHECK(report.complete);
  CHECK(report.delivery == totals);
  CHECK(totals.accepted.messages == count + 2);
  CHECK(totals.accepted == totals.confirmed);
  CHECK(totals.pending == tally{});

  const auto told_client = of_client.account();
  const auto told_server = of_server.account();
  CHECK(told_client.count(outcome::confirmed) == count);
  CHECK(told_server.count(outcome::confirmed) == count);
  auto expected = texts(of_client, 1, count);
  expected.insert(expected.end(), {"first of a batch", "last of a batch"});
  CHECK((told_server.heard == expected));
  CHECK((told_client.heard == texts(of_server, 1, count)));
  for (const auto* told : {&told_client, &told_server}) {
    REQUIRE(told->opened.size() == 1);
    CHECK_FALSE(told->opened.front().resumed);
    CHECK(told->lost.empty());
  }
}

TEST_CASE("a server that was started anew does not know the session, and its ranges are told over every transport",
          "[D1][D8]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  session_side of_client{"client", 100};
  session_side of_server{"server", 100};
  std::optional<session_server> server;
  server.emplace(scheme, of_server, to_listen(in_session(scheme)));
  const auto port = server->at().port;
  session_line line{scheme, port};
  auto attentive = in_session(scheme);
  attentive.connect_timeout = attentive.attempt_timeout = 500ms;
  attentive.operation_timeout = attentive.keepalive_timeout = 500ms;
  session_client client{uri_of(scheme, line.port()), of_client, with_session(attentive)};
  client.say(7);
  of_client.await_settled(7);
  line.silence();
  client.say(5);
  // They leave, and nobody knows where to.
  std::uint64_t sum = 0;
  for (std::size_t number = 1; number <= 12; ++number)
    sum += frame_head_size + of_client.text(number).size();
  wait_until("they have left", [&] {
    return client.me().must_ask<stats>(client.peer(), get_stats{}).transport.bytes_sent >= greeting_size + sum;
  });
  server.reset();
  line.end_silenced_clients();
  of_client.await("the connection is gone", [](const session_account& now) {
    return std::ranges::any_of(now.changes, [](const auto& each) { return each.from == connection_state::ready; });
  });
  client.say(4);
  wait_until("the others wait", [&] { return client.totals().accepted.messages == 16; });
  server.emplace(scheme, of_server, to_listen(in_session(scheme)), port);
  line.heal();
  line.end_silenced_clients();
  of_client.await("the session is lost", [](const session_account& now) { return !now.lost.empty(); });
  of_client.await_settled(16);
  client.say(3);
  of_client.await_settled(19);

  const auto told = of_client.account();
  REQUIRE(told.lost.size() == 1);
  CHECK((told.lost.front().ranges == session_ranges{{1, 7}, {8, 12}, {13, 16}}));
  CHECK(told.lost.front().reason.code == error_code::session_lost);
  CHECK(told.lost.front().generation == 1);
  CHECK(told.refusal.code == error_code::session_lost);
  for (std::size_t number = 1; number <= 19; ++number) {
    CAPTURE(number);
    const auto& word = told.said[number - 1];
    CHECK(word.outcomes == 1);
    if (number <= 7 || number > 16)
      CHECK(word.became == outcome::confirmed);
    else if (number <= 12)
      CHECK(word.became == outcome::maybe_sent);
    else
      CHECK(word.became == std::nullopt);
  }
  REQUIRE(told.opened.size() == 2);
  CHECK_FALSE(told.opened.back().resumed);
  auto expected = texts(of_client, 1, 7);
  const auto anew = texts(of_client, 17, 19);
  expected.insert(expected.end(), anew.begin(), anew.end());
  CHECK(of_server.account().heard == expected);
  const auto totals = client.totals();
  CHECK(totals.accepted.messages == 19);
  CHECK(totals.confirmed.messages == 10);
  CHECK(totals.maybe_sent.messages == 5);
  CHECK(totals.not_sent.messages == 4);
  CHECK(totals.pending == tally{});
}

TEST_CASE("a listener without room for what waits for a client tells the ranges when that goes, over every transport",
          "[D8]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  session_side of_server{"server", 100};
  auto narrow = to_listen(in_session(scheme));
  narrow.parked_bytes_max = 0;
  session_server server{scheme, of_server, narrow};
  tell(server.me().self().operator->(), server.at().listener, subscribe{event_mask::sessions});
  program there;
  witness me{there.system};
  const auto peer = there.net->acquire(uri_of(scheme, server.at().port), with_session(in_session(scheme))).value();
  me.must_ask<connection_info>(peer, connect{});
  server.say(6);
  for (std::size_t number = 1; number <= 3; ++number)
    CHECK(me.must_ask<received>(peer, receive{}).body.text() == of_server.text(number));
  of_server.await_settled(3);
  // The program takes no more of them, and goes.
  me.must_ask<close_report>(peer, close{close_mode::abort, 1s});
  const auto lost = server.me().await<session_lost>();
  CHECK((lost.ranges == session_ranges{{1, 3}, {4, 6}, {7, 6}}));
  CHECK(lost.reason.code == error_code::session_lost);
  CHECK(lost.source == of_server.account().opened.front().source);
  of_server.await_settled(6);
  CHECK(of_server.account().count(outcome::maybe_sent) == 3);
}

} // namespace actorwire::test
