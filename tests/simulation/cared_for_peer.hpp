#pragma once

#include "simulated_system.hpp"
#include "story.hpp"

#include <caf/response_promise.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

using namespace std::chrono_literals;

/// Where the host of these tests listens.
inline constexpr std::string_view cared_for_server = "tcp://server:1";

inline constexpr probe_policy every_second{1s, 300ms, 1, 3, true};

/// An actor that answers probes as a test says.
class prober {
public:
  enum class manner { well, badly, not_at_all };

  explicit prober(simulated_system& world) : state_(std::make_shared<state>()) {
    handle_ = world.net().spawn_on_shard(0, [mine = state_](caf::event_based_actor* self) -> caf::behavior {
      return {[self, mine](const health_probe& asked) {
        mine->asked.push_back(asked);
        auto answer = self->make_response_promise();
        mine->open.push_back(answer);
        if (mine->answers != manner::not_at_all)
          answer_last(*mine, mine->answers == manner::well);
      }};
    });
  }

  void answer(manner how) { state_->answers = how; }
  /// Answers the oldest probe that was not, in a turn of its own.
  void answer_late(simulated_system& world, bool is_good) {
    auto asker = world.make_probe();
    asker.run([mine = state_, is_good](caf::event_based_actor*) {
      std::rotate(mine->open.begin(), mine->open.begin() + 1, mine->open.end());
      answer_last(*mine, is_good);
    });
    world.run_now();
  }
  void end() { caf::anon_send_exit(handle_, caf::exit_reason::user_shutdown); }

  [[nodiscard]] const caf::actor& handle() const noexcept { return handle_; }
  [[nodiscard]] const std::vector<health_probe>& asked() const noexcept { return state_->asked; }

private:
  struct state {
    manner answers = manner::well;
    std::vector<health_probe> asked;
    std::vector<caf::response_promise> open;
  };

  static void answer_last(state& mine, bool is_good) {
    auto answer = std::move(mine.open.back());
    mine.open.pop_back();
    if (is_good)
      answer.deliver(caf::unit);
    else
      answer.deliver(caf::make_error(caf::sec::runtime_error));
  }

  std::shared_ptr<state> state_;
  caf::actor handle_;
};

/// A peer with somebody who watches it from its first state on.
struct cared_for_peer {
  explicit cared_for_peer(acquire_options options = framed(), simulated_system_options settings = {})
    : world(settings), user(world.make_probe()), asked(world) {
    world.hosts().listen(cared_for_server, sink_service());
    peer = world.acquire(cared_for_server, options);
    const auto answer = user.subscribe(peer);
    REQUIRE(reach(connection_state::ready));
    snapshot = answer->value.value();
  }

  bool reach(connection_state wanted) {
    return world.run_until([&] { return user.last_state() == wanted; }, 1h);
  }
  void probe(const probe_policy& policy = every_second) {
    const auto answer = user.set_probe(peer, asked.handle(), policy);
    world.run_now();
    REQUIRE(answer->value);
  }
  health_report health() {
    const auto answer = user.get_health(peer);
    world.run_now();
    return answer->value.value();
  }
  std::vector<health_changed> changes() const { return user.all<health_changed>(); }

  simulated_system world;
  actorwire::test::probe user;
  prober asked;
  connection_actor peer;
  connection_status snapshot;
};

} // namespace actorwire::test
