// Peers that nobody has, and servers that speak or hang up meanwhile, over real sockets.

#include "secured_program.hpp"
#include "secured_schemes.hpp"

#include <catch2/generators/catch_generators_range.hpp>

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// A server that answers, and says more when it is told to.
class talkative_server {
public:
  explicit talkative_server(const std::string& scheme, std::string_view greeting = {}) {
    const auto serve = [this, greeting](caf::event_based_actor* self, const connection_actor& client) {
      {
        const std::lock_guard lock{mutex_};
        clients_.push_back(client);
      }
      if (!greeting.empty())
        tell(self, client, cast{payload::copy_of(greeting), {}});
      return echo(self, client);
    };
    auto made = there_.net->listen(scheme + "://127.0.0.1:0", serve, to_listen());
    if (!made)
      FAIL(to_string(made.error()));
    where_ = scheme + "://127.0.0.1:" + std::to_string(made->port);
  }

  [[nodiscard]] actorwire::checkout request() const {
    return {parse_endpoint(where_).value(), to_acquire(), {}, patience, patience};
  }

  void say(std::size_t to, std::string_view text) { anonymous_tell(client(to), cast{payload::copy_of(text), {}}); }
  void hang_up(std::size_t on) { anonymous_tell(client(on), actorwire::close{close_mode::flush, patience}); }

  [[nodiscard]] std::size_t client_count() {
    const std::lock_guard lock{mutex_};
    return clients_.size();
  }

private:
  connection_actor client(std::size_t number) {
    const std::lock_guard lock{mutex_};
    return clients_.at(number);
  }

  std::mutex mutex_;
  std::vector<connection_actor> clients_;
  std::string where_;
  /// Ends before what its actors use.
  program there_;
};

std::string answer_to_question(witness& me, const connection_actor& peer, std::string_view text) {
  me.must_ask<sent>(peer, actorwire::send{payload::copy_of(text), {}});
  return me.await_bytes(text.size());
}

pool_event await_removal(witness& me) {
  return me.await<pool_event>([](const pool_event& event) { return event.change == pool_change::removed; });
}

} // namespace

TEST_CASE("a server that speaks or hangs up while nobody has its peer is not lent again, over every transport",
          "[P2]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  const auto speaks = GENERATE(true, false);
  const auto hangs_up = GENERATE(true, false);
  if (!speaks && !hangs_up)
    return;
  CAPTURE(scheme, speaks, hangs_up);
  talkative_server server{scheme};
  program here;
  witness me{here.system};
  witness pool{here.system};
  pool.must_ask<void>(here.net->supervisor(), subscribe{event_mask::pool, credit_mode::automatic});
  const auto first = me.must_ask<lease>(here.net->supervisor(), server.request());
  me.listen_to(first.peer, event_mask::data);
  CHECK(answer_to_question(me, first.peer, "mine") == "mine");
  me.must_ask<void>(here.net->supervisor(), release{first.id});
  if (speaks)
    server.say(0, "bye");
  if (hangs_up)
    server.hang_up(0);
  const auto removed = await_removal(pool);
  CHECK(removed.reason.code == (speaks ? error_code::lease_ended : error_code::peer_closed));
  const auto second = me.must_ask<lease>(here.net->supervisor(), server.request());
  CHECK(second.peer != first.peer);
  me.listen_to(second.peer, event_mask::data);
  // Nothing of the first stands in front of it.
  CHECK(answer_to_question(me, second.peer, "ours") == "ours");
  CHECK(server.client_count() == 2);
  CHECK(me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{}).losses == 0);
}

TEST_CASE("what a server says first is for the first who gets its peer, over every transport", "[P2]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  talkative_server server{scheme, "hello"};
  auto options = program::two_shards();
  options.pool.max_leased = 2;
  options.pool.min_idle = 1;
  program here{options};
  witness me{here.system};
  const auto first = me.must_ask<lease>(here.net->supervisor(), server.request());
  // Another is connected meanwhile, and greeted.
  wait_until("a free peer",
             [&] { return me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{}).ready == 2; });
  const auto second = me.must_ask<lease>(here.net->supervisor(), server.request());
  CHECK(second.peer != first.peer);
  for (const auto& each : {first, second}) {
    me.listen_to(each.peer, event_mask::data);
    CHECK(me.await_bytes(5) == "hello");
    CHECK(answer_to_question(me, each.peer, "mine") == "mine");
    me.must_ask<void>(here.net->supervisor(), release{each.id});
  }
  // Neither is spent by that.
  const auto again = me.must_ask<lease>(here.net->supervisor(), server.request());
  CHECK((again.peer == first.peer || again.peer == second.peer));
}

} // namespace actorwire::test
