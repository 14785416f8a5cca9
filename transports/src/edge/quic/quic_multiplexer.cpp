// The streams of a QUIC transport other than 0, and its datagrams.

#include "engine/quic/quic_error.hpp"
#include "quic_transport.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace actorwire {

namespace {

transport_error no_stream_error() {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "the stream is not known, or cannot be sent on any more");
}

transport_error not_connected_error() {
  return make_error(error_code::not_connected, phase::established, origin::local, "there is no connection");
}

} // namespace

multiplexer* quic_transport::multiplex(multiplexer_observer& observer) {
  streams_observer_ = &observer;
  return this;
}

// -- what happens -------------------------------------------------------------------------------------------------------

void quic_transport::handle(quic_event::stream_opened&& event) {
  if (streams_observer_ == nullptr) {
    // A program that knows of one stream only has no use for others.
    connection_->stop(event.stream, quic_ended_abruptly);
    connection_->reset(event.stream, quic_ended_abruptly);
    return touch();
  }
  streams_.try_emplace(event.stream).first->second.awaits_reader = true;
  streams_observer_->on_stream_opened(event.stream, event.direction);
}

void quic_transport::handle(quic_event::streams_available&& event) {
  if (streams_observer_ != nullptr)
    streams_observer_->on_streams_available(event.direction);
}

void quic_transport::handle(quic_event::datagram_received&& event) {
  if (streams_observer_ != nullptr)
    streams_observer_->on_datagram(std::move(event.body));
}

void quic_transport::handle(quic_event::datagram_done&& event) {
  if (streams_observer_ != nullptr)
    streams_observer_->on_datagram_done(event.id, event.was_sent);
}

void quic_transport::deliver_stream(stream_id id) {
  for (;;) {
    const auto found = streams_.find(id);
    if (!may_deliver() || found == streams_.end())
      return;
    auto& stream = found->second;
    auto bytes = connection_->read(id, stream.allowance);
    if (bytes.empty()) {
      if (connection_->is_read_to_end(id) && !stream.awaits_reader && !std::exchange(stream.is_ended, true)) {
        streams_observer_->on_stream_finished(id);
        if (connection_ != nullptr)
          connection_->note_end_was_read(id);
      }
      return touch();
    }
    stream.allowance -= bytes.size();
    bytes_received_ += bytes.size();
    streams_observer_->on_stream_received(id, std::move(bytes));
  }
}

// -- what the user does -------------------------------------------------------------------------------------------------

result<stream_id> quic_transport::open(stream_direction direction, stream_priority priority) {
  if (connection_ == nullptr)
    return not_connected_error();
  auto opened = connection_->open_stream(direction, priority);
  if (opened)
    streams_.try_emplace(*opened);
  return opened;
}

result<std::size_t> quic_transport::send(stream_id stream, std::span<const outgoing> pieces) {
  if (connection_ == nullptr || !streams_.contains(stream))
    return no_stream_error();
  auto taken = connection_->send(stream, pieces);
  if (!taken)
    return no_stream_error();
  bytes_sent_ += *taken;
  touch();
  return taken;
}

void quic_transport::receive(stream_id stream, std::size_t bytes) {
  const auto found = streams_.find(stream);
  if (found == streams_.end())
    return;
  found->second.awaits_reader = found->second.awaits_reader && bytes == 0;
  auto& allowance = found->second.allowance;
  allowance += std::min(bytes, std::numeric_limits<std::size_t>::max() - allowance);
  if (!std::exchange(found->second.is_to_be_read, true))
    to_be_read_.push_back(stream);
  deliver_later();
}

void quic_transport::finish(stream_id stream) {
  if (connection_ == nullptr || !streams_.contains(stream))
    return;
  connection_->finish(stream);
  touch();
}

void quic_transport::reset(stream_id stream, std::uint64_t code) {
  if (connection_ == nullptr || !streams_.contains(stream))
    return;
  connection_->reset(stream, code);
  touch();
}

void quic_transport::stop(stream_id stream, std::uint64_t code) {
  if (connection_ == nullptr || !streams_.contains(stream))
    return;
  connection_->stop(stream, code);
  touch();
}

void quic_transport::prioritize(stream_id stream, stream_priority priority) {
  if (connection_ != nullptr)
    connection_->prioritize(stream, priority);
}

std::optional<std::uint64_t> quic_transport::bytes_acked(stream_id stream) const {
  const auto found = streams_.find(stream);
  if (found == streams_.end())
    return std::nullopt;
  if (connection_ == nullptr)
    return found->second.last_acked;
  // One that is over, although that is still to be told.
  if (!connection_->knows(stream))
    return std::nullopt;
  return connection_->bytes_acked(stream);
}

std::optional<std::uint64_t> quic_transport::bytes_sent(stream_id stream) const {
  if (connection_ == nullptr || !streams_.contains(stream) || !connection_->knows(stream))
    return std::nullopt;
  return connection_->bytes_sent(stream);
}

bool quic_transport::is_held_by_peer(stream_id stream) const {
  return connection_ != nullptr && connection_->is_held_by_peer(stream);
}

result<std::uint64_t> quic_transport::send_datagram(payload body) {
  if (connection_ == nullptr)
    return not_connected_error();
  auto queued = connection_->send_datagram(std::move(body));
  touch();
  return queued;
}

} // namespace actorwire
