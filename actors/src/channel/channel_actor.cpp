#include "channel/channel_actor.hpp"

#include "channel/wire.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

/// What a pull lets the transport read when nobody subscribes: one small slab.
constexpr std::size_t pull_credit = 16U << 10U;

constexpr auto shortest_statistics_interval = std::chrono::milliseconds{10};

/// Requests of one kind that may wait for the same connection.
constexpr std::size_t waiting_requests_max = 1'024;

transport_error too_many_waiting(std::string_view request) {
  return make_error(error_code::would_block, phase::established, origin::local,
                    std::string{request} + ": 1024 requests wait already");
}

transport_error somebody_subscribes() {
  return make_error(error_code::conflicting_values, phase::established, origin::local,
                    "receive: somebody subscribes to the data of this connection");
}

/// Times that come in messages may be anything; more than a day is as good as for ever.
std::chrono::milliseconds bounded(std::chrono::milliseconds wanted) {
  return std::clamp<std::chrono::milliseconds>(wanted, std::chrono::milliseconds{0}, std::chrono::hours{24});
}

transport_error closed_error() {
  return make_error(error_code::closed, phase::close, origin::local, "closed by this side");
}

} // namespace

/// Statistics that are sent at an interval.
struct channel_actor::statistics_stream {
  statistics_stream(channel_actor& owner, caf::strong_actor_ptr to, std::chrono::milliseconds every)
    : who(std::move(to)), interval(every), tick([this, &owner] {
        owner.in_actor([&] {
          owner.send_to(who, owner.statistics());
          owner.where().arm(tick, interval);
        });
      }) {
    owner.where().arm(tick, interval);
  }

  caf::strong_actor_ptr who;
  std::chrono::milliseconds interval;
  timer tick;
};

/// A close that is under way: who waits for it, and when it is cut short.
struct channel_actor::closing {
  explicit closing(channel_actor& owner)
    : time_out([&owner] {
        owner.in_actor([&] {
          auto reason =
              make_error(error_code::closed, phase::close, origin::local, "the close took longer than allowed");
          owner.cut(reason);
          owner.end(reason);
        });
      }) {}

  std::vector<caf::typed_response_promise<close_report>> waiting;
  close_mode mode = close_mode::drain;
  timer time_out;
};

channel_actor::channel_actor(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id,
                             const endpoint& remote, std::shared_ptr<const transport_config> settings)
  : shard_actor(config, std::move(home)),
    config_(std::move(settings)),
    outbox_(config_->flow, config_->framing),
    audience_(*this, config_->flow.read_credit, [this] {
      if (wire_ != nullptr)
        wire_->pump_later();
    }) {
  status_.info.id = id;
  status_.info.remote = remote;
}

channel_actor::~channel_actor() = default;

channel_actor::behavior_type channel_actor::make_behavior() {
  ignore_error_messages();
  return {
      [this](connect request) { return handle(request); },
      [this](actorwire::send& request) { return handle(request); },
      [this](cast& request) { handle(request); },
      [this](receive request) { return handle(request); },
      [this](const subscribe& request) { return handle(request); },
      [this](const unsubscribe& request) { handle(request); },
      [this](const grant& request) { handle(request); },
      [this](const finish_stream& request) { handle(request); },
      [this](get_stats) { return statistics(); },
      [this](const stream_stats& request) { handle(request); },
      [this](get_state) { return status_; },
      [this](const close& request) { return handle(request); },
      [this](peer_directive& directive) { obey(directive); },
  };
}

// -- for the wire -------------------------------------------------------------------------------------------------------

void channel_actor::note_progress(connection_state where) {
  if (where == connection_state::connecting)
    transition(state_event::progress_connecting);
  else if (where == connection_state::handshaking)
    transition(state_event::progress_handshaking);
}

void channel_actor::note_failed_attempt(const transport_error& reason) {
  status_.last_error = reason;
  if (!has_ended_)
    wire_lost(reason);
}

