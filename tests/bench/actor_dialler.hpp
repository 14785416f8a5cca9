#pragma once

#include "actor_load.hpp"
#include "actor_outcome.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/requests.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/timespan.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace actorwire::bench {

/// Connects and closes, again and again, until the time is over. Each is a peer of its own in the pool.
class dialler : public std::enable_shared_from_this<dialler> {
public:
  dialler(caf::event_based_actor* self, supervisor_actor pool, const actor_load::settings& wanted,
          outcome_of<double> told)
    : self_(self),
      pool_(std::move(pool)),
      told_(std::move(told)),
      duration_(wanted.duration),
      remote_(parse_endpoint(wanted.uri).value()),
      expects_sessions_(remote_.proto != protocol::tcp && wanted.transport.tls.session_resumption) {
    options_.transport = wanted.transport;
  }

  void acquire_next() {
    options_.reconnection.base_delay = std::chrono::milliseconds{1'000 + count_ % 1'000};
    ask(self_, pool_, caf::infinite, acquire{remote_, options_})
        .then([me = shared_from_this()](connection_actor& peer) { me->connect(peer); }, fails());
  }

private:
  void connect(const connection_actor& peer) {
    ask(self_, peer, caf::infinite, actorwire::connect{})
        .then(
            [me = shared_from_this(), peer](const connection_info& info) {
              me->resumed_ += info.tls.resumed ? 1 : 0;
              me->go_round(peer);
            },
            fails());
  }

  /// Sessions come with the first answer.
  void go_round(const connection_actor& peer) {
    tell(self_, peer, cast{payload::copy_of("hello"), {}});
    ask(self_, peer, caf::infinite, actorwire::receive{})
        .then([me = shared_from_this(), peer](const received&) { me->close(peer); }, fails());
  }

  void close(const connection_actor& peer) {
    ask(self_, peer, caf::infinite, actorwire::close{close_mode::flush, std::chrono::seconds{2}})
        .then([me = shared_from_this()](const close_report&) { me->note_closed(); }, fails());
  }

  /// The first makes a session, and does not count.
  void note_closed() {
    const auto now = steady_clock::now();
    if (count_++ == 0)
      began_ = now;
    if (now < began_ + duration_)
      return acquire_next();
    // The first makes a session.
    const auto wanted = expects_sessions_ ? count_ - 1 : 0;
    if (resumed_ != wanted)
      return fail(std::to_string(resumed_) + " of " + std::to_string(count_) + " sessions were resumed");
    told_->set_value(static_cast<double>(count_ - 1) / seconds_between(began_, now));
    self_->quit();
  }

  std::function<void(const caf::error&)> fails() {
    return [me = shared_from_this()](const caf::error& reason) { me->fail(to_string(to_transport_error(reason))); };
  }

  void fail(const std::string& why) {
    told_->set_exception(std::make_exception_ptr(std::runtime_error{why}));
    self_->quit();
  }

  caf::event_based_actor* self_;
  supervisor_actor pool_;
  outcome_of<double> told_;
  std::chrono::nanoseconds duration_;
  endpoint remote_;
  acquire_options options_;
  std::uint64_t count_ = 0;
  std::uint64_t resumed_ = 0;
  bool expects_sessions_;
  steady_clock::time_point began_;
};

} // namespace actorwire::bench
