// What a channel says of its health, and whom it has asked for it.

#include "channel/channel_actor.hpp"
#include "channel/wire.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <chrono>

namespace actorwire {

namespace {

/// Whole milliseconds, and never below 0: a turn of this shard may have begun before its actor was made on another one.
std::chrono::milliseconds in_milliseconds(duration length) noexcept {
  return std::max(std::chrono::floor<std::chrono::milliseconds>(length), std::chrono::milliseconds{0});
}

} // namespace

std::uint64_t channel_actor::received_bytes() const {
  return wire_ != nullptr ? wire_->stats().bytes_received : 0;
}

bool channel_actor::reads_all() const noexcept {
  return !audience_.is_out_of_credit() && (wire_ == nullptr || wire_->unread_size() == 0);
}

health& channel_actor::watched_health() {
  if (health_ == nullptr) {
    health_ = std::make_unique<health>(*this, config_->flow.degraded_age);
    if (is_ready())
      begin_health();
  }
  return *health_;
}

void channel_actor::begin_health() {
  if (closing_ != nullptr || is_retiring())
    return;
  // Who can answer no more, and who is about to be asked by another connection, is not to be asked.
  const auto may_probe = !is_finishing_ && !wire_->is_retiring() && (!has_received_all_ || can_have_streams());
  if (health_ != nullptr)
    health_->begin(may_probe);
  else if (config_->flow.degraded_age.count() > 0)
    static_cast<void>(watched_health());
}

health_report channel_actor::report_health() {
  const auto now = where().now();
  health_report report;
  report.source = source();
  report.generation = generation();
  report.state = present_state();
  report.time_in_state = in_milliseconds(now - changed_at_);
  report.round_trip = round_trip();
  if (wire_ != nullptr)
    report.silence = in_milliseconds(now - wire_->last_arrival());
  if (const auto since = sending_.oldest_waiting())
    report.oldest_waiting = in_milliseconds(now - *since);
  const auto& carrier = status_.carried_by != nullptr ? *status_.carried_by : status_.remote;
  report.half_open_bound = half_open_bound(*config_, carrier.proto);
  // Whoever asks once will ask again, and wants to know more then.
  watched_health().describe_in(report);
  return report;
}

caf::result<void> channel_actor::handle(const set_probe& request) {
  auto allowed = request.prober ? validate(request.policy) : result<void>{};
  if (allowed && is_over())
    allowed = make_error(error_code::closed, phase::close, origin::local, "closed by this side");
  if (!allowed)
    return is_request() ? caf::result<void>{to_caf_error(allowed.error())} : caf::result<void>{};
  dismiss_prober();
  if (!request.prober)
    return {};
  watch_if_new(caf::actor_cast<caf::strong_actor_ptr>(request.prober));
  watched_health().set_prober(request.prober, request.policy);
  return {};
}

void channel_actor::stop_probing() {
  if (health_ != nullptr)
    health_->stop_probing();
}

void channel_actor::note_retirement() {
  if (health_ != nullptr)
    health_->let_go();
}

bool channel_actor::is_retiring() const noexcept {
  return wire_ != nullptr && wire_->is_retiring();
}

void channel_actor::keep_wire() {
  if (wire_ == nullptr || !wire_->stay())
    return;
  begin_health();
  // It was not to matter on a connection that was about to end.
  if (peer_has_finished_ && config_->allow_half_open)
    receive_no_more();
  flush_later();
}

void channel_actor::dismiss_prober() {
  if (health_ == nullptr)
    return;
  if (const auto gone = health_->dismiss_prober())
    unwatch_if_gone(gone);
}

} // namespace actorwire