void channel_actor::attach(wire& carrier, const transport_addresses& addresses) {
  if (has_ended_) {
    carrier.cut(closed_error());
    return;
  }
  wire_ = &carrier;
  ++status_.info.generation;
  status_.info.local_address = addresses.local;
  status_.info.remote_address = addresses.remote;
  status_.attempt = 0;
  expire_waiting();
  report_loss({outbox_.connection_ready(where().now(), settler()), {}}, why_not_ready());
  transition(state_event::connected);
  audience_.publish(event_mask::state, opened{status_.info});
  answer_connects(nullptr);
  became_ready();
  if (closing_ != nullptr)
    wire_->finish(closing_->mode == close_mode::flush);
  else if (is_finishing_)
    wire_->finish(false);
  after_outbox_changed();
}

void channel_actor::detach(wire& carrier, const transport_error& reason) {
  status_.last_error = reason;
  if (wire_ == &carrier) {
    last_stats_ = carrier.stats();
    past_bytes_sent_ += std::exchange(last_stats_.bytes_sent, 0);
    past_bytes_received_ += std::exchange(last_stats_.bytes_received, 0);
    wire_ = nullptr;
    report_loss(outbox_.connection_lost(where().now(), reason, settler()), reason);
    release_memory();
    follow_expiry();
  }
  if (!has_ended_)
    wire_lost(reason);
}

void channel_actor::note_peer_finished() {
  audience_.await_handling(peer_closing{status_.info.id, status_.info.generation},
                           [this, generation = status_.info.generation] {
                             if (wire_ != nullptr && generation == status_.info.generation && !config_->allow_half_open)
                               wire_->follow_peer();
                           });
}

std::size_t channel_actor::credit() const noexcept {
  if (audience_.wants_data())
    return audience_.credit_left();
  return pulls_.empty() ? 0 : pull_credit;
}

void channel_actor::deliver(payload body) {
  received data{status_.info.id, status_.info.generation, 0, std::move(body)};
  if (audience_.wants_data()) {
    audience_.deliver(std::move(data));
    return;
  }
  auto asker = std::move(pulls_.front());
  pulls_.pop_front();
  asker.deliver(std::move(data));
}

void channel_actor::expire_waiting() {
  const auto expired = outbox_.expire(where().now(), settler());
  if (expired.messages == 0)
    return;
  release_memory();
  report_loss({expired, {}}, make_error(error_code::expired, is_ready() ? phase::established : phase::connect,
                                        origin::local, "waited for longer than its ttl, or queue_age"));
}

std::size_t channel_actor::gather(std::span<outgoing> pieces) {
  expire_waiting();
  return outbox_.gather(pieces);
}

void channel_actor::hand_over(std::size_t bytes) {
  outbox_.handed_over(bytes, settler());
  release_memory();
  report_backpressure();
}

void channel_actor::settle_acknowledged(std::uint64_t stream_offset) {
  if (outbox_.is_ready())
    outbox_.acknowledged(stream_offset, settler());
  release_memory();
}

// -- state --------------------------------------------------------------------------------------------------------------

void channel_actor::transition(state_event event, const transport_error& reason, std::uint32_t attempt,
                               std::chrono::milliseconds next_retry) {
  const auto target = next(status_.state, event);
  if (!target)
    return;
  const auto from = std::exchange(status_.state, *target);
  if (reason.code != error_code::none)
    status_.last_error = reason;
  status_.attempt = attempt;
  status_.next_retry = next_retry;
  audience_.publish(event_mask::state, state_changed{status_.info.id, ++status_.sequence, status_.info.generation, from,
                                                     *target, reason, attempt, next_retry});
}

void channel_actor::end(const transport_error& reason) {
  if (std::exchange(has_ended_, true))
    return;
  wire_ = nullptr;
  report_loss(outbox_.abandon(reason, settler()), reason);
  transition(state_event::abort, reason);
  release_memory();
  answer_connects(&reason);
  answer_pulls(reason);
  finish_closing();
  streams_.clear();
  expiry_.reset();
  // Subscribers often keep a handle of this actor; keeping theirs any longer would hold both in memory for ever.
  audience_.clear();
  if (reason.code == error_code::closed || reason.code == error_code::peer_closed)
    quit();
  else
    quit(to_caf_error(reason));
}

