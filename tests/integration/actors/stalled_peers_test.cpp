// Thousands of peers whose server reads nothing: what they hold is bounded by the one limit of the network, and comes
// back.

#include "talking_process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

constexpr std::size_t memory_limit = std::size_t{64} << 20U;
constexpr std::size_t message_size = 4'096;

/// Allows as many open files as may be. Returns why these are too few for so many peers, whose other ends are in another
/// process; empty when they are enough.
std::string lack_of_files_for(std::uint32_t peers) {
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = files.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  const rlim_t needed = peers + 200;
  if (files.rlim_cur >= needed)
    return {};
  return "no more than " + std::to_string(files.rlim_cur) + " open files are allowed (RLIMIT_NOFILE), and these take "
       + std::to_string(needed);
}

std::size_t resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::size_t total = 0;
  std::size_t resident = 0;
  REQUIRE(file >> total >> resident);
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// What those who send are answered.
struct answers {
  explicit answers(std::size_t peers) : was_refused(peers) {}

  std::vector<bool> was_refused;
  std::atomic<std::uint64_t> refused_peers{0};
  std::atomic<std::uint64_t> refusals{0};
  std::atomic<std::uint64_t> settled{0};
  std::atomic<std::uint64_t> other_errors{0};
  std::atomic<std::uint64_t> rounds{0};
};

/// Sends one message to each peer whenever it is told. Some at a time: what waits in mailboxes is the program's memory, and
/// not what is looked at.
class crowd : public std::enable_shared_from_this<crowd> {
public:
  crowd(caf::event_based_actor* self, std::shared_ptr<answers> got, const std::vector<connection_actor>& peers)
    : self_(self), got_(std::move(got)), peers_(peers) {}

  caf::behavior behave() {
    return {[me = shared_from_this()](caf::get_atom) { me->send_from(0); }};
  }

private:
  static constexpr std::size_t at_a_time = 500;

  void send_from(std::size_t first) {
    const auto end = std::min(first + at_a_time, peers_.size());
    for (auto index = first; index < end; ++index)
      send_to(index);
    // The last one on each of the two shards answers behind all others there.
    const auto left = std::make_shared<int>(2);
    for (auto index = end - 2; index < end; ++index)
      ask(self_, peers_[index], caf::infinite, get_state{})
          .then([me = shared_from_this(), left, end](const connection_status&) {
            if (--*left > 0)
              return;
            if (end < me->peers_.size())
              me->send_from(end);
            else
              ++me->got_->rounds;
          });
  }

  void send_to(std::size_t index) {
    ask(self_, peers_[index], caf::infinite, actorwire::send{payload::copy_of(std::string(message_size, 'x')), {}})
        .then([got = got_](const sent&) { ++got->settled; },
              [got = got_, index](const caf::error& reason) {
                if (to_transport_error(reason).code != error_code::would_block) {
                  ++got->other_errors;
                  return;
                }
                ++got->refusals;
                if (!got->was_refused[index])
                  ++got->refused_peers;
                got->was_refused[index] = true;
              });
  }

  caf::event_based_actor* self_;
  std::shared_ptr<answers> got_;
  std::vector<connection_actor> peers_;
};

/// A connection of the same network that would read if there were memory.
struct reader {
  explicit reader(program& here) {
    server = here.net
                 ->listen("tcp://127.0.0.1:0",
                          [this](caf::event_based_actor*, const connection_actor& client) {
                            accepted_end = client;
                            is_there = true;
                            return minding([this](const received& data) { bytes += data.body.size(); });
                          })
                 .value();
    sender = plain_socket::connect_to(server.port);
    wait_until("the client is there", [this] { return is_there.load(); });
  }

  listening server;
  plain_socket sender;
  connection_actor accepted_end;
  std::atomic<bool> is_there{false};
  std::atomic<std::size_t> bytes{0};
};

} // namespace

