#include "simulated_streams.hpp"

#include "simulated_transport.hpp"

#include <actorwire/messages/quic_config.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace actorwire::test {

namespace {

/// What one datagram may hold.
constexpr std::size_t datagram_size_max = 1'200;

/// A stream's ID tells who has opened it, and whether both sides send on it (RFC 9000, 2.1).
constexpr stream_id first_of(side opener, stream_direction direction) noexcept {
  return (opener == side::listener ? 1U : 0U) + (direction == stream_direction::unidirectional ? 2U : 0U);
}
constexpr stream_direction direction_of(stream_id stream) noexcept {
  return (stream & 2U) != 0 ? stream_direction::unidirectional : stream_direction::bidirectional;
}
constexpr std::size_t index_of(stream_direction direction) noexcept {
  return static_cast<std::size_t>(direction);
}

transport_error no_stream() {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "the stream is not known, or cannot be sent on any more");
}

} // namespace

simulated_streams::simulated_streams(simulated_transport& owner, multiplexer_observer& observer)
  : owner_(owner), observer_(observer) {
  // Stream 0 is the dialler's first one.
  (owner_.side_ == side::dialler ? opened_ : accepted_)[index_of(stream_direction::bidirectional)] = 1;
}

// -- from the user -----------------------------------------------------------------------------------------------------

result<stream_id> simulated_streams::open(stream_direction direction, stream_priority priority) {
  if (!owner_.is_established())
    return make_error(error_code::not_connected, phase::established, origin::local, "there is no connection");
  const auto limit = quic_settings(owner_.config_).max_streams;
  if (opened_[index_of(direction)] - retired_[index_of(direction)] >= limit)
    return make_error(error_code::stream_limit, phase::established, origin::remote, "no more streams at present");
  const auto id = first_of(owner_.side_, direction) + 4 * opened_[index_of(direction)]++;
  auto& made = streams_[id];
  prioritize(id, priority);
  made.receiving_over = direction == stream_direction::unidirectional;
  return id;
}

result<std::size_t> simulated_streams::send(stream_id id, std::span<const outgoing> pieces) {
  auto* which = find(id);
  if (which == nullptr || which->is_finished)
    return no_stream();
  if (!owner_.is_established())
    return std::size_t{0};
  auto& connection = *owner_.connection_;
  const auto room = connection.link.window - static_cast<std::size_t>(which->sent - which->consumed);
  const auto limit = connection.plan.send_size_max;
  auto left = limit > 0 ? std::min(room, limit) : room;
  std::size_t taken = 0;
  std::size_t wanted = 0;
  for (const auto& piece : pieces) {
    wanted += piece.size;
    for (std::size_t offset = 0; offset < piece.size && left > 0;) {
      const auto size = std::min({piece.size - offset, left, connection.link.segment_size_max});
      owner_.network_->carry(connection, owner_.side_, id, payload::copy_of(std::span{piece.data + offset, size}));
      offset += size;
      left -= size;
      taken += size;
    }
  }
  which->sent += taken;
  which->wants_room = taken < wanted;
  // What a plan refuses, and not the window, is taken the next time.
  if (which->wants_room && taken < room)
    handle_consumed(id, which->consumed);
  return taken;
}

void simulated_streams::receive(stream_id id, std::size_t bytes) {
  if (auto* which = find(id)) {
    which->awaits_reader = which->awaits_reader && bytes == 0;
    which->allowance += std::min(bytes, std::numeric_limits<std::size_t>::max() - which->allowance);
    deliver_soon(id, *which);
  }
}

void simulated_streams::finish(stream_id id) {
  auto* which = find(id);
  if (which == nullptr || std::exchange(which->is_finished, true))
    return;
  owner_.tell_other_end([id](simulated_streams& there) { there.accept_finish(id); });
}