void channel_actor::fail_waiting(const transport_error& reason) {
  report_loss(outbox_.abandon(reason, settler()), reason);
  release_memory();
  answer_connects(&reason);
  answer_pulls(reason);
}

void channel_actor::tear_down(const caf::error& reason) noexcept {
  const auto why = reason ? to_transport_error(reason) : closed_error();
  if (!has_ended_)
    cut(why);
  end(why);
  for (const auto& who : std::exchange(watched_, {}))
    unwatch(who);
}

void channel_actor::on_down(const caf::actor_addr& whom, const caf::error&) {
  std::erase(watched_, whom);
  audience_.remove(whom);
  std::erase_if(streams_, [&whom](const auto& stream) { return stream->who == whom; });
  if (wire_ != nullptr)
    wire_->pump_later();
}

// -- requests -----------------------------------------------------------------------------------------------------------

caf::typed_response_promise<connection_info> channel_actor::handle(connect) {
  // Only requests are answered: CAF takes an error that nobody asked for as a reason to end the one who gets it.
  if (!current_mailbox_element()->mid.is_request())
    return {};
  auto promise = make_response_promise<connection_info>();
  if (is_ready()) {
    promise.deliver(status_.info);
  } else if (state() == connection_state::failed || closing_ != nullptr || is_over()) {
    promise.deliver(to_caf_error(why_not_ready()));
  } else if (connects_.size() >= waiting_requests_max) {
    promise.deliver(to_caf_error(too_many_waiting("connect")));
  } else {
    connects_.push_back(promise);
    dial_wanted();
  }
  return promise;
}

channel_actor::reply channel_actor::handle(actorwire::send& message) {
  // A `send` that is not a request has nobody to tell, so a refusal is reported like that of a `cast`.
  const auto is_request = current_mailbox_element()->mid.is_request();
  const auto size = message.body.size();
  auto asker = is_request ? make_response_promise<sent>() : reply{};
  auto handle_for_refusal = asker;
  if (const auto accepted = accept(message.body, message.options, asker); !accepted) {
    if (is_unwanted_now(message.options)) {
      const auto sequence = report_refused(size, accepted.error());
      if (is_request)
        handle_for_refusal.deliver(sent{sequence, status_.info.generation, outcome::not_sent});
      return handle_for_refusal;
    }
    if (is_request)
      handle_for_refusal.deliver(to_caf_error(accepted.error()));
    else
      report_refused(size, accepted.error());
  }
  return handle_for_refusal;
}

void channel_actor::handle(cast& message) {
  const auto size = message.body.size();
  reply nobody;
  if (const auto accepted = accept(message.body, message.options, nobody); !accepted)
    report_refused(size, accepted.error());
}

result<std::uint64_t> channel_actor::accept(payload& body, const send_options& options, reply& asker) {
  if (has_ended_)
    return closed_error();
  if (closing_ != nullptr)
    return make_error(error_code::draining, phase::close, origin::local, "the connection is being closed");
  if (is_finishing_)
    return make_error(error_code::closed, phase::close, origin::local, "finish_stream has ended our side");
  if (!is_ready() && (options.policy != when_down::queue || state() == connection_state::failed))
    return why_not_ready();
  const auto size = body.size();
  auto& budget = where().buffers().budget();
  if (!budget.try_take(size))
    return make_error(error_code::would_block, phase::established, origin::local,
                      "the network's memory_limit of " + std::to_string(budget.limit()) + " bytes is used up");
  auto accepted = outbox_.accept(std::move(body), options, std::move(asker), where().now());
  if (accepted) {
    reserved_bytes_ += size;
    after_outbox_changed();
  } else {
    budget.give_back(size);
  }
  return accepted;
}

