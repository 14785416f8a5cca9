#include "quic_connection.hpp"

#include "../wall_time.hpp"
#include "quic_callbacks.hpp"
#include "quic_error.hpp"
#include "quic_setup.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace actorwire {

namespace {

constexpr stream_id byte_stream = 0;

/// What a first packet is sent to, of at least 8 random bytes (RFC 9000, 7.2).
constexpr std::size_t first_destination_size = 16;

/// Bytes that may wait for acknowledgement: twice what the network holds, but so much in any case, and never more than that.
constexpr std::size_t send_room_min = std::size_t{256} << 10U;
constexpr std::size_t send_room_max = std::size_t{16} << 20U;

/// How long late packets are answered, in probe timeouts (RFC 9000, 10.2).
constexpr int linger_probe_timeouts = 3;

constexpr std::size_t early_parameters_max = 512;

ngtcp2_addr address_for_ngtcp2(const udp_address& from) noexcept {
  return {const_cast<ngtcp2_sockaddr*>(from.data()), from.size()};
}

ngtcp2_path path_for_ngtcp2(const udp_path& from) noexcept {
  return {address_for_ngtcp2(from.local), address_for_ngtcp2(from.remote), nullptr};
}

udp_path path_of(const ngtcp2_path& from) noexcept {
  return {{from.local.addr, from.local.addrlen}, {from.remote.addr, from.remote.addrlen}};
}

void require_ngtcp2(int failure) {
  if (failure != 0)
    throw std::runtime_error{std::string{"a QUIC connection cannot be set up: "}.append(::ngtcp2_strerror(failure))};
}

ngtcp2_duration nanoseconds(std::chrono::milliseconds time) noexcept {
  return static_cast<ngtcp2_duration>(std::chrono::nanoseconds{time}.count());
}

const std::uint8_t* bytes_of(const std::string& text) noexcept {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

} // namespace

// -- life ---------------------------------------------------------------------------------------------------------------

quic_connection::quic_connection(settings chosen, quic_host& host, const tls_now& now)
  : settings_(std::move(chosen)),
    quic_(quic_settings(*settings_.config)),
    host_(host),
    tls_(std::in_place, settings_.tls),
    datagrams_(quic_.datagram_send_buffer_size) {
  static_cast<void>(stamp(now));
  begin_with(wire_version(quic_.versions.front()));
}

/// Begins as a client, by the version that is preferred or, later, by one that the server has offered.
void quic_connection::begin_with(std::uint32_t version) {
  quic_setup made{*settings_.config, quic_, last_now_};
  made.settings.rand_ctx.native_handle = &host_;
  made.settings.qlog_write = settings_.qlog ? quic_qlog_writer : nullptr;
  // Says that it is a second attempt, if it is one, so that nobody between can talk us into a version (RFC 9368, 4).
  made.settings.original_version = wire_version(quic_.versions.front());
  tls_->set_now(now_);
  const auto known = tls_->offer_session();
  if (known) {
    made.settings.token = bytes_of(known->quic_token);
    made.settings.tokenlen = known->quic_token.size();
  }
  ngtcp2_cid destination{};
  destination.datalen = first_destination_size;
  host_.fill_random({destination.data, first_destination_size});
  const auto source = host_.make_id().to_ngtcp2();
  const auto path = path_for_ngtcp2(settings_.path);
  ngtcp2_conn* conn = nullptr;
  require_ngtcp2(::ngtcp2_conn_client_new(&conn, &destination, &source, &path, version, &quic_callbacks_for(false),
                                          &made.settings, &made.params, nullptr, this));
  conn_.reset(conn);
  set_up_conn();
  if (known && settings_.tls.early_data && !known->quic_parameters.empty()
      && ::ngtcp2_conn_decode_and_set_0rtt_transport_params(conn, bytes_of(known->quic_parameters),
                                                            known->quic_parameters.size())
             == 0) {
    takes_early_data_ = true;
    open_byte_stream();
  }
}

/// The server speaks none of the version that was tried, but another that we do: begins anew (RFC 9000, 6.2).
void quic_connection::begin_again() {
  for (const auto& each : ids())
    host_.remove_id(each);
  take_early_streams_back();
  // ngtcp2 first: it holds on to the session of TLS.
  conn_.reset();
  tls_.emplace(settings_.tls);
  expiry_ = UINT64_MAX;
  unanswered_since_ = UINT64_MAX;
  is_flushing_ = false;
  stray_ = nullptr;
  begin_with(*offered_version_);
  for (const auto& each : ids())
    host_.add_id(each);
}

/// What went out early counts as not sent, since the server has taken none of it.
void quic_connection::take_early_streams_back() {
  takes_early_data_ = false;
  streams_.for_each([this](quic_stream& each) {
    streams_.make_idle(each);
    each.is_open = false;
    each.output.rewind();
  });
}

quic_connection::quic_connection(settings chosen, const first_packet& first, quic_host& host, const tls_now& now)
  : settings_(std::move(chosen)),
    quic_(quic_settings(*settings_.config)),
    host_(host),
    tls_(std::in_place, settings_.tls),
    datagrams_(quic_.datagram_send_buffer_size) {
  quic_setup made{*settings_.config, quic_, stamp(now)};
  made.settings.rand_ctx.native_handle = &host_;
  made.settings.qlog_write = settings_.qlog ? quic_qlog_writer : nullptr;
  made.settings.handshake_timeout = nanoseconds(settings_.config->attempt_timeout);
  if (!first.token.empty()) {
    made.settings.token = first.token.data();
    made.settings.tokenlen = first.token.size();
    made.settings.token_type = first.was_retried ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  made.params.original_dcid = first.original.to_ngtcp2();
  made.params.original_dcid_present = 1;
  if (first.was_retried) {
    made.params.retry_scid = first.destination.to_ngtcp2();
    made.params.retry_scid_present = 1;
  }
  const auto source = host_.make_id();
  const auto reset = host_.reset_token_for(source);
  std::copy(reset.begin(), reset.end(), made.params.stateless_reset_token);
  made.params.stateless_reset_token_present = 1;
  const auto source_for_ngtcp2 = source.to_ngtcp2();
  const auto destination = first.source.to_ngtcp2();
  const auto path = path_for_ngtcp2(settings_.path);
  ngtcp2_conn* conn = nullptr;
  require_ngtcp2(::ngtcp2_conn_server_new(&conn, &destination, &source_for_ngtcp2, &path, first.version,
                                          &quic_callbacks_for(true), &made.settings, &made.params, nullptr, this));
  conn_.reset(conn);
  set_up_conn();
}

quic_connection::~quic_connection() {
  // ngtcp2 points at what the streams have not got acknowledged.
  conn_.reset();
}

void quic_connection::set_up_conn() {
  tls_->attach(conn_.get());
  ::ngtcp2_conn_set_tls_native_handle(conn_.get(), tls_->session());
  if (settings_.config->keepalive_interval.count() > 0)
    ::ngtcp2_conn_set_keep_alive_timeout(conn_.get(), nanoseconds(settings_.config->keepalive_interval));
  last_path_ = settings_.path;
}

/// ngtcp2 aborts if time goes back.
ngtcp2_tstamp quic_connection::stamp(const tls_now& now) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(now.steady.time_since_epoch()).count();
  last_now_ = std::max(last_now_, static_cast<ngtcp2_tstamp>(since_epoch));
  now_ = now;
  tls_->set_now(now);
  return last_now_;
}

// -- driving ------------------------------------------------------------------------------------------------------------

void quic_connection::handle_datagram(const udp_arrival& arrived, const tls_now& now) {
  assert(!arrived.bytes.empty());
  if (end_)
    return;
  const auto at = stamp(now);
  const auto path = path_for_ngtcp2(arrived.path);
  ngtcp2_pkt_info info{};
  info.ecn = static_cast<std::uint8_t>(arrived.mark);
  const auto read = [&] {
    return ::ngtcp2_conn_read_pkt(conn_.get(), &path, &info,
                                  reinterpret_cast<const std::uint8_t*>(arrived.bytes.data()), arrived.bytes.size(),
                                  at);
  };
  auto failure = 0;
  if (is_connected_) {
    failure = read();
  } else {
    const wall_time judged_by{now.wall};
    failure = read();
  }
  unanswered_since_ = suspected_until_ = UINT64_MAX;
  figures_.packets_received += 1;
  if (failure != 0)
    return handle_failure(failure);
  if (!std::exchange(has_answered_, true))
    tell(quic_event::answered{});
  if (tls_->has_ticket())
    remember_session();
}

void quic_connection::handle_timeout(const tls_now& now) {
  if (end_)
    return;
  const auto at = stamp(now);
  if (at >= suspected_until_) {
    end_with(make_error(error_code::reset, where(), origin::system,
                        "nobody listens at the other side's address any more, and it does not answer"));
    return;
  }
  if (at >= unanswered_deadline()) {
    end_with(make_error(error_code::keepalive_timeout, where(), origin::remote,
                        "the other side acknowledged nothing within keepalive_timeout"));
    return;
  }
  if (::ngtcp2_conn_get_expiry(conn_.get()) > at)
    return;
  if (const auto failure = ::ngtcp2_conn_handle_expiry(conn_.get(), at); failure != 0)
    handle_failure(failure);
}

ngtcp2_tstamp quic_connection::unanswered_deadline() const noexcept {
  // Before the handshake is done, the limit of the attempt holds.
  if (unanswered_since_ == UINT64_MAX || !is_connected_)
    return UINT64_MAX;
  return unanswered_since_ + nanoseconds(settings_.config->keepalive_timeout);
}

std::optional<time_point> quic_connection::next_timeout() const noexcept {
  if (end_)
    return std::nullopt;
  const auto next = std::min({expiry_, unanswered_deadline(), suspected_until_});
  if (next == UINT64_MAX)
    return std::nullopt;
  return time_point{std::chrono::nanoseconds{static_cast<std::int64_t>(next)}};
}

std::optional<quic_event::any> quic_connection::poll_event() {
  if (events_.empty())
    return std::nullopt;
  auto first = std::move(events_.front());
  events_.pop_front();
  if (std::holds_alternative<quic_event::datagram_received>(first))
    --waiting_datagrams_;
  return first;
}

// -- the handshake ------------------------------------------------------------------------------------------------------

void quic_connection::handle_connected() {
  if (auto refused = tls_->judge_agreement()) {
    refusal_ = std::move(refused);
    throw std::runtime_error{"the peer is refused"};
  }
  is_connected_ = true;
  figures_.early_data_accepted = tls_->early_data_was_accepted();
  if (is_server()) {
    tls_->send_ticket();
    const auto token = host_.make_token_for(last_path_.remote, now_.wall);
    if (!token.empty())
      ::ngtcp2_conn_submit_new_token(conn_.get(), token.data(), token.size());
  } else {
    // GnuTLS does not tell when a server refuses; ngtcp2 then forgets the streams that were opened, and has to be told.
    if (takes_early_data_ && !figures_.early_data_accepted) {
      ::ngtcp2_conn_tls_early_data_rejected(conn_.get());
      take_early_streams_back();
      tell(quic_event::early_data_rejected{});
    }
    takes_early_data_ = false;
    open_byte_stream();
  }
  tell(quic_event::connected{tls_->info()});
}

void quic_connection::open_byte_stream() {
  const auto* known = streams_.find(byte_stream);
  if (byte_stream_is_over_ || (known != nullptr && known->is_open))
    return;
  // The peer's settings may allow no stream at all; then there is no byte stream until they do.
  std::int64_t id = -1;
  if (::ngtcp2_conn_open_bidi_stream(conn_.get(), &id, nullptr) != 0)
    return;
  assert(id == static_cast<std::int64_t>(byte_stream));
  auto& stream = streams_.get(byte_stream);
  stream.is_open = true;
  // A server that speaks first cannot before it knows of the stream.
  stream.is_to_be_announced = true;
  streams_.make_ready(stream);
}

/// What a server of other versions offers instead.
void quic_connection::handle_versions(std::span<const std::uint32_t> offered) noexcept {
  for (const auto each : quic_.versions)
    if (!offered_version_ && std::ranges::find(offered, wire_version(each)) != offered.end())
      offered_version_ = wire_version(each);
}

void quic_connection::remember_session() {
  if (!is_connected_)
    return;
  std::string parameters(early_parameters_max, '\0');
  const auto size =
      ::ngtcp2_conn_encode_0rtt_transport_params(conn_.get(), reinterpret_cast<std::uint8_t*>(parameters.data()),
                                                 parameters.size());
  parameters.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  tls_->remember_session(std::move(parameters), std::exchange(token_, {}));
}

// -- the end ------------------------------------------------------------------------------------------------------------

void quic_connection::handle_failure(int failure) {
  if (end_)
    return;
  if (failure == NGTCP2_ERR_RECV_VERSION_NEGOTIATION && offered_version_) {
    try {
      return begin_again();
    } catch (const std::exception&) {
      return end_with(make_quic_error(NGTCP2_ERR_NOMEM, where()));
    }
  }
  if (failure == NGTCP2_ERR_DRAINING)
    return end_with(make_peer_close_error(*::ngtcp2_conn_get_ccerr(conn_.get()), where(), detailed()));
  ngtcp2_ccerr told{};
  ::ngtcp2_ccerr_default(&told);
  auto reason = make_quic_error(failure, where());
  if (refusal_) {
    reason = *refusal_;
    ::ngtcp2_ccerr_set_tls_alert(&told, GNUTLS_A_BAD_CERTIFICATE, nullptr, 0);
  } else if (failure == NGTCP2_ERR_CRYPTO) {
    const auto alert = ::ngtcp2_conn_get_tls_alert(conn_.get());
    reason = tls_->failure(alert);
    ::ngtcp2_ccerr_set_tls_alert(&told, alert, nullptr, 0);
  } else {
    ::ngtcp2_ccerr_set_liberr(&told, failure, nullptr, 0);
  }
  if (farewell_for(failure) == quic_farewell::close)
    say_farewell(told);
  end_with(reason);
}

void quic_connection::close(std::uint64_t code, const transport_error& reason) {
  if (end_)
    return;
  ngtcp2_ccerr told{};
  ::ngtcp2_ccerr_set_application_error(&told, code, nullptr, 0);
  say_farewell(told);
  end_with(reason);
}

void quic_connection::abandon() noexcept {
  if (end_)
    return;
  const auto gone = make_error(error_code::closed, phase::close, origin::local, "nobody wants the connection any more");
  if (is_connected_)
    return close(is_all_acked() ? quic_ended_in_order : quic_ended_abruptly, gone);
  // A client that is turned away before the end of its handshake (RFC 9000, 20.1).
  ngtcp2_ccerr told{};
  ::ngtcp2_ccerr_set_transport_error(&told, NGTCP2_CONNECTION_REFUSED, nullptr, 0);
  say_farewell(told);
  end_with(gone);
}

/// The packet is written now, since ngtcp2 may not be called for anything else afterwards, and sent by `poll_transmit`.
void quic_connection::say_farewell(const ngtcp2_ccerr& why) {
  ngtcp2_path_storage path;
  ::ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  std::vector<std::byte> packet(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  const auto size = ::ngtcp2_conn_write_connection_close(conn_.get(), &path.path, &info,
                                                         reinterpret_cast<std::uint8_t*>(packet.data()), packet.size(),
                                                         &why, last_now_);
  if (size <= 0)
    return;
  packet.resize(static_cast<std::size_t>(size));
  last_words_ = std::move(packet);
  last_path_ = path_of(path.path);
  farewell_is_due_ = true;
}

void quic_connection::end_with(const transport_error& reason) {
  if (end_)
    return;
  end_ = reason;
  tell(quic_event::closed{reason});
}

std::vector<quic_cid> quic_connection::ids() const {
  std::vector<ngtcp2_cid> found(::ngtcp2_conn_get_scid(conn_.get(), nullptr));
  ::ngtcp2_conn_get_scid(conn_.get(), found.data());
  if (is_server())
    found.push_back(*::ngtcp2_conn_get_client_initial_dcid(conn_.get()));
  return {found.begin(), found.end()};
}

duration quic_connection::linger() const {
  return linger_probe_timeouts
       * std::chrono::nanoseconds{static_cast<std::int64_t>(::ngtcp2_conn_get_pto(conn_.get()))};
}

// -- streams: what the user does ----------------------------------------------------------------------------------------

result<stream_id> quic_connection::open_stream(stream_direction direction, stream_priority priority) {
  if (end_ || !is_connected_)
    return make_error(error_code::not_connected, where(), origin::local, "there is no connection to open a stream on");
  std::int64_t id = -1;
  const auto failure = direction == stream_direction::bidirectional
                         ? ::ngtcp2_conn_open_bidi_stream(conn_.get(), &id, nullptr)
                         : ::ngtcp2_conn_open_uni_stream(conn_.get(), &id, nullptr);
  if (failure == NGTCP2_ERR_STREAM_ID_BLOCKED)
    return make_error(error_code::stream_limit, where(), origin::remote,
                      "the other side allows no more streams at present");
  if (failure != 0)
    return make_quic_error(failure, where());
  auto& opened = add_stream(static_cast<stream_id>(id), priority);
  opened.is_open = true;
  opened.end_was_read = direction == stream_direction::unidirectional;
  return opened.id;
}

quic_stream& quic_connection::add_stream(stream_id id, stream_priority priority) {
  auto& added = streams_.get(id);
  added.priority = priority;
  return added;
}

result<std::size_t> quic_connection::send(stream_id id, std::span<const outgoing> pieces) {
  auto* stream = streams_.find(id);
  // What a server says first waits for the client to open the byte stream.
  if (stream == nullptr && id == byte_stream && is_server() && !end_ && !byte_stream_is_over_)
    stream = &add_stream(id, {});
  if (end_ || stream == nullptr || stream->is_sending_over)
    return make_error(error_code::send_failed, where(), origin::local,
                      stream != nullptr && stream->is_sending_over ? "the stream's end was sent already"
                                                                   : "there is no such stream");
  const auto taken = stream->output.append(pieces, send_room());
  streams_.add_buffered(taken);
  std::size_t offered = 0;
  for (const auto& piece : pieces)
    offered += piece.size;
  stream->wants_room = taken < offered;
  if (taken > 0)
    streams_.make_ready(*stream);
  return taken;
}

void quic_connection::finish(stream_id id) {
  auto* stream = streams_.find(id);
  if (stream == nullptr && id == byte_stream && is_server() && !end_ && !byte_stream_is_over_)
    stream = &add_stream(id, {});
  if (end_ || stream == nullptr || std::exchange(stream->is_sending_over, true))
    return;
  stream->wants_room = false;
  stream->output.finish();
  streams_.make_ready(*stream);
}

void quic_connection::reset(stream_id id, std::uint64_t code) {
  auto* stream = streams_.find(id);
  if (end_ || stream == nullptr || !stream->is_open || stream->is_closed)
    return;
  ::ngtcp2_conn_shutdown_stream_write(conn_.get(), 0, static_cast<std::int64_t>(id), code);
  drop_output(*stream);
}

void quic_connection::stop(stream_id id, std::uint64_t code) {
  auto* stream = streams_.find(id);
  if (end_ || stream == nullptr || !stream->is_open)
    return;
  if (!stream->is_closed)
    ::ngtcp2_conn_shutdown_stream_read(conn_.get(), 0, static_cast<std::int64_t>(id), code);
  drop_input(*stream);
  stream->end_was_read = true;
  forget_if_over(*stream);
}

void quic_connection::prioritize(stream_id id, stream_priority priority) {
  if (auto* stream = streams_.find(id))
    streams_.prioritize(*stream, priority);
}

payload quic_connection::read(stream_id id, std::size_t bytes_max) {
  auto* stream = streams_.find(id);
  if (stream == nullptr || stream->input.empty() || bytes_max == 0)
    return {};
  auto& first = stream->input.front();
  payload taken;
  if (first.size() <= bytes_max) {
    taken = std::move(first);
    stream->input.erase(stream->input.begin());
  } else {
    const auto size = static_cast<std::uint32_t>(bytes_max);
    taken = first.slice(0, size);
    first = first.slice(size, first.size() - size);
  }
  stream->input_size -= taken.size();
  if (!end_)
    credit(*stream, taken.size());
  return taken;
}

bool quic_connection::is_read_to_end(stream_id id) const noexcept {
  const auto* stream = streams_.find(id);
  return stream != nullptr && stream->peer_finished && stream->input.empty();
}

void quic_connection::note_end_was_read(stream_id id) {
  if (auto* stream = streams_.find(id)) {
    stream->end_was_read = true;
    forget_if_over(*stream);
  }
}

std::uint64_t quic_connection::bytes_acked(stream_id id) const noexcept {
  const auto* stream = streams_.find(id);
  return stream != nullptr ? stream->output.acked() : 0;
}

void quic_connection::credit(const quic_stream& stream, std::size_t bytes) {
  if (!stream.is_closed)
    ::ngtcp2_conn_extend_max_stream_offset(conn_.get(), static_cast<std::int64_t>(stream.id), bytes);
  ::ngtcp2_conn_extend_max_offset(conn_.get(), bytes);
}

/// What nobody will read counts as read, or the connection's window would shrink for ever.
void quic_connection::drop_input(quic_stream& stream) {
  if (stream.input_size > 0 && !end_)
    ::ngtcp2_conn_extend_max_offset(conn_.get(), stream.input_size);
  stream.input = std::vector<payload>{};
  stream.input_size = 0;
}

void quic_connection::drop_output(quic_stream& stream) {
  stream.was_given_up = true;
  // ngtcp2 still points at what it has sent; that goes when it is acknowledged, or the stream is closed.
  const auto before = stream.output.buffered();
  stream.output.discard();
  streams_.take_buffered(before - stream.output.buffered());
  stream.is_sending_over = true;
  stream.wants_room = false;
  streams_.make_idle(stream);
  offer_room();
}

void quic_connection::forget_if_over(quic_stream& stream) {
  if (!stream.is_over())
    return;
  const auto id = stream.id;
  streams_.remove(id);
  byte_stream_is_over_ = byte_stream_is_over_ || id == byte_stream;
  if (!end_ && is_opened_by_server(id) != is_server()) {
    if (direction_of(id) == stream_direction::bidirectional)
      ::ngtcp2_conn_extend_max_streams_bidi(conn_.get(), 1);
    else
      ::ngtcp2_conn_extend_max_streams_uni(conn_.get(), 1);
  }
  tell(quic_event::stream_closed{id});
}

std::size_t quic_connection::send_room() const noexcept {
  const auto limit = std::clamp<std::size_t>(2 * cwnd_, send_room_min, send_room_max);
  return limit - std::min(limit, streams_.buffered());
}

/// Wakes those who wait for room when there is enough of it to be worth the while.
void quic_connection::offer_room() {
  if (send_room() < send_room_min / 2)
    return;
  streams_.for_each([this](quic_stream& each) {
    if (std::exchange(each.wants_room, false))
      tell(quic_event::stream_writable{each.id});
  });
}

// -- streams: what ngtcp2 tells -----------------------------------------------------------------------------------------

void quic_connection::handle_stream_open(stream_id id) {
  auto& stream = streams_.find(id) != nullptr ? streams_.get(id) : add_stream(id, {});
  stream.is_open = true;
  if (direction_of(id) == stream_direction::unidirectional)
    stream.is_sending_over = true;
  if (stream.output.has_unsent())
    streams_.make_ready(stream);
  if (id != byte_stream)
    tell(quic_event::stream_opened{id, direction_of(id)});
}

void quic_connection::handle_stream_data(stream_id id, std::span<const std::byte> bytes, bool is_last) {
  auto* stream = streams_.find(id);
  if (stream == nullptr)
    return;
  const auto was_readable = !stream->input.empty();
  if (!bytes.empty()) {
    host_.arena().append(stream->input, bytes);
    stream->input_size += bytes.size();
  }
  stream->peer_finished = stream->peer_finished || is_last;
  if (!was_readable || is_last)
    tell(quic_event::stream_readable{id});
}

void quic_connection::handle_acked(stream_id id, std::uint64_t offset, std::uint64_t size) {
  auto* stream = streams_.find(id);
  if (stream == nullptr)
    return;
  const auto before = stream->output.buffered();
  stream->output.acknowledge(offset, size);
  const auto gone = before - stream->output.buffered();
  streams_.take_buffered(gone);
  figures_.bytes_acked += gone;
  offer_room();
}

void quic_connection::handle_bidirectional_room() {
  if (!is_server() && is_connected_)
    open_byte_stream();
  tell(quic_event::streams_available{stream_direction::bidirectional});
}

void quic_connection::handle_stream_reset(stream_id id, std::uint64_t code) {
  auto* stream = streams_.find(id);
  if (stream == nullptr)
    return;
  drop_input(*stream);
  stream->end_was_read = true;
  tell(quic_event::stream_reset{id, code});
  forget_if_over(*stream);
}

void quic_connection::handle_stream_stopped(stream_id id, std::uint64_t code) {
  auto* stream = streams_.find(id);
  if (stream == nullptr || stream->was_given_up)
    return;
  drop_output(*stream);
  tell(quic_event::stream_stopped{id, code});
}

void quic_connection::handle_stream_close(stream_id id, std::optional<std::uint64_t> code) {
  auto* stream = streams_.find(id);
  if (stream == nullptr)
    return;
  // The peer wanted nothing more, and this side had nothing to send meanwhile by which it would have learned that.
  if (code && !stream->output.is_all_acked() && !stream->was_given_up)
    handle_stream_stopped(id, *code);
  stream->is_closed = true;
  stream->is_sending_over = true;
  stream->wants_room = false;
  streams_.make_idle(*stream);
  streams_.take_buffered(stream->output.buffered());
  stream->output.release();
  offer_room();
  // A half that this side alone has used has no end to be read.
  if (direction_of(id) == stream_direction::unidirectional && is_opened_by_server(id) == is_server())
    stream->end_was_read = true;
  forget_if_over(*stream);
}

// -- datagrams ----------------------------------------------------------------------------------------------------------

result<std::uint64_t> quic_connection::send_datagram(payload body) {
  const auto* peer = end_ ? nullptr : ::ngtcp2_conn_get_remote_transport_params(conn_.get());
  if (peer == nullptr || !is_connected_)
    return make_error(error_code::not_connected, where(), origin::local,
                      "there is no connection to send a datagram on");
  if (peer->max_datagram_frame_size == 0)
    return make_error(error_code::unsupported, where(), origin::remote, "the other side takes no datagrams");
  const auto limit = datagram_size_max();
  if (body.size() > limit)
    return make_error(error_code::message_too_large, where(), origin::local,
                      "a datagram of " + std::to_string(body.size()) + " bytes; at present " + std::to_string(limit)
                          + " bytes fit into a packet");
  const auto id = next_datagram_++;
  for (const auto dropped : datagrams_.push(id, std::move(body))) {
    ++figures_.datagrams.dropped;
    tell(quic_event::datagram_done{dropped, false});
  }
  return id;
}

std::size_t quic_connection::datagram_size_max() const {
  // A short header with the longest connection ID and packet number, the tag, and the head of the frame (RFC 9000, 17.3;
  // RFC 9221, 4).
  constexpr std::size_t overhead = 1 + NGTCP2_MAX_CIDLEN + 4 + 16 + 3;
  const auto* peer = ::ngtcp2_conn_get_remote_transport_params(conn_.get());
  const auto packet = ::ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_.get());
  constexpr std::uint64_t frame_head = 3;
  const auto allowed = peer->max_datagram_frame_size > frame_head ? peer->max_datagram_frame_size - frame_head : 0;
  return static_cast<std::size_t>(std::min<std::uint64_t>(packet - overhead, allowed));
}

void quic_connection::handle_unreliable(std::span<const std::byte> bytes) {
  ++figures_.datagrams.received;
  // Nobody credits them, so what waits for its reader is bounded here.
  if (waiting_datagrams_ >= waiting_datagrams_max) {
    ++figures_.datagrams.discarded;
    return;
  }
  ++waiting_datagrams_;
  tell(quic_event::datagram_received{host_.arena().copy_of(bytes)});
}

void quic_connection::suspect(const tls_now& now) {
  if (end_ || !is_connected_ || unanswered_since_ == UINT64_MAX || suspected_until_ != UINT64_MAX)
    return;
  suspected_until_ = stamp(now) + linger_probe_timeouts * ::ngtcp2_conn_get_pto(conn_.get());
}

// -- paths and keys -----------------------------------------------------------------------------------------------------

udp_path quic_connection::path() const {
  return end_ ? last_path_ : path_of(*::ngtcp2_conn_get_path(conn_.get()));
}

void quic_connection::handle_path_change(const ngtcp2_path& path) {
  const auto present = path_of(path);
  if (present == last_path_)
    return;
  last_path_ = present;
  ++figures_.path_changes;
  ecn_.begin_anew();
  tell(quic_event::path_changed{present});
}

void quic_connection::handle_peer_id(bool is_in_use, const quic_tokens::stateless_reset_token& token) {
  if (is_in_use) {
    reset_tokens_.push_back(token);
    host_.add_reset_token(token);
  } else if (std::erase(reset_tokens_, token) != 0) {
    host_.remove_reset_token(token);
  }
}

result<void> quic_connection::migrate(const udp_address& local, const tls_now& now) {
  const auto* peer = end_ ? nullptr : ::ngtcp2_conn_get_remote_transport_params(conn_.get());
  if (peer == nullptr || (!is_server() && !is_confirmed_))
    return make_error(error_code::not_connected, where(), origin::local,
                      "the connection is not far enough to change its address");
  if (is_server() || peer->disable_active_migration != 0)
    return make_error(error_code::unsupported, where(), is_server() ? origin::local : origin::remote,
                      is_server() ? "a server keeps its address" : "the other side does not allow it");
  const auto at = stamp(now);
  const udp_path wanted{local, path().remote};
  const auto as_ngtcp2 = path_for_ngtcp2(wanted);
  if (const auto failure = ::ngtcp2_conn_initiate_immediate_migration(conn_.get(), &as_ngtcp2, at); failure != 0)
    return make_quic_error(failure, where());
  handle_path_change(as_ngtcp2);
  return {};
}

bool quic_connection::update_keys(const tls_now& now) {
  return !end_ && ::ngtcp2_conn_initiate_key_update(conn_.get(), stamp(now)) == 0;
}

// -- figures ------------------------------------------------------------------------------------------------------------

quic_metrics quic_connection::metrics() const {
  auto figures = figures_;
  ngtcp2_conn_info info{};
  ::ngtcp2_conn_get_conn_info(conn_.get(), &info);
  const auto micros = [](ngtcp2_duration time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::nanoseconds{static_cast<std::int64_t>(time)});
  };
  // Before the first answer it is an assumption, not a measurement.
  if (info.latest_rtt != 0) {
    figures.rtt = micros(info.smoothed_rtt);
    figures.rtt_variance = micros(info.rttvar);
  }
  figures.congestion_window = info.cwnd;
  figures.bytes_in_flight = info.bytes_in_flight;
#if NGTCP2_VERSION_NUM >= 0x011000 // 1.16
  figures.packets_lost = info.pkt_lost;
#endif
  figures.ecn = ecn_.state();
  streams_.for_each([&](const quic_stream& each) {
    ++(is_opened_by_server(each.id) == is_server() ? figures.own_streams : figures.peer_streams);
  });
  figures.version =
      ::ngtcp2_conn_get_negotiated_version(conn_.get()) == NGTCP2_PROTO_VER_V2 ? quic_version::v2 : quic_version::v1;
  figures.mtu = static_cast<std::uint32_t>(::ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_.get()));
  return figures;
}

} // namespace actorwire
