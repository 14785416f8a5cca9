#include "channel/channel_actor.hpp"

#include "channel/calls.hpp"
#include "channel/closing.hpp"
#include "channel/wire.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace actorwire {

namespace {

/// What a pull lets the transport read when nobody subscribes: one small slab.
constexpr std::size_t pull_credit = 16U << 10U;

transport_error somebody_subscribes() {
  return make_error(error_code::conflicting_values, phase::established, origin::local,
                    "receive: somebody subscribes to the data of this connection");
}

transport_error nothing_more_comes() {
  return make_error(error_code::peer_closed, phase::established, origin::remote,
                    "receive: the peer has ended its side, and all that it sent was received");
}

} // namespace

channel_actor::channel_actor(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id,
                             const endpoint& remote, std::shared_ptr<const transport_config> settings)
  : shard_actor(config, std::move(home)),
    config_(std::move(settings)),
    figures_(*this),
    sending_(*this),
    audience_(*this, config_->flow.read_credit,
              [](channel_interface::base& self, stream_id stream, bool had_none) {
                auto& owner = static_cast<channel_actor&>(self);
                if (stream == audience::every_stream)
                  owner.pump_later();
                else
                  owner.pump_later(stream);
                if (had_none && owner.health_ != nullptr)
                  owner.health_->note_reading();
              }),
    waiting_(*this),
    changed_at_(where().read_clock()) {
  status_.id = id;
  status_.remote = remote;
}

channel_actor::~channel_actor() = default;

channel_actor::behavior_type channel_actor::make_behavior() {
  ignore_error_messages();
  // CAF keeps a table of handlers, here of more than half a kilobyte, for each behavior. All channels share one, whose
  // handlers ask who is at work.
  static const behavior_type shared{
      // CAF looks for the handler from the first one on.
      [](cast& request) { at_work().handle(request); },
      [](actorwire::send& request) { return at_work().handle(request); },
      [](connect request) { return at_work().handle(request); },
      [](send_batch& request) { return at_work().handle(request); },
      [](const receive& request) { return at_work().handle(request); },
      [](const subscribe& request) { return at_work().handle(request); },
      [](const unsubscribe& request) { at_work().handle(request); },
      [](const grant& request) { at_work().handle(request); },
      [](const finish_stream& request) { at_work().handle(request); },
      [](const open_stream& request) { return at_work().handle(request); },
      [](const reset_stream& request) { return at_work().handle(request); },
      [](const stop_stream& request) { return at_work().handle(request); },
      [](const prioritize_stream& request) { return at_work().handle(request); },
      [](send_datagram& request) { return at_work().handle(request); },
      [](call& request) { return at_work().handle(request); },
      [](answer& request) { return at_work().handle(request); },
      [](const refuse& request) { return at_work().handle(request); },
      [](get_stats) { return at_work().statistics(); },
      [](const stream_stats& request) { at_work().handle(request); },
      [](get_state) { return at_work().present_status(); },
      [](get_health) { return at_work().report_health(); },
      [](const set_probe& request) { return at_work().handle(request); },
      [](const close& request) { return at_work().handle(request); },
      [](peer_directive& directive) { at_work().obey(directive); },
  };
  return shared;
}

channel_actor& channel_actor::at_work() noexcept {
  return static_cast<channel_actor&>(shard_context::running());
}

// -- for the wire -------------------------------------------------------------------------------------------------------

void channel_actor::note_progress(connection_state where) {
  if (where == connection_state::connecting)
    transition(state_event::progress_connecting);
  else if (where == connection_state::handshaking)
    transition(state_event::progress_handshaking);
}

void channel_actor::note_failed_attempt(const transport_error& reason) {
  note_error(reason);
  figures_.note_failed_attempt(reason.code);
  if (!has_ended_)
    wire_lost(reason);
}

void channel_actor::attach_wire(wire& carrier, const transport_opening& opening) {
  if (has_ended_) {
    carrier.cut(closed_error());
    return;
  }
  wire_ = &carrier;
  greeting_ = nullptr;
  early_wire_ = nullptr;
  peer_has_finished_ = false;
  has_received_all_ = false;
  ++status_.generation;
  status_.names = {opening.local, opening.remote};
  status_.stale_addresses = opening.stale_addresses;
  status_.carried_by = opening.carried_by && *opening.carried_by != status_.remote
                         ? std::make_unique<const endpoint>(*opening.carried_by)
                         : nullptr;
  status_.tls = opening.tls.version.empty() ? nullptr : std::make_unique<const tls_info>(opening.tls);
  status_.attempt = 0;
  sending_.connection_ready();
  becomes_ready(opening);
  transition(state_event::connected);
  const opened event{info()};
  publish(event_mask::state, event);
  if (has_session())
    announce_session();
  waiting_.answer_connects(event.info);
  became_ready();
  begin_health();
  if (closing_ != nullptr)
    finish_wire();
  else if (is_finishing_)
    wire_->finish(false);
  flush_later();
}