bool channel_actor::is_unwanted_now(const send_options& options) const noexcept {
  return options.policy == when_down::drop && !is_ready() && !is_over() && !wants_to_end();
}

void channel_actor::release_memory() noexcept {
  // What was accepted counts against the network's memory until its outcome is known.
  const auto pending = outbox_.pending().bytes;
  if (pending < reserved_bytes_)
    where().buffers().budget().give_back(static_cast<std::size_t>(std::exchange(reserved_bytes_, pending) - pending));
}

caf::typed_response_promise<received> channel_actor::handle(receive) {
  if (!current_mailbox_element()->mid.is_request())
    return {};
  auto promise = make_response_promise<received>();
  if (audience_.wants_data()) {
    promise.deliver(to_caf_error(somebody_subscribes()));
    return promise;
  }
  if (pulls_.size() >= waiting_requests_max) {
    promise.deliver(to_caf_error(too_many_waiting("receive")));
    return promise;
  }
  if (is_over() || state() == connection_state::failed) {
    promise.deliver(to_caf_error(why_not_ready()));
    return promise;
  }
  pulls_.push_back(promise);
  if (wire_ != nullptr)
    wire_->pump_later();
  return promise;
}

connection_status channel_actor::handle(subscribe request) {
  if (const auto who = requester())
    add_subscriber(who, request);
  return status_;
}

void channel_actor::add_subscriber(const caf::strong_actor_ptr& who, subscribe request) {
  watch_once(who);
  audience_.add(who, request.mask, request.credit);
  if (audience_.wants_data())
    answer_pulls(somebody_subscribes());
  if (wire_ != nullptr)
    wire_->pump_later();
}

void channel_actor::handle(const unsubscribe&) {
  if (const auto who = requester()) {
    audience_.remove(caf::actor_cast<caf::actor_addr>(who));
    if (wire_ != nullptr)
      wire_->pump_later();
  }
}

void channel_actor::handle(const grant& credit) {
  if (const auto who = requester())
    audience_.grant(caf::actor_cast<caf::actor_addr>(who), credit.bytes);
}

void channel_actor::handle(const finish_stream&) {
  is_finishing_ = true;
  if (wire_ != nullptr)
    wire_->finish(false);
}

stats channel_actor::statistics() const {
  stats figures;
  figures.source = status_.info.id;
  figures.generation = status_.info.generation;
  figures.state = status_.state;
  figures.transport = wire_ != nullptr ? wire_->stats() : last_stats_;
  figures.transport.bytes_sent += past_bytes_sent_;
  figures.transport.bytes_received += past_bytes_received_;
  figures.transport.reconnect_count =
      status_.info.generation > 1 ? static_cast<std::uint32_t>(status_.info.generation - 1) : 0;
  figures.delivery = outbox_.totals();
  figures.queued_bytes = outbox_.unwritten_bytes();
  return figures;
}

void channel_actor::handle(const stream_stats& request) {
  const auto who = requester();
  if (!who)
    return;
  std::erase_if(streams_, [&who](const auto& stream) { return stream->who == who; });
  if (request.interval.count() <= 0)
    return;
  watch_once(who);
  streams_.push_back(
      std::make_unique<statistics_stream>(*this, who,
                                          std::max(bounded(request.interval), shortest_statistics_interval)));
}

caf::typed_response_promise<close_report> channel_actor::handle(const close& request) {
  auto promise = make_response_promise<close_report>();
  if (closing_ == nullptr)
    closing_ = std::make_unique<closing>(*this);
  closing_->waiting.push_back(promise);
  begin_close(request);
  return promise;
}

