#include "simulated_transport.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>
#include <variant>

namespace actorwire::test {

namespace {

transport_error reset_error(phase where) {
  return make_error(error_code::reset, where, origin::remote, "connection reset by peer");
}

transport_error closed_error(bool by_peer) {
  return make_error(error_code::closed, phase::close, by_peer ? origin::remote : origin::local,
                    by_peer ? "ended by the peer" : "ended by this side");
}

transport_error not_sendable(const char* why) {
  return make_error(error_code::send_failed, phase::established, origin::local, why);
}

} // namespace

simulated_transport::simulated_transport(simulated_network& network, protocol proto)
  : network_(&network), proto_(proto), deadline_([this] { handle_deadline(); }) {
  network_->transports_.insert(this);
}

simulated_transport::simulated_transport(simulated_network& network, protocol proto, simulated_connection& connection)
  : simulated_transport(network, proto) {
  connection_ = &connection;
  side_ = side::listener;
  connection.end_at(side_) = this;
}

simulated_transport::~simulated_transport() {
  say_goodbye(true);
  leave();
  if (network_ != nullptr)
    network_->transports_.erase(this);
}

// -- from the user -----------------------------------------------------------------------------------------------------

result<void> simulated_transport::init(const transport_config& config, transport_observer& observer) {
  assert(stage_ == stage::created || stage_ == stage::over);
  if (auto valid = validate(config); !valid)
    return valid;
  if (proto_ != protocol::quic && std::holds_alternative<quic_config>(config.protocol_settings))
    return make_error(error_code::conflicting_values, phase::setup, origin::local,
                      "protocol_settings: must be those of the transport's protocol");
  config_ = config;
  observer_ = &observer;
  if (stage_ == stage::over) {
    // An accepted connection that was lost before anybody looked at it.
    if (connection_ == nullptr || network_ == nullptr)
      return make_error(error_code::not_connected, phase::setup, origin::local, "the transport was closed");
    tell_closed(reset_error(phase::established));
    return {};
  }
  if (side_ == side::listener)
    become_established();
  else
    stage_ = stage::initialized;
  return {};
}

void simulated_transport::connect(const endpoint& remote) {
  if (stage_ != stage::initialized)
    return;
  stage_ = stage::attempting;
  phase_ = phase::resolve;
  connection_ = &network_->begin(*this, remote);
  network_->shard_->arm(deadline_, std::min(config_.connect_timeout, config_.attempt_timeout));
  later([](transport_observer& told) { told.on_progress(connection_state::resolving); });
  later([this](transport_observer& told) {
    if (connection_->plan.answer == attempt_answer::unknown_name)
      return fail_attempt(error_code::resolve_failed, origin::system, "name or service not known");
    phase_ = phase::connect;
    network_->knock(*connection_);
    told.on_progress(connection_state::connecting);
  });
}

result<std::size_t> simulated_transport::send(std::span<const outgoing> pieces) {
  if (closed_by_user_ || observer_ == nullptr)
    return not_sendable("the transport is closed");
  if (finished_)
    return not_sendable("the stream was finished");
  // Lost, and about to say so with `on_closed`.
  if (stage_ == stage::over)
    return std::size_t{0};
  if (stage_ != stage::established)
    return not_sendable("the transport is not connected");

  const auto room = connection_->link.window - static_cast<std::size_t>(sent_ - consumed_);
  const auto limit = connection_->plan.send_size_max;
  auto left = limit > 0 ? std::min(room, limit) : room;
  const auto had_unacked = sent_ > acked_;
  std::size_t taken = 0;
  std::size_t wanted = 0;
  for (const auto& piece : pieces) {
    wanted += piece.size;
    for (std::size_t offset = 0; offset < piece.size && left > 0;) {
      const auto size = std::min({piece.size - offset, left, connection_->link.segment_size_max});
      const auto* from = piece.data + offset;
      network_->carry(*connection_, side_, 0,
                      piece.owner != nullptr
                          ? payload{*piece.owner, static_cast<std::uint32_t>(from - piece.owner->bytes()),
                                    static_cast<std::uint32_t>(size)}
                          : payload::copy_of(std::span{from, size}));
      offset += size;
      left -= size;
      taken += size;
    }
  }
  sent_ += taken;
  auto& record = connection_->record;
  (side_ == side::dialler ? record.taken_from_dialler : record.taken_from_listener) += taken;
  if (!had_unacked && taken > 0) {
    progress_at_ = network_->shard_->now();
    watch();
  }
  wants_writable_ = taken < wanted;
  // What a plan refuses, and not the window, is taken the next time.
  if (wants_writable_ && taken < room)
    tell_writable();
  return taken;
}

void simulated_transport::receive(std::size_t bytes) {
  allowance_ += std::min(bytes, std::numeric_limits<std::size_t>::max() - allowance_);
  deliver_soon();
}

void simulated_transport::finish() {
  send_finish();
  end_if_both_finished();
}

void simulated_transport::close(const transport_error& reason) {
  if (stage_ == stage::over)
    return;
  closed_by_user_ = true;
  say_goodbye(reason.code == error_code::closed);
  end(reason);
}

void simulated_transport::detach() noexcept {
  observer_ = nullptr;
  say_goodbye(true);
  stage_ = stage::over;
  deadline_.cancel();
  leave();
}

multiplexer* simulated_transport::multiplex(multiplexer_observer& observer) {
  if (proto_ != protocol::quic)
    return nullptr;
  streams_.emplace(*this, observer);
  return &*streams_;
}

transport_stats simulated_transport::stats() const {
  transport_stats figures;
  figures.bytes_sent = sent_;
  figures.bytes_received = delivered_;
  if (connection_ != nullptr)
    figures.latency = std::chrono::duration_cast<std::chrono::microseconds>(2 * connection_->link.delay);
  if (proto_ == protocol::quic) {
    quic_metrics metrics;
    metrics.rtt = figures.latency;
    metrics.bytes_in_flight = sent_ - acked_;
    figures.metrics = metrics;
  } else {
    tcp_metrics metrics;
    metrics.rtt = figures.latency;
    metrics.bytes_acked = acked_;
    figures.metrics = metrics;
  }
  return figures;
}

// -- from the network --------------------------------------------------------------------------------------------------

void simulated_transport::enter_handshake() {
  if (stage_ != stage::attempting)
    return;
  phase_ = phase::handshake;
  later([](transport_observer& told) { told.on_progress(connection_state::handshaking); });
}

void simulated_transport::become_established() {
  if (stage_ == stage::over)
    return;
  stage_ = stage::established;
  heard_at_ = network_->shard_->now();
  deadline_.cancel();
  watch();
  const auto here = "192.0.2.1:" + std::to_string(connection_->number);
  const auto there = "198.51.100.1:" + std::to_string(connection_->record.remote.port);
  const auto opening = side_ == side::dialler ? transport_opening{here, there, {}} : transport_opening{there, here, {}};
  later([this, opening](transport_observer& told) {
    // What ends it before has ended an attempt.
    phase_ = phase::established;
    told.on_connected(opening);
  });
  deliver_soon();
}

void simulated_transport::fail_attempt(error_code code, origin who, std::string text) {
  if (stage_ == stage::attempting)
    end(make_error(code, phase_, who, std::move(text)));
}

void simulated_transport::accept_bytes(payload bytes) {
  received_.push_back(std::move(bytes));
  deliver_soon();
}

void simulated_transport::accept_finish() {
  peer_finished_ = true;
  deliver_soon();
}

void simulated_transport::accept_reset() {
  network_->schedule(connection_->plan.lateness, [self = local_ref{this}] {
    // What came before the reset is delivered before it, as far as it may be; at once, however late single pieces are.
    while (self->stage_ == stage::established && !self->received_.empty() && self->allowance_ > 0)
      self->deliver();
    self->end(reset_error(self->phase_));
  });
}

void simulated_transport::accept_close() {
  network_->schedule(connection_->plan.lateness, [self = local_ref{this}] {
    while (self->stage_ == stage::established && !self->received_.empty() && self->allowance_ > 0)
      self->deliver();
    self->end(closed_error(true));
  });
}

void simulated_transport::handle_acked(std::uint64_t upto) {
  assert(upto <= sent_);
  acked_ = std::max(acked_, upto);
  heard_at_ = progress_at_ = network_->shard_->now();
  end_if_both_finished();
}

void simulated_transport::handle_consumed(std::uint64_t upto) {
  consumed_ = std::max(consumed_, upto);
  if (wants_writable_)
    tell_writable();
}

/// Ends this side. Whether the other is told is decided before.
void simulated_transport::end(const transport_error& reason) {
  if (stage_ == stage::over)
    return;
  stage_ = stage::over;
  deadline_.cancel();
  leave();
  tell_closed(reason);
}

void simulated_transport::orphan() noexcept {
  observer_ = nullptr;
  stage_ = stage::over;
  deadline_.cancel();
  network_ = nullptr;
  connection_ = nullptr;
}

// -- inside ------------------------------------------------------------------------------------------------------------

void simulated_transport::tell_other_end(std::function<void(simulated_streams&)> tell) {
  if (stage_ != stage::established)
    return;
  network_->travel(*connection_, side_, 0,
                   [&connection = *connection_, receiver = other(side_), tell = std::move(tell)] {
                     auto* there = connection.end_at(receiver);
                     if (there != nullptr && there->streams() != nullptr && !connection.is_broken)
                       tell(*there->streams());
                   });
}

/// Calls the observer in a turn of its own, if the transport has not ended by then.
void simulated_transport::later(std::function<void(transport_observer&)> tell) {
  const auto delay = connection_ != nullptr ? connection_->plan.lateness : duration{0};
  network_->schedule(delay, [self = local_ref{this}, tell = std::move(tell)] {
    if (self->observer_ != nullptr && self->stage_ != stage::over)
      tell(*self->observer_);
  });
}

/// The last call to the observer, in a turn of its own.
void simulated_transport::tell_closed(const transport_error& reason) {
  network_->schedule(connection_ != nullptr ? connection_->plan.lateness : duration{0},
                     [self = local_ref{this}, reason] {
                       if (auto* told = std::exchange(self->observer_, nullptr))
                         told->on_closed(reason);
                     });
}

void simulated_transport::send_finish() {
  if (stage_ != stage::established || std::exchange(finished_, true))
    return;
  network_->travel(*connection_, side_, 0, [&connection = *connection_, receiver = other(side_)] {
    if (auto* told = connection.end_at(receiver); told != nullptr && !connection.is_broken)
      told->accept_finish();
  });
}

bool simulated_transport::has_something_to_deliver() const noexcept {
  return received_.empty() ? peer_finished_ && !peer_finished_is_told_ : allowance_ > 0;
}

void simulated_transport::deliver_soon() {
  if (stage_ != stage::established || delivery_is_scheduled_ || !has_something_to_deliver())
    return;
  delivery_is_scheduled_ = true;
  later([this](transport_observer&) { deliver(); });
}

void simulated_transport::deliver() {
  delivery_is_scheduled_ = false;
  if (stage_ != stage::established || !has_something_to_deliver())
    return;
  if (received_.empty()) {
    peer_finished_is_told_ = true;
    peer_finished_first_ = !finished_;
    observer_->on_peer_finished();
    return end_if_both_finished();
  }

  auto& front = received_.front();
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(front.size(), allowance_));
  auto bytes = front.slice(0, size);
  if (size == front.size())
    received_.pop_front();
  else
    front = front.slice(size, front.size() - size);
  allowance_ -= size;
  delivered_ += size;
  network_->travel(*connection_, side_, 0, [&connection = *connection_, sender = other(side_), upto = delivered_] {
    if (auto* told = connection.end_at(sender))
      told->handle_consumed(upto);
  });
  deliver_soon();
  observer_->on_received(std::move(bytes));
}

