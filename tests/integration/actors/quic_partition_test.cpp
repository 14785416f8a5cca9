// QUIC and a server that lives on while its client hears nothing of it: across a network that parts, on a link that loses
// packets, and with a process that is stopped. Afterwards the server's record is held against what the program was told of
// each message. Networks of one's own take root, and TUN.

#include "message_record.hpp"
#include "packet_link.hpp"
#include "secured_program.hpp"
#include "seed.hpp"
#include "talking_process.hpp"
#include "time_to_notice.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// What a program was told of each message that it sent, over all connections of one peer.
struct message_ledger {
  struct message {
    /// How often it was told; once is right.
    int outcomes = 0;
    outcome became = outcome::not_sent;
    /// The connection that it left with.
    std::uint64_t generation = 0;
  };

  std::vector<message> messages;
  std::size_t settled = 0;
  /// Of each connection.
  std::map<std::uint64_t, std::size_t> acked;
};

/// The n-th message, none as another.
std::string message_text(std::size_t number) {
  static const auto filler = pattern(3 * message_record::message_bytes);
  auto text = std::to_string(number) + " ";
  text += filler.substr(number * 7 % message_record::message_bytes, message_record::message_bytes - text.size());
  return text;
}

/// Sends one message after the other, `window` of them unsettled at a time, until it is told that it is enough and the
/// connection of then, or a later one, has carried some more. The books are the actor's until then.
class message_source {
public:
  static constexpr std::size_t window = 64;
  static constexpr std::size_t some_more = 100;

  message_source(witness& me, const connection_actor& peer) : me_(&me), peer_(peer) {
    me.must_ask<connection_info>(peer, connect{});
    actor_ = spawn_beside(peer, [peer, to = me.handle(), books = books_](caf::event_based_actor* self) {
      return produce(self, peer, to, books);
    });
  }

  /// Waits until all is settled, closes the peer, and returns what became of everything.
  close_report finish() {
    anonymous_tell(actor_, caf::get_atom_v);
    static_cast<void>(me_->await<caf::ok_atom>());
    return me_->must_ask<close_report>(peer_, actorwire::close{close_mode::drain, 10s});
  }

  void await_acknowledgements() const {
    const auto acked = [&] { return me_->must_ask<stats>(peer_, get_stats{}).delivery.acked.messages; };
    const auto before = acked();
    wait_until("some more is acknowledged", [&] { return acked() > before + some_more; });
  }

  /// Once it has finished.
  [[nodiscard]] const message_ledger& books() const noexcept { return *books_; }

private:
  static caf::behavior produce(caf::event_based_actor* self, const connection_actor& peer, const caf::actor& to,
                               const std::shared_ptr<message_ledger>& books) {
    struct progress {
      std::uint64_t newest_generation = 1;
      /// Of the newest connection, when it was told that it is enough.
      std::optional<std::size_t> acked_before;
      bool is_enough = false;
      bool is_told = false;
      std::function<void()> go_on;
    };
    const auto state = std::make_shared<progress>();
    tell(self, peer, subscribe{event_mask::state, credit_mode::automatic});
    state->go_on = [self, peer, to, books, mine = std::weak_ptr{state}] {
      const auto now = mine.lock();
      if (!now || now->is_told)
        return;
      now->is_enough = now->is_enough
                    || (now->acked_before && books->acked[now->newest_generation] >= *now->acked_before + some_more);
      while (!now->is_enough && books->messages.size() - books->settled < window) {
        const auto number = books->messages.size();
        books->messages.emplace_back();
        const send_options options{when_down::queue, number % 4 == 0 ? outcome::written : outcome::acked, 0ms};
        const auto settle = [books, mine](std::size_t which) {
          ++books->messages[which].outcomes;
          ++books->settled;
          if (const auto still = mine.lock())
            still->go_on();
        };
        ask(self, peer, caf::infinite, actorwire::send{payload::copy_of(message_text(number)), options})
            .then(
                [books, number, settle](const sent& what) {
                  books->messages[number].became = what.result;
                  books->messages[number].generation = what.generation;
                  books->acked[what.generation] += what.result == outcome::acked;
                  settle(number);
                },
                [number, settle](const caf::error&) { settle(number); });
      }
      if (!now->is_enough || books->settled < books->messages.size())
        return;
      now->is_told = true;
      tell(self, to, caf::ok_atom_v);
    };
    state->go_on();
    return minding([state](const opened& event) { state->newest_generation = event.info.generation; },
                   [state, books](caf::get_atom) {
                     state->acked_before = books->acked[state->newest_generation];
                     state->go_on();
                   });
  }

