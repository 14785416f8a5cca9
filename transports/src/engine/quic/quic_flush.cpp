// The sending half of a connection: what goes into the next packets, and how many of them go at once.

#include "quic_connection.hpp"
#include "quic_error.hpp"
#include "quic_path.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

namespace actorwire {

namespace {

constexpr std::size_t vectors_per_packet = 16;

/// No timer is looked at more often without effect (RFC 9002, 6.1.2).
constexpr ngtcp2_duration timer_granularity = NGTCP2_MILLISECONDS;

/// As much as a probe timeout sends (RFC 9002, 6.2.4).
constexpr std::size_t probe_bytes_max = std::size_t{2} * NGTCP2_MAX_UDP_PAYLOAD_SIZE;

} // namespace

std::optional<udp_departure> quic_connection::poll_transmit(std::span<std::byte> buffer, const tls_now& now) {
  assert(buffer.size() >= departure_bytes_max);
  if (end_) {
    if (!std::exchange(farewell_is_due_, false))
      return std::nullopt;
    std::copy(last_words_.begin(), last_words_.end(), buffer.begin());
    return udp_departure{last_path_, ecn_mark::not_capable, last_words_.size(), buffer.first(last_words_.size())};
  }
  const auto at = stamp(now);
  if (!is_flushing_)
    begin_flush();
  // Also in the middle of a flush that the socket has interrupted: what has arrived meanwhile may have opened the window.
  if (::ngtcp2_conn_get_max_data_left(conn_.get()) > 0)
    streams_.wake_those_that_wait_for_connection();
  udp_departure train;
  std::size_t size = 0;
  std::size_t count = 0;
  if (const auto stray = std::move(stray_)) {
    std::copy(stray->bytes.begin(), stray->bytes.end(), buffer.begin());
    train = {stray->path, stray->mark, stray->bytes.size(), {}};
    size = stray->bytes.size();
    count = 1;
  }
  const auto packet_max =
      std::max<std::size_t>(::ngtcp2_conn_get_max_tx_udp_payload_size(conn_.get()), NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  while (count < departure_segments_max) {
    is_paced_ = flushed_ + size >= quantum_;
    // All packets of a train are as long as its first, and the last may be shorter.
    const auto room = std::min(count == 0 ? packet_max : train.segment_size, departure_bytes_max - size);
    if (is_paced_ || (count > 0 && (room < train.segment_size || room < NGTCP2_MAX_UDP_PAYLOAD_SIZE)))
      break;
    ngtcp2_path_storage chosen;
    ::ngtcp2_path_storage_zero(&chosen);
    ngtcp2_pkt_info info{};
    const auto allowed = packet_room(room, at);
    // Without room ngtcp2 is asked for what it does when its time is over, and not more often: each time counts as a
    // repetition of a PATH_CHALLENGE that is due, and doubles the wait for the next.
    if (allowed == 0 && !was_timer_due_)
      break;
    const auto written = write_packet(buffer.subspan(size, allowed), chosen, info, at);
    if (written < 0)
      handle_failure(static_cast<int>(written));
    // It has gone back to a path that has no limit.
    if (written == 0 && allowed == 0 && limit_ && path() == last_path_)
      continue;
    if (written <= 0)
      break;
    const auto length = static_cast<std::size_t>(written);
    const auto mark = static_cast<ecn_mark>(info.ecn);
    const auto way = path_of(chosen.path);
    if (limit_ && way == limit_->path())
      limit_->note_sent(length, at);
    if (way == last_path_)
      ecn_.note(mark != ecn_mark::not_capable, at, 3 * ::ngtcp2_conn_get_pto(conn_.get()));
    if (count == 0) {
      train = {way, mark, length, {}};
    } else if (mark != train.mark || !(way == train.path)) {
      const auto bytes = buffer.subspan(size, length);
      stray_ = std::make_unique<stray_packet>(stray_packet{{bytes.begin(), bytes.end()}, way, mark});
      break;
    }
    size += length;
    ++count;
    if (length < train.segment_size)
      break;
  }
  if (count == 0) {
    // A failure has something to say, too.
    if (end_)
      return poll_transmit(buffer, now);
    end_flush(at);
    return std::nullopt;
  }
  flushed_ += size;
  figures_.packets_sent += count;
  train.bytes = buffer.first(size);
  return train;
}

std::uint64_t quic_connection::bytes_in_flight() const noexcept {
  ngtcp2_conn_info info{};
  ::ngtcp2_conn_get_conn_info(conn_.get(), &info);
  return info.bytes_in_flight;
}

void quic_connection::begin_flush() {
  is_flushing_ = true;
  flushed_ = 0;
  in_flight_before_ = bytes_in_flight();
  quantum_ = std::max<std::size_t>(::ngtcp2_conn_get_send_quantum(conn_.get()), NGTCP2_MAX_UDP_PAYLOAD_SIZE);
}

std::size_t quic_connection::packet_room(std::size_t wanted, ngtcp2_tstamp now) {
  // ngtcp2 goes back by itself when the new path has not proved itself in time.
  if (limit_ && path() == last_path_)
    limit_.reset();
  const auto room = limit_ ? limit_->cut(wanted, now, ::ngtcp2_conn_get_pto(conn_.get())) : wanted;
  if (!is_proving_)
    return room;
  // A PATH_RESPONSE is as long as a packet, and ngtcp2 (1.11) sets no timer for it. Where two of them fill the smallest
  // congestion window, and get lost, nothing could be sent any more, not even a PATH_CHALLENGE: so the last ones become
  // shorter, which costs them their padding, and the window is never full of them. A server has data to send that have a
  // timer, and its PATH_CHALLENGE has to be as long as a packet to prove anything.
  const auto window = static_cast<std::size_t>(::ngtcp2_conn_get_cwnd_left(conn_.get()));
  if (window == 0 || window >= 2 * NGTCP2_MAX_UDP_PAYLOAD_SIZE)
    return room;
  return std::min(room, std::max(window / 2, path_frame_packet_size));
}

/// Whether it would be silent for want of room in the server's windows. A server has no use for it: only it follows a peer
/// whose address changes.
void quic_connection::note_whether_blocked(std::uint64_t in_flight) {
  const auto is_blocked = is_connected_ && !is_server() && in_flight == 0 && streams_.buffered() > 0
                       && !streams_.all_of([](const quic_stream& each) { return !each.output.has_unsent(); });
  if (std::exchange(is_blocked_, is_blocked) != is_blocked)
    keep_alive();
}

/// Sets the deadline to that of ngtcp2. Pacing is of interest only while something waits for it: else there would be a timer
/// for nothing after each packet. `has_sent`: something that has to be acknowledged has left.
void quic_connection::follow_timers(ngtcp2_tstamp now, bool has_sent) {
  unwatched_pacing_ = UINT64_MAX;
  expiry_ = ::ngtcp2_conn_get_expiry(conn_.get());
  // Where pacing holds a probe back that is due, ngtcp2 counts another at each look, and doubles the wait for the next.
  const auto is_overdue = expiry_ <= now;
  if (is_overdue) {
    expiry_ = std::max(expiry_, paced_until_);
    if (was_timer_due_ && !has_sent)
      expiry_ = std::max(expiry_, now + timer_granularity);
  }
  // A little that has left just before, such as an acknowledgement, is paced with what is due.
  if (is_overdue && flushed_ <= probe_bytes_max)
    return;
  ::ngtcp2_conn_update_pkt_tx_time(conn_.get(), now);
  const auto with_pacing = ::ngtcp2_conn_get_expiry(conn_.get());
  if (is_overdue || with_pacing >= expiry_)
    return;
  paced_until_ = with_pacing;
  const auto waits = is_paced_ || streams_.is_one_ready() || !datagrams_.empty();
  if (waits && ::ngtcp2_conn_get_cwnd_left(conn_.get()) > 0)
    expiry_ = with_pacing;
  else
    unwatched_pacing_ = with_pacing;
}

void quic_connection::end_flush(ngtcp2_tstamp now) {
  is_flushing_ = false;
  ngtcp2_conn_info info{};
  ::ngtcp2_conn_get_conn_info(conn_.get(), &info);
  note_whether_blocked(info.bytes_in_flight);
  const auto has_sent = info.bytes_in_flight > in_flight_before_;
  follow_timers(now, has_sent);
  if (limit_)
    if (const auto next = limit_->next_change(::ngtcp2_conn_get_pto(conn_.get())); next > now)
      expiry_ = std::min(expiry_, next);
  was_timer_due_ = false;
  cwnd_ = static_cast<std::size_t>(info.cwnd);
  probes_.note_flush(now, has_sent);
  in_flight_max_ = std::max(in_flight_max_, info.bytes_in_flight);
  if (info.bytes_in_flight == 0)
    unanswered_since_ = suspected_until_ = UINT64_MAX;
  else if (flushed_ > 0 && unanswered_since_ == UINT64_MAX)
    unanswered_since_ = now;
}

/// Frames are added to one packet until ngtcp2 says that it is full, or nothing is left; meanwhile nothing else of ngtcp2
/// may be called.
ngtcp2_ssize quic_connection::write_packet(std::span<std::byte> room, ngtcp2_path_storage& path, ngtcp2_pkt_info& info,
                                           ngtcp2_tstamp now) {
  auto* into = reinterpret_cast<std::uint8_t*>(room.data());
  std::array<ngtcp2_vec, vectors_per_packet> pieces;
  // Datagrams and streams begin a packet in turn, so that neither keeps the other out.
  is_datagram_turn_ = !is_datagram_turn_ || !streams_.is_one_ready();
  // Without room ngtcp2 is asked all the same: it keeps the time of what it cannot send.
  const auto has_room = !room.empty();
  auto takes_datagrams = is_datagram_turn_ && has_room;
  // ngtcp2 counts on early data to fill a client's first packet up. Where congestion does not let them out that stays too
  // short to be taken by any server, however often it is sent again (RFC 9000, 14.1).
  const auto may_send_streams =
      has_room
      && (is_connected_ || is_server() || ::ngtcp2_conn_get_cwnd_left(conn_.get()) >= 2 * NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  for (;;) {
    if (takes_datagrams && !datagrams_.empty()) {
      const auto written = write_datagram(room, path, info, now);
      if (!written)
        continue;
      if (*written != NGTCP2_ERR_WRITE_MORE)
        return *written;
      continue;
    }
    auto* stream = may_send_streams ? streams_.next_ready() : nullptr;
    if (stream == nullptr && !takes_datagrams && has_room && !datagrams_.empty()) {
      takes_datagrams = true;
      continue;
    }
    if (stream == nullptr)
      return ::ngtcp2_conn_writev_stream(conn_.get(), &path.path, &info, into, room.size(), nullptr, 0, -1, nullptr, 0,
                                         now);
    const auto gathered = stream->output.gather(pieces, room.size());
    auto flags = std::uint32_t{NGTCP2_WRITE_STREAM_FLAG_MORE};
    if (gathered.fin)
      flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    if (gathered.is_empty() && !stream->is_to_be_announced) {
      streams_.make_idle(*stream);
      continue;
    }
    ngtcp2_ssize taken = -1;
    const auto written =
        ::ngtcp2_conn_writev_stream(conn_.get(), &path.path, &info, into, room.size(), &taken, flags,
                                    static_cast<std::int64_t>(stream->id), pieces.data(), gathered.count, now);
    if (taken >= 0) {
      const auto size = static_cast<std::size_t>(taken);
      stream->output.advance(size, gathered.fin && size == gathered.bytes);
      stream->is_to_be_announced = false;
      if (!stream->output.has_unsent())
        streams_.make_idle(*stream);
      else if (written != NGTCP2_ERR_WRITE_MORE)
        streams_.give_turn_away(*stream);
    }
    switch (written) {
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        // It comes back when its own window grows, or the connection's.
        if (::ngtcp2_conn_get_max_data_left(conn_.get()) == 0)
          streams_.wait_for_connection(*stream);
        else
          streams_.make_idle(*stream);
        continue;
      case NGTCP2_ERR_STREAM_SHUT_WR:
        // It may have been given up before: then nothing more is told, but it has nothing to send all the same.
        streams_.make_idle(*stream);
        handle_stream_stopped(stream->id, 0);
        continue;
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        streams_.make_idle(*stream);
        continue;
      case NGTCP2_ERR_WRITE_MORE:
        continue;
      case 0:
        // ngtcp2 calls a stream blocked by its own window only. Others wait behind it that need none of the connection's.
        if (gathered.bytes == 0 || ::ngtcp2_conn_get_max_data_left(conn_.get()) > 0)
          return 0;
        streams_.wait_for_connection(*stream);
        continue;
      default:
        return written;
    }
  }
}

/// Adds the datagram that comes first; empty if it could not be, and others may.
std::optional<ngtcp2_ssize> quic_connection::write_datagram(std::span<std::byte> room, ngtcp2_path_storage& path,
                                                            ngtcp2_pkt_info& info, ngtcp2_tstamp now) {
  const auto& first = datagrams_.front();
  // The path may have become narrower since it was taken; one that does not fit would wait for ever.
  if (first.bytes.size() > datagram_size_max()) {
    drop_first_datagram();
    return std::nullopt;
  }
  const ngtcp2_vec body{const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(first.bytes.data())),
                        first.bytes.size()};
  // ngtcp2 aborts at a piece without bytes.
  const std::size_t pieces = body.len != 0 ? 1 : 0;
  int accepted = 0;
  const auto id = first.id;
  const auto written =
      ::ngtcp2_conn_writev_datagram(conn_.get(), &path.path, &info, reinterpret_cast<std::uint8_t*>(room.data()),
                                    room.size(), &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_MORE, id, &body, pieces, now);
  if (written == NGTCP2_ERR_INVALID_ARGUMENT || written == NGTCP2_ERR_INVALID_STATE) {
    drop_first_datagram();
    return std::nullopt;
  }
  if (accepted != 0) {
    datagrams_.pop();
    ++figures_.datagrams.sent;
    tell(quic_event::datagram_done{id, true});
  }
  return written;
}

void quic_connection::drop_first_datagram() {
  ++figures_.datagrams.dropped;
  tell(quic_event::datagram_done{datagrams_.front().id, false});
  datagrams_.pop();
}

} // namespace actorwire
