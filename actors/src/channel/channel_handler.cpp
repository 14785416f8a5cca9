// What a channel does for the handler that serves it in its shard.

#include "channel/channel_actor.hpp"

#include <utility>

namespace actorwire {

namespace {

transport_error has_a_handler() {
  return make_error(error_code::conflicting_values, phase::setup, origin::local,
                    "the connection is served by a handler already");
}

} // namespace

result<void> channel_actor::add_handler(const handler_factory& make) {
  if (is_over())
    return make_error(error_code::closed, phase::close, origin::local, "the connection has ended");
  auto& seat = audience_.make_seat(*this);
  if (seat.is_taken())
    return has_a_handler();
  is_wanted();
  sending_.tell_drops();
  seat.take(make);
  // Of the generation that is announced in a moment it hears like all others.
  if (is_ready() && (state() == connection_state::ready || state() == connection_state::degraded))
    seat.put(event_mask::state, opened{info()});
  note_new_reader();
  return {};
}

void channel_actor::note_failed_handler(const transport_error& reason) {
  if (!is_over())
    cut_and_end(reason);
}

void channel_actor::note_reading_again() {
  pump_later();
  if (health_ != nullptr)
    health_->note_reading();
}

result<std::uint64_t> channel_actor::send_unasked(payload& body, const send_options& options) {
  outbound::recipient nobody;
  auto how = options;
  how.wanted = outcome::written;
  how.report = message_report::none;
  auto accepted = accept(body, how, nobody);
  if (!accepted && is_unwanted_now(options))
    return sending_.refuse(body.size(), accepted.error(), {});
  return accepted;
}

void channel_actor::close_soon(const close& request) {
  if (!is_over())
    anonymous_tell(connection_actor{this}, request);
}

} // namespace actorwire
