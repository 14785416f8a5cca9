// What a channel does about streams other than 0, and about datagrams.

#include "channel/channel_actor.hpp"
#include "channel/wire.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace actorwire {

namespace {

transport_error no_streams_here() {
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    "only quic:// has streams other than 0, and datagrams");
}

transport_error no_connection() {
  return make_error(error_code::not_connected, phase::connect, origin::local,
                    "streams other than 0, and datagrams, do not wait for a connection");
}

transport_error it_closes() {
  return make_error(error_code::draining, phase::close, origin::local, "the connection is being closed");
}

transport_error it_ends_with(stream_id stream) {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "stream " + std::to_string(stream) + " is not open, or its connection was lost");
}

} // namespace

// -- for the wire -------------------------------------------------------------------------------------------------------

void channel_actor::note_address_changed(const std::string& local, const std::string& remote) {
  status_.names = {local, remote};
  publish(event_mask::state, address_changed{status_.id, status_.generation, local, remote});
}

void channel_actor::end_receiving(stream_id stream, const transport_error& why) {
  audience_.forget_stream(stream);
  waiting_.fail_receives(stream, why);
  end_answers(stream, why);
}

bool channel_actor::deliver_datagram(payload body) {
  return audience_.deliver(datagram_received{status_.id, status_.generation, std::move(body)});
}

void channel_actor::flush_later(stream_id stream) {
  if (stream == 0)
    flush_later();
  else if (wire_ != nullptr && wire_->open_streams() != nullptr)
    wire_->open_streams()->touch(stream);
}

void channel_actor::pump_later(stream_id stream) {
  if (stream != 0)
    flush_later(stream);
  else if (wire_ != nullptr)
    wire_->pump_later();
}

// -- requests -----------------------------------------------------------------------------------------------------------

streams::open_promise channel_actor::handle(const open_stream& request) {
  // A stream whose number nobody is told is of no use to anybody.
  if (!is_request())
    return {};
  is_wanted();
  auto asker = make_response_promise<stream_opened>();
  auto valid = validate(request);
  const auto target = streams_to_send_on();
  if (!valid || !target)
    asker.deliver(to_caf_error(valid ? target.error() : valid.error()));
  else
    (*target)->open(request, asker);
  return asker;
}

caf::result<void> channel_actor::handle(const reset_stream& request) {
  return apply(request, [&](streams& all) { return all.reset(request); });
}

caf::result<void> channel_actor::handle(const stop_stream& request) {
  return apply(request, [&](streams& all) { return all.stop(request); });
}

caf::result<void> channel_actor::handle(const prioritize_stream& request) {
  return apply(request, [&](streams& all) { return all.prioritize(request); });
}

template <class Request, class Action>
caf::result<void> channel_actor::apply(const Request& request, Action action) {
  auto outcome = validate(request);
  if (outcome) {
    auto target = present_streams();
    outcome = target ? action(**target) : target.error();
  }
  if (!outcome && is_request())
    return to_caf_error(outcome.error());
  return caf::unit;
}

streams::datagram_promise channel_actor::handle(send_datagram& request) {
  is_wanted();
  auto asker = is_request() ? make_response_promise<datagram_sent>() : streams::datagram_promise{};
  if (const auto target = streams_to_send_on())
    (*target)->send_datagram(std::move(request.body), asker);
  else if (asker.pending())
    asker.deliver(to_caf_error(target.error()));
  return asker;
}

result<void> channel_actor::may_accept_on(stream_id stream) const {
  auto target = present_streams();
  if (!target || !(*target)->is_sendable(stream))
    return it_ends_with(stream);
  return {};
}

result<void> channel_actor::check_receivable(stream_id stream) const {
  if (stream == 0)
    return {};
  auto target = present_streams();
  return target ? (*target)->check_receivable(stream) : target.error();
}

// -- helpers ------------------------------------------------------------------------------------------------------------

result<streams*> channel_actor::present_streams() const {
  if (wire_ == nullptr)
    return can_have_streams() ? no_connection() : no_streams_here();
  if (!wire_->is_multiplexed())
    return no_streams_here();
  return &wire_->all_streams();
}

result<streams*> channel_actor::streams_to_send_on() const {
  auto target = present_streams();
  if (target && closing_ != nullptr)
    return it_closes();
  return target;
}

std::size_t channel_actor::room_ahead(stream_id stream, std::size_t unread) const noexcept {
  return reads_ahead(stream) ? wire::read_ahead_max - std::min(wire::read_ahead_max, unread) : 0;
}

} // namespace actorwire
