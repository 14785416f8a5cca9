#pragma once

#include "probe.hpp"
#include "simulated_network.hpp"

#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/endpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// What the servers of one peer got, over all connections, by the numbers of messages.
struct server_log {
  /// Whole messages and their sizes in bytes.
  std::map<std::size_t, std::size_t> arrived;
  /// The beginnings of messages that a connection ended in, as far as they can be told apart.
  std::set<std::size_t> torn;
  std::size_t torn_count = 0;
  /// All of those, as they came.
  std::vector<std::size_t> order;
};

/// Reads what arrived at `endpoints`, and checks that it is whole messages of a message book, none twice over all
/// connections, each of which may end with the beginning of one.
[[nodiscard]] server_log read_log(const simulated_network& hosts, const std::vector<endpoint>& endpoints);

/// Which message of a book this is; nothing if it is none. A beginning with the number is enough.
[[nodiscard]] std::optional<std::size_t> number_of(std::string_view text);

/// How one message was sent.
struct message_entry {
  std::size_t size = 0;
  outcome wanted = outcome::written;
  std::uint8_t priority = usual_send_priority;
  std::uint64_t key = 0;
  /// Null for a cast, of which the user knows the sum only, unless it is reported; and for what was in a batch.
  answer_to<sent> answer{};
  bool is_reported = false;
  /// Null for what was in none, and for a batch that was cast.
  answer_to<batch_sent> batch{};
  /// The number of the first message of the batch.
  std::size_t batch_first = 0;

  [[nodiscard]] bool is_asked() const noexcept { return answer != nullptr || batch != nullptr; }
};

/// What one user knows of its messages to one peer.
class message_book {
public:
  /// `overflow` is that of its peer.
  explicit message_book(overflow_policy overflow) noexcept : overflow_(overflow) {}

  /// The number of the next message; it is its tag.
  [[nodiscard]] std::size_t next_number() const noexcept { return entries_.size() + 1; }
  /// The next message: its number in eight digits, so that even a torn one can be recognised, and `filling` bytes.
  [[nodiscard]] std::string next_text(std::size_t filling);
  /// The message that was made last is on its way.
  void note_send(const send_options& how, answer_to<sent> answer);
  void note_cast(const send_options& how);
  /// The same of one of those that make up a batch. Nobody is told of it, but for `note_batch`.
  void note_part(const send_options& how);
  /// The messages from number `first` on were sent in one batch, which is answered.
  void note_batch(std::size_t first, const answer_to<batch_sent>& answer);

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// How that message was sent, from number 1 on.
  [[nodiscard]] const message_entry& at(std::size_t number) const { return entries_.at(number - 1); }
  /// One line of a trace for each batch, by its answer.
  [[nodiscard]] std::vector<std::string> batch_answers() const;

  /// Holds what `user` was told of every message, what its peer counted, and what arrived against each other; to be called
  /// when nothing is pending any more. `totals` are those of the peer, and all that it did was told to `user`.
  void check(const probe& user, const delivery_totals& totals, const server_log& log) const;

private:
  /// What the user was answered of one that it asked about; nothing for an error.
  [[nodiscard]] std::optional<outcome> result_of(std::size_t number) const;
  void check_order(const server_log& log) const;
  void check_answers(const server_log& log) const;
  void check_reports(const probe& user, const server_log& log) const;
  void check_totals(const delivery_totals& totals, const server_log& log) const;

  overflow_policy overflow_;
  std::size_t last_size_ = 0;
  /// The entry of message n is at n - 1.
  std::vector<message_entry> entries_;
};

} // namespace actorwire::test
