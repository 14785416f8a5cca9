#include "session_check.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

namespace actorwire::test {

namespace {

/// What is right costs a comparison and no assertion: there are many messages.
void expect(bool holds, std::size_t number, const char* otherwise) {
  if (!holds)
    FAIL_CHECK("message " << number << ' ' << otherwise);
}

/// Reads what a user was told in its order, and knows the outcome of each message and the session that it was of.
class session_reader {
public:
  explicit session_reader(const message_book& book) : book_(book), fates_(book.size()) {
    for (std::size_t number = 1; number <= book.size(); ++number)
      if (book.at(number).answer != nullptr)
        asked_.push_back(number);
  }

  void read(const note& told) {
    now_ = told.when;
    if (const auto* answer = std::get_if<receipt>(&told.what))
      read(*answer);
    else if (const auto* batch = std::get_if<batch_receipt>(&told.what))
      read(*batch);
    else if (const auto* report = std::get_if<message_settled>(&told.what))
      settle(number_of_report(report->tag), report->result, report->why.code, true);
    else if (const auto* begun = std::get_if<session_opened>(&told.what))
      read(*begun);
    else if (const auto* lost = std::get_if<session_lost>(&told.what))
      read(*lost);
  }

  /// The peer has ended in order.
  void end() {
    end_in_order();
    for (std::size_t number = 1; number <= book_.size(); ++number)
      if (const auto& batch = book_.at(number).batch; batch != nullptr && batch->error)
        give(number, std::nullopt);
    for (std::size_t number = 1; number <= book_.size(); ++number)
      expect(fates_[number - 1].has_value(), number, "has no outcome");
  }

  /// Nothing for one that was refused.
  [[nodiscard]] std::optional<outcome> result_of(std::size_t number) const {
    return fates_[number - 1] ? *fates_[number - 1] : std::nullopt;
  }
  /// What the account of its peer has to be.
  [[nodiscard]] const delivery_totals& totals() const noexcept { return totals_; }

private:
  using fate = std::optional<outcome>;

  struct member {
    std::size_t number = 0;
    outcome result = outcome::confirmed;
  };
  /// One that was not sent. Those that were refused and those of a session that was lost look alike, but for the time.
  struct failure {
    std::size_t number = 0;
    error_code why = error_code::none;
    time_point when;
    bool is_counted = false;
  };

  void read(const receipt& told) {
    const auto number = asked_.at(told.number - 1);
    if (!told.known) {
      settle(number, outcome::not_sent, told.error->code, false);
      return;
    }
    expect(told.known->tag == number, number, "was answered with another tag");
    settle(number, told.known->result, error_code::none, true);
  }

  void read(const batch_receipt& told) {
    if (!told.known)
      return;
    auto number = static_cast<std::size_t>(told.known->tag);
    for (const auto each : told.known->results)
      settle(number++, each, told.known->why.code, true);
  }

  void read(const session_opened& told) {
    if (!told.resumed)
      end_in_order();
  }

  void read(const session_lost& told) {
    for (const auto& each : failures_)
      if (each.when == now_ && each.why == told.reason.code) {
        present_.push_back({each.number, outcome::not_sent});
        if (!each.is_counted)
          count(each.number, outcome::not_sent);
      }
    std::ranges::sort(present_, {}, &member::number);
    const auto& [delivered, maybe, not_delivered] = told.ranges;
    CHECK((delivered.first == 1 && maybe.first == delivered.last + 1 && not_delivered.first == maybe.last + 1));
    CHECK(present_.size() == not_delivered.last);
    std::uint64_t place = 0;
    for (const auto& [number, result] : present_) {
      ++place;
      const auto& range = result == outcome::confirmed  ? delivered
                        : result == outcome::maybe_sent ? maybe
                                                        : not_delivered;
      expect(range.contains(place), number, "is in another range of its session than its outcome says");
    }
    begin();
  }

  /// The present session is over, and nobody was told that it was lost.
  void end_in_order() {
    for (const auto& each : present_)
      expect(each.result == outcome::confirmed, each.number, "was not confirmed, and no session_lost names it");
    begin();
  }

  void begin() {
    present_.clear();
    failures_.clear();
  }