void channel_actor::note_successor_ready(wire& carrier) {
  carrier.cut(closed_error());
}

void channel_actor::detach_wire(wire& carrier, const transport_error& reason) {
  if (wire_ != &carrier && carrier.stands_by()) {
    successor_lost(carrier, reason);
    return;
  }
  note_error(reason);
  if (early_wire_ == &carrier) {
    early_wire_ = nullptr;
    sending_.early_lost();
  }
  if (wire_ == &carrier) {
    end_generation();
    wire_ = nullptr;
    if (health_ != nullptr && has_successor())
      health_->let_go();
    else if (health_ != nullptr)
      health_->end();
    sending_.connection_lost(reason, has_successor());
    end_answers(reason);
    audience_.forget_streams();
    waiting_.fail_receives_of_streams(reason);
    has_finished_ = is_finishing_ && sending_.is_flushed(0);
  } else if (!has_ended_) {
    figures_.note_failed_attempt(reason.code);
  }
  leave_greeting(carrier, reason);
  if (!has_ended_)
    wire_lost(reason);
}

void channel_actor::note_peer_finished() {
  // Otherwise the connection is about to end, and what waits may be answered on the next.
  peer_has_finished_ = true;
  note_no_answer_awaited();
  if (auto* lane = sending_.lane())
    lane->note_peer_finished();
  if (config_->allow_half_open && !has_successor() && !is_retiring())
    receive_no_more();
  audience_.await_handling(peer_closing{status_.id, status_.generation}, [this, generation = status_.generation] {
    if (wire_ != nullptr && generation == status_.generation && !config_->allow_half_open)
      wire_->follow_peer();
  });
}

void channel_actor::receive_no_more() {
  has_received_all_ = true;
  // Who can answer no more is not to be asked.
  if (!can_have_streams())
    stop_probing();
  waiting_.fail_receives(0, nothing_more_comes());
  end_answers(0, nothing_more_comes());
}

std::size_t channel_actor::credit(stream_id stream, std::optional<frame_kind> next) const noexcept {
  // Behind the greeting the session may be open, and the wire is not attached.
  if (stream == 0 && greeting_ != nullptr)
    return awaits_greeting() ? pull_credit : 0;
  auto left = audience_.credit_left(stream);
  if (left == 0 && !audience_.wants_data(stream) && (waiting_.want_data(stream) || drops_data(stream)))
    left = pull_credit;
  if (left > 0 || next == frame_kind::data || next == frame_kind::call)
    return left;
  // What no connection takes is to end it.
  if (next && *next > frame_kind::refusal)
    return pull_credit;
  // What the other side has had is to be known, whether anybody wants its messages or not.
  if (stream == 0 && has_session())
    return pull_credit;
  // Answers go to who called, whether data is wanted or not; but not past data that waits for credit, and not when nobody calls.
  return awaits_answers(stream) ? pull_credit : 0;
}

void channel_actor::deliver(stream_id stream, payload body, const frame_label& label) {
  if (stream == 0 && has_session()) {
    deliver_in_session(std::move(body), label);
    return;
  }
  if (label.kind != frame_kind::data) {
    deliver_numbered(stream, std::move(body), label);
    return;
  }
  received data{status_.id, status_.generation, stream, std::move(body)};
  if (audience_.wants_data(stream))
    audience_.deliver(std::move(data));
  else if (waiting_.want_data(stream))
    waiting_.deliver(std::move(data));
}

bool channel_actor::drops_data(stream_id stream) const noexcept {
  return closing_ != nullptr && !audience_.wants_data(stream) && !waiting_.want_data(stream);
}

void channel_actor::flush_later() {
  auto* taker = wire_ != nullptr ? wire_ : early_wire_;
  if (taker != nullptr)
    where().flush_later(taker->flusher());
  if (taker == nullptr || taker->is_retiring())
    is_wanted();
}

