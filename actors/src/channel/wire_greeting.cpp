// What a wire does before it is attached where there is a session, and for that session.

#include "channel/channel_actor.hpp"
#include "channel/wire.hpp"

#include <utility>

namespace actorwire {

transport_error wire::not_greeted(std::string text) {
  return make_error(error_code::handshake_failed, phase::handshake, origin::remote,
                    "the other side has not greeted, as it does with session.mode = on: " + std::move(text));
}

transport_error wire::late_greeting() const {
  if (intake_.waits_for_memory())
    return make_error(error_code::memory_limit, phase::handshake, origin::local,
                      "the network's memory_limit has left no room for operation_timeout for the greeting of the other "
                      "side");
  // Who was told no has had its answer, and a peer has had none.
  if (user_ != nullptr && !user_->awaits_greeting() && !end_is_wanted_)
    return make_error(error_code::handshake_failed, phase::handshake, origin::local,
                      "an older connection of the session has not let go of it within operation_timeout");
  return not_greeted("nothing was said within operation_timeout");
}

void wire::begin_greeting(bool is_to_be_told) {
  reserve_->is_greeting = true;
  reserve_->is_to_be_told = is_to_be_told;
  set(deadline::greeting, where_.lived() + user_->config().operation_timeout);
  user_->begin_greeting(*this);
  where_.flush_later(flusher_);
}

void wire::greeted_later() {
  reserve_->is_greeted = true;
  where_.flush_later(flusher_);
}

void wire::end_greeting() {
  set(deadline::greeting, never);
  reserve_->is_greeting = false;
  if (reserve_->is_to_be_told)
    greeted_ = std::make_unique<const transport_opening>(reserve_->opening);
  if (user_ == nullptr)
    return;
  user_->attach_wire(*this, reserve_->opening);
  pump_wanted_ = true;
}

void wire::part() {
  end_is_wanted_ = true;
  finish(true);
}

void wire::give_way() {
  end_is_wanted_ = true;
  abort_later(make_error(error_code::closed, phase::close, origin::local, "to be connected anew"));
}

void wire::follow_session() {
  if (user_ == nullptr || !is_connected_)
    return;
  const auto next = user_->sending().session_timeout();
  if (next && *next <= where_.lived()) {
    if (!is_blocked_)
      where_.flush_later(flusher_);
  } else {
    set(deadline::session, next.value_or(never));
  }
}

} // namespace actorwire
