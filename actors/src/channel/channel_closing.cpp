// How a channel closes.

#include "channel/closing.hpp"
#include "channel/wire.hpp"
#include "delivery/obstacle.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace actorwire {

namespace {

/// Times that come in messages may be anything; more than a day is as good as for ever.
std::chrono::milliseconds bounded(std::chrono::milliseconds wanted) {
  return std::clamp<std::chrono::milliseconds>(wanted, std::chrono::milliseconds{0}, std::chrono::hours{24});
}

} // namespace

caf::typed_response_promise<close_report> channel_actor::handle(const close& request) {
  caf::typed_response_promise<close_report> promise;
  if (closing_ == nullptr)
    closing_ = std::make_unique<closing>(*this);
  if (is_request())
    closing_->waiting.push_back(promise = make_response_promise<close_report>());
  begin_close(request);
  return promise;
}

void channel_actor::begin_close(const close& request) {
  if (closing_ == nullptr)
    closing_ = std::make_unique<closing>(*this);
  // Its own beginning is told as the reason from now on.
  if (state() != connection_state::draining)
    closing_->obstacle = obstacle();
  leaves();
  if (health_ != nullptr)
    health_->end();
  // A later close can only be stricter than an earlier one.
  closing_->mode = std::max(closing_->mode, request.mode);
  if (request.mode == close_mode::abort) {
    cut_and_end(closed_error());
    return;
  }
  const auto is_between = is_between_connections();
  transition(state_event::drain, closed_error());
  if (state() == connection_state::closed) {
    end(closed_error());
    return;
  }
  // An attempt would only bring a connection that is closed again; one that is greeted is there, and says goodbye.
  if (wire_ == nullptr && !is_between && sending_.is_flushed(0)) {
    cut_and_end(closed_error());
    return;
  }
  const auto timeout = bounded(request.timeout);
  if (!closing_->time_out.is_armed() || where().now() + timeout < closing_->time_out.deadline())
    where().arm(closing_->time_out, timeout);
  if (wire_ == nullptr)
    return;
  finish_wire();
  pump_later();
}

void channel_actor::finish_wire() {
  finish_session();
  wire_->finish(closing_->mode == close_mode::flush);
  wire_->finish_streams();
}

void channel_actor::finish_closing() {
  if (closing_ == nullptr)
    return;
  const auto& totals = sending_.totals();
  for (auto& asker : std::exchange(closing_->waiting, {}))
    asker.deliver(close_report{totals, totals.not_sent.messages == 0 && totals.maybe_sent.messages == 0});
  closing_->time_out.cancel();
}

transport_error channel_actor::why_draining() const {
  std::string text = "the connection is being closed";
  if (const auto why = obstacle())
    text += "; not connected" + describe_obstacle(*why);
  return make_error(error_code::draining, phase::close, origin::local, std::move(text));
}

std::optional<transport_error> channel_actor::obstacle() const {
  if (is_ready())
    return std::nullopt;
  if (closing_ != nullptr && closing_->obstacle)
    return closing_->obstacle;
  return why_not_ready();
}

} // namespace actorwire
