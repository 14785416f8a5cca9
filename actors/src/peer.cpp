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
           caf::strong_actor_ptr supervisor)
  : channel_actor(config, std::move(home), id, remote, std::move(settings)), supervisor_(std::move(supervisor)) {
  if (alternatives != nullptr)
    detours_ = std::make_unique<detours>(detours{std::move(alternatives), {}});
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

void peer::became_ready() {
  if (const auto limit = std::exchange(renewal_, std::nullopt); limit && !wants_to_end())
    wire_->retire(*limit);
}

void peer::wire_lost(const transport_error& reason) {
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
      // It is shown what is new.
      renewal_.reset();
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
      // One that waits is dialled as soon as the gate opens, and its failures are forgotten in every state.
      status_.attempt = 0;
      status_.next_retry = std::chrono::milliseconds{0};
      break;
    case peer_directive::kind::renew:
      // An attempt under way may have begun with what was old, and is let go when it has succeeded.
      if (wire_ == nullptr) {
        renewal_ = directive.delay;
      } else if (!wants_to_end()) {
        // What it would be asked by waits for the next connection.
        stop_probing();
        wire_->retire(directive.delay);
      }
      break;
    case peer_directive::kind::hold:
      // What a message that may not wait is answered with.
      if (!is_ready())
        status_.last_error = directive.reason;
      break;
    case peer_directive::kind::clear:
      dismiss(directive.reason);
      break;
    case peer_directive::kind::take_back:
      cut_and_end(directive.reason);
      break;
  }
}

void peer::cut(const transport_error& reason) {
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
  supervisor_ = nullptr;
}

} // namespace actorwire