  /// `is_counted`: the account has it, whether it was refused or not.
  void settle(std::size_t number, outcome result, error_code why, bool is_counted) {
    expect(result == outcome::confirmed || result == outcome::maybe_sent || result == outcome::not_sent, number,
           "has an outcome that a session does not know");
    give(number, result == outcome::not_sent ? std::nullopt : std::optional{result});
    if (is_counted)
      count(number, result);
    if (result == outcome::not_sent)
      failures_.push_back({number, why, now_, is_counted});
    else
      present_.push_back({number, result});
  }

  void give(std::size_t number, const fate& known) {
    auto& place = fates_.at(number - 1);
    expect(!place, number, "has two outcomes");
    place = known;
  }

  void count(std::size_t number, outcome result) {
    const auto size = book_.at(number).size;
    totals_.accepted.add(size);
    (result == outcome::confirmed    ? totals_.confirmed
     : result == outcome::maybe_sent ? totals_.maybe_sent
                                     : totals_.not_sent)
        .add(size);
  }

  /// Those of a batch have one tag, and are reported in their order.
  std::size_t number_of_report(std::uint64_t tag) { return static_cast<std::size_t>(tag) + reports_[tag]++; }

  const message_book& book_;
  /// The messages that were sent one by one and asked about.
  std::vector<std::size_t> asked_;
  std::vector<std::optional<fate>> fates_;
  std::map<std::uint64_t, std::size_t> reports_;
  /// Of the present session, as far as their outcome is known.
  std::vector<member> present_;
  std::vector<failure> failures_;
  delivery_totals totals_;
  time_point now_{};
};

/// What the server was given.
void check_there(const session_reader& reads, const message_book& book, const session_log& server) {
  std::set<std::size_t> heard;
  std::size_t last = 0;
  for (const auto& [number, size] : server.heard) {
    REQUIRE((number > 0 && number <= book.size()));
    expect(number > last, number, "was delivered twice, or too late");
    expect(size == book.at(number).size, number, "was delivered with another size");
    last = std::max(last, number);
    heard.insert(number);
  }
  for (std::size_t number = 1; number <= book.size(); ++number) {
    const auto result = reads.result_of(number);
    if (!result)
      expect(!heard.contains(number), number, "was not sent, and delivered");
    else if (*result == outcome::confirmed)
      expect(heard.contains(number), number, "was confirmed, and never delivered");
  }
}

/// What it sent back.
void check_back(const message_book& book, const probe& user, const session_log& server) {
  std::set<std::size_t> back;
  std::size_t last = 0;
  for (const auto& each : user.all<received>()) {
    const auto number = number_of(each.body.text());
    REQUIRE((number && *number > 0 && *number <= book.size()));
    expect(each.body.size() == book.at(*number).size, *number, "came back with another size");
    expect(*number > last, *number, "came back twice, or too late");
    last = std::max(last, *number);
    back.insert(*number);
    expect(std::ranges::find(server.heard, *number, &session_log::arrival::number) != server.heard.end(), *number,
           "came back, and never went there");
  }
  expect(back.contains(book.size()), book.size(), "is the last, and never came back");
  const auto lost_nothing =
      user.count<session_lost>() == 0 && server.restarts == 0 && server.lost == 0 && server.begun == 1;
  for (const auto& [number, result] : server.said) {
    if (result == outcome::not_sent)
      expect(!back.contains(number), number, "was not sent back, and came");
    else if (result == outcome::confirmed || lost_nothing)
      expect(back.contains(number), number, "was sent back, and never came");
  }
}

} // namespace

void check_session(const message_book& book, const probe& user, const delivery_totals& totals,
                   const session_log& server) {
  session_reader reads{book};
  delivery_totals lost;
  for (const auto& each : user.notes()) {
    reads.read(each);
    if (const auto* told = std::get_if<data_lost>(&each.what)) {
      lost.not_sent += told->not_sent;
      lost.maybe_sent += told->maybe_sent;
    }
  }
  reads.end();
  check_there(reads, book, server);
  check_back(book, user, server);
  CHECK(totals == reads.totals());
  CHECK(lost.not_sent == totals.not_sent);
  CHECK(lost.maybe_sent == totals.maybe_sent);
}

} // namespace actorwire::test
