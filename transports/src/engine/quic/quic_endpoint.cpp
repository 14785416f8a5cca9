#include "quic_endpoint.hpp"

#include "quic_setup.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace actorwire {

namespace {

const std::uint8_t* data_of(std::span<const std::byte> bytes) noexcept {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

/// Whether a datagram begins with a packet of a handshake that has got beyond its first flight.
bool is_handshake_packet(std::span<const std::byte> bytes) noexcept {
  ngtcp2_pkt_hd head{};
  return ::ngtcp2_pkt_decode_hd_long(&head, data_of(bytes), bytes.size()) >= 0 && head.type == NGTCP2_PKT_HANDSHAKE;
}

/// A packet of version negotiation is long, too, although it has no version (RFC 8999, 5.1 and 6).
bool is_long(std::span<const std::byte> packet) noexcept {
  return (packet.front() & std::byte{0x80}) != std::byte{};
}

} // namespace

struct quic_endpoint::session final : quic_connection {
  template <class... Arguments>
  session(quic_endpoint& owner, Arguments&&... arguments)
    : quic_connection(std::forward<Arguments>(arguments)...), wake_up([this, &owner] { owner.handle_due(*this); }) {}

  quic_observer* observer = nullptr;
  timer wake_up;
  std::list<session>::iterator place;
  bool is_dirty = false;
  bool is_eventful = false;
  bool is_unsettled = false;
  bool is_half_open = false;
  /// Nobody will observe it any more.
  bool is_released = false;
  bool has_told_end = false;
};

quic_endpoint::quic_endpoint(setup chosen, std::optional<acceptance> accepting)
  : setup_(std::move(chosen)),
    accepting_(std::move(accepting)),
    by_id_(setup_.random),
    by_reset_token_(setup_.random),
    answers_(setup_.tokens, setup_.random),
    tombstones_(setup_.random),
    retries_(accepting_ ? accepting_->retry_threshold : 0) {}

quic_endpoint::~quic_endpoint() {
  for (auto& each : sessions_)
    if (each.is_half_open)
      accepting_->half_open->remove();
}

// -- driving ------------------------------------------------------------------------------------------------------------

std::optional<unsigned> quic_endpoint::handle_datagram(const udp_arrival& arrived, const tls_now& now) {
  now_ = now;
  // ngtcp2 takes neither for granted.
  if (arrived.bytes.empty())
    return std::nullopt;
  ngtcp2_version_cid ids{};
  const auto parsed =
      ::ngtcp2_pkt_decode_version_cid(&ids, data_of(arrived.bytes), arrived.bytes.size(), connection_id_format::size);
  if (parsed == NGTCP2_ERR_VERSION_NEGOTIATION) {
    if (accepting_)
      answers_.offer(accepting_->versions, arrived, ids);
    return std::nullopt;
  }
  if (parsed != 0 || ids.dcidlen > quic_cid::size_max)
    return std::nullopt;
  const quic_cid to{ids.dcid, ids.dcidlen};
  auto* known = by_id_.find(to);
  if (known == nullptr)
    return handle_stranger(arrived, to, is_long(arrived.bytes), now);
  hand_to(*known, arrived, now);
  return std::nullopt;
}

void quic_endpoint::hand_to(session& known, const udp_arrival& arrived, const tls_now& now) {
  present_ = &known;
  if (setup_.arena.is_overdrawn())
    known.yield_memory();
  if (!setup_.arena.admits(arrived.bytes.size(), known.awaits_acks())) {
    ++dropped_;
    present_ = nullptr;
    mark(known);
    return;
  }
  known.handle_datagram(arrived, now);
  present_ = nullptr;
  // Not when it is told of: early data is, before the client has proved anything.
  if (known.is_connected())
    follow_handshake(known);
  mark_unsettled(known);
  mark(known);
}

void quic_endpoint::handle_timeout(const tls_now& now) {
  now_ = now;
  timers_.handle_timeout(now.steady);
  tombstones_.handle_timeout(now.steady);
}

void quic_endpoint::handle_due(session& which) {
  present_ = &which;
  which.handle_timeout(now_);
  present_ = nullptr;
  mark(which);
}

std::optional<time_point> quic_endpoint::next_timeout() const noexcept {
  const auto next = std::min(timers_.next_timeout().value_or(time_point::max()), tombstones_.next_timeout());
  return next == time_point::max() ? std::nullopt : std::optional{next};
}

std::optional<udp_departure> quic_endpoint::poll_transmit(std::span<std::byte> buffer, const tls_now& now) {
  now_ = now;
  if (auto answer = answers_.poll(buffer))
    return answer;
  while (!dirty_.empty()) {
    auto& first = *dirty_.front();
    // A client is answered when somebody has taken it.
    if (first.observer == nullptr && !first.is_released) {
      dirty_.pop_front();
      first.is_dirty = false;
      continue;
    }
    present_ = &first;
    const auto departure = first.poll_transmit(buffer, now);
    present_ = nullptr;
    // What was sent may have brought about something to tell, such as datagrams that have left.
    mark_eventful(first);
    if (departure)
      return departure;
    dirty_.pop_front();
    first.is_dirty = false;
    follow_timer(first);
    if (first.has_told_end)
      bury(first, now);
  }
  return std::nullopt;
}

/// A deadline that is moved further away is left where it is, and checked when it is there: most are.
void quic_endpoint::follow_timer(session& which) {
  const auto next = which.next_timeout();
  if (!next)
    which.wake_up.cancel();
  else if (!which.wake_up.is_armed() || which.wake_up.deadline() > *next)
    timers_.arm(which.wake_up, *next);
}

void quic_endpoint::mark(session& which) {
  if (!std::exchange(which.is_dirty, true))
    dirty_.push_back(&which);
  mark_eventful(which);
}

void quic_endpoint::mark_eventful(session& which) {
  if (which.has_events() && !std::exchange(which.is_eventful, true))
    eventful_.push_back(&which);
}

void quic_endpoint::mark_unsettled(session& which) {
  if (which.has_fresh_input() && !std::exchange(which.is_unsettled, true))
    unsettled_.push_back(&which);
}

void quic_endpoint::dispatch() {
  const auto now_eventful = std::exchange(eventful_, {});
  for (auto* which : now_eventful) {
    which->is_eventful = false;
    // A client that nobody has been told of yet keeps its events.
    if (which->observer == nullptr && !which->is_released)
      continue;
    while (auto event = which->poll_event()) {
      if (std::holds_alternative<quic_event::closed>(*event)) {
        follow_handshake(*which);
        which->has_told_end = true;
      }
      if (which->observer != nullptr)
        which->observer->on_event(std::move(*event));
    }
    mark(*which);
  }
  // What nobody has read by now is not read at once.
  for (auto* which : std::exchange(unsettled_, {})) {
    which->is_unsettled = false;
    which->settle();
  }
}

void quic_endpoint::follow_handshake(session& which) {
  if (std::exchange(which.is_half_open, false))
    accepting_->half_open->remove();
}

// -- connections --------------------------------------------------------------------------------------------------------

template <class Make>
quic_endpoint::session& quic_endpoint::add_session(Make&& make) {
  make();
  auto& added = sessions_.back();
  added.place = std::prev(sessions_.end());
  const auto ids = added.ids();
  try {
    for (const auto& id : ids)
      by_id_.insert(id, added);
  } catch (...) {
    // Nobody would ever drive it.
    for (const auto& id : ids)
      if (by_id_.find(id) == &added)
        by_id_.erase(id);
    sessions_.pop_back();
    throw;
  }
  return added;
}

quic_connection& quic_endpoint::dial(quic_connection::settings settings, quic_observer& observer, const tls_now& now) {
  now_ = now;
  auto& added = add_session([&] { sessions_.emplace_back(*this, std::move(settings), *this, now); });
  added.observer = &observer;
  mark(added);
  return added;
}

quic_endpoint::session& quic_endpoint::session_of(quic_connection& which) noexcept {
  return static_cast<session&>(which);
}

quic_connection* quic_endpoint::poll_accepted() {
  if (accepted_.empty())
    return nullptr;
  auto* first = accepted_.front();
  accepted_.pop_front();
  return first;
}

void quic_endpoint::observe(quic_connection& which, quic_observer& observer) {
  session_of(which).observer = &observer;
  touch(which);
}

void quic_endpoint::touch(quic_connection& which) {
  mark(session_of(which));
}

void quic_endpoint::suspect_all(const tls_now& now) {
  now_ = now;
  for (auto& each : sessions_) {
    each.suspect(now);
    mark(each);
  }
}

result<void> quic_endpoint::migrate_all(const udp_address& local, const tls_now& now) {
  now_ = now;
  result<void> outcome;
  for (auto& each : sessions_) {
    if (each.has_ended())
      continue;
    present_ = &each;
    auto moved = each.migrate(local, now);
    present_ = nullptr;
    mark(each);
    if (!moved && outcome)
      outcome = std::move(moved);
  }
  return outcome;
}

bool quic_endpoint::is_unanswered(const tls_now& now) {
  return std::ranges::any_of(sessions_, [&](session& each) { return each.is_unanswered(now); });
}

void quic_endpoint::release(quic_connection& which) {
  auto& known = session_of(which);
  known.observer = nullptr;
  known.is_released = true;
  std::erase(accepted_, &known);
  known.abandon();
  // Whatever it would still tell, nobody is there to hear it.
  known.has_told_end = true;
  mark(known);
}

void quic_endpoint::bury(session& which, const tls_now& now) {
  const auto words = which.last_words();
  tombstones_.add(which.ids(), {words.begin(), words.end()}, now.steady + which.linger());
  forget(which);
}

void quic_endpoint::forget(session& which) {
  follow_handshake(which);
  for (const auto& id : which.ids())
    by_id_.erase(id);
  for (const auto& token : which.reset_tokens())
    remove_reset_token(token);
  std::erase(eventful_, &which);
  std::erase(unsettled_, &which);
  std::erase(accepted_, &which);
  sessions_.erase(which.place);
}

void quic_endpoint::add_id(const quic_cid& id) {
  if (present_ != nullptr)
    by_id_.insert(id, *present_);
}

void quic_endpoint::remove_id(const quic_cid& id) {
  by_id_.erase(id);
}

void quic_endpoint::add_reset_token(const quic_tokens::stateless_reset_token& token) {
  if (present_ != nullptr)
    by_reset_token_.insert(quic_cid{token.data(), token.size()}, *present_);
}

void quic_endpoint::remove_reset_token(const quic_tokens::stateless_reset_token& token) {
  by_reset_token_.erase(quic_cid{token.data(), token.size()});
}

// -- strangers ----------------------------------------------------------------------------------------------------------

std::optional<unsigned> quic_endpoint::handle_stranger(const udp_arrival& arrived, const quic_cid& to, bool is_long,
                                                       const tls_now& now) {
  if (const auto words = tombstones_.answer(to, arrived.bytes.size(), now.steady)) {
    answers_.repeat(arrived.path, *words);
    return std::nullopt;
  }
  if (is_long) {
    // The first packet of a client goes to an ID that it has drawn, and any shard may take it.
    if (const auto shard = other_shard_of(to); shard && is_handshake_packet(arrived.bytes))
      return shard;
    if (accepting_)
      handle_first_packet(arrived, now);
    return std::nullopt;
  }
  // What ends with the token of one of our peers is its stateless reset (RFC 9000, 10.3.1).
  if (arrived.bytes.size() >= stranger_answers::reset_size_min) {
    const quic_cid token{arrived.bytes.last(NGTCP2_STATELESS_RESET_TOKENLEN)};
    if (auto* known = by_reset_token_.find(token)) {
      hand_to(*known, arrived, now);
      return std::nullopt;
    }
  }
  // A client that has moved may come in by another socket of the listener.
  if (const auto shard = other_shard_of(to))
    return shard;
  answers_.reset(arrived, to, now.steady);
  return std::nullopt;
}

std::optional<unsigned> quic_endpoint::other_shard_of(const quic_cid& id) const noexcept {
  const auto shard = accepting_ ? setup_.ids.shard_of(id) : std::nullopt;
  return shard != setup_.shard ? shard : std::nullopt;
}

quic_tokens::check_result quic_endpoint::judge_token(const ngtcp2_pkt_hd& head, const udp_address& client,
                                                     const tls_now& now) const {
  const auto at = std::chrono::system_clock::from_time_t(now.wall);
  const auto shown = std::as_bytes(std::span{head.token, head.tokenlen});
  auto found = setup_.tokens->check(shown, head.version, client, quic_cid{head.dcid}, at);
  if (found.what == quic_tokens::verdict::new_token_good && accepting_->is_new_token
      && !accepting_->is_new_token(shown, at))
    found.what = quic_tokens::verdict::unknown;
  return found;
}

void quic_endpoint::handle_first_packet(const udp_arrival& arrived, const tls_now& now) {
  ngtcp2_pkt_hd head{};
  if (arrived.bytes.size() < stranger_answers::first_datagram_min
      || ::ngtcp2_accept(&head, data_of(arrived.bytes), arrived.bytes.size()) != 0)
    return;
  // ngtcp2 knows more versions than the settings may allow.
  if (std::ranges::none_of(accepting_->versions, [&](auto each) { return wire_version(each) == head.version; }))
    return answers_.offer(accepting_->versions, arrived,
                          {head.version, head.dcid.data, head.dcid.datalen, head.scid.data, head.scid.datalen});
  if (refuses_clients_)
    return answers_.close(arrived, head, NGTCP2_CONNECTION_REFUSED);
  quic_connection::first_packet first;
  first.version = head.version;
  first.source = quic_cid{head.scid};
  first.destination = first.original = quic_cid{head.dcid};
  first.token = {head.token, head.tokenlen};
  const auto found = judge_token(head, arrived.path.remote, now);
  switch (found.what) {
    case quic_tokens::verdict::retry_good:
      first.original = found.original_destination;
      first.was_retried = true;
      break;
    case quic_tokens::verdict::new_token_good:
      break;
    case quic_tokens::verdict::retry_bad:
      // A client does not answer two Retries, so it is told at once (RFC 9000, 8.1.3).
      return answers_.close(arrived, head, NGTCP2_INVALID_TOKEN);
    case quic_tokens::verdict::unknown:
      first.token = {};
      if (retries_.wants_retry(accepting_->half_open->get()))
        return answers_.ask_for_proof(arrived, head, make_id(), now.wall);
      break;
  }
  accept(arrived, head, first, now);
}

void quic_endpoint::accept(const udp_arrival& arrived, const ngtcp2_pkt_hd& head,
                           const quic_connection::first_packet& first, const tls_now& now) {
  auto settings = accepting_->admit(arrived.path);
  // Whoever is not taken is not answered: he asks again, and may find a place then.
  if (!settings || !setup_.arena.admits(arrived.bytes.size()))
    return;
  session* made = nullptr;
  try {
    made = &add_session([&] { sessions_.emplace_back(*this, std::move(*settings), first, *this, now); });
  } catch (const std::exception&) {
    // There is no memory for another client at present.
    ++dropped_;
    return;
  }
  made->is_half_open = true;
  accepting_->half_open->add();
  present_ = made;
  made->handle_datagram(arrived, now);
  present_ = nullptr;
  // The parts of a long first message came in another order, or not all of them.
  if (made->wants_proof()) {
    forget(*made);
    return answers_.ask_for_proof(arrived, head, make_id(), now.wall);
  }
  // A copy of the packet was faster at another shard. Whoever sent this one asks again, and is told to prove its address then.
  if (!made->has_ended() && is_replay(first, now))
    return forget(*made);
  mark_unsettled(*made);
  // What was no packet of a client at all is not worth telling of.
  if (made->has_ended()) {
    made->is_released = true;
    made->has_told_end = true;
    // Whoever damages a client's first packet, and is faster, must not keep the whole one from being read, which may be
    // next: nothing is left behind.
    if (made->last_words().empty())
      return forget(*made);
  } else {
    accepted_.push_back(made);
  }
  mark(*made);
}

/// Notes that a token of an earlier connection is used. Only now, when a client has come by it: whoever is not taken, or whose
/// packet was damaged on the way, shows it again.
bool quic_endpoint::is_replay(const quic_connection::first_packet& first, const tls_now& now) const {
  return !first.token.empty() && !first.was_retried && accepting_->use_token
      && !accepting_->use_token(std::as_bytes(first.token), std::chrono::system_clock::from_time_t(now.wall));
}

} // namespace actorwire
