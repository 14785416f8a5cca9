#pragma once

#include "supervision/lease_book.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace actorwire::test {

using namespace std::chrono_literals;

/// A book with a clock that only the test moves; peers are numbered from 1, in the order in which they are made.
struct desk {
  explicit desk(std::uint32_t max_leased = 2, std::chrono::milliseconds idle_timeout = 5min, std::uint32_t min_idle = 0)
    : book{pool_limits{.max_leased = max_leased, .min_idle = min_idle, .lease_idle_timeout = idle_timeout}} {}

  static checkout want(std::uint16_t port = 1, std::chrono::milliseconds wait = 30s,
                       std::chrono::milliseconds hold = 5min) {
    return {{protocol::tcp, "server", port}, {}, {}, wait, hold};
  }

  waiter_id ask(const checkout& request = want(), owner_id owner = 1) { return book.ask(request, owner, now).value(); }

  static checkout impatient(std::uint16_t port = 1) {
    auto request = want(port);
    request.policy = when_down::fail;
    return request;
  }

  /// Carries out what the book wants until something else than a new peer is decided. A peer that is to be closed is closed at
  /// once.
  std::optional<lease_step> step() {
    while (const auto next = book.poll(now)) {
      if (next->what == lease_step::kind::expire || next->what == lease_step::kind::retire)
        book.remove(next->peer);
      if (next->what != lease_step::kind::make)
        return next;
      if (places == 0) {
        book.cannot_grow();
        continue;
      }
      --places;
      book.joined(next->group, ++last_peer);
    }
    return std::nullopt;
  }

  /// Lets a peer connect and returns what comes of it, which must be a grant.
  lease_step connect(connection_id peer) {
    book.note_ready(peer, now);
    const auto next = step();
    REQUIRE(next);
    REQUIRE(next->what == lease_step::kind::grant);
    REQUIRE(next->peer == peer);
    return *next;
  }

  /// Gives a lease back, and lets its peer say that it can be lent again.
  std::optional<lease_book::returned> give_back(lease_id lease, bool reuse) {
    const auto back = book.release(lease, reuse, now);
    if (back)
      book.note_cleared(back->peer, now);
    return back;
  }

  void check_is_empty() {
    CHECK(book.waiter_count() == 0);
    CHECK(book.lease_count() == 0);
    CHECK(book.peer_count() == 0);
    CHECK(book.group_count() == 0);
    CHECK_FALSE(book.next_timeout());
  }

  time_point now{1h};
  std::size_t places = 1'000;
  connection_id last_peer = 0;
  lease_book book;
};

} // namespace actorwire::test
