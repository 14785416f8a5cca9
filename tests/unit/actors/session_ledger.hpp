#pragma once

#include <actorwire/messages/sessions.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// What the programs at both ends know of one direction of a session, held against each other at each entry: who gives and who
/// gets never hear of one another but through the session.
class direction_ledger {
public:
  void note_sent(std::string text, std::uint64_t number) {
    sent_.push_back(std::move(text));
    REQUIRE(number == sent_.size());
  }

  /// The next message in order, and no other, once.
  void note_got(std::string_view text) {
    REQUIRE(got_ < sent_.size());
    REQUIRE(text == sent_[got_]);
    ++got_;
    check();
  }

  void note_confirmed(const number_range& range) {
    if (range.empty())
      return;
    REQUIRE(is_open());
    REQUIRE(range.first == confirmed_ + 1);
    REQUIRE(range.last <= got_);
    confirmed_ = range.last;
  }

  /// The sender was told that it is over: each number is in one range, and the range is right.
  void note_end(const session_ranges& ranges) {
    REQUIRE(is_open());
    REQUIRE(ranges.delivered == number_range{1, confirmed_});
    REQUIRE(ranges.maybe_delivered.first == ranges.delivered.last + 1);
    REQUIRE(ranges.not_delivered.first == ranges.maybe_delivered.last + 1);
    REQUIRE(ranges.not_delivered.last == sent_.size());
    ranges_ = ranges;
    check();
  }

  /// The sender is no more, and is told nothing.
  void note_vanished() noexcept { has_vanished_ = true; }

  /// To be held for ever: what nobody has said today may be contradicted tomorrow.
  void check() const {
    REQUIRE(confirmed_ <= got_);
    if (ranges_)
      REQUIRE(got_ <= ranges_->maybe_delivered.last);
  }

  [[nodiscard]] bool is_open() const noexcept { return !ranges_ && !has_vanished_; }
  [[nodiscard]] bool is_complete() const noexcept { return got_ == sent_.size() && confirmed_ == got_; }
  [[nodiscard]] std::size_t got() const noexcept { return got_; }

  /// Messages, and bytes of them, that were not confirmed.
  [[nodiscard]] std::size_t open_messages() const noexcept { return sent_.size() - confirmed_; }
  [[nodiscard]] std::size_t open_bytes() const noexcept {
    std::size_t sum = 0;
    for (auto index = confirmed_; index < sent_.size(); ++index)
      sum += sent_[index].size();
    return sum;
  }

private:
  std::vector<std::string> sent_;
  std::size_t got_ = 0;
  std::size_t confirmed_ = 0;
  std::optional<session_ranges> ranges_;
  bool has_vanished_ = false;
};

/// Both directions of one session.
struct session_ledger {
  direction_ledger to_host;
  direction_ledger to_client;
};

} // namespace actorwire::test
