#pragma once

#include "program.hpp"

#include <actorwire/messages/sessions.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

/// What one side of a session has said, what became of that, and what it was told.
struct session_account {
  struct word {
    /// How often it was told what became of it; once is right.
    int outcomes = 0;
    /// Nothing if it was refused.
    std::optional<outcome> became;
  };

  /// The first is number 1.
  std::vector<word> said;
  /// Of them, those that stand in the mailbox of a connection.
  std::size_t asked = 0;
  std::size_t settled = 0;
  /// Why the first was refused that was.
  transport_error refusal;
  std::vector<std::string> heard;
  std::vector<session_opened> opened;
  std::size_t settled_when_opened = 0;
  std::vector<session_lost> lost;
  std::vector<state_changed> changes;

  [[nodiscard]] std::size_t count(outcome became) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(said, [&](const word& each) { return each.became == became; }));
  }

  /// Why it changed, for people.
  [[nodiscard]] std::string changes_text() const {
    std::string text;
    for (const auto& each : changes)
      text += to_string(each.from) + " -> " + to_string(each.to) + ": " + to_string(each.reason) + "\n";
    return text;
  }

  [[nodiscard]] bool has_closed_with(error_code code) const {
    return std::ranges::any_of(changes, [code](const state_changed& each) {
      return each.to == connection_state::closed && each.reason.code == code;
    });
  }
};

/// One side of a session: actors on any thread say things for it and write down what it is told, a test reads that and waits.
/// *Thread:* any.
class session_side {
public:
  /// `window`: how many of its texts may be unsettled. Large texts have up to 3,100 bytes, small ones few.
  session_side(std::string name, std::size_t window, bool are_large = false)
    : name_(std::move(name)), window_(window), are_large_(are_large) {}

  // -- for tests --------------------------------------------------------------------------------------------------------

  /// Reads the account.
  template <class Query>
  auto read(Query&& query) const {
    const std::lock_guard lock{mutex_};
    return query(account_);
  }

  /// All of it. Not while it says thousands of things.
  [[nodiscard]] session_account account() const {
    return read([](const session_account& now) { return now; });
  }

  /// Fails the test if `reached` does not hold of the account in the end.
  template <class Condition>
  void await(const char* what, Condition&& reached) const {
    std::unique_lock lock{mutex_};
    if (changed_.wait_for(lock, patience, [&] { return reached(account_); }))
      return;
    FAIL("never came true of the " << name_ << ": " << what << "; said " << account_.said.size() << ", settled "
                                   << account_.settled << ", heard " << account_.heard.size() << ", opened "
                                   << account_.opened.size() << ", lost " << account_.lost.size() << ", changes "
                                   << account_.changes.size() << ", refusal " << to_string(account_.refusal));
  }

  void await_settled(std::size_t count) const {
    await("so much is settled", [count](const session_account& now) { return now.settled == count; });
  }

  void await_heard(std::size_t count) const {
    await("so much is heard", [count](const session_account& now) { return now.heard.size() >= count; });
  }

  /// So many texts more may be said, also where one was refused before; see `session_speaker`, who must be told.
  void allow(std::size_t more) {
    const std::lock_guard lock{mutex_};
    allowed_ = account_.said.size() + more;
    is_deaf_ = false;
  }

  /// Nothing more is said.
  void stop() {
    const std::lock_guard lock{mutex_};
    allowed_ = 0;
  }

  [[nodiscard]] std::string text(std::size_t number) const {
    static const auto filler = pattern(4'096);
    auto made = name_ + std::to_string(number);
    if (are_large_)
      made += ":" + filler.substr(number * 7 % 900, 100 + number * 631 % 3'000);
    return made;
  }

  /// What was accepted, and so is to be heard by the other side where nothing is lost.
  [[nodiscard]] std::vector<std::string> accepted_texts() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> texts;
    for (std::size_t number = 1; number <= account_.said.size(); ++number)
      if (const auto& became = account_.said[number - 1].became; became && *became != outcome::not_sent)
        texts.push_back(text(number));
    return texts;
  }

  // -- for actors -------------------------------------------------------------------------------------------------------

  /// It speaks by this one from now on.
  void speak_by(connection_actor connection) {
    const std::lock_guard lock{mutex_};
    connection_ = std::move(connection);
    is_deaf_ = false;
  }

  /// It is silent from now on, and holds no connection.
  void fall_silent() {
    const std::lock_guard lock{mutex_};
    connection_ = nullptr;
  }

  struct next_word {
    connection_actor by;
    std::size_t number;
    std::string words;
  };

  /// What is to be said now, if anything.
  std::optional<next_word> next() {
    const std::lock_guard lock{mutex_};
    if (connection_ == nullptr || is_deaf_ || account_.said.size() >= allowed_
        || account_.said.size() - account_.settled >= window_)
      return std::nullopt;
    account_.said.emplace_back();
    return next_word{connection_, account_.said.size(), text(account_.said.size())};
  }

  /// All that `next` has returned was asked for.
  void note_asked() {
    note([](session_account& now) { now.asked = now.said.size(); });
  }

  void settle(const next_word& word, outcome became) {
    note([&](session_account& now) {
      auto& each = now.said[word.number - 1];
      ++each.outcomes;
      each.became = became;
      ++now.settled;
    });
  }

  /// Nothing more is said by that connection: it is over, or full.
  void refuse(const next_word& word, const transport_error& reason) {
    note([&](session_account& now) {
      ++now.said[word.number - 1].outcomes;
      ++now.settled;
      if (now.refusal.code == error_code::none)
        now.refusal = reason;
      is_deaf_ = is_deaf_ || connection_ == word.by;
    });
  }

  void hear(const received& data) {
    note([&](session_account& now) { now.heard.emplace_back(data.body.text()); });
  }

  void hear(const session_opened& event) {
    note([&](session_account& now) {
      now.opened.push_back(event);
      now.settled_when_opened = now.settled;
    });
  }

  void hear(const session_lost& event) {
    note([&](session_account& now) { now.lost.push_back(event); });
  }

  void hear(const state_changed& event) {
    note([&](session_account& now) { now.changes.push_back(event); });
  }

private:
  template <class Change>
  void note(Change&& change) {
    const std::lock_guard lock{mutex_};
    change(account_);
    changed_.notify_all();
  }

  const std::string name_;
  const std::size_t window_;
  const bool are_large_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  session_account account_;
  std::size_t allowed_ = 0;
  connection_actor connection_;
  /// Whether that one has refused something.
  bool is_deaf_ = false;
};

/// Says what `side` may say by now.
inline void say_more(caf::event_based_actor* self, session_side& side) {
  while (auto word = side.next())
    ask(self, word->by, caf::infinite, actorwire::send{payload::copy_of(word->words), {}})
        .then(
            [self, &side, word = *word](const sent& told) {
              side.settle(word, told.result);
              say_more(self, side);
            },
            [self, &side, word = *word](const caf::error& reason) {
              side.refuse(word, to_transport_error(reason));
              say_more(self, side);
            });
  side.note_asked();
}

/// Speaks for `side` whenever it is sent an `ok_atom`. Not beside its connection: it is to learn what became of what it said
/// when that has ended.
inline caf::behavior session_speaker(caf::event_based_actor* self, session_side* side) {
  return {[self, side](caf::ok_atom) { say_more(self, *side); }};
}

} // namespace actorwire::test