void simulated_transport::tell_writable() {
  if (std::exchange(writable_is_scheduled_, true))
    return;
  later([this](transport_observer& told) {
    writable_is_scheduled_ = false;
    if (stage_ == stage::established && !finished_ && std::exchange(wants_writable_, false))
      told.on_writable();
  });
}

bool simulated_transport::knows_peer_alive() const {
  return network_->reaches(*connection_);
}

/// What the operating system does for a socket: gives an attempt up, probes a silent peer, and gives up a peer that
/// leaves bytes or probes unanswered.
void simulated_transport::handle_deadline() {
  if (stage_ == stage::attempting)
    return fail_attempt(error_code::connect_timeout, origin::system, "the attempt took too long");
  const auto now = network_->shard_->now();
  if (knows_peer_alive()) {
    heard_at_ = now;
    progress_at_ = now;
    probed_at_.reset();
  } else if ((sent_ > acked_ && now >= progress_at_ + config_.keepalive_timeout)
             || (probed_at_ && now >= *probed_at_ + config_.keepalive_timeout)) {
    return end(make_error(error_code::keepalive_timeout, phase::established, origin::system,
                          "the peer does not answer any more"));
  } else if (!probed_at_ && config_.keepalive_interval > duration{0} && now >= heard_at_ + config_.keepalive_interval) {
    probed_at_ = now;
  }
  watch();
}

