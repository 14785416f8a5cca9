#pragma once

#include "channel/wire.hpp"

#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/multiplexer.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace actorwire {

/// An actor that owns a wire: every event of the transport becomes a piece of message handling of that actor, so that
/// what goes wrong in it ends this actor and no other.
template <class Base>
class transport_carrier : public Base, private transport_observer, private multiplexer_observer, protected flushable {
public:
  using Base::Base;

protected:
  /// Connects a new transport with its user, the channel. *Errors:* those of `transport::init`.
  result<void> carry(local_ref<transport> bearer, channel_actor& user) {
    wire_.emplace(this->where(), bearer, user, static_cast<flushable&>(*this));
    auto ready = bearer->init(user.config(), *this);
    if (ready)
      wire_->multiplex(*this);
    return ready;
  }

  /// The transport has ended, and the channel was told why.
  virtual void carried_to_the_end(const transport_error& reason) = 0;

  /// The transport is ready, to be used or to take the place of another; the channel was told.
  virtual void carries(const transport_opening& /*opening*/) {}

  /// The handshake is done of a client that was ready before (0-RTT).
  virtual void completes_handshake() {}

  std::optional<wire> wire_;

private:
  void on_progress(connection_state where) final {
    this->in_actor([&] { wire_->handle_progress(where); });
  }

  void on_early_data() final {
    this->in_actor([&] { wire_->handle_early_data(); });
  }

  void on_connected(const transport_opening& opening) final {
    this->in_actor([&] {
      wire_->multiplex(*this);
      wire_->handle_connected(opening);
      if (!wire_->is_greeting())
        carries(opening);
    });
  }

  void on_handshake_done() final {
    this->in_actor([&] { completes_handshake(); });
  }

  void on_received(payload bytes) final {
    this->in_actor([&] { wire_->handle_received(std::move(bytes)); });
  }

  void on_peer_finished() final {
    this->in_actor([&] { wire_->handle_peer_finished(); });
  }

  void on_writable() final {
    this->in_actor([&] { wire_->handle_writable(); });
  }

  void on_closed(const transport_error& reason) final {
    handle([&] { wire_->handle_closed(reason); });
  }

  void on_stream_opened(stream_id stream, stream_direction direction) final {
    wire_->note_arrival();
    handle_streams([stream, direction](streams& all) { all.handle_opened(stream, direction); });
  }

  void on_stream_received(stream_id stream, payload bytes) final {
    wire_->note_arrival();
    handle_streams(
        [stream, bytes = std::move(bytes)](streams& all) mutable { all.handle_received(stream, std::move(bytes)); });
  }

  void on_stream_finished(stream_id stream) final {
    handle_streams([stream](streams& all) { all.handle_finished(stream); });
  }

  void on_stream_reset(stream_id stream, stream_half half, std::uint64_t code) final {
    handle_streams([stream, half, code](streams& all) { all.handle_reset(stream, half, code); });
  }

  void on_stream_writable(stream_id stream) final {
    handle_streams([stream](streams& all) { all.handle_writable(stream); });
  }

  void on_stream_closed(stream_id stream) final {
    handle_streams([stream](streams& all) { all.handle_closed(stream); });
  }

  void on_streams_available(stream_direction direction) final {
    // Nobody has asked for a stream where there is nothing about streams.
    if (wire_ && wire_->open_streams() != nullptr)
      handle_streams([direction](streams& all) { all.handle_available(direction); });
  }

  void on_datagram(payload body) final {
    wire_->note_arrival();
    // Nobody may be given one that comes before its connection is used, and it may be lost like any other.
    if (wire_->stands_by())
      wire_->drop_datagram();
    else
      handle_streams([body = std::move(body)](streams& all) mutable { all.handle_datagram(std::move(body)); });
  }

  void on_datagram_done(std::uint64_t id, bool was_sent) final {
    handle_streams([id, was_sent](streams& all) { all.handle_datagram_done(id, was_sent); });
  }

  void on_address_changed(const std::string& local, const std::string& remote) final {
    handle([&] { wire_->handle_address_changed(local, remote); });
  }

  template <class Event>
  void handle_streams(Event&& event) {
    handle([&] { wire_->handle_streams(std::forward<Event>(event)); });
  }

  void flush() final {
    handle([&] { wire_->flush(); });
  }

  /// Handles an event after which the wire may have come to its end.
  template <class Event>
  void handle(Event&& event) {
    this->in_actor([&] {
      event();
      if (const auto opening = wire_->take_greeted())
        carries(*opening);
      if (const auto end = wire_->take_end())
        carried_to_the_end(*end);
    });
  }
};

} // namespace actorwire
