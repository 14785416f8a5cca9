#include "channel/channel_actor.hpp"
#include "channel/handler_seat.hpp"

#include <actorwire/actors/connection_handler.hpp>

namespace actorwire {

result<std::uint64_t> local_connection::send(payload&& body, const send_options& options) {
  if (seat_->is_over())
    return make_error(error_code::closed, phase::close, origin::local, "the connection has ended");
  return seat_->owner().send_unasked(body, options);
}

void local_connection::finish(stream_id stream) {
  if (!seat_->is_over() && !seat_->owner().is_over())
    seat_->owner().finish(stream);
}

void local_connection::close(close_mode mode, std::chrono::milliseconds timeout) {
  // Once is enough, however many messages a handler has no use for.
  if (!seat_->is_over() && (mode != close_mode::abort || seat_->leave()))
    seat_->owner().close_soon({mode, timeout});
}

void local_connection::pause_reading() {
  seat_->pause();
}

void local_connection::resume_reading() {
  seat_->resume();
}

connection_status local_connection::status() const {
  return seat_->owner().present_status();
}

connection_actor local_connection::actor() const {
  return connection_actor{&seat_->owner()};
}

// -- handlers -----------------------------------------------------------------------------------------------------------

connection_handler::~connection_handler() = default;

void connection_handler::on_opened(const opened&) {}
void connection_handler::on_state_changed(const state_changed&) {}
void connection_handler::on_address_changed(const address_changed&) {}
void connection_handler::on_peer_closing(const peer_closing&) {}
void connection_handler::on_data_lost(const data_lost&) {}
void connection_handler::on_backpressure(const backpressure&) {}
void connection_handler::on_called(called&&) {}
void connection_handler::on_stream_opened(const stream_opened&) {}
void connection_handler::on_stream_reset(const stream_reset&) {}
void connection_handler::on_stream_closed(const stream_closed&) {}
void connection_handler::on_streams_available(const streams_available&) {}
void connection_handler::on_datagram_received(datagram_received&&) {}
void connection_handler::on_health_changed(const health_changed&) {}
void connection_handler::on_session_opened(const session_opened&) {}
void connection_handler::on_session_lost(const session_lost&) {}
void connection_handler::on_ended(const transport_error&) {}

} // namespace actorwire
