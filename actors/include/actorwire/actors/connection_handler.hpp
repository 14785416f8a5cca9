#pragma once

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/export.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/stream.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace actorwire {

class handler_seat;

/// A connection or peer, as its `connection_handler` acts on it: in its shard, without a message to an actor.
/// *Thread:* shard only, which is where the handler is called. *Lifetime:* refers to the connection without keeping it; to be
/// used as long as the handler lives, in its constructor and destructor too. Copies refer to the same.
class local_connection {
public:
  /// Takes a message for sending, like `cast`: it leaves at the end of the turn, and `on_data_lost` tells if it does not.
  /// `wanted` and `report` of the options mean nothing here. Returns its sequence number, as in `sent`.
  /// *Errors:* those of `send`; most of all `would_block` beyond `flow_limits::write_limit`, `draining` while the connection
  /// closes, and `closed` when it has ended. `body` is left as it was then, and nobody is told of a loss.
  [[nodiscard]] ACTORWIRE_EXPORT result<std::uint64_t> send(payload&& body, const send_options& options = {});

  /// Ends our side of a stream behind what was sent; see `finish_stream`.
  ACTORWIRE_EXPORT void finish(stream_id stream = 0);

  /// Closes the connection, or the peer for good, soon after the callback has returned; see `close`. Behind `close_mode::abort`
  /// nothing comes but `on_ended`. A `drain` waits for the other side's end, so that who reads no more waits all the time.
  ACTORWIRE_EXPORT void close(close_mode mode = close_mode::drain,
                              std::chrono::milliseconds timeout = std::chrono::milliseconds{30'000});

  /// Calls `on_received` and `on_called` no more, for no stream, from the moment on in which the present callback returns: what
  /// comes stays unread, and once `flow_limits::read_credit` of it has come, the other side has to wait. Other subscribers
  /// get none of it either. Datagrams, which cannot wait, are passed on.
  ACTORWIRE_EXPORT void pause_reading();
  /// Ends that.
  ACTORWIRE_EXPORT void resume_reading();

  /// What is so now; see `get_state`.
  [[nodiscard]] ACTORWIRE_EXPORT connection_status status() const;

  /// The actor, for everything else. A handler that keeps it keeps the actor in memory.
  [[nodiscard]] ACTORWIRE_EXPORT connection_actor actor() const;

private:
  friend class handler_seat;

  explicit local_connection(handler_seat& seat) noexcept : seat_(&seat) {}

  handler_seat* seat_;
};

/// Serves a connection, or a peer through all of its connections, within the shard: what comes is passed by a call and not by a
/// message, and what is sent is too. There is one for each connection, which owns it. See `network::listen` and
/// `network::acquire`.
///
///     class echo final : public actorwire::connection_handler {
///     public:
///       using connection_handler::connection_handler;
///       void on_received(actorwire::received&& data) override {
///         if (!here().send(std::move(data.body)))
///           here().close(actorwire::close_mode::abort);
///       }
///     };
///
/// Each callback is for one event, and has what a subscriber of `event_mask::all` is sent; what it has returned from is
/// handled. They come one at a time, in the order of what happened, and never from within a call of `local_connection`. Data is
/// passed on as it comes, all else at the end of the turn or before the data that follows it. In one turn of the shard comes no
/// more than `flow_limits::read_credit` of data, with 128 bytes for each message beside its own: then other connections have
/// theirs. Others may subscribe to the same connection.
///
/// An exception that leaves a callback ends the connection, or the peer for good, with the error `crashed`, which quotes it, and
/// nothing else; there is no other callback but `on_ended` then. One that leaves `on_ended`, or comes after the connection has
/// ended, changes no more than the reason for which its actor ends.
///
/// What is sent faster than the peer takes it waits, and is refused beyond `flow_limits::write_limit`. A handler that answers
/// what it gets pauses reading as long as there is `backpressure`, unless the other side does the same: two that wait for each
/// other move no more.
/// *Thread:* shard only. Callbacks must not block: all connections of the shard wait meanwhile.
class ACTORWIRE_EXPORT connection_handler {
public:
  /// All but streams other than 0, and datagrams: who does not ask for them may take their bytes for those of stream 0.
  static constexpr event_mask usual_events = event_mask::data | event_mask::state | event_mask::loss
                                           | event_mask::backpressure | event_mask::health | event_mask::sessions;

  /// `events` are those that have callbacks; of others nothing comes, and data of others stays unread.
  explicit connection_handler(local_connection here, event_mask events = usual_events) noexcept
    : here_(here), events_(events) {}

  connection_handler(const connection_handler&) = delete;
  connection_handler& operator=(const connection_handler&) = delete;

  /// On the shard, when the connection has ended, or the peer for good.
  virtual ~connection_handler();

  /// Data of stream 0, or of any, if `events` has `streams`.
  virtual void on_received(received&& data) = 0;

  /// Comes also when a handler is added to a peer that is connected already, as the first. What state a peer is in that is not,
  /// `local_connection::status` says in the constructor.
  virtual void on_opened(const opened&);
  virtual void on_state_changed(const state_changed&);
  virtual void on_address_changed(const address_changed&);
  /// When this returns, our side ends too, unless `transport_config::allow_half_open` says otherwise.
  virtual void on_peer_closing(const peer_closing&);
  virtual void on_data_lost(const data_lost&);
  virtual void on_backpressure(const backpressure&);
  /// To be answered by a message to `local_connection::actor`. Unless this does, the caller's time runs out.
  virtual void on_called(called&&);
  virtual void on_stream_opened(const stream_opened&);
  virtual void on_stream_reset(const stream_reset&);
  virtual void on_stream_closed(const stream_closed&);
  virtual void on_streams_available(const streams_available&);
  virtual void on_datagram_received(datagram_received&&);
  virtual void on_health_changed(const health_changed&);
  virtual void on_session_opened(const session_opened&);
  virtual void on_session_lost(const session_lost&);

  /// The last callback: `reason` is why the connection has ended, or the peer for good; `closed` where this side wanted it.
  /// Nothing can be sent any more.
  virtual void on_ended(const transport_error& reason);

  [[nodiscard]] event_mask events() const noexcept { return events_; }

protected:
  /// What this serves.
  [[nodiscard]] local_connection& here() noexcept { return here_; }

private:
  local_connection here_;
  event_mask events_;
};

/// Makes the handler of one connection, on its shard: of several shards, several threads call it at once. The handler may begin
/// to send while it is made. *Errors:* an exception, or null, ends the connection as an exception in a callback does, soon after
/// `network::acquire` has returned the peer.
using handler_factory = std::function<std::unique_ptr<connection_handler>(local_connection)>;

} // namespace actorwire
