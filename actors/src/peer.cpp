#include "peer.hpp"

#include "channel/wire.hpp"
#include "edge/racing_transport.hpp"

#include <actorwire/actors/errors.hpp>

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

/// How long a connection that rests may take to end once the next one is wanted.
constexpr auto time_to_end_when_wanted = std::chrono::seconds{1};

transport_error data_for_nobody() {
  return make_error(error_code::lease_ended, phase::established, origin::remote,
                    "data that nobody asked for came while nobody had the peer");
}

} // namespace

peer::peer(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
           std::shared_ptr<const std::vector<endpoint>> alternatives, std::shared_ptr<const transport_config> settings,
           caf::strong_actor_ptr supervisor, std::shared_ptr<load_gauge> gauge, std::chrono::milliseconds idle_timeout)
  : channel_actor(config, std::move(home), id, remote, std::move(settings)), supervisor_(std::move(supervisor)) {
  if (alternatives != nullptr)
    detours_ = std::make_unique<detours>(detours{std::move(alternatives), {}});
  if (gauge != nullptr)
    sending().show_load(std::move(gauge));
  if (idle_timeout.count() > 0)
    rest_ = std::make_unique<rest>(idle_timeout, [this] { in_actor([this] { look_whether_idle(); }); });
  if (has_session())
    sending().begin_session();
}

peer::behavior_type peer::make_behavior() {
  self_ = ctrl();
  return channel_actor::make_behavior();
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
  send_to(supervisor_, peer_leaving{source(), true, {}});
  // The end of the stream is something to be sent as well.
  is_wanted();
}

void peer::leaves() {
  // One that is ready may still have to send what the present connection cannot.
  if (successor_ != nullptr && !successor_->is_ready)
    dismiss_successor();
  // Said before anyone hears that the peer is closed, so that whoever acquires it anew gets a new one.
  send_to(supervisor_, peer_leaving{source(), false, why_leaving_ != nullptr ? *why_leaving_ : transport_error{}});
}

void peer::has_left() {
  if (rest_ != nullptr)
    rest_->watch.end();
  send_to(supervisor_, statistics());
}

void peer::becomes_ready(const transport_opening&) {
  is_used_ = !is_free_;
  if (detours_ != nullptr)
    detours_->memory.note_winner(info().carried_by, remote(), where().now());
  if (rest_ != nullptr)
    rest_->watch.begin(where());
}

// -- connections that nobody uses ------------------------------------------------------------------------------------------

void peer::look_whether_idle() {
  if (wire_ == nullptr || is_resting() || is_over())
    return;
  const auto is_busy = is_in_use() || successor_ != nullptr;
  if (!rest_->watch.handle_timeout(where(), {wire_->stats().bytes_sent, wire_->last_arrival()}, is_busy))
    return;
  rest_->has_begun = true;
  rest_->is_wanted = false;
  // Said before the connection can end.
  send_to(supervisor_, peer_resting{source(), false});
  wire_->retire(config().operation_timeout);
}

void peer::is_wanted() {
  if (rest_ == nullptr)
    return;
  rest_->watch.note_use();
  if (!rest_->has_begun || std::exchange(rest_->is_wanted, true))
    return;
  send_to(supervisor_, peer_resting{source(), true});
  // Nothing is on its way, so whoever does not end has not heard of it.
  if (wire_ != nullptr)
    wire_->retire(time_to_end_when_wanted);
}

// -- the successor of a connection ----------------------------------------------------------------------------------------

