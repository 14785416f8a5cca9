// A real server of another make: redis. Commands are pipelined through a supervised peer, and the server is killed in
// the middle of them.

#include "child_process.hpp"
#include "program.hpp"
#include "redis_protocol.hpp"

#include <deque>
#include <iostream>
#include <vector>

namespace actorwire::test {

namespace {

constexpr std::uint32_t keys = 100'000;

/// A redis-server on a free port of the loopback interface that keeps nothing on disk.
class redis {
public:
  redis() : port_(free_port()), process_(start()) {}

  void kill_and_restart() {
    process_.kill();
    process_ = start();
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
  [[nodiscard]] child_process start() const {
    return child_process{{"redis-server", "--bind", "127.0.0.1", "--port", std::to_string(port_), "--save", "",
                          "--appendonly", "no", "--daemonize", "no"},
                         directory_.path()};
  }

  temporary_directory directory_;
  std::uint16_t port_;
  child_process process_;
};

std::string key_of(std::uint32_t number) {
  return "key:" + std::to_string(number);
}

std::string value_of(std::uint32_t number) {
  return "value of " + std::to_string(number) + std::string(number % 50, '.');
}

acquire_options patient_with_restarts() {
  acquire_options options;
  options.reconnection.base_delay = 5ms;
  options.reconnection.max_delay = 50ms;
  options.transport.flow.queue_messages = 10'000;
  options.transport.flow.queue_bytes = 8U << 20U;
  options.transport.flow.queue_age = 60s;
  return options;
}

std::uint64_t settled_messages(const delivery_totals& totals) {
  return totals.not_sent.messages + totals.maybe_sent.messages + totals.written.messages + totals.acked.messages;
}

} // namespace

TEST_CASE("100,000 keys are set and read back through one pipelined connection to redis") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const redis server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri(server.port()), patient_with_restarts()).value();

  struct progress {
    reply_parser parser;
    std::uint32_t asked = 0;
    std::uint32_t answered = 0;
    std::uint32_t wrong = 0;
    std::uint32_t messages = 0;
  };
  const auto user = spawn_beside(peer, [peer, to = me.handle()](caf::event_based_actor* self) {
    tell(self, peer, subscribe{event_mask::data, credit_mode::automatic});
    const auto state = std::make_shared<progress>();
    const auto ask_on = [self, peer, state] {
      constexpr std::uint32_t window = 1'000;
      while (state->asked < 2 * keys && state->asked - state->answered < window) {
        const auto number = state->asked % keys;
        const auto words = state->asked < keys ? std::vector<std::string>{"SET", key_of(number), value_of(number)}
                                               : std::vector<std::string>{"GET", key_of(number)};
        tell(self, peer, cast{payload::copy_of(command(words)), {}});
        ++state->asked;
      }
    };
    ask_on();
    return minding([self, to, state, ask_on](const received& data) {
      ++state->messages;
      state->parser.feed(data.body.text());
      while (const auto reply = state->parser.next()) {
        const auto number = state->answered++;
        state->wrong += *reply != (number < keys ? "+OK" : "$" + value_of(number - keys));
      }
      ask_on();
      if (state->answered == 2 * keys)
        tell(self, to, state->answered, state->wrong, state->messages);
    });
  });
  std::uint32_t answered = 0;
  std::uint32_t wrong = 0;
  std::uint32_t messages = 0;
  me.self()->receive(
      [&](std::uint32_t all, std::uint32_t bad, std::uint32_t pieces) {
        answered = all;
        wrong = bad;
        messages = pieces;
      },
      caf::after(3 * patience) >> [] {});
  const auto figures = me.must_ask<stats>(peer, get_stats{});
  std::cout << "redis: " << answered << " replies checked, " << wrong << " wrong, in " << messages << " pieces; "
            << figures.transport.bytes_sent << " bytes sent, " << figures.transport.bytes_received << " received\n";
  CHECK(answered == 2 * keys);
  CHECK(wrong == 0);
  CHECK(figures.delivery.accepted.messages == 2 * keys);
  CHECK(figures.delivery.written.messages == 2 * keys);
  CHECK(figures.transport.bytes_sent == figures.delivery.accepted.bytes);
  CHECK(figures.generation == 1);
}

