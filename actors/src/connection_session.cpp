// What an accepted connection does about its session: it asks the desk of its listener for it, and gives it back.

#include "connection.hpp"
#include "engine/frame_error.hpp"
#include "session/session_handshake.hpp"

#include <utility>

namespace actorwire {

namespace {

transport_error fenced() {
  return make_error(error_code::session_fenced, phase::established, origin::remote,
                    "a newer connection goes on with the session");
}

} // namespace

result<void> connection::is_greeted(const session_frame& frame) {
  if (frame.kind != frame_kind::hello)
    return malformed_frame(frame_of_kind(frame.kind) + ": a session begins with a hello", phase::handshake);
  const auto hello = parse_session_hello(frame.number, frame.body.bytes());
  if (!hello)
    return hello.error();
  carry_out(
      desk_->claim(*hello, opening_in_greeting().tls.peer_key, source(), caf::weak_actor_ptr{ctrl()}, where().now()));
  return {};
}

void connection::obey(peer_directive& directive) {
  if (directive.what == peer_directive::kind::look_at_session && desk_ != nullptr)
    carry_out(desk_->collect(source()));
}

void connection::leaves_session(const transport_error& reason) {
  const auto desk = std::exchange(desk_, nullptr);
  if (desk == nullptr)
    return;
  // Who ends on purpose is not to be gone on with, nor what a failure has broken off in the middle. One that was never ready has
  // done nothing with it.
  const auto is_broken = is_crashing_ || has_failed_handler();
  auto subject =
      sending().part_with_session(reason, (wants_to_end() && generation() > 0 && !is_turned_away_) || is_broken);
  carry_out(desk->leave(source(), std::move(subject), where().now()));
}

void connection::carry_out(session_errands errands) {
  for (auto& step : errands.own)
    carry_out(step);
  peer_directive look;
  look.what = peer_directive::kind::look_at_session;
  for (const auto& each : errands.woken)
    send_to(each, look);
  if (errands.listener != nullptr)
    for (const auto& each : errands.lost)
      send_to(errands.listener, each);
}

void connection::carry_out(session_step& step) {
  switch (step.what) {
    case session_step::kind::grant:
      sending().adopt_session(std::move(step.subject));
      end_greeting();
      break;
    case session_step::kind::refuse:
      refuse_greeting({frame_kind::welcome, 0, payload::copy_of(encode(step.welcome))});
      break;
    case session_step::kind::surrender:
      if (auto subject = sending().part_with_session(fenced(), false))
        carry_out(desk_->give_back(source(), std::move(subject), where().now()));
      abort_line_later(fenced());
      break;
    case session_step::kind::lost:
      break;
  }
}

} // namespace actorwire
