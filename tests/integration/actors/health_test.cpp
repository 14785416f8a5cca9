// Probers that ask real servers.

#include "persistent_peer.hpp"
#include "program.hpp"
#include "redis_server.hpp"

#include <caf/response_promise.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// Sends a PING for each probe, and takes whatever comes for the answer.
caf::behavior redis_prober(caf::event_based_actor* self, const connection_actor& redis) {
  tell(self, redis, subscribe{event_mask::data, credit_mode::automatic});
  auto unanswered = std::make_shared<std::vector<caf::response_promise>>();
  return minding(
      [=](const health_probe&) {
        tell(self, redis, cast{payload::copy_of(command({"PING"})), {when_down::drop}});
        unanswered->push_back(self->make_response_promise());
      },
      [=](received&) {
        for (auto& probe : std::exchange(*unanswered, {}))
          probe.deliver(caf::unit);
      });
}

bool is_there(const health_report& report) {
  return report.state == connection_state::ready && report.probe_failures_in_a_row == 0 && report.probe_successes > 0;
}

} // namespace

TEST_CASE("a stopped redis is found by its prober: degraded, then lost, and ready when it goes on", "[H1][S3]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const auto carried = either_protocol();
  redis_server server;
  program here;
  witness me{here.system};
  auto options = persistent();
  options.transport.attempt_timeout = options.transport.connect_timeout = 500ms;
  const auto peer = here.net->acquire(uri_of(carried, server.port(carried)), options).value();
  me.must_ask<connection_info>(peer, connect{});
  const auto prober = here.system.spawn(redis_prober, peer);
  me.must_ask<void>(peer, set_probe{prober, {.interval = 100ms, .timeout = 300ms, .failures_to_fail = 3}});
  wait_until("redis has answered a probe", [&] { return is_there(me.must_ask<health_report>(peer, get_health{})); });
  me.listen_to(peer, event_mask::state | event_mask::health);
  server.stop();
  // On a machine that is slow by itself it may have been degraded, and better, before.
  const auto degraded = me.await<state_changed>([](const auto& each) { return each.to == connection_state::degraded; });
  CHECK(degraded.from == connection_state::ready);
  CHECK(degraded.to == connection_state::degraded);
  CHECK(degraded.reason.code == error_code::probe_failed);
  const auto told = me.await<health_changed>([](const auto& each) { return each.change == health_change::cause_came; });
  CHECK(told.causes == std::vector{health_cause::probe_failing});
  const auto lost = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  CHECK(lost.from == connection_state::degraded);
  CHECK(lost.to == connection_state::backoff);
  CHECK(lost.reason.code == error_code::probe_failed);
  server.go_on();
  CHECK(me.await<opened>().info.generation > 1);
  wait_until("redis answers probes again", [&] { return is_there(me.must_ask<health_report>(peer, get_health{})); });
  caf::anon_send_exit(prober, caf::exit_reason::user_shutdown);
  me.await<health_changed>([](const auto& each) { return each.change == health_change::prober_ended; });
}

} // namespace actorwire::test