  witness* me_;
  connection_actor peer_;
  caf::actor actor_;
  std::shared_ptr<message_ledger> books_ = std::make_shared<message_ledger>();
};

/// Holds what the program was told against what the server has written: each message has one outcome, and together they are
/// what the peer says; a later connection carried later ones; of each the server has the first ones, whole and in order, and
/// none of them twice; it has nothing of what was not sent, and all that it has acknowledged.
void check_record(const message_ledger& books, const close_report& report, const message_record& kept) {
  std::map<outcome, std::uint64_t> became;
  std::map<std::uint64_t, std::vector<std::size_t>> carried;
  std::size_t told_once = 0;
  for (std::size_t number = 0; number < books.messages.size(); ++number) {
    const auto& each = books.messages[number];
    told_once += each.outcomes == 1;
    ++became[each.became];
    if (each.became != outcome::not_sent)
      carried[each.generation].push_back(number);
  }
  const auto& totals = report.delivery;
  CHECK(told_once == books.messages.size());
  CHECK(totals.accepted.messages == books.messages.size());
  CHECK(totals.pending.messages == 0);
  CHECK(totals.not_sent.messages == became[outcome::not_sent]);
  CHECK(totals.maybe_sent.messages == became[outcome::maybe_sent]);
  CHECK(totals.written.messages == became[outcome::written]);
  CHECK(totals.acked.messages == became[outcome::acked]);

  // Its kernel, or QUIC, has acknowledged what the server's program writes in its own time.
  std::vector<std::string> written;
  std::vector<int> times;
  std::size_t missing = 0;
  wait_until("what was acknowledged is written", [&] {
    written = kept.messages();
    times.assign(books.messages.size(), 0);
    for (const auto& each : written)
      ++times.at(std::stoul(each));
    missing = 0;
    for (std::size_t number = 0; number < times.size(); ++number)
      missing += books.messages[number].became == outcome::acked && times[number] == 0;
    return missing == 0;
  });
  std::map<std::uint64_t, std::vector<std::size_t>> arrived;
  for (const auto& each : written) {
    const auto number = std::stoul(each);
    REQUIRE(each == message_text(number));
    REQUIRE(times[number] == 1);
    REQUIRE(books.messages[number].became != outcome::not_sent);
    arrived[books.messages[number].generation].push_back(number);
  }
  std::optional<std::size_t> last;
  for (const auto& [generation, numbers] : carried) {
    INFO("connection " << generation);
    CHECK((!last || *last < numbers.front()));
    last = numbers.back();
    const auto& there = arrived[generation];
    REQUIRE(there.size() <= numbers.size());
    CHECK(std::equal(there.begin(), there.end(), numbers.begin()));
  }
}

acquire_options soon_missed() {
  auto transport = settings();
  transport.framing.mode = framing_mode::length_prefixed;
  transport.flow.queue_age = 60s;
  transport.keepalive_interval = 0ms;
  transport.keepalive_timeout = 2s;
  transport.attempt_timeout = transport.connect_timeout = 500ms;
  auto options = to_acquire(transport);
  options.reconnection.base_delay = 5ms;
  options.reconnection.max_delay = 50ms;
  return options;
}

/// A recorder and a program, each in a network of its own.
struct two_networks {
  two_networks(double loss, const acquire_options& options) : link(near, far, loss, seed.engine()) {
    const std::string where = packet_link::second_address;
    far.run([&] {
      server.emplace(std::vector<std::string>{ACTORWIRE_QUIC_RECORDER, where + ":0", kept.path(), "reads"});
    });
    const auto port = server->await_number("listens on ");
    near.run([&] { here.emplace(); });
    me.emplace(here->system);
    peer = here->net->acquire("quic://" + where + ":" + std::to_string(port), options).value();
  }

  test_seed seed;
  network_namespace near;
  network_namespace far;
  packet_link link;
  temporary_directory folder;
  message_record kept{folder.path() + "/kept"};
  std::optional<talking_process> server;
  std::optional<program> here;
  std::optional<witness> me;
  connection_actor peer;
};

