#pragma once

#include "nginx_server.hpp"
#include "program.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// What a program was told of each page that it asked for, over all connections of one peer.
struct page_ledger {
  struct request {
    std::size_t page = 0;
    /// How often it was told what became of the request; once is right.
    int outcomes = 0;
    outcome became = outcome::not_sent;
    std::uint64_t generation = 0;
    bool is_answered = false;
    /// Its connection was lost before it was answered.
    bool is_given_up = false;

    [[nodiscard]] bool is_over() const { return outcomes > 0 && (is_answered || is_given_up); }
  };

  std::vector<request> requests;
  std::size_t answered = 0;
  /// Those that began, on the connection of now.
  std::size_t answered_by_newest = 0;
  /// Answers that are not what they should be, and answers that nobody asked for.
  std::size_t wrong = 0;
  std::vector<transport_error> losses;
};

/// Asks for one page after the other, a few at a time, and again for those whose connection was lost before they had come
/// whole; until `is_enough`, and then until all have come.
class page_reader {
public:
  static constexpr std::size_t window = 4;
  /// Beyond these something has gone wrong that the accounts will not explain.
  static constexpr std::size_t requests_max = 5'000;

  page_reader(witness& me, const connection_actor& peer, std::function<bool(const page_ledger&)> is_enough)
    : me_(&me), peer_(peer), state_(std::make_shared<state>()) {
    state_->is_enough = std::move(is_enough);
    spawn_beside(peer, [peer, to = me.handle(), mine = state_](caf::event_based_actor* self) {
      return read_all(self, peer, to, mine);
    });
  }

  close_report finish() {
    static_cast<void>(me_->await<caf::ok_atom>());
    return me_->must_ask<close_report>(peer_, close{close_mode::drain, 10s});
  }

  [[nodiscard]] const page_ledger& books() const noexcept { return state_->books; }

  [[nodiscard]] static std::string query(std::size_t number) { return "n=" + std::to_string(number); }

private:
  struct state {
    page_ledger books;
    std::function<bool(const page_ledger&)> is_enough;
    std::string unread;
    std::uint64_t generation = 0;
    std::uint64_t lost_generation = 0;
    /// Pages that have to be asked for again.
    std::deque<std::size_t> again;
    std::size_t open = 0;
    std::size_t first_open = 0;
    bool was_enough = false;
    bool is_told = false;
    std::function<void()> go_on;

    void give_up(page_ledger::request& which) {
      if (which.is_answered || which.is_given_up)
        return;
      which.is_given_up = true;
      again.push_back(which.page);
      --open;
    }

    /// The request that the next answer of this connection is to.
    page_ledger::request* next_to_answer() {
      while (first_open < books.requests.size() && books.requests[first_open].is_over())
        ++first_open;
      for (auto index = first_open; index < books.requests.size(); ++index)
        if (auto& each = books.requests[index]; each.outcomes > 0 && !each.is_over() && each.generation == generation)
          return &each;
      return nullptr;
    }

    /// Takes whole answers from the front of what was read.
    void take_answers() {
      for (;;) {
        const auto head_end = unread.find("\r\n\r\n");
        if (head_end == std::string::npos)
          return;
        const auto size = body_size(std::string_view{unread}.substr(0, head_end + 2));
        auto* whose = next_to_answer();
        if (!size || whose == nullptr) {
          ++books.wrong;
          return;
        }
        const auto body = std::string_view{unread}.substr(head_end + 4, *size);
        const auto wanted = nginx_server::content(whose->page);
        if (body.size() < *size) {
          return;
        }
        books.wrong += body != wanted;
        whose->is_answered = true;
        ++books.answered;
        ++books.answered_by_newest;
        --open;
        unread.erase(0, head_end + 4 + *size);
      }
    }

    /// What came of an answer before the connection was lost is the beginning of it.
    void end_connection(std::uint64_t which) {
      if (which == generation) {
        const auto head_end = unread.find("\r\n\r\n");
        const auto* whose = next_to_answer();
        if (head_end != std::string::npos && whose != nullptr)
          books.wrong += !nginx_server::content(whose->page).starts_with(std::string_view{unread}.substr(head_end + 4));
      }
      unread.clear();
      lost_generation = which;
      for (auto index = first_open; index < books.requests.size(); ++index)
        if (auto& each = books.requests[index]; each.outcomes > 0 && each.generation == which)
          give_up(each);
      books.answered_by_newest = 0;
    }
  };