/// Sets the next look at the peer.
void simulated_transport::watch() {
  std::optional<time_point> next;
  if (config_.keepalive_interval > duration{0})
    next = probed_at_ ? *probed_at_ + config_.keepalive_timeout : heard_at_ + config_.keepalive_interval;
  if (sent_ > acked_) {
    const auto unanswered = progress_at_ + config_.keepalive_timeout;
    next = next ? std::min(*next, unanswered) : unanswered;
  }
  if (!next)
    return;
  const auto delay = *next - network_->shard_->now();
  network_->shard_->arm(deadline_, std::max(delay, duration{0}));
}

/// Ends a connection that both sides finished, once the peer has everything.
void simulated_transport::end_if_both_finished() {
  if (finished_ && peer_finished_is_told_ && acked_ == sent_ && (!streams_ || streams_->size() == 0))
    end(closed_error(peer_finished_first_));
}

/// Tells the peer that this end goes: `in_order` if nothing is lost by it, else by a reset.
void simulated_transport::say_goodbye(bool in_order) {
  if (connection_ == nullptr || connection_->end_at(side_) != this)
    return;
  const auto was_never_used = side_ == side::listener && stage_ == stage::created;
  const auto loses_bytes = !received_.empty() || sent_ > acked_ || (streams_ && streams_->loses_bytes());
  if (was_never_used || (stage_ == stage::established && (loses_bytes || !in_order)))
    network_->reset(*connection_, other(side_));
  else if (stage_ == stage::established && streams_ && streams_->size() > 0)
    network_->travel(*connection_, side_, 0, [&connection = *connection_, receiver = other(side_)] {
      if (auto* told = connection.end_at(receiver); told != nullptr && !connection.is_broken)
        told->accept_close();
    });
  else
    send_finish();
}

void simulated_transport::leave() noexcept {
  if (connection_ != nullptr && connection_->end_at(side_) == this)
    connection_->end_at(side_) = nullptr;
}

} // namespace actorwire::test