/// The connection that was ready is found to be unanswered, and attempts at another one come to nothing.
void check_silence(witness& me, const time_to_notice& passed, std::chrono::milliseconds promised) {
  const auto lost = me.await<state_changed>();
  passed.check(promised);
  CHECK(lost.from == connection_state::ready);
  CHECK(lost.to == connection_state::backoff);
  CHECK(lost.reason.code == error_code::keepalive_timeout);
  const auto failed = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  CHECK(failed.reason.code == error_code::connect_timeout);
}

} // namespace

TEST_CASE("a partition ends a QUIC connection with sent bytes as unanswered, and the server has what the accounts say",
          "[D1][D2][D3][D4][H1][random]") {
  if (const auto reason = network_namespace::refusal(); !reason.empty())
    SKIP("no networks of one's own here: " + reason);
  const auto options = soon_missed();
  two_networks both{0, options};
  auto& me = *both.me;
  message_source source{me, both.peer};
  source.await_acknowledgements();
  me.listen_to(both.peer, event_mask::state);
  const time_to_notice passed;
  both.link.part();
  check_silence(me, passed, options.transport.keepalive_timeout);
  both.link.heal();
  CHECK(me.await<opened>().info.generation == 2);
  const auto report = source.finish();
  CHECK(source.books().acked.size() >= 2);
  check_record(source.books(), report, both.kept);
}

TEST_CASE("an idle QUIC connection across a partition is found by keepalive, and no other is", "[H1]") {
  if (const auto reason = network_namespace::refusal(); !reason.empty())
    SKIP("no networks of one's own here: " + reason);
  auto options = soon_missed();
  options.transport.keepalive_interval = 1s;
  options.transport.keepalive_timeout = 1s;
  two_networks both{0, options};
  auto& me = *both.me;
  me.must_ask<connection_info>(both.peer, connect{});
  const auto report = me.must_ask<health_report>(both.peer, get_health{});
  CHECK(report.half_open_bound == 3s);
  me.listen_to(both.peer, event_mask::state);
  CHECK_FALSE(me.await_or_nothing<state_changed>(report.half_open_bound + 1s));
  const time_to_notice passed;
  both.link.part();
  check_silence(me, passed, report.half_open_bound);
  both.link.heal();
  CHECK(me.await<opened>().info.generation == 2);
}

TEST_CASE("a link that loses packets costs QUIC time, and no message", "[D1][D3][D4][D5][random]") {
  if (const auto reason = network_namespace::refusal(); !reason.empty())
    SKIP("no networks of one's own here: " + reason);
  auto options = soon_missed();
  options.transport.keepalive_timeout = 20s;
  options.transport.attempt_timeout = options.transport.connect_timeout = 10s;
  two_networks both{0.03, options};
  message_source source{*both.me, both.peer};
  for (int count = 0; count < 5; ++count)
    source.await_acknowledgements();
  const auto report = source.finish();
  CHECK(both.link.counts().lost > 0);
  CHECK(report.complete);
  CHECK(report.delivery.acked.messages + report.delivery.written.messages == source.books().messages.size());
  check_record(source.books(), report, both.kept);
  // What was written and did not wait for more has arrived by then too.
  both.kept.await(source.books().messages.size());
  CHECK(source.books().acked.size() == 1);
}

TEST_CASE("a stopped QUIC server ends the connection as unanswered, and has what the accounts say when it goes on",
          "[D1][D2][D3][D4][D5]") {
  const temporary_directory folder;
  const message_record kept{folder.path() + "/kept"};
  talking_process server{{ACTORWIRE_QUIC_RECORDER, "127.0.0.1:0", kept.path(), "reads"}};
  const auto port = server.await_number("listens on ");
  program here;
  witness me{here.system};
  const auto options = soon_missed();
  const auto peer = here.net->acquire(quic_uri(port), options).value();
  message_source source{me, peer};
  for (int stops = 0; stops < 2; ++stops) {
    source.await_acknowledgements();
    // Of this stop alone.
    witness watcher{here.system};
    watcher.listen_to(peer, event_mask::state);
    const time_to_notice passed;
    server.stop();
    check_silence(watcher, passed, options.transport.keepalive_timeout);
    server.go_on();
    static_cast<void>(watcher.await<opened>());
  }
  const auto report = source.finish();
  CHECK(source.books().acked.size() >= 3);
  check_record(source.books(), report, kept);
}

} // namespace actorwire::test
