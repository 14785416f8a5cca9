// What a channel does about its session.

#include "channel/channel_actor.hpp"
#include "channel/wire.hpp"

#include <utility>

namespace actorwire {

// -- for the wire -------------------------------------------------------------------------------------------------------

void channel_actor::begin_greeting(wire& carrier) {
  if (is_over()) {
    carrier.cut(make_error(error_code::closed, phase::close, origin::local, "closed by this side"));
    return;
  }
  greeting_ = std::make_unique<greeting>(greeting{&carrier});
  greets();
}

bool channel_actor::awaits_greeting() const noexcept {
  return greeting_ != nullptr && !greeting_->is_heard;
}

void channel_actor::hear_greeting(const session_frame& frame) {
  greeting_->is_heard = true;
  if (const auto heard = is_greeted(frame); !heard)
    greeting_->line->abort_later(heard.error());
}

void channel_actor::deliver_in_session(payload body, const frame_label& label) {
  const session_frame frame{label.kind, label.number, std::move(body)};
  if (greeting_ != nullptr) {
    hear_greeting(frame);
    return;
  }
  auto& lane = *sending_.lane();
  const auto is_subscribed = audience_.wants_data(0);
  if (frame.kind == frame_kind::data && !is_subscribed && !waiting_.want_data(0))
    lane.stop_listening();
  const auto progress = sending_.take(frame);
  if (!progress) {
    abort_later(progress.error());
    return;
  }
  if (progress->delivers) {
    received data{status_.id, status_.generation, 0, frame.body};
    if (is_subscribed)
      audience_.deliver(std::move(data));
    else
      waiting_.deliver(std::move(data));
    // What nobody is done with is not confirmed.
    if (audience_.has_failed_in_data())
      return;
    lane.note_passed_on(where().lived());
  }
  if (lane.is_over() && !lane.is_concluded()) {
    sending_.conclude_session(make_error(error_code::session_lost, phase::established, origin::remote,
                                         "the other side has ended the session"));
    wire_->follow_peer();
  }
}

// -- for those that differ ------------------------------------------------------------------------------------------------

const transport_opening& channel_actor::opening_in_greeting() const noexcept {
  return greeting_->line->opening();
}

void channel_actor::abort_line_later(const transport_error& reason) {
  if (greeting_ != nullptr)
    greeting_->line->abort_later(reason);
  else
    abort_later(reason);
}

void channel_actor::end_greeting() {
  greeting_->line->greeted_later();
}

void channel_actor::refuse_greeting(session_frame&& answer) {
  sending_.lane()->say(std::move(answer));
  greeting_->line->part();
}

// -- helpers ------------------------------------------------------------------------------------------------------------

void channel_actor::leave_greeting(const wire& carrier, const transport_error& reason) {
  if (greeting_ == nullptr || greeting_->line != &carrier)
    return;
  greeting_ = nullptr;
  sending_.lane()->disconnect();
  sending_.conclude_session(reason);
}

void channel_actor::announce_session() {
  const auto* subject = sending_.lane()->subject();
  if (subject == nullptr)
    return;
  const auto& sent_half = subject->sending();
  publish(event_mask::sessions, session_opened{status_.id, status_.generation, subject->is_resumed(),
                                               sent_half.sent() - sent_half.buffer().acknowledged()});
}

void channel_actor::finish_session() noexcept {
  if (auto* lane = sending_.lane())
    lane->finish();
}

} // namespace actorwire
