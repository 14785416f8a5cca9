#include "peer.hpp"

#include "channel/wire.hpp"
#include "edge/racing_transport.hpp"

#include <actorwire/actors/errors.hpp>

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace actorwire {

peer::peer(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
           std::shared_ptr<const std::vector<endpoint>> alternatives, std::shared_ptr<const transport_config> settings,
           caf::strong_actor_ptr supervisor, std::shared_ptr<load_gauge> gauge)
  : channel_actor(config, std::move(home), id, remote, std::move(settings)), supervisor_(std::move(supervisor)) {
  if (alternatives != nullptr)
    detours_ = std::make_unique<detours>(detours{std::move(alternatives), {}});
  if (gauge != nullptr)
    sending().show_load(std::move(gauge));
  if (has_session())
    sending().begin_session();
}

result<local_ref<transport>> peer::make_bearer(const std::shared_ptr<transport_factory>& transports) {
  if (detours_ == nullptr)
    return transports->create_transport(remote().proto, where());
  return local_ref<transport>{make_local<racing_transport>(where(), transports, *detours_->alternatives,
                                                           detours_->memory.favourite(where().now()))};
}

bool peer::can_have_streams() const noexcept {
  return channel_actor::can_have_streams()
      || (detours_ != nullptr
          && std::ranges::find(*detours_->alternatives, protocol::quic, &endpoint::proto)
                 != detours_->alternatives->end());
}

void peer::finishes() {
  // Said before `finish_stream` is answered, so that whoever acquires the endpoint then gets one that takes messages.
  send_to(supervisor_, peer_leaving{source(), true});
}

void peer::leaves() {
  // One that is ready may still have to send what the present connection cannot.
  if (successor_ != nullptr && !successor_->is_ready)
    dismiss_successor();
  // Said before anyone hears that the peer is closed, so that whoever acquires it anew gets a new one.
  send_to(supervisor_, peer_leaving{source(), false});
}

void peer::has_left() {
  send_to(supervisor_, statistics());
}

void peer::becomes_ready(const transport_opening&) {
  if (detours_ != nullptr)
    detours_->memory.note_winner(info().carried_by, remote(), where().now());
}

// -- the successor of a connection ----------------------------------------------------------------------------------------

void peer::engage(peer_directive& directive) {
  // The supervisor is about to hear that there is nothing to replace.
  if (wire_ == nullptr || wants_to_end()) {
    caf::anon_send_exit(directive.connection, caf::exit_reason::user_shutdown);
    return;
  }
  // There is one at a time: an earlier one has ended by itself, before it could say so.
  dismiss_successor();
  successor_ = std::make_unique<successor>(successor{std::move(directive.connection), directive.delay});
  send_to(successor_->carrier, connect{});
}

void peer::dismiss_successor() noexcept {
  if (const auto gone = std::exchange(successor_, nullptr))
    caf::anon_send_exit(gone->carrier, caf::exit_reason::user_shutdown);
}

void peer::note_failed_successor(const transport_error& reason) {
  lifetime_figures().note_failed_attempt(reason.code);
  successor_ = nullptr;
}

void peer::note_successor_ready(wire& line) {
  if (successor_ == nullptr || successor_->line != &line) {
    channel_actor::note_successor_ready(line);
    return;
  }
  successor_->is_ready = true;
  // Not before: what is sent from now on waits until the present connection has ended, so that it comes behind all that went
  // this way.
  stop_probing();
  // A session sends again on the next what this one has not brought, so nothing has to be waited for.
  if (has_session())
    wire_->give_way();
  else
    wire_->retire(successor_->limit);
}

void peer::successor_lost(wire& line) {
  if (successor_ != nullptr && successor_->line == &line)
    successor_ = nullptr;
}

bool peer::succeed() {
  if (successor_ == nullptr || !successor_->is_ready || (wants_to_end() && sending().is_flushed(0))) {
    dismiss_successor();
    return false;
  }
  const auto next = std::exchange(successor_, nullptr);
  carrier_ = std::move(next->carrier);
  next->line->take_over();
  return true;
}

// -- the session --------------------------------------------------------------------------------------------------------

void peer::greets() {
  sending().begin_session();
  sending().lane()->connect();
}

result<void> peer::is_greeted(const session_frame& frame) {
  // An attempt that broke off may have been the one to begin it.
  if (sending().begins_again(frame))
    return make_error(error_code::session_lost, phase::handshake, origin::remote,
                      "the listener has not heard of the session, which begins anew");
  if (const auto heard = sending().take(frame); !heard)
    return heard.error();
  switch (sending().lane()->subject()->state()) {
    case session_state::open:
      end_greeting();
      return {};
    case session_state::fenced:
      return lose_session(make_error(error_code::session_fenced, phase::handshake, origin::remote,
                                     "another connection goes on with the session"));
    case session_state::broken:
    case session_state::fresh:
      return make_error(error_code::refused, phase::handshake, origin::remote,
                        "the listener has no room for another session");
    case session_state::lost:
    case session_state::ended:
    case session_state::offered:
      return lose_session(make_error(error_code::session_lost, phase::handshake, origin::remote,
                                     "the listener does not know the session any more"));
  }
  return {};
}

transport_error peer::lose_session(const transport_error& reason) {
  sending().conclude_session(reason);
  return reason;
}

void peer::note_session_over() {
  if (!is_over())
    sending().begin_session();
}

// -- what becomes of connections -------------------------------------------------------------------------------------------

void peer::wire_lost(const transport_error& reason) {
  if (succeed())
    return;
  carrier_ = nullptr;
  if (detours_ != nullptr && state() != connection_state::ready && state() != connection_state::degraded)
    detours_->memory.forget();
  // Whoever wanted the end has it now. Everyone else waits for what the supervisor decides.
  if (wants_to_end()) {
    end(reason);
    where().flush_later(*this);
  }
}

void peer::flush() {
  in_actor([] {});
}

void peer::obey(peer_directive& directive) {
  if (is_over())
    return;
  const auto is_verdict =
      directive.what == peer_directive::kind::wait || directive.what == peer_directive::kind::give_up;
  if (is_verdict && wants_to_end()) {
    // Whoever began to close after the attempt was over, and before its verdict came, waits for nothing any more.
    carrier_ = nullptr;
    end(directive.reason);
    return;
  }
  switch (directive.what) {
    case peer_directive::kind::dial:
      carrier_ = std::move(directive.connection);
      set_obstacle({});
      transition(state_event::dial, {}, directive.attempt);
      send_to(carrier_, connect{});
      break;
    case peer_directive::kind::wait:
      if (directive.reason.code == error_code::crashed)
        transition(state_event::crashed, directive.reason, directive.attempt, directive.delay);
      else if (state() == connection_state::ready || state() == connection_state::degraded)
        transition(state_event::lost, directive.reason, directive.attempt, directive.delay);
      else
        transition(state_event::attempt_failed, directive.reason, directive.attempt, directive.delay);
      break;
    case peer_directive::kind::give_up:
      transition(state_event::give_up, directive.reason, directive.attempt);
      fail_waiting(directive.reason);
      break;
    case peer_directive::kind::revive:
      transition(state_event::reset);
      set_obstacle({});
      // One that waits is dialled as soon as the gate opens, and its failures are forgotten in every state.
      status_.attempt = 0;
      status_.next_retry = std::chrono::milliseconds{0};
      break;
    case peer_directive::kind::renew:
      engage(directive);
      break;
    case peer_directive::kind::hold:
      set_obstacle(directive.reason);
      break;
    case peer_directive::kind::clear:
      dismiss(directive.reason);
      break;
    case peer_directive::kind::take_back:
      cut_and_end(directive.reason);
      break;
    case peer_directive::kind::look_at_session:
      // Of accepted connections only.
      break;
  }
}

void peer::set_obstacle(const transport_error& reason) {
  status_.is_held_back = reason.code != error_code::none && !is_ready();
  obstacle_ = status_.is_held_back ? std::make_unique<const transport_error>(reason) : nullptr;
}

transport_error peer::why_not_ready() const {
  return obstacle_ != nullptr ? *obstacle_ : channel_actor::why_not_ready();
}

void peer::cut(const transport_error& reason) {
  dismiss_successor();
  if (wire_ != nullptr)
    wire_->cut(reason);
  else if (carrier_)
    send_exit(caf::actor_cast<caf::actor>(carrier_), caf::exit_reason::user_shutdown);
}

void peer::tear_down(const caf::error& reason) noexcept {
  channel_actor::tear_down(reason);
  // Told to end, and not just dropped: an actor that ends because nobody knows it any more looks like one that crashed.
  if (carrier_)
    caf::anon_send_exit(carrier_, caf::exit_reason::user_shutdown);
  carrier_ = nullptr;
  dismiss_successor();
  supervisor_ = nullptr;
}

} // namespace actorwire
