#pragma once

#include "program.hpp"
#include "redis_protocol.hpp"
#include "redis_server.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace actorwire::test {

/// What a program was told of each command that it sent, over all connections of one peer.
struct fault_ledger {
  struct order {
    /// How often it was told; once is right.
    int outcomes = 0;
    outcome became = outcome::not_sent;
    /// The connection that it left with.
    std::uint64_t generation = 0;
    std::uint64_t sequence = 0;
  };

  std::vector<order> orders;
  std::size_t settled = 0;
  /// Of each connection, in order.
  std::map<std::uint64_t, std::vector<std::string>> replies;
  std::uint64_t newest_generation = 1;
  /// Why each connection, and each attempt at one, came to nothing.
  std::vector<transport_error> failures;

  [[nodiscard]] std::size_t replies_to_newest() const {
    const auto found = replies.find(newest_generation);
    return found == replies.end() ? 0 : found->second.size();
  }
};

/// The n-th thing that is put on the list, 100 .. 300 bytes of it, none as another.
inline std::string order_text(std::size_t number) {
  static const auto filler = pattern(4'096);
  return std::to_string(number) + ":" + filler.substr(number * 7 % 3'000, 100 + number * 13 % 200);
}

/// Puts one thing after the other on the list "orders" of a redis, `window` of them unsettled at a time, until `is_enough`,
/// and ends with the `close_report` of the peer. The books are the actor's until then.
class list_filler {
public:
  /// Beyond these something has gone wrong that the accounts will not explain.
  static constexpr std::size_t orders_max = 60'000;
  static constexpr std::size_t window = 1'500;

  list_filler(witness& me, const connection_actor& peer, std::function<bool(const fault_ledger&)> is_enough)
    : me_(&me), peer_(peer) {
    me.must_ask<connection_info>(peer, connect{});
    spawn_beside(peer, [peer, to = me.handle(), books = books_, enough = std::move(is_enough)](
                           caf::event_based_actor* self) { return fill(self, peer, to, books, enough); });
  }

  /// Waits for the end, and returns what was told of each order, and of all.
  close_report finish() {
    static_cast<void>(me_->await<caf::ok_atom>());
    const auto report = me_->must_ask<close_report>(peer_, close{close_mode::drain, 10s});
    // The actor has ended with its peer, or is about to, and writes nothing more.
    return report;
  }

  [[nodiscard]] const fault_ledger& books() const noexcept { return *books_; }

private:
  static caf::behavior fill(caf::event_based_actor* self, const connection_actor& peer, const caf::actor& to,
                            const std::shared_ptr<fault_ledger>& books,
                            const std::function<bool(const fault_ledger&)>& is_enough) {
    struct progress {
      reply_parser parser;
      std::uint64_t parsed_generation = 0;
      bool is_enough = false;
      bool is_told = false;
      std::function<void()> go_on;
    };
    const auto state = std::make_shared<progress>();
    tell(self, peer, subscribe{event_mask::data | event_mask::state, credit_mode::automatic});
    state->go_on = [self, peer, to, books, is_enough, mine = std::weak_ptr{state}] {
      const auto now = mine.lock();
      if (!now || now->is_told)
        return;
      now->is_enough = now->is_enough || is_enough(*books) || books->orders.size() == orders_max;
      while (!now->is_enough && books->orders.size() - books->settled < window) {
        const auto number = books->orders.size();
        books->orders.emplace_back();
        const send_options options{when_down::queue, number % 2 == 0 ? outcome::written : outcome::acked, 0ms};
        ask(self, peer, caf::infinite,
            actorwire::send{payload::copy_of(command({"RPUSH", "orders", order_text(number)})), options})
            .then(
                [books, number, mine](const sent& what) {
                  auto& each = books->orders[number];
                  ++each.outcomes;
                  ++books->settled;
                  each.became = what.result;
                  each.generation = what.generation;
                  each.sequence = what.sequence;
                  if (const auto still = mine.lock())
                    still->go_on();
                },
                [books, number, mine](const caf::error&) {
                  ++books->orders[number].outcomes;
                  ++books->settled;
                  if (const auto still = mine.lock())
                    still->go_on();
                });
      }
      if (!now->is_enough || books->settled < books->orders.size())
        return;
      // What the connection carried that is still there must be answered.
      std::size_t carried = 0;
      for (const auto& each : books->orders)
        carried += each.generation == books->newest_generation && each.became != outcome::maybe_sent;
      if (books->replies_to_newest() < carried)
        return;
      now->is_told = true;
      tell(self, to, caf::ok_atom_v);
    };
    state->go_on();
    return minding(
        [books, state](const received& data) {
          if (data.generation != state->parsed_generation)
            state->parser.clear();
          state->parsed_generation = data.generation;
          state->parser.feed(data.body.text());
          while (auto reply = state->parser.next())
            books->replies[data.generation].push_back(std::move(*reply));
          state->go_on();
        },
        [books, state](const opened& event) {
          books->newest_generation = event.info.generation;
          state->go_on();
        },
        [books](const state_changed& event) {
          if (event.to == connection_state::backoff || event.to == connection_state::failed)
            books->failures.push_back(event.reason);
        });
  }

  witness* me_;
  connection_actor peer_;
  std::shared_ptr<fault_ledger> books_ = std::make_shared<fault_ledger>();
};

/// Whose kernel acknowledges: that of a redis which lives on, and so reads all of it, or that of somebody between, or of a
/// redis that is killed before it has read.
enum class acknowledged_by : std::uint8_t { somebody, redis };

/// Holds what the program was told against what the server has: each order has one outcome, and together they are what the
/// peer says; a later connection carried later ones; of each connection the server has the first ones, whole and in order,
/// and none of them twice; of what was not sent it has nothing, and all of what it has acknowledged; and each answer is true.
inline void check_accounts(const fault_ledger& books, const close_report& report,
                           const std::vector<std::string>& on_server, acknowledged_by who = acknowledged_by::somebody) {
  const auto& totals = report.delivery;
  std::map<outcome, std::uint64_t> became;
  std::map<std::uint64_t, std::vector<std::size_t>> carried;
  std::size_t told_once = 0;
  for (std::size_t number = 0; number < books.orders.size(); ++number) {
    const auto& each = books.orders[number];
    told_once += each.outcomes == 1;
    ++became[each.became];
    if (each.became != outcome::not_sent)
      carried[each.generation].push_back(number);
  }
  CHECK(told_once == books.orders.size());
  CHECK(totals.accepted.messages == books.orders.size());
  CHECK(totals.pending.messages == 0);
  CHECK(report.complete == (totals.not_sent.messages + totals.maybe_sent.messages == 0));
  CHECK(totals.not_sent.messages == became[outcome::not_sent]);
  CHECK(totals.maybe_sent.messages == became[outcome::maybe_sent]);
  CHECK(totals.written.messages == became[outcome::written]);
  CHECK(totals.acked.messages == became[outcome::acked]);
  CHECK(totals.accepted.bytes
        == totals.not_sent.bytes + totals.maybe_sent.bytes + totals.written.bytes + totals.acked.bytes);

  std::map<std::uint64_t, std::vector<std::size_t>> arrived;
  std::vector<int> times(books.orders.size());
  std::map<std::size_t, std::size_t> place_of;
  for (std::size_t place = 0; place < on_server.size(); ++place) {
    const auto number = static_cast<std::size_t>(std::stoul(on_server[place]));
    REQUIRE(number < books.orders.size());
    REQUIRE(on_server[place] == order_text(number));
    REQUIRE(++times[number] == 1);
    REQUIRE(books.orders[number].became != outcome::not_sent);
    arrived[books.orders[number].generation].push_back(number);
    place_of[number] = place;
  }
  if (who == acknowledged_by::redis)
    for (std::size_t number = 0; number < books.orders.size(); ++number)
      if (books.orders[number].outcomes == 1 && books.orders[number].became == outcome::acked) {
        INFO("order " << number << " of connection " << books.orders[number].generation);
        REQUIRE(times[number] == 1);
      }
  std::optional<std::size_t> last;
  for (const auto& [generation, numbers] : carried) {
    INFO("connection " << generation);
    CHECK((!last || *last < numbers.front()));
    last = numbers.back();
    static const std::vector<std::string> none;
    const auto found = books.replies.find(generation);
    const auto& replies = found == books.replies.end() ? none : found->second;
    REQUIRE(replies.size() <= numbers.size());
    // A redis that was just started may refuse an order and take the next.
    std::vector<std::size_t> taken;
    for (std::size_t index = 0; index < numbers.size(); ++index) {
      if (index >= replies.size()) {
        taken.push_back(numbers[index]);
      } else if (!replies[index].starts_with("-LOADING")) {
        taken.push_back(numbers[index]);
        // RPUSH tells how long the list is then.
        REQUIRE(times[numbers[index]] == 1);
        REQUIRE(replies[index] == ":" + std::to_string(place_of[numbers[index]] + 1));
      }
    }
    const auto& there = arrived[generation];
    REQUIRE(there.size() <= taken.size());
    CHECK(std::equal(there.begin(), there.end(), taken.begin()));
    if (generation == books.newest_generation)
      CHECK(there.size() == taken.size());
  }
}

} // namespace actorwire::test