void peer::engage(peer_directive& directive) {
  // The supervisor is about to hear that there is nothing to replace.
  if (wire_ == nullptr || wants_to_end() || is_resting()) {
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
  if (has_session()) {
    // It sends again on the next what this one has not brought, so nothing has to be waited for.
    stop_probing();
    wire_->give_way();
  } else {
    wire_->retire(successor_->limit);
  }
}

void peer::successor_lost(wire& line, const transport_error& reason) {
  // One that was dismissed has not failed.
  if (successor_ == nullptr || successor_->line != &line)
    return;
  lifetime_figures().note_failed_attempt(reason.code);
  successor_ = nullptr;
  // The supervisor has the next one dialled, which may be ready before this one has to end.
  keep_wire();
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
  if (rest_ != nullptr) {
    rest_->watch.end();
    // Taken since, and not by that connection.
    if (!sending().is_flushed(0))
      is_wanted();
  }
  if (detours_ != nullptr && state() != connection_state::ready && state() != connection_state::degraded)
    detours_->memory.forget();
  // Whoever wanted the end has it now. Everyone else waits for what the supervisor decides.
  if (wants_to_end() || why_leaving_ != nullptr) {
    end(why_leaving_ != nullptr ? *why_leaving_ : reason);
    if (lives_here())
      where().flush_later(*this);
  }
}

void peer::flush() {
  in_actor([this] {
    if (why_leaving_ != nullptr && !wants_to_end() && !is_over())
      begin_close(close{close_mode::flush});
  });
}

// -- one that is lent ------------------------------------------------------------------------------------------------------

void peer::become_free(const transport_error& reason) {
  is_free_ = true;
  // This also has the connection read what may have come.
  dismiss(reason);
  if (is_used_ && wire_ != nullptr && wire_->has_unread() && !wants_to_end())
    depart(data_for_nobody());
}

void peer::become_lent() {
  is_free_ = false;
  is_used_ = true;
}

void peer::note_arrival(bool is_end) {
  // An old connection that has a successor ends because it was asked to, and what comes on it is dropped.
  if (!is_free_ || why_leaving_ != nullptr || wants_to_end() || has_successor())
    return;
  // What a server says first, before anybody has had its connection, is for whoever is the first. Its end is for nobody.
  if (!is_end && !is_used_)
    return;
  why_leaving_ =
      std::make_unique<const transport_error>(is_end ? make_error(error_code::peer_closed, phase::established,
                                                                  origin::remote, "closed while nobody had the peer")
                                                     : data_for_nobody());
  // It is the carrier's message handling that runs.
  where().flush_later(*this);
}

void peer::depart(const transport_error& reason) {
  why_leaving_ = std::make_unique<const transport_error>(reason);
  // What the last owner has sent goes out.
  begin_close(close{close_mode::flush});
}

void peer::obey(peer_directive& directive) {
  if (is_over())
    return;
  const auto is_verdict = directive.what == peer_directive::kind::wait
                       || directive.what == peer_directive::kind::give_up
                       || directive.what == peer_directive::kind::rest;
  if (is_verdict && wants_to_end()) {
    // Whoever began to close after the attempt was over, and before its verdict came, waits for nothing any more.
    carrier_ = nullptr;
    end(directive.reason);
    return;
  }
  switch (directive.what) {
    case peer_directive::kind::dial:
      carrier_ = std::move(directive.connection);
      if (rest_ != nullptr)
        rest_->has_begun = false;
      set_obstacle({});
      transition(state_event::dial, {}, directive.attempt);
      send_to(carrier_, connect{});
      break;
    case peer_directive::kind::rest:
      transition(state_event::rest, directive.reason, directive.attempt);
      break;
    case peer_directive::kind::wait:
      if (rest_ != nullptr)
        rest_->has_begun = false;
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
      become_free(directive.reason);
      break;
    case peer_directive::kind::take_back:
      cut_and_end(directive.reason);
      break;
    case peer_directive::kind::lend:
      become_lent();
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
  if (obstacle_ != nullptr)
    return *obstacle_;
  if (is_resting() && state() != connection_state::idle)
    return make_error(error_code::idle_timeout, phase::close, origin::local,
                      "nobody used the connection for idle_timeout, and it ends; there is another when one is wanted");
  return channel_actor::why_not_ready();
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
  forget_flush();
  // Whoever keeps a handle of this actor may be on any thread when it is the last one.
  rest_ = nullptr;
  // Told to end, and not just dropped: an actor that ends because nobody knows it any more looks like one that crashed.
  if (carrier_)
    caf::anon_send_exit(carrier_, caf::exit_reason::user_shutdown);
  carrier_ = nullptr;
  dismiss_successor();
  supervisor_ = nullptr;
  self_ = nullptr;
}

} // namespace actorwire
