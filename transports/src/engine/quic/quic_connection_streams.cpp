// The streams and datagrams of a connection: what its user does with them, and what ngtcp2 tells of them.

#include "quic_connection.hpp"
#include "quic_error.hpp"

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

/// Bytes that may wait for acknowledgement: twice what the network holds, but so much in any case, and never more than that.
constexpr std::size_t send_room_min = std::size_t{256} << 10U;
constexpr std::size_t send_room_max = std::size_t{16} << 20U;
/// So much of it a stream has in any case, whatever the others hold: one that the peer does not read keeps what it has.
constexpr std::size_t stream_room_min = std::size_t{64} << 10U;
/// The same once all of them together hold `send_room_max`.
constexpr std::size_t stream_room_least = std::size_t{4} << 10U;

} // namespace

// -- streams: what the user does ----------------------------------------------------------------------------------------

result<stream_id> quic_connection::open_stream(stream_direction direction, stream_priority priority) {
  if (end_ || !is_announced_)
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
  // What is said on the byte stream before it is open waits for that: a server's until the client opens it.
  if (stream == nullptr && id == byte_stream && !end_ && !byte_stream_is_over_)
    stream = &add_stream(id, {});
  if (end_ || stream == nullptr || stream->is_sending_over)
    return make_error(error_code::send_failed, where(), origin::local,
                      stream != nullptr && stream->is_sending_over ? "the stream's end was sent already"
                                                                   : "there is no such stream");
  const auto taken = stream->output.append(pieces, send_room(*stream));
  streams_.add_buffered(taken);
  std::size_t offered = 0;
  for (const auto& piece : pieces)
    offered += piece.size;
  if (taken < offered)
    streams_.wait_for_room(*stream);
  else
    streams_.leave_room(*stream);
  if (taken > 0)
    streams_.make_ready(*stream);
  return taken;
}

void quic_connection::finish(stream_id id) {
  auto* stream = streams_.find(id);
  if (stream == nullptr && id == byte_stream && !end_ && !byte_stream_is_over_)
    stream = &add_stream(id, {});
  if (end_ || stream == nullptr || std::exchange(stream->is_sending_over, true))
    return;
  streams_.leave_room(*stream);
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
  if (stream == nullptr)
    return {};
  auto taken = stream->input.take(bytes_max);
  if (taken.empty())
    return taken;
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
  if (stream != nullptr)
    return stream->output.acked();
  return id == byte_stream ? byte_stream_acked_ : 0;
}

bool quic_connection::is_all_acked() const noexcept {
  return streams_.buffered() == 0 || streams_.all_of([](const quic_stream& each) {
    return each.output.is_all_acked() || (each.was_given_up && each.id != byte_stream);
  });
}

std::uint64_t quic_connection::bytes_sent(stream_id id) const noexcept {
  const auto* stream = streams_.find(id);
  return stream != nullptr ? stream->output.sent() : 0;
}

bool quic_connection::is_held_by_peer(stream_id id) const {
  const auto* stream = streams_.find(id);
  return stream != nullptr && !end_ && stream->output.has_unsent()
      && (::ngtcp2_conn_get_max_stream_data_left(conn_.get(), static_cast<std::int64_t>(id)) == 0
          || ::ngtcp2_conn_get_max_data_left(conn_.get()) == 0);
}

void quic_connection::credit(const quic_stream& stream, std::size_t bytes) {
  if (!stream.is_closed)
    ::ngtcp2_conn_extend_max_stream_offset(conn_.get(), static_cast<std::int64_t>(stream.id), bytes);
  ::ngtcp2_conn_extend_max_offset(conn_.get(), bytes);
}

/// What nobody will read counts as read, or the connection's window would shrink for ever.
void quic_connection::drop_input(quic_stream& stream) {
  if (!stream.input.empty() && !end_)
    ::ngtcp2_conn_extend_max_offset(conn_.get(), stream.input.size());
  stream.input.clear();
}

void quic_connection::drop_output(quic_stream& stream) {
  stream.was_given_up = true;
  // ngtcp2 still points at what it has sent; that goes when it is acknowledged, or the stream is closed.
  const auto before = stream.output.buffered();
  stream.output.discard();
  streams_.take_buffered(before - stream.output.buffered());
  stream.is_sending_over = true;
  streams_.leave_room(stream);
  streams_.make_idle(stream);
  offer_room();
}

void quic_connection::forget_if_over(quic_stream& stream) {
  if (!stream.is_over())
    return;
  const auto id = stream.id;
  if (id == byte_stream) {
    byte_stream_is_over_ = true;
    byte_stream_acked_ = stream.output.acked();
  }
  streams_.remove(id);
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

std::size_t quic_connection::send_room(const quic_stream& stream) const noexcept {
  // With thousands of streams even that would be much.
  const auto due = streams_.buffered() < send_room_max ? stream_room_min : stream_room_least;
  const auto own = due - std::min<std::size_t>(due, stream.output.buffered());
  return std::max(send_room(), own);
}

/// Wakes those who wait for room when there is enough of it to be worth the while. Whoever is told first may take it all.
void quic_connection::offer_room() {
  if (!streams_.is_one_waiting_for_room() || send_room() < send_room_min / 2)
    return;
  while (const auto* next = streams_.take_next_waiting_for_room())
    tell(quic_event::stream_writable{next->id});
}

/// The same for a stream of which something was acknowledged: what is its own needs no room of the others.
void quic_connection::offer_own_room(quic_stream& stream) {
  if (stream.output.buffered() > stream_room_min / 2 || !streams_.waits_for_room(stream))
    return;
  streams_.leave_room(stream);
  tell(quic_event::stream_writable{stream.id});
}

// -- streams: what ngtcp2 tells -----------------------------------------------------------------------------------------

void quic_connection::handle_stream_open(stream_id id) {
  // Early data: whoever it is for need not wait for the rest of the handshake, unless that is to say who the client is, or
  // that it is where it says: a first flight that was recorded is worth no more than its sender's address.
  if (is_server() && !is_connected_ && knew_address_ && tls_->config().client_certificates == client_certificates::off)
    announce();
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
  const auto was_fresh = stream->input.is_fresh();
  stream->input.append(host_.arena(), bytes);
  if (!was_fresh && stream->input.is_fresh())
    fresh_.push_back(id);
  stream->peer_finished = stream->peer_finished || is_last;
  if (!was_readable || is_last)
    tell(quic_event::stream_readable{id});
}

void quic_connection::settle() {
  for (const auto id : std::exchange(fresh_, {}))
    if (auto* stream = streams_.find(id))
      stream->input.settle(host_.arena());
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
  offer_own_room(*stream);
}

/// Told once until it is heard: a frame of three bytes allows more, and there is room for hundreds in a packet.
void quic_connection::handle_more_streams(stream_direction direction) {
  if (direction == stream_direction::bidirectional && !is_server() && is_connected_)
    open_byte_stream();
  if (!std::exchange(has_told_of_streams_[static_cast<std::size_t>(direction)], true))
    tell(quic_event::streams_available{direction});
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
  streams_.leave_room(*stream);
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
  if (peer == nullptr || !is_announced_)
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

} // namespace actorwire