void simulated_streams::reset(stream_id id, std::uint64_t code) {
  auto* which = find(id);
  if (which == nullptr || std::exchange(which->sending_over, true))
    return;
  which->is_finished = true;
  owner_.tell_other_end([id, code](simulated_streams& there) { there.accept_reset(id, code); });
  close_if_over(id);
}

void simulated_streams::stop(stream_id id, std::uint64_t code) {
  auto* which = find(id);
  if (which == nullptr || std::exchange(which->receiving_over, true))
    return;
  which->received.clear();
  owner_.tell_other_end([id, code](simulated_streams& there) { there.accept_stop(id, code); });
  close_if_over(id);
}

void simulated_streams::prioritize(stream_id id, stream_priority priority) {
  if (owner_.is_established() && owner_.side_ == side::dialler && (id == 0 || find(id) != nullptr))
    owner_.connection_->record.priorities[id] = priority;
}

std::optional<std::uint64_t> simulated_streams::bytes_acked(stream_id id) const {
  const auto found = streams_.find(id);
  return found != streams_.end() ? std::optional{found->second.acked} : std::nullopt;
}

std::optional<std::uint64_t> simulated_streams::bytes_sent(stream_id id) const {
  const auto found = streams_.find(id);
  return found != streams_.end() ? std::optional{found->second.sent} : std::nullopt;
}

result<std::uint64_t> simulated_streams::send_datagram(payload body) {
  if (!owner_.is_established())
    return make_error(error_code::not_connected, phase::established, origin::local, "there is no connection");
  if (body.size() > datagram_size_max)
    return make_error(error_code::message_too_large, phase::established, origin::local,
                      "at most " + std::to_string(datagram_size_max) + " bytes fit into a packet");
  const auto id = datagrams_++;
  owner_.later([this, id](transport_observer&) { observer_.on_datagram_done(id, true); });
  if (!owner_.network_->loses_datagram(*owner_.connection_))
    owner_.tell_other_end([body = std::move(body)](simulated_streams& there) { there.accept_datagram(body); });
  return id;
}

bool simulated_streams::loses_bytes() const noexcept {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& entry) {
    const auto& each = entry.second;
    return !each.received.empty() || (!each.sending_over && each.sent > each.acked);
  });
}

// -- from the other end ------------------------------------------------------------------------------------------------

void simulated_streams::accept_bytes(stream_id id, payload bytes) {
  auto* which = find_or_accept(id);
  if (which == nullptr || which->receiving_over)
    return;
  which->received.push_back(std::move(bytes));
  deliver_soon(id, *which);
}

void simulated_streams::accept_finish(stream_id id) {
  if (auto* which = find_or_accept(id)) {
    which->peer_finished = true;
    deliver_soon(id, *which);
  }
  owner_.tell_other_end([id](simulated_streams& there) { there.handle_finish_acked(id); });
}

void simulated_streams::accept_reset(stream_id id, std::uint64_t code) {
  auto* which = find_or_accept(id);
  if (which == nullptr || std::exchange(which->receiving_over, true))
    return;
  which->received.clear();
  owner_.later([this, id, code](transport_observer&) { observer_.on_stream_reset(id, stream_half::receiving, code); });
  close_if_over(id);
}

void simulated_streams::accept_stop(stream_id id, std::uint64_t code) {
  auto* which = find_or_accept(id);
  if (which == nullptr || std::exchange(which->sending_over, true))
    return;
  which->is_finished = true;
  owner_.later([this, id, code](transport_observer&) { observer_.on_stream_reset(id, stream_half::sending, code); });
  owner_.tell_other_end([id, code](simulated_streams& there) { there.accept_reset(id, code); });
  close_if_over(id);
}

void simulated_streams::accept_datagram(payload body) {
  owner_.later([this, body = std::move(body)](transport_observer&) { observer_.on_datagram(body); });
}

void simulated_streams::handle_acked(stream_id id, std::uint64_t upto) {
  if (auto* which = find(id))
    which->acked = std::max(which->acked, upto);
}

