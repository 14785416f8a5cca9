// Sessions of a network whose memory they use up, over every transport.

#include "secured_schemes.hpp"
#include "session_programs.hpp"

#include <catch2/generators/catch_generators_range.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace actorwire::test {

TEST_CASE("a network whose memory is full of what a session keeps reads the confirmations that give it back",
          "[D8][F3]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  constexpr std::size_t limit = std::size_t{1} << 20U;
  session_side of_client{"client", 1'000, true};
  auto transport = in_session(scheme);
  transport.session.replay_messages = 100'000;
  // Nothing ends because the other program takes its time.
  transport.operation_timeout = transport.keepalive_timeout = 1h;
  program there;
  witness they{there.system};
  const auto server = there.net->listen(uri_of(scheme, 0), they.handle(), to_listen(transport)).value();
  auto options = program::two_shards();
  options.shards = 1;
  options.memory_limit = limit;
  session_client client{uri_of(scheme, server.port), of_client, with_session(transport), options};
  auto& me = client.me();
  const auto accepted_end = they.await<accepted>().connection;
  // Somebody holds what was read, so that nothing more is read into the same memory.
  me.listen_to(client.peer(), event_mask::data);
  std::vector<received> held;
  for (int count = 0; count < 4; ++count) {
    anonymous_tell(accepted_end, cast{payload::copy_of(pattern(15'000)), {}});
    held.push_back(me.await<received>());
  }
  client.say(100'000);
  of_client.await("no more fits", [](const session_account& now) { return now.refusal.code != error_code::none; });
  const auto used = client.net().memory_used();
  const auto refusal = of_client.read([](const session_account& now) { return now.refusal; });
  CHECK(refusal.code == error_code::would_block);
  CHECK(refusal.text.find("memory_limit") != std::string::npos);
  // What TLS and QUIC have to send takes memory beside what the session keeps, until it has left.
  if (scheme == "tcp")
    CHECK(used <= limit - limit / 16);
  const auto totals = client.totals();
  CHECK(totals.pending == totals.accepted);
  CHECK(totals.accepted.bytes > limit / 2);
  // The other program reads, and says so.
  they.listen_to(accepted_end, event_mask::data);
  std::vector<std::string> heard;
  while (heard.size() < totals.accepted.messages)
    heard.emplace_back(they.await<received>().body.text());
  of_client.await("all is settled", [](const session_account& now) { return now.settled == now.said.size(); });
  CHECK((heard == of_client.accepted_texts()));
  CHECK(client.totals().confirmed == totals.accepted);
  CHECK(client.net().memory_used() <= used - totals.accepted.bytes);
}

} // namespace actorwire::test
