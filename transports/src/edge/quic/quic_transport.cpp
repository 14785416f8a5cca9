#include "quic_transport.hpp"

#include "edge/reactor.hpp"
#include "engine/quic/quic_error.hpp"
#include "qlog_file.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>
#include <variant>

namespace actorwire {

namespace {

transport_error closed_error(bool by_peer) {
  return make_error(error_code::closed, phase::close, by_peer ? origin::remote : origin::local,
                    by_peer ? "ended by the peer" : "ended by this side");
}

void add_capped(std::size_t& allowance, std::size_t bytes) noexcept {
  allowance += std::min(bytes, std::numeric_limits<std::size_t>::max() - allowance);
}

} // namespace

struct quic_transport::attempt {
  transport_config config;
  endpoint remote;
  std::shared_ptr<tls_store> identities;
  tls_store::query question;
  /// Kept while it lives: the store forgets what nobody keeps.
  std::shared_ptr<tls_identity> identity;
};

// -- life ---------------------------------------------------------------------------------------------------------------

local_ref<transport> make_quic_transport(shard& where, std::shared_ptr<resolver> names,
                                         std::shared_ptr<tls_store> identities) {
  return make_local<quic_transport>(where, std::move(names), std::move(identities));
}

local_ref<transport> accept_quic(local_ref<quic_socket> socket, quic_connection& connection) {
  return make_local<quic_transport>(std::move(socket), connection);
}

quic_transport::quic_transport(shard& where, std::shared_ptr<resolver> names, std::shared_ptr<tls_store> identities)
  : shard_(where), attempt_(std::make_unique<attempt>()), dialer_(make_local<quic_dialer>(where, std::move(names))) {
  attempt_->identities = std::move(identities);
}

quic_transport::quic_transport(local_ref<quic_socket> socket, quic_connection& connection)
  : shard_(socket->where()), socket_(std::move(socket)), connection_(&connection) {}

quic_transport::~quic_transport() {
  detach();
}

result<void> quic_transport::init(const transport_config& config, transport_observer& observer) {
  assert(stage_ == stage::created);
  if (auto checked = validate(config); !checked)
    return checked;
  if (auto checked = check_qlog_folder(quic_settings(config)); !checked)
    return checked;
  observer_ = &observer;
  stage_ = stage::initialized;
  if (dialer_) {
    dialer_->init(config, *this);
    attempt_->config = config;
  } else {
    socket_->observe(*connection_, *this);
  }
  return {};
}

void quic_transport::connect(const endpoint& remote) {
  if (stage_ == stage::ended)
    return;
  assert(stage_ == stage::initialized && dialer_);
  stage_ = stage::dialing;
  attempt_->remote = remote;
  attempt_->question =
      attempt_->identities->find(tls_role::client, attempt_->config.tls, shard_, [this](tls_store::answer found) {
        const local_ref<quic_transport> self{this};
        dial(std::move(found));
      });
}

void quic_transport::dial(tls_store::answer found) {
  if (stage_ != stage::dialing)
    return;
  attempt_->question = nullptr;
  if (!found)
    return tell_closed(found.error());
  attempt_->identity = std::move(*found);
  dialer_->use(attempt_->identity->present());
  dialer_->dial(attempt_->remote);
}

void quic_transport::on_dial_progress(connection_state where) {
  observer_->on_progress(where);
}

void quic_transport::on_dial_failed(const transport_error& reason) {
  const local_ref<quic_transport> self{this};
  tell_closed(reason);
}

void quic_transport::on_dial_early_data() {
  const local_ref<quic_transport> self{this};
  observer_->on_early_data();
}

void quic_transport::on_dialed(local_ref<quic_socket> socket, quic_connection& connection, tls_info agreed) {
  const local_ref<quic_transport> self{this};
  socket_ = std::move(socket);
  connection_ = &connection;
  socket_->observe(connection, *this);
  // It serves this connection alone.
  socket_->close_when_idle();
  transport_opening opening;
  opening.tls = std::move(agreed);
  opening.stale_addresses = dialer_->has_stale_addresses();
  dialer_ = nullptr;
  begin(std::move(opening));
}

void quic_transport::begin(transport_opening opening) {
  stage_ = stage::established;
  const auto path = connection_->path();
  opening.local = to_text(path.local);
  opening.remote = to_text(path.remote);
  observer_->on_connected(opening);
  deliver();
}

// -- what happens -------------------------------------------------------------------------------------------------------

void quic_transport::on_event(quic_event::any event) {
  const local_ref<quic_transport> self{this};
  if (stage_ == stage::ended || (is_closing_ && !std::holds_alternative<quic_event::closed>(event)))
    return;
  std::visit([this](auto&& each) { handle(std::forward<decltype(each)>(each)); }, std::move(event));
}

void quic_transport::handle(quic_event::connected&& event) {
  transport_opening opening;
  opening.tls = std::move(event.tls);
  opening.is_early = event.is_early;
  begin(std::move(opening));
}

void quic_transport::handle(quic_event::stream_readable&& event) {
  if (event.stream == byte_stream)
    deliver();
  else
    deliver_stream(event.stream);
}

void quic_transport::handle(quic_event::stream_writable&& event) {
  if (stage_ != stage::established)
    return;
  if (event.stream != byte_stream) {
    if (streams_observer_ != nullptr)
      streams_observer_->on_stream_writable(event.stream);
  } else if (!finished_) {
    observer_->on_writable();
  }
}

void quic_transport::handle(quic_event::stream_reset&& event) {
  if (event.stream == byte_stream)
    return close(
        make_error(error_code::reset, phase::established, origin::remote, "the other side gave the byte stream up"));
  if (streams_observer_ != nullptr)
    streams_observer_->on_stream_reset(event.stream, stream_half::receiving, event.code);
}

void quic_transport::handle(quic_event::stream_stopped&& event) {
  if (event.stream == byte_stream)
    return close(make_error(error_code::reset, phase::established, origin::remote,
                            "the other side takes nothing more on the byte stream"));
  if (streams_observer_ != nullptr)
    streams_observer_->on_stream_reset(event.stream, stream_half::sending, event.code);
}

void quic_transport::handle(quic_event::stream_closed&& event) {
  if (event.stream == byte_stream) {
    byte_stream_is_over_ = true;
  } else {
    streams_.erase(event.stream);
    if (streams_observer_ != nullptr)
      streams_observer_->on_stream_closed(event.stream);
  }
  end_if_done();
}

void quic_transport::handle(quic_event::path_changed&& event) {
  if (streams_observer_ != nullptr)
    streams_observer_->on_address_changed(to_text(event.path.local), to_text(event.path.remote));
}

void quic_transport::handle(quic_event::closed&& event) {
  std::vector<leftover> rest;
  // What came before a loss is worth as much as the allowance lets through. An orderly end is told when all is handed over
  // that came before it, and it is told at once: nobody can send any more, however slowly this side reads.
  keep_figures();
  if (stage_ == stage::established && !is_closing_)
    rest = take_leftovers(event.reason.code == error_code::closed);
  connection_ = nullptr;
  socket_ = nullptr;
  for (auto& each : rest)
    hand_over(std::move(each));
  // Otherwise the observer has ended it meanwhile, and for a reason of its own.
  if (stage_ != stage::ended)
    tell_closed(event.reason);
}

std::vector<quic_transport::leftover> quic_transport::take_leftovers(bool beyond_allowance) {
  constexpr auto everything = std::numeric_limits<std::size_t>::max();
  std::vector<leftover> all;
  all.push_back(take_leftover(byte_stream, beyond_allowance ? everything : allowance_));
  // A peer that has ended the connection in order, which is believed only where nothing is missing, has ended its half of the
  // byte stream too.
  all.front().is_at_end = (beyond_allowance || all.front().is_at_end) && !peer_finished_;
  for (const auto& [id, each] : streams_)
    if (!each.is_ended)
      all.push_back(take_leftover(id, beyond_allowance ? everything : each.allowance));
  return all;
}

quic_transport::leftover quic_transport::take_leftover(stream_id id, std::size_t allowance) {
  leftover rest;
  rest.stream = id;
  for (auto bytes = connection_->read(id, allowance); !bytes.empty(); bytes = connection_->read(id, allowance)) {
    allowance -= bytes.size();
    rest.bytes.push_back(std::move(bytes));
  }
  rest.is_at_end = connection_->is_read_to_end(id);
  if (rest.is_at_end) {
    connection_->note_end_was_read(id);
    rest.is_over = !connection_->knows(id);
  }
  return rest;
}

void quic_transport::hand_over(leftover&& rest) {
  for (auto& bytes : rest.bytes) {
    if (stage_ != stage::established)
      return;
    bytes_received_ += bytes.size();
    if (rest.stream == byte_stream)
      observer_->on_received(std::move(bytes));
    else
      streams_observer_->on_stream_received(rest.stream, std::move(bytes));
  }
  if (!rest.is_at_end || stage_ != stage::established)
    return;
  if (rest.stream == byte_stream) {
    peer_finished_ = true;
    return observer_->on_peer_finished();
  }
  streams_observer_->on_stream_finished(rest.stream);
  if (rest.is_over && stage_ == stage::established) {
    streams_.erase(rest.stream);
    streams_observer_->on_stream_closed(rest.stream);
  }
}

void quic_transport::keep_figures() noexcept {
  last_acked_ = bytes_acked();
  last_metrics_ = connection_->metrics();
  for (auto& [id, each] : streams_)
    if (connection_->knows(id))
      each.last_acked = connection_->bytes_acked(id);
}

// -- reading ------------------------------------------------------------------------------------------------------------

void quic_transport::receive(std::size_t bytes) {
  add_capped(allowance_, bytes);
  deliver_later();
}

void quic_transport::deliver_later() {
  if (stage_ != stage::established || std::exchange(delivery_is_posted_, true))
    return;
  boost::asio::post(shard_.loop().context(), [self = local_ref<quic_transport>{this}] {
    const shard::turn here{self->shard_};
    self->delivery_is_posted_ = false;
    self->deliver();
    for (const auto id : std::exchange(self->to_be_read_, {})) {
      if (const auto found = self->streams_.find(id); found != self->streams_.end())
        found->second.is_to_be_read = false;
      self->deliver_stream(id);
    }
  });
}

void quic_transport::deliver() {
  if (is_delivering_ || !may_deliver())
    return;
  is_delivering_ = true;
  while (may_deliver()) {
    auto bytes = connection_->read(byte_stream, allowance_);
    if (bytes.empty())
      break;
    allowance_ -= bytes.size();
    bytes_received_ += bytes.size();
    observer_->on_received(std::move(bytes));
  }
  is_delivering_ = false;
  if (!may_deliver())
    return;
  if (connection_->is_read_to_end(byte_stream) && !std::exchange(peer_finished_, true)) {
    peer_finished_first_ = !finished_;
    observer_->on_peer_finished();
    if (connection_ != nullptr)
      connection_->note_end_was_read(byte_stream);
  }
  touch();
}

// -- writing ------------------------------------------------------------------------------------------------------------

result<std::size_t> quic_transport::send(std::span<const outgoing> pieces) {
  if (finished_ || (!dialer_ && (stage_ != stage::established || connection_ == nullptr)))
    return make_error(error_code::send_failed, phase::established, origin::local,
                      finished_ ? "the stream's end was sent already" : "not connected");
  auto taken = dialer_ ? dialer_->send_early(pieces) : connection_->send(byte_stream, pieces);
  if (taken)
    bytes_sent_ += *taken;
  touch();
  return taken;
}

void quic_transport::finish() {
  if (stage_ != stage::established || std::exchange(finished_, true) || connection_ == nullptr)
    return;
  connection_->finish(byte_stream);
  touch();
}

/// Has what was done to the connection sent at the end of the turn.
void quic_transport::touch() {
  if (connection_ != nullptr)
    socket_->touch(*connection_);
}

// -- the end ------------------------------------------------------------------------------------------------------------

/// The last stream has ended in both directions, and everything has arrived.
void quic_transport::end_if_done() {
  if (!byte_stream_is_over_ || connection_ == nullptr || stage_ != stage::established)
    return;
  const auto figures = connection_->metrics();
  if (figures.own_streams + figures.peer_streams > 0)
    return;
  is_closing_ = true;
  connection_->close(quic_ended_on_both_sides, closed_error(peer_finished_first_));
  touch();
}

void quic_transport::close(const transport_error& reason) {
  if (stage_ == stage::ended)
    return;
  if (connection_ == nullptr) {
    // Nobody is there to be told; the observer hears of it in a turn of its own.
    if (dialer_)
      dialer_->cancel();
    return tell_closed_later(reason);
  }
  is_closing_ = true;
  const auto in_order =
      reason.code == error_code::closed && stage_ == stage::established && connection_->is_all_acked();
  const auto otherwise = reason.code == error_code::queue_overflow ? quic_ended_for_slowness : quic_ended_abruptly;
  connection_->close(in_order ? quic_ended_in_order : otherwise, reason);
  touch();
}

void quic_transport::tell_closed_later(const transport_error& reason) {
  stage_ = stage::ended;
  boost::asio::post(shard_.loop().context(), [self = local_ref<quic_transport>{this}, reason] {
    const shard::turn here{self->shard_};
    self->tell_closed(reason);
  });
}

void quic_transport::tell_closed(const transport_error& reason) {
  stage_ = stage::ended;
  attempt_ = nullptr;
  dialer_ = nullptr;
  if (auto* told = std::exchange(observer_, nullptr))
    told->on_closed(reason);
}

void quic_transport::detach() noexcept {
  observer_ = nullptr;
  streams_observer_ = nullptr;
  stage_ = stage::ended;
  attempt_ = nullptr;
  if (auto dialing = std::exchange(dialer_, nullptr))
    dialing->cancel();
  if (connection_ != nullptr) {
    keep_figures();
    std::exchange(socket_, nullptr)->let_go(*std::exchange(connection_, nullptr));
  }
}

// -- figures ------------------------------------------------------------------------------------------------------------

transport_stats quic_transport::stats() const {
  transport_stats figures;
  figures.bytes_sent = bytes_sent_;
  figures.bytes_received = bytes_received_;
  const auto metrics = connection_ != nullptr ? connection_->metrics() : last_metrics_;
  figures.latency = metrics.rtt;
  figures.metrics = metrics;
  return figures;
}

std::uint64_t quic_transport::bytes_acked() const {
  return connection_ != nullptr ? connection_->bytes_acked(byte_stream) : last_acked_;
}

} // namespace actorwire