void simulated_streams::handle_finish_acked(stream_id id) {
  if (auto* which = find(id)) {
    which->sending_over = true;
    close_if_over(id);
  }
}

void simulated_streams::handle_consumed(stream_id id, std::uint64_t upto) {
  auto* which = find(id);
  if (which == nullptr)
    return;
  which->consumed = std::max(which->consumed, upto);
  if (which->wants_room)
    owner_.later([this, id](transport_observer&) {
      auto* now = find(id);
      if (now != nullptr && !now->is_finished && std::exchange(now->wants_room, false))
        observer_.on_stream_writable(id);
    });
}

void simulated_streams::handle_retired(stream_direction direction) {
  ++retired_[index_of(direction)];
  owner_.later([this, direction](transport_observer&) { observer_.on_streams_available(direction); });
}

void simulated_streams::handle_address_changed(const std::string& local, const std::string& remote) {
  owner_.later([this, local, remote](transport_observer&) { observer_.on_address_changed(local, remote); });
}

// -- inside ------------------------------------------------------------------------------------------------------------

bool simulated_streams::is_own(stream_id id) const {
  return ((id & 1U) != 0) == (owner_.side_ == side::listener);
}

simulated_streams::one* simulated_streams::find(stream_id id) {
  const auto found = streams_.find(id);
  return found != streams_.end() ? &found->second : nullptr;
}

simulated_streams::one* simulated_streams::find_or_accept(stream_id id) {
  if (auto* known = find(id))
    return known;
  const auto direction = direction_of(id);
  auto& accepted = accepted_[index_of(direction)];
  if (is_own(id) || id / 4 < accepted)
    return nullptr;
  // The first of a kind opens all that come before it (RFC 9000, 2.1).
  while (accepted <= id / 4) {
    const auto made = first_of(other(owner_.side_), direction) + 4 * accepted++;
    auto& opened = streams_[made];
    opened.awaits_reader = true;
    opened.is_finished = opened.sending_over = direction == stream_direction::unidirectional;
    owner_.later([this, made, direction](transport_observer&) { observer_.on_stream_opened(made, direction); });
  }
  return find(id);
}

void simulated_streams::deliver_soon(stream_id id, one& which) {
  const auto is_due = which.received.empty() ? which.peer_finished && !which.awaits_reader : which.allowance > 0;
  if (!is_due || which.receiving_over || std::exchange(which.delivery_is_scheduled, true))
    return;
  owner_.later([this, id](transport_observer&) { deliver(id); });
}

void simulated_streams::deliver(stream_id id) {
  auto* which = find(id);
  if (which == nullptr)
    return;
  which->delivery_is_scheduled = false;
  if (which->receiving_over)
    return;
  if (which->received.empty()) {
    which->receiving_over = true;
    observer_.on_stream_finished(id);
    return close_if_over(id);
  }
  auto& front = which->received.front();
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(front.size(), which->allowance));
  if (size == 0)
    return;
  auto bytes = front.slice(0, size);
  if (size == front.size())
    which->received.pop_front();
  else
    front = front.slice(size, front.size() - size);
  which->allowance -= size;
  which->delivered += size;
  owner_.tell_other_end([id, upto = which->delivered](simulated_streams& there) { there.handle_consumed(id, upto); });
  deliver_soon(id, *which);
  observer_.on_stream_received(id, std::move(bytes));
}

void simulated_streams::close_if_over(stream_id id) {
  const auto* which = find(id);
  if (which == nullptr || !which->sending_over || !which->receiving_over)
    return;
  streams_.erase(id);
  if (!is_own(id))
    owner_.tell_other_end([id](simulated_streams& there) { there.handle_retired(direction_of(id)); });
  owner_.later([this, id](transport_observer&) { observer_.on_stream_closed(id); });
  owner_.end_if_both_finished();
}

} // namespace actorwire::test
