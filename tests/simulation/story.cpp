#include "story.hpp"

#include "supervision/state_machine.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <variant>

namespace actorwire::test {

namespace {

/// Whether the table has a transition between the two.
bool is_edge(connection_state from, connection_state to) {
  for (std::size_t event = 0; event < names_of(state_event{}).size(); ++event)
    if (next(from, static_cast<state_event>(event)) == to)
      return true;
  return false;
}

bool needs_reason(connection_state where) {
  return where == connection_state::degraded || where == connection_state::backoff || where == connection_state::failed
      || where == connection_state::closed;
}

/// Whether a reason to leave `from` for `to` names a phase that the peer was in. Of a crash nobody knows.
bool fits(const transport_error& reason, connection_state from, connection_state to, bool has_session) {
  if (reason.code == error_code::crashed || reason.code == error_code::crash_limit)
    return true;
  const auto is_lasting = to == connection_state::backoff || to == connection_state::failed;
  switch (from) {
    case connection_state::resolving:
    case connection_state::connecting:
    case connection_state::handshaking:
      // Endpoints that race are not all as far.
      return !is_lasting || (reason.where != phase::established && reason.where != phase::close);
    case connection_state::ready:
    case connection_state::degraded:
      // A connection that is renewed has ended when the next one greets, and the peer is `ready` meanwhile.
      return !is_lasting || reason.where == phase::established || reason.where == phase::close
          || (has_session && reason.where == phase::handshake);
    default:
      return true;
  }
}

/// Looks for the first thing that is wrong with one event. Stories are long and hardly anything is wrong in them, so what
/// is right costs a comparison and no assertion.
class reader {
public:
  explicit reader(const connection_status& snapshot)
    : state_(snapshot.state), sequence_(snapshot.sequence), generation_(snapshot.info.generation) {}

  /// What is wrong; null if nothing is.
  [[nodiscard]] const char* complaint() const noexcept { return complaint_; }

  void operator()(const state_changed& told) {
    expect(told.from == state_, "it does not begin where the last transition ended");
    expect(is_edge(told.from, told.to), "the table has no such transition");
    expect(told.sequence == sequence_ + 1, "a transition is missing or told twice");
    sequence_ = told.sequence;
    state_ = told.to;
    see(told.generation);
    if (needs_reason(told.to)) {
      expect(told.reason.code != error_code::none && !told.reason.text.empty(), "it does not say why");
      expect(told.reason.kind == kind_of(told.reason.code), "its reason is of another kind than its code");
      expect(fits(told.reason, told.from, told.to, has_session_), "its reason is of another phase");
    }
  }
  void operator()(const opened& told) {
    expect(told.info.generation == generation_ + 1, "it is not the next generation");
    expect(state_ == connection_state::ready || state_ == connection_state::draining, "the peer is not ready");
    generation_ = told.info.generation;
  }
  void operator()(const received& told) { see(told.generation); }
  void operator()(const called& told) { see(told.generation); }
  void operator()(const peer_closing& told) { see(told.generation); }
  void operator()(const message_settled& told) {
    see(told.generation);
    CHECK((told.why.code == error_code::none)
          == (told.result == outcome::written || told.result == outcome::acked || told.result == outcome::confirmed));
  }
  void operator()(const data_lost& told) {
    see(told.generation);
    expect(told.not_sent.messages + told.maybe_sent.messages > 0, "nothing was lost");
    expect(told.why.code != error_code::none, "it does not say why");
  }
  void operator()(const receipt& told) {
    if (told.known)
      see(told.known->generation);
  }
  void operator()(const batch_receipt& told) {
    if (told.known)
      see(told.known->generation);
  }
  void operator()(const stream_opened& told) { see(told.generation); }
  void operator()(const stream_reset& told) { see(told.generation); }
  void operator()(const stream_closed& told) { see(told.generation); }
  void operator()(const streams_available& told) { see(told.generation); }
  void operator()(const datagram_received& told) { see(told.generation); }
  void operator()(const address_changed& told) { see(told.generation); }
  void operator()(const health_changed& told) {
    see(told.generation);
    expect((told.reason.code == error_code::none) == (told.change == health_change::cause_went), "it does not say why");
    expect(told.causes.empty() || state_ == connection_state::degraded, "it has causes and is not degraded");
    expect(told.change != health_change::cause_came || !told.causes.empty(), "it has no cause");
  }
  void operator()(const session_opened& told) {
    see(told.generation);
    has_session_ = true;
  }
  // One that is lost is told while another connection is coming, too; and a listener has other generations.
  void operator()(const session_lost&) {}
  void operator()(const passivated&) {}
  void operator()(const backpressure&) {}
  void operator()(const stats& told) { see(told.generation); }
  void operator()(const pool_event&) {}
  void operator()(const listener_event&) {}
  void operator()(const pool_stats&) {}
  void operator()(const listener_stats&) {}
  void operator()(const events_missed&) {}

private:
  void expect(bool holds, const char* otherwise) noexcept {
    if (!holds && complaint_ == nullptr)
      complaint_ = otherwise;
  }