bool channel_actor::is_in_use() const noexcept {
  return closing_ != nullptr || is_finishing_ || sending_.totals().pending.messages > 0 || !waiting_.is_empty()
      || (calls_ != nullptr && !calls_->is_empty()) || (wire_ != nullptr && wire_->is_in_use());
}

void channel_actor::abort_later(const transport_error& reason) {
  if (wire_ != nullptr)
    wire_->abort_later(reason);
}

void channel_actor::pump_later() {
  if (wire_ == nullptr)
    return;
  wire_->pump_later();
  if (auto* all = wire_->open_streams())
    all->touch_all();
}

// -- state --------------------------------------------------------------------------------------------------------------

void channel_actor::transition(state_event event, const transport_error& reason, std::optional<std::uint32_t> attempt,
                               std::chrono::milliseconds next_retry) {
  const auto target = next(status_.state, event);
  if (!target)
    return;
  const auto from = std::exchange(status_.state, *target);
  if (reason.code != error_code::none)
    note_error(reason);
  status_.attempt = attempt.value_or(status_.attempt);
  status_.next_retry = next_retry;
  const auto now = where().now();
  figures_.note_stay(from, now - changed_at_);
  changed_at_ = now;
  publish(event_mask::state, state_changed{status_.id, ++status_.sequence, status_.generation, from, *target, reason,
                                           status_.attempt, next_retry});
}

void channel_actor::end(const transport_error& reason) {
  if (std::exchange(has_ended_, true))
    return;
  leaves();
  wire_ = nullptr;
  if (health_ != nullptr)
    health_->end();
  leaves_session(reason);
  sending_.abandon(reason);
  end_answers(reason);
  transition(state_event::abort, reason);
  waiting_.fail_connects(reason);
  waiting_.fail_receives(reason);
  finish_closing();
  sending_.stop();
  if (calls_ != nullptr)
    calls_->stop();
  const auto failure = dismiss_all(reason);
  has_left();
  if (failure)
    quit(to_caf_error(*failure));
  else if (reason.code == error_code::closed || reason.code == error_code::peer_closed)
    quit();
  else
    quit(to_caf_error(reason));
}

void channel_actor::cut_and_end(const transport_error& reason) {
  // What it counted is part of the last figures, and may be gone when it is cut.
  if (wire_ != nullptr && !has_ended_)
    end_generation();
  cut(reason);
  end(reason);
}

void channel_actor::fail_waiting(const transport_error& reason) {
  sending_.abandon(reason);
  waiting_.fail_connects(reason);
  waiting_.fail_receives(reason);
}

void channel_actor::tear_down(const caf::error& reason) noexcept {
  const auto why = reason ? to_transport_error(reason) : closed_error();
  if (!has_ended_)
    cut_and_end(why);
}

void channel_actor::on_down(const caf::actor_addr& whom, const caf::error& reason) {
  audience_.remove(whom);
  figures_.stop_stream_to(whom);
  if (health_ != nullptr && health_->asks(whom))
    health_->note_end_of_prober(reason);
  pump_later();
}

// -- requests -----------------------------------------------------------------------------------------------------------

caf::typed_response_promise<connection_info> channel_actor::handle(connect) {
  if (!is_request())
    return {};
  auto promise = make_response_promise<connection_info>();
  is_wanted();
  if (is_ready() && !is_down()) {
    promise.deliver(info());
  } else if (state() == connection_state::failed || closing_ != nullptr || is_over()) {
    promise.deliver(to_caf_error(why_not_ready()));
  } else {
    waiting_.add(promise);
  }
  return promise;
}

caf::typed_response_promise<received> channel_actor::handle(const receive& request) {
  if (!is_request())
    return {};
  auto promise = make_response_promise<received>();
  if (const auto valid = validate(request); !valid) {
    promise.deliver(to_caf_error(valid.error()));
    return promise;
  }
  if (audience_.wants_data(request.stream)) {
    promise.deliver(to_caf_error(somebody_subscribes()));
    return promise;
  }
  if (is_over() || state() == connection_state::failed) {
    promise.deliver(to_caf_error(why_not_ready()));
    return promise;
  }
  if (request.stream == 0 && is_ready() && has_received_all_) {
    promise.deliver(to_caf_error(nothing_more_comes()));
    return promise;
  }
  if (const auto open = check_receivable(request.stream); !open) {
    promise.deliver(to_caf_error(open.error()));
    return promise;
  }
  is_wanted();
  waiting_.add(promise, request.timeout, request.stream);
  pump_later(request.stream);
  return promise;
}