TEST_CASE("10,000 peers that are held up hold no more than the network may, while reading pauses, and give it back",
          "[F3]") {
  constexpr std::uint32_t count = 10'000;
  if (const auto lack = lack_of_files_for(count); !lack.empty())
    SKIP(lack);
  talking_process deaf{{ACTORWIRE_DEAF_SERVER}};
  const auto port = deaf.await_number("listens on ");

  auto options = program::two_shards();
  options.memory_limit = memory_limit;
  options.pool.max_connections = count;
  options.pool.max_connecting = 64;
  program here{options};
  witness me{here.system};
  const auto descriptors = open_descriptors();
  std::vector<connection_actor> peers;
  for (std::uint32_t number = 0; number < count; ++number) {
    acquire_options one;
    // Stalled for as long as the machine takes.
    one.transport.operation_timeout = one.transport.keepalive_timeout = 24h;
    one.transport.keepalive_interval = 0ms;
    one.transport.protocol_settings = tcp_config{.send_buffer_size = 4'096};
    // Each must be a peer of its own, so each has options of its own.
    one.reconnection.base_delay = std::chrono::milliseconds{1'000 + number};
    peers.push_back(here.net->acquire(uri(port), one).value());
  }
  for (const auto& peer : peers)
    me.must_ask<connection_info>(peer, connect{});
  reader other{here};
  const auto resident_before = resident_bytes();

  const auto got = std::make_shared<answers>(count);
  const auto sender = here.system.spawn(
      [got, &peers](caf::event_based_actor* self) { return std::make_shared<crowd>(self, got, peers)->behave(); });
  std::uint64_t rounds = 0;
  std::size_t most_used = 0;
  while (got->refused_peers < count && rounds < 50) {
    anonymous_tell(sender, caf::get_atom_v);
    ++rounds;
    wait_until("all have handled their message", [&] {
      most_used = std::max(most_used, here.net->memory_used());
      return got->rounds == rounds;
    });
  }
  CHECK(got->refused_peers == count);
  CHECK(got->other_errors == 0);
  CHECK(most_used <= memory_limit);
  // All but what one more message would have needed.
  CHECK(most_used > memory_limit - message_size - 1'024);
  const auto resident_full = resident_bytes();
  std::cout << rounds << " rounds, " << got->refusals << " refusals, memory used " << most_used << " of "
            << memory_limit << ", process grew by " << resident_full - resident_before << "\n";
  // What sanitizers keep beside each byte is theirs. Here a quarter is for the heap, and some for who waits for answers.
  if (!is_sanitized)
    CHECK(resident_full - resident_before <= memory_limit + memory_limit / 4 + (std::size_t{16} << 20U));
  const auto pool = me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{});
  CHECK(pool.ready == count);
  CHECK(pool.losses == 0);

  // What comes in stays in the kernel, up to what that takes.
  const auto text = pattern(std::size_t{1} << 20U);
  constexpr std::size_t more_than_kernels_take = std::size_t{64} << 20U;
  std::size_t pushed = 0;
  for (int quiet = 0; quiet < 100 && pushed < more_than_kernels_take; ++quiet) {
    const auto size = other.sender.send_what_fits(text);
    pushed += size;
    if (size > 0)
      quiet = 0;
    static_cast<void>(me.must_ask<stats>(other.accepted_end, get_stats{}));
  }
  CHECK(pushed < more_than_kernels_take);
  CHECK(other.bytes == 0);
  CHECK(me.must_ask<stats>(other.accepted_end, get_stats{}).transport.bytes_received == 0);

  const auto report = me.must_ask<close_report>(here.net->supervisor(), close{close_mode::abort, 10s});
  const auto& sums = report.delivery;
  CHECK(sums.accepted.messages == rounds * count - got->refusals);
  CHECK(sums.pending == tally{});
  CHECK(sums.accepted.messages
        == sums.not_sent.messages + sums.maybe_sent.messages + sums.written.messages + sums.acked.messages);
  wait_until("everybody who asked is answered",
             [&] { return got->settled + got->other_errors + got->refusals == rounds * count; });
  wait_until("what had come in is read", [&] { return other.bytes == pushed; });
  other.sender.close();
  me.must_ask<close_report>(other.server.listener, close{close_mode::abort, 10s});
  other.accepted_end = nullptr;
  wait_until("all memory is back", [&] { return here.net->memory_used() <= 4 * (128U << 10U); });
  wait_until("all descriptors are closed", [&] { return open_descriptors() <= descriptors; });
  caf::anon_send_exit(sender, caf::exit_reason::user_shutdown);
}

TEST_CASE("while one peer is held up four others on its thread move all that they have, and it stays held up", "[F2]") {
  constexpr std::uint64_t wanted = std::uint64_t{16} << 20U;
  constexpr std::size_t others = 4;
  constexpr std::size_t window = 8;
  auto options = program::two_shards();
  options.shards = 1;
  program here{options};
  witness me{here.system};
  const plain_listener deaf{16, 4'096};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo).value();

  acquire_options patient;
  patient.transport.operation_timeout = patient.transport.keepalive_timeout = 24h;
  patient.transport.keepalive_interval = 0ms;
  patient.transport.protocol_settings = tcp_config{.send_buffer_size = 4'096};
  const auto held_up = here.net->acquire(uri(deaf.port()), patient).value();
  std::vector<connection_actor> peers;
  for (std::uint32_t number = 0; number < others; ++number) {
    acquire_options one;
    // Each must be a peer of its own, so each has options of its own.
    one.reconnection.base_delay = std::chrono::milliseconds{1'000 + number};
    peers.push_back(here.net->acquire(uri(server.port), one).value());
    me.must_ask<connection_info>(peers.back(), connect{});
  }
  me.must_ask<connection_info>(held_up, connect{});
  // It gets what it takes, and is then refused more.
  const auto message = payload::copy_of(pattern(64 << 10U));
  me.listen_to(held_up, event_mask::backpressure);
  const auto pending = [&] { return me.must_ask<stats>(held_up, get_stats{}).delivery.pending.bytes; };
  auto before = pending();
  for (auto is_full = false; !is_full;) {
    for (int count = 0; count < 100; ++count)
      anonymous_tell(held_up, cast{message, {}});
    const auto now = pending();
    is_full = now == before && now > 0;
    before = now;
  }
  CHECK(me.await<backpressure>().on);

  // One user for all of them, the one that is held up included: it owes nobody anything because of that one.
  const auto user = spawn_beside(held_up, [=, to = me.handle()](caf::event_based_actor* self) {
    tell(self, held_up, subscribe{event_mask::data | event_mask::backpressure, credit_mode::automatic});
    struct progress {
      std::map<connection_id, std::uint64_t> echoed;
      std::map<connection_id, connection_actor> whose;
      std::size_t done = 0;
    };
    const auto state = std::make_shared<progress>();
    for (const auto& peer : peers)
      ask(self, peer, caf::infinite, subscribe{event_mask::data, credit_mode::automatic})
          .then([=](const connection_status& status) {
            state->whose[status.info.id] = peer;
            for (std::size_t count = 0; count < window; ++count)
              tell(self, peer, cast{message, {}});
          });
    return minding([=](const received& data) {
      auto& echoed = state->echoed[data.source];
      const auto whole = echoed / message.size();
      echoed += data.body.size();
      // Another message for each that is back.
      for (auto count = echoed / message.size() - whole; count > 0 && echoed < wanted; --count)
        tell(self, state->whose.at(data.source), cast{message, {}});
      if (echoed >= wanted && echoed - data.body.size() < wanted && ++state->done == others)
        tell(self, to, caf::ok_atom_v);
    });
  });
  static_cast<void>(me.await<caf::ok_atom>());
  for (const auto& peer : peers) {
    const auto figures = me.must_ask<stats>(peer, get_stats{});
    CHECK(figures.transport.bytes_received >= wanted);
    CHECK(figures.generation == 1);
  }
  // Nothing of that one has moved, and nobody was told that it has.
  CHECK(pending() == before);
  CHECK_FALSE(me.await_or_nothing<backpressure>(0s));
  const auto status = me.must_ask<connection_status>(held_up, get_state{});
  CHECK(status.state == connection_state::ready);
  CHECK(status.info.generation == 1);
  const auto refused = me.try_to_ask<sent>(held_up, actorwire::send{message, {}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::would_block);
  caf::anon_send_exit(user, caf::exit_reason::user_shutdown);
}

} // namespace actorwire::test