  /// The transition to `ready` announces the next generation, `opened` follows it.
  void see(std::uint64_t generation) noexcept {
    expect(generation == generation_ || generation == generation_ + 1, "it is of another generation");
  }

  connection_state state_;
  std::uint64_t sequence_;
  std::uint64_t generation_;
  bool has_session_ = false;
  const char* complaint_ = nullptr;
};

} // namespace

acquire_options framed() {
  acquire_options options;
  options.transport.framing.mode = framing_mode::length_prefixed;
  options.reconnection = quick_policy();
  return options;
}

reconnection_policy quick_policy() {
  reconnection_policy policy;
  policy.base_delay = std::chrono::milliseconds{100};
  policy.max_delay = std::chrono::seconds{1};
  policy.backoff_factor = 2.0;
  return policy;
}

bool adds_up(const delivery_totals& totals) {
  tally sum;
  for (const auto& part :
       {totals.pending, totals.not_sent, totals.maybe_sent, totals.written, totals.acked, totals.confirmed})
    sum += part;
  return sum == totals.accepted;
}

bool drops_add_up(const stats& told) {
  tally not_sent;
  tally maybe_sent;
  for (const auto& each : told.lifetime.drops) {
    not_sent += each.not_sent;
    maybe_sent += each.maybe_sent;
  }
  return not_sent == told.delivery.not_sent && maybe_sent == told.delivery.maybe_sent;
}

bool has_grown(const stats& earlier, const stats& later) {
  const auto& before = earlier.lifetime;
  const auto& after = later.lifetime;
  const auto holds = [](const histogram& less, const histogram& more) {
    return (more - less).count() + less.count() == more.count();
  };
  const auto holds_drop = [&](const drop_count& less) {
    const auto more = std::ranges::find(after.drops, less.why, &drop_count::why);
    return more != after.drops.end() && more->not_sent.messages >= less.not_sent.messages
        && more->not_sent.bytes >= less.not_sent.bytes && more->maybe_sent.messages >= less.maybe_sent.messages
        && more->maybe_sent.bytes >= less.maybe_sent.bytes;
  };
  const auto holds_failure = [&](const failure_count& less) {
    const auto more = std::ranges::find(after.failed_attempts, less.why, &failure_count::why);
    return more != after.failed_attempts.end() && more->attempts >= less.attempts;
  };
  return later.generation >= earlier.generation && later.transport.bytes_sent >= earlier.transport.bytes_sent
      && later.transport.bytes_received >= earlier.transport.bytes_received
      && later.transport.reconnect_count >= earlier.transport.reconnect_count
      && holds(before.send_latency, after.send_latency) && holds(before.queue_age, after.queue_age)
      && holds(before.round_trip, after.round_trip) && std::ranges::all_of(before.drops, holds_drop)
      && std::ranges::all_of(before.failed_attempts, holds_failure)
      && std::ranges::equal(before.time_in.all, after.time_in.all, std::ranges::less_equal{})
      && before.calls.made <= after.calls.made && before.calls.late_answers <= after.calls.late_answers;
}

void check_story(const std::vector<note>& told, const connection_status& snapshot) {
  reader reads{snapshot};
  for (const auto& each : told) {
    std::visit(reads, each.what);
    if (reads.complaint() != nullptr) {
      FAIL_CHECK(to_string(each) << ": " << reads.complaint());
      return;
    }
  }
}

std::string to_string(const std::vector<note>& told) {
  std::string text;
  for (const auto& each : told)
    text.append(to_string(each)).append("\n");
  return text;
}

cut_stream cut_frames(std::string_view bytes) {
  constexpr std::size_t head = 4;
  cut_stream cut;
  while (bytes.size() >= head) {
    std::size_t size = 0;
    for (std::size_t index = 0; index < head; ++index)
      size = size << 8U | static_cast<unsigned char>(bytes[index]);
    if (bytes.size() < head + size)
      break;
    cut.messages.emplace_back(bytes.substr(head, size));
    bytes.remove_prefix(head + size);
  }
  cut.rest = bytes;
  return cut;
}

} // namespace actorwire::test