TEST_CASE("redis is killed and restarted amid 100,000 commands, and each of them has exactly one outcome") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  constexpr std::int32_t kills = 3;
  redis server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri(server.port()), patient_with_restarts()).value();
  me.must_ask<connection_info>(peer, connect{});

  struct account {
    reply_parser parser;
    std::uint32_t begun = 0;
    std::uint32_t ended = 0;
    std::vector<std::uint8_t> outcomes_of = std::vector<std::uint8_t>(keys);
    std::uint32_t written = 0;
    std::uint32_t acked = 0;
    std::uint32_t maybe_sent = 0;
    std::uint32_t not_sent = 0;
    std::uint32_t replies = 0;
    std::uint32_t wrong_replies = 0;
    std::uint32_t generations = 1;
  };
  account books;
  spawn_beside(peer, [peer, to = me.handle(), &books](caf::event_based_actor* self) {
    tell(self, peer, subscribe{event_mask::data | event_mask::state, credit_mode::automatic});
    // One command at each start, and another with each outcome: always as many under way, also while the server is down.
    const auto next = std::make_shared<std::function<void()>>();
    *next = [self, peer, to, &books, again = std::weak_ptr{next}] {
      if (books.begun == keys)
        return;
      const auto number = books.begun++;
      if (number % (keys / (kills + 1)) == 0 && number > 0 && number < keys)
        tell(self, to, std::int32_t{1});
      const auto settled = [self, to, &books, number, again](std::uint32_t& tally) {
        ++tally;
        ++books.outcomes_of[number];
        if (++books.ended == keys)
          tell(self, to, caf::ok_atom_v);
        if (const auto more = again.lock())
          (*more)();
      };
      const send_options options{when_down::queue, number % 2 == 0 ? outcome::written : outcome::acked, 0ms};
      ask(self, peer, caf::infinite,
          actorwire::send{payload::copy_of(command({"SET", key_of(number), value_of(number)})), options})
          .then(
              [&books, settled, options](const sent& what) {
                settled(what.result == outcome::maybe_sent ? books.maybe_sent
                        : options.wanted == outcome::acked ? books.acked
                                                           : books.written);
              },
              [&books, settled](const caf::error&) { settled(books.not_sent); });
    };
    for (int count = 0; count < 2'000; ++count)
      (*next)();
    return minding(
        [&books, next](const received& data) {
          books.parser.feed(data.body.text());
          while (const auto reply = books.parser.next()) {
            ++books.replies;
            books.wrong_replies += *reply != "+OK";
          }
        },
        [&books](const opened& event) {
          books.parser.clear();
          books.generations = static_cast<std::uint32_t>(event.info.generation);
        });
  });
  for (std::int32_t count = 0; count < kills; ++count) {
    static_cast<void>(me.await<std::int32_t>());
    const auto before = me.must_ask<connection_status>(peer, get_state{}).info.generation;
    server.kill_and_restart();
    wait_until("the peer is connected anew",
               [&] { return me.must_ask<connection_info>(peer, connect{}).generation > before; });
  }
  static_cast<void>(me.await<caf::ok_atom>());
  // What the connection says of itself must agree with what each asker was told.
  const auto totals = me.must_ask<close_report>(peer, close{close_mode::flush, 10s}).delivery;
  here.net.reset();

  std::uint32_t answered_once = 0;
  for (const auto count : books.outcomes_of)
    answered_once += count == 1;
  std::cout << "redis killed " << kills << " times: " << keys << " commands = " << books.written << " written + "
            << books.acked << " acked + " << books.not_sent << " not sent + " << books.maybe_sent << " maybe sent; "
            << books.replies << " replies over " << books.generations << " connections\n";
  CHECK(answered_once == keys);
  CHECK(books.written + books.acked + books.not_sent + books.maybe_sent == keys);
  CHECK(totals.accepted.messages == keys);
  CHECK(totals.pending.messages == 0);
  CHECK(settled_messages(totals) == keys);
  CHECK(totals.not_sent.messages == books.not_sent);
  CHECK(totals.maybe_sent.messages == books.maybe_sent);
  CHECK(totals.written.messages == books.written);
  CHECK(totals.acked.messages == books.acked);
  CHECK(books.generations == kills + 1);
  CHECK(books.wrong_replies == 0);
  // No command is run twice, and none that never left.
  CHECK(books.replies <= keys - books.not_sent);
}

} // namespace actorwire::test
