#pragma once

#include "delivery/outbox.hpp"

#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/flow_limits.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/transport.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

using namespace std::chrono_literals;

inline constexpr std::array all_framings{framing_mode::none, framing_mode::length_prefixed, framing_mode::line,
                                         framing_mode::numbered};

/// What a sender would be answered with. Like a response promise it can be moved but not copied, and is empty after.
class ticket {
public:
  static constexpr int taken = -1;

  explicit ticket(int id) noexcept : id_(id) {}
  ticket(ticket&& other) noexcept : id_(std::exchange(other.id_, taken)) {}
  ticket& operator=(ticket&& other) noexcept {
    id_ = std::exchange(other.id_, taken);
    return *this;
  }
  ~ticket() = default;

  [[nodiscard]] int id() const noexcept { return id_; }

private:
  int id_;
};

/// What one sender was told.
struct answer {
  int id = 0;
  std::uint64_t sequence = 0;
  outcome result = outcome::written;
  error_code why = error_code::none;

  friend bool operator==(const answer&, const answer&) = default;

  friend std::ostream& operator<<(std::ostream& out, const answer& told) {
    return out << '#' << told.sequence << " (" << told.id << ") " << name_of(told.result) << ' ' << name_of(told.why);
  }
};

/// Writes down what senders are told.
class answers {
public:
  void operator()(ticket&& reply, const settled& told) {
    const ticket mine{std::move(reply)};
    told_.push_back({mine.id(), told.sequence, told.result, told.why != nullptr ? told.why->code : error_code::none});
  }

  /// All that was told since the last call.
  [[nodiscard]] std::vector<answer> take() { return std::exchange(told_, {}); }
  void clear() { told_.clear(); }

private:
  std::vector<answer> told_;
};

/// What an outbox accounts to.
struct ledger_of_its_own {
  outbox_ledger ledger;
};

/// An outbox that shares its ledger with no other.
class test_outbox : private ledger_of_its_own, public outbox<ticket> {
public:
  test_outbox(const flow_limits& limits, const framing_config& framing) noexcept
    : ledger_of_its_own{outbox_ledger{limits}}, outbox(ledger, framing) {}

  using outbox::accept;
  /// The same where nothing is dropped for it.
  result<std::uint64_t> accept(payload&& body, const send_options& options, ticket&& reply, time_point now) {
    const auto taken = accept(std::move(body), options, std::move(reply), now,
                              [](ticket&&, const settled&) { FAIL("a message was dropped"); });
    if (!taken)
      return taken.error();
    return taken->sequence;
  }
};

/// What was lost, by reason, as whoever drives an outbox has to count it.
class loss_book {
public:
  void add(error_code why, const loss& lost) {
    if (lost == loss{})
      return;
    all_[why].not_sent += lost.not_sent;
    all_[why].maybe_sent += lost.maybe_sent;
  }
  /// Adds what went for a message that was taken.
  void add(const admission& taken, bool is_ready) { add(why_dropped(taken.reason, is_ready).code, taken.dropped); }

  [[nodiscard]] const std::map<error_code, loss>& all() const noexcept { return all_; }
  friend bool operator==(const loss_book&, const loss_book&) = default;

private:
  std::map<error_code, loss> all_;
};

/// The bytes of a framed message, written down anew so that no error of the library hides here.
inline std::string wire_of(std::string_view body, framing_mode mode) {
  std::string wire;
  if (mode == framing_mode::length_prefixed || mode == framing_mode::numbered) {
    const auto label_size = mode == framing_mode::numbered ? 9U : 0U;
    wire.assign(3, '\0');
    wire.push_back(static_cast<char>(label_size + body.size()));
    wire.append(label_size, '\0');
  }
  wire.append(body);
  if (mode == framing_mode::line)
    wire.push_back('\n');
  return wire;
}

/// What the outbox offers to write in at most `piece_count` pieces.
inline std::string offered_by(const test_outbox& box, std::size_t piece_count) {
  std::vector<outgoing> pieces(piece_count);
  std::string bytes;
  const auto used = box.gather(pieces);
  for (std::size_t index = 0; index < used; ++index)
    bytes.append(reinterpret_cast<const char*>(pieces[index].data), pieces[index].size);
  return bytes;
}

/// A transport that takes the next `count` bytes; returns them.
inline std::string hand_over(test_outbox& box, std::size_t count, answers& told) {
  std::string taken;
  while (taken.size() < count) {
    auto bytes = offered_by(box, 4);
    bytes.resize(std::min(bytes.size(), count - taken.size()));
    box.handed_over(bytes.size(), told);
    taken += bytes;
  }
  return taken;
}

/// Whether the account adds up.
inline bool adds_up(const delivery_totals& totals) {
  auto sum = totals.pending;
  sum += totals.not_sent;
  sum += totals.maybe_sent;
  sum += totals.written;
  sum += totals.acked;
  return sum == totals.accepted;
}

inline transport_error reset_by_peer() {
  return make_error(error_code::reset, phase::established, origin::remote, "connection reset by peer");
}

inline transport_error closed_by_user() {
  return make_error(error_code::closed, phase::close, origin::local, "closed");
}

inline flow_limits limits_of_queue(std::uint32_t messages, std::size_t bytes) {
  flow_limits limits;
  limits.queue_messages = messages;
  limits.queue_bytes = bytes;
  return limits;
}

inline flow_limits limits_with(overflow_policy overflow, std::uint32_t queue_messages = 1024) {
  flow_limits limits;
  limits.overflow = overflow;
  limits.queue_messages = queue_messages;
  return limits;
}

inline flow_limits limits_of_writing(std::size_t write_limit) {
  flow_limits limits;
  limits.write_limit = write_limit;
  return limits;
}

using expected = std::vector<answer>;

inline constexpr send_options want_acked{.wanted = outcome::acked};

/// An outbox, what its senders were told, and a clock that the test moves.
struct outbox_fixture {
  explicit outbox_fixture(framing_mode mode = framing_mode::none, flow_limits wanted = {})
    : limits(wanted), box(limits, framing_config{.mode = mode}) {}

  result<std::uint64_t> accept(std::string_view text, send_options options = {}) {
    const auto taken = box.accept(payload::copy_of(text), options, ticket{next_id++}, now, told);
    if (!taken)
      return taken.error();
    losses.add(*taken, box.is_ready());
    return taken->sequence;
  }
  std::uint64_t must_accept(std::string_view text, send_options options = {}) {
    auto sequence = accept(text, options);
    REQUIRE(sequence);
    return *sequence;
  }
  error_code refusal_of(std::string_view text, send_options options = {}) {
    const auto sequence = accept(text, options);
    REQUIRE(!sequence);
    return sequence.error().code;
  }

  loss ready() { return box.connection_ready(now, told); }
  loss lose() { return box.connection_lost(now, reset_by_peer(), told); }
  std::string take(std::size_t count) { return hand_over(box, count, told); }
  std::string take_all() { return take(box.unwritten_bytes()); }

  time_point now{1'000s};
  flow_limits limits;
  test_outbox box;
  answers told;
  /// What went for messages that were accepted.
  loss_book losses;
  int next_id = 1;
};

} // namespace actorwire::test