void channel_actor::begin_close(const close& request) {
  if (closing_ == nullptr)
    closing_ = std::make_unique<closing>(*this);
  closing_begins();
  // A later close can only be stricter than an earlier one.
  closing_->mode = std::max(closing_->mode, request.mode);
  if (request.mode == close_mode::abort) {
    cut(closed_error());
    end(closed_error());
    return;
  }
  transition(state_event::drain, closed_error());
  if (state() == connection_state::closed) {
    end(closed_error());
    return;
  }
  // An attempt would only bring a connection that is closed again.
  if (wire_ == nullptr && outbox_.is_flushed()) {
    cut(closed_error());
    end(closed_error());
    return;
  }
  const auto timeout = bounded(request.timeout);
  if (!closing_->time_out.is_armed() || where().now() + timeout < closing_->time_out.deadline())
    where().arm(closing_->time_out, timeout);
  if (wire_ != nullptr)
    wire_->finish(closing_->mode == close_mode::flush);
}

// -- helpers ------------------------------------------------------------------------------------------------------------

std::uint64_t channel_actor::report_refused(std::size_t size, const transport_error& why) {
  const auto sequence = outbox_.drop(size);
  tally refused;
  refused.add(size);
  report_loss({refused, {}}, why);
  return sequence;
}

void channel_actor::report_loss(const loss& lost, const transport_error& why) {
  if (lost.not_sent.messages == 0 && lost.maybe_sent.messages == 0)
    return;
  audience_.publish(event_mask::loss,
                    data_lost{status_.info.id, status_.info.generation, lost.not_sent, lost.maybe_sent, why});
  // What is lost waits no more: whoever paused because of it may go on.
  report_backpressure();
}

void channel_actor::settle(reply&& asker, const settled& what) {
  if (!asker.pending())
    return;
  if (what.why == nullptr || what.result == outcome::maybe_sent)
    asker.deliver(sent{what.sequence, status_.info.generation, what.result});
  else
    asker.deliver(to_caf_error(*what.why));
}

void channel_actor::report_backpressure() {
  if (const auto change = outbox_.poll_backpressure())
    audience_.publish(event_mask::backpressure, backpressure{status_.info.id, *change, outbox_.unwritten_bytes()});
}

void channel_actor::after_outbox_changed() {
  report_backpressure();
  if (wire_ != nullptr)
    where().flush_later(wire_->flusher());
  follow_expiry();
}

void channel_actor::follow_expiry() {
  const auto next = outbox_.next_timeout();
  if (!next || has_ended_)
    return;
  if (expiry_ == nullptr)
    expiry_ = std::make_unique<timer>([this] {
      in_actor([this] {
        expire_waiting();
        follow_expiry();
      });
    });
  if (!expiry_->is_armed() || *next < expiry_->deadline())
    where().arm(*expiry_, *next - where().now());
}

void channel_actor::watch_once(const caf::strong_actor_ptr& who) {
  const auto address = caf::actor_cast<caf::actor_addr>(who);
  if (std::find(watched_.begin(), watched_.end(), address) != watched_.end())
    return;
  watched_.push_back(address);
  watch(who);
}

void channel_actor::answer_connects(const transport_error* failure) {
  for (auto& asker : std::exchange(connects_, {})) {
    if (failure == nullptr)
      asker.deliver(status_.info);
    else
      asker.deliver(to_caf_error(*failure));
  }
}

void channel_actor::answer_pulls(const transport_error& failure) {
  while (!pulls_.empty()) {
    pulls_.front().deliver(to_caf_error(failure));
    pulls_.pop_front();
  }
}

void channel_actor::finish_closing() {
  if (closing_ == nullptr)
    return;
  const auto& totals = outbox_.totals();
  for (auto& asker : std::exchange(closing_->waiting, {}))
    asker.deliver(close_report{totals, totals.not_sent.messages == 0 && totals.maybe_sent.messages == 0});
  closing_->time_out.cancel();
}

transport_error channel_actor::why_not_ready() const {
  if (status_.last_error.code != error_code::none)
    return status_.last_error;
  return make_error(error_code::not_connected, phase::connect, origin::local, "not connected yet");
}

caf::strong_actor_ptr channel_actor::requester() {
  return current_sender();
}

} // namespace actorwire