  static std::optional<std::size_t> body_size(std::string_view head) {
    constexpr std::string_view name = "\r\nContent-Length: ";
    const auto place = head.find(name);
    if (!head.starts_with("HTTP/1.1 200 ") || place == std::string_view::npos)
      return std::nullopt;
    return std::stoul(std::string{head.substr(place + name.size())});
  }

  static caf::behavior read_all(caf::event_based_actor* self, const connection_actor& peer, const caf::actor& to,
                                const std::shared_ptr<state>& mine) {
    tell(self, peer, subscribe{event_mask::data | event_mask::state, credit_mode::automatic});
    mine->go_on = [self, peer, to, weak = std::weak_ptr{mine}] {
      const auto now = weak.lock();
      if (!now || now->is_told)
        return;
      auto& books = now->books;
      now->was_enough = now->was_enough || now->is_enough(books) || books.requests.size() >= requests_max;
      while (now->open < window && (!now->again.empty() || !now->was_enough)) {
        const auto number = books.requests.size();
        auto page = number % nginx_server::sizes.size();
        if (!now->again.empty()) {
          page = now->again.front();
          now->again.pop_front();
        }
        books.requests.push_back({.page = page});
        ++now->open;
        const auto text = "GET /" + std::to_string(page) + "?" + query(number) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
        const auto settle = [weak, number](outcome became, std::uint64_t generation) {
          const auto still = weak.lock();
          if (!still)
            return;
          auto& each = still->books.requests[number];
          ++each.outcomes;
          each.became = became;
          each.generation = generation;
          if (became != outcome::written || generation <= still->lost_generation)
            still->give_up(each);
          still->go_on();
        };
        ask(self, peer, caf::infinite,
            actorwire::send{payload::copy_of(text), {when_down::queue, outcome::written, 0ms}})
            .then([settle](const sent& what) { settle(what.result, what.generation); },
                  [settle](const caf::error&) { settle(outcome::not_sent, 0); });
      }
      if (now->was_enough && now->open == 0) {
        now->is_told = true;
        tell(self, to, caf::ok_atom_v);
      }
    };
    mine->go_on();
    return minding(
        [mine](const received& data) {
          if (data.generation != mine->generation)
            mine->unread.clear();
          mine->generation = data.generation;
          mine->unread += data.body.text();
          mine->take_answers();
          mine->go_on();
        },
        [mine](const state_changed& event) {
          if (event.to != connection_state::backoff && event.to != connection_state::failed)
            return;
          mine->books.losses.push_back(event.reason);
          if (event.from == connection_state::ready || event.from == connection_state::degraded)
            mine->end_connection(event.generation);
          mine->go_on();
        });
  }

  witness* me_;
  connection_actor peer_;
  std::shared_ptr<state> state_;
};

/// Holds what the program was told against what the server has written down: each request has one outcome, and together they
/// are what the peer says; the server has none twice, none that was not sent, and each that was answered, whole. A server that is killed may have
/// answered one and not have written it down.
inline void check_pages(const page_ledger& books, const close_report& report, const nginx_server& server,
                        std::size_t kills = 0) {
  const auto& totals = report.delivery;
  wait_until("nginx has written down what it is done with", [&] {
    const auto log = server.log();
    std::size_t missing = 0;
    for (std::size_t number = 0; number < books.requests.size(); ++number)
      missing += books.requests[number].is_answered && !log.contains(page_reader::query(number));
    return missing <= kills;
  });
  const auto log = server.log();
  std::map<outcome, std::uint64_t> became;
  std::size_t known = 0;
  for (std::size_t number = 0; number < books.requests.size(); ++number) {
    const auto& each = books.requests[number];
    ++became[each.became];
    REQUIRE(each.outcomes == 1);
    REQUIRE(each.is_answered != each.is_given_up);
    const auto found = log.find(page_reader::query(number));
    if (found == log.end())
      continue;
    ++known;
    REQUIRE(found->second.times == 1);
    REQUIRE(each.became != outcome::not_sent);
    if (!each.is_answered)
      continue;
    REQUIRE(found->second.status == 200);
    REQUIRE(found->second.body_size == nginx_server::sizes[each.page]);
  }
  CHECK(known > 0);
  CHECK(books.wrong == 0);
  CHECK(totals.accepted.messages == books.requests.size());
  CHECK(totals.pending.messages == 0);
  CHECK(report.complete == (totals.not_sent.messages + totals.maybe_sent.messages == 0));
  CHECK(totals.not_sent.messages == became[outcome::not_sent]);
  CHECK(totals.maybe_sent.messages == became[outcome::maybe_sent]);
  CHECK(totals.written.messages == became[outcome::written]);
  CHECK(totals.acked.messages == 0);
}

} // namespace actorwire::test
