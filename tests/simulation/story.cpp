#include "story.hpp"

#include "supervision/state_machine.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
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
  return where == connection_state::backoff || where == connection_state::failed || where == connection_state::closed;
}

class reader {
public:
  explicit reader(const connection_status& snapshot)
    : state_(snapshot.state), sequence_(snapshot.sequence), generation_(snapshot.info.generation) {}

  void operator()(const state_changed& told) {
    CHECK(told.from == state_);
    CHECK(is_edge(told.from, told.to));
    CHECK(told.sequence == sequence_ + 1);
    sequence_ = told.sequence;
    state_ = told.to;
    see(told.generation);
    if (needs_reason(told.to)) {
      CHECK(told.reason.code != error_code::none);
      CHECK(!told.reason.text.empty());
    }
  }
  void operator()(const opened& told) {
    CHECK(told.info.generation == generation_ + 1);
    CHECK((state_ == connection_state::ready || state_ == connection_state::draining));
    generation_ = told.info.generation;
  }
  void operator()(const received& told) { see(told.generation); }
  void operator()(const peer_closing& told) { see(told.generation); }
  void operator()(const message_settled& told) {
    see(told.generation);
    CHECK((told.why.code == error_code::none) == (told.result == outcome::written || told.result == outcome::acked));
  }
  void operator()(const data_lost& told) {
    see(told.generation);
    CHECK(told.not_sent.messages + told.maybe_sent.messages > 0);
    CHECK(told.why.code != error_code::none);
  }
  void operator()(const receipt& told) {
    if (told.known)
      see(told.known->generation);
  }
  void operator()(const stream_opened& told) { see(told.generation); }
  void operator()(const stream_reset& told) { see(told.generation); }
  void operator()(const stream_closed& told) { see(told.generation); }
  void operator()(const streams_available& told) { see(told.generation); }
  void operator()(const datagram_received& told) { see(told.generation); }
  void operator()(const address_changed& told) { see(told.generation); }
  void operator()(const passivated&) {}
  void operator()(const backpressure&) {}
  void operator()(const stats& told) { see(told.generation); }
  void operator()(const pool_event&) {}
  void operator()(const listener_event&) {}

private:
  /// The transition to `ready` announces the next generation, `opened` follows it.
  void see(std::uint64_t generation) const {
    CHECK(generation >= generation_);
    CHECK(generation <= generation_ + 1);
  }

  connection_state state_;
  std::uint64_t sequence_;
  std::uint64_t generation_;
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
  for (const auto& part : {totals.pending, totals.not_sent, totals.maybe_sent, totals.written, totals.acked})
    sum += part;
  return sum == totals.accepted;
}

void check_story(const std::vector<note>& told, const connection_status& snapshot) {
  reader reads{snapshot};
  for (const auto& each : told) {
    INFO(to_string(each));
    std::visit(reads, each.what);
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