connection_status channel_actor::handle(subscribe request) {
  if (const auto who = current_sender())
    add_subscriber(who, request);
  return announced_status();
}

void channel_actor::add_subscriber(const caf::strong_actor_ptr& who, subscribe request) {
  is_wanted();
  sending_.tell_drops();
  watch_if_new(who);
  audience_.add(who, request.mask, request.credit);
  note_new_reader();
}

void channel_actor::note_new_reader() {
  if (audience_.wants_data(0))
    waiting_.fail_receives(0, somebody_subscribes());
  if (wants_streams())
    waiting_.fail_receives_of_streams(somebody_subscribes());
  pump_later();
}

void channel_actor::handle(const unsubscribe&) {
  sending_.tell_drops();
  const auto who = caf::actor_cast<caf::actor_addr>(current_sender());
  audience_.tell_missed(status_.id, who);
  if (!audience_.remove(who))
    return;
  unwatch_if_gone(who);
  pump_later();
}

void channel_actor::handle(const grant& credit) {
  if (const auto who = current_sender())
    audience_.grant(caf::actor_cast<caf::actor_addr>(who), credit.bytes, credit.stream);
}

void channel_actor::finish(stream_id stream) {
  if (stream != 0) {
    if (const auto present = present_streams())
      (*present)->finish(stream);
    return;
  }
  if (!std::exchange(is_finishing_, true)) {
    finishes();
    finish_session();
    stop_probing();
  }
  if (wire_ != nullptr)
    wire_->finish(false);
}

connection_info channel_actor::info() const {
  const auto& carrying = status_.carried_by != nullptr ? *status_.carried_by : status_.remote;
  return {status_.id,
          status_.generation,
          status_.remote,
          status_.generation != 0 ? carrying : endpoint{},
          status_.names.remote(),
          status_.names.local(),
          status_.stale_addresses,
          status_.tls != nullptr ? *status_.tls : tls_info{}};
}

connection_status channel_actor::announced_status() const {
  // Rounded up, so that who asks again after that time does not find it still waiting.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(status_.next_retry - (where().now() - changed_at_));
  return {info(),
          status_.state,
          status_.sequence,
          status_.attempt,
          std::max(left, std::chrono::milliseconds{0}),
          last_error(),
          status_.is_held_back};
}

connection_status channel_actor::present_status() const {
  auto status = announced_status();
  status.state = present_state();
  return status;
}

connection_state channel_actor::present_state() const noexcept {
  const auto is_carried = state() == connection_state::ready || state() == connection_state::degraded;
  return is_carried && !is_ready() && !is_between_connections() ? connection_state::backoff : state();
}

// -- helpers ------------------------------------------------------------------------------------------------------------

bool channel_actor::serves(const caf::actor_addr& who) const noexcept {
  return audience_.includes(who) || figures_.streams_to(who) || (health_ != nullptr && health_->asks(who));
}

void channel_actor::watch_if_new(const caf::strong_actor_ptr& who) {
  const auto address = caf::actor_cast<caf::actor_addr>(who);
  if (!serves(address) && !depends_on(address))
    watch(who);
}

void channel_actor::unwatch_if_gone(const caf::actor_addr& who) {
  if (!serves(who) && !depends_on(who))
    unwatch(who);
}

std::optional<transport_error> channel_actor::dismiss_all(const transport_error& reason) {
  // Subscribers often keep a handle of this actor; keeping theirs any longer would hold both in memory for ever.
  dismiss_prober();
  for (const auto& who : figures_.stop_streams())
    if (!audience_.includes(who))
      unwatch(who);
  audience_.for_each([this](const caf::strong_actor_ptr& who) { unwatch(caf::actor_cast<caf::actor_addr>(who)); });
  audience_.clear(status_.id);
  auto* seat = audience_.seat();
  return seat != nullptr ? seat->end(reason) : std::nullopt;
}

void channel_actor::dismiss(const transport_error& reason) {
  sending_.tell_drops();
  waiting_.fail_connects(reason);
  waiting_.fail_receives(reason);
  static_cast<void>(dismiss_all(reason));
  pump_later();
}

transport_error channel_actor::why_not_ready() const {
  if (status_.last_error != nullptr && status_.last_error->code != error_code::none)
    return *status_.last_error;
  return make_error(error_code::not_connected, phase::connect, origin::local, "not connected yet");
}

} // namespace actorwire
