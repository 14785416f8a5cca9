// Clients that connect and never finish their handshake: honest ones are served all the while, and whoever floods is
// counted, bounded and thrown out. Nothing is timed here; `bench_flood` measures what it costs.

#include "certificates.hpp"
#include "program.hpp"

#include <arpa/inet.h>
#include <sys/resource.h>

#include <array>
#include <vector>

namespace actorwire::test {

namespace {

/// The head of a record and of a ClientHello that announce 512 bytes which never come (RFC 8446, 4.1.2 and 5.1).
constexpr std::string_view begun_hello{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11};

listen_config bounded(std::uint32_t handshakes, std::uint32_t for_each_address) {
  listen_config config;
  const auto own = identity_in_memory("server-ec");
  config.transport.tls.certificate = own.certificate;
  config.transport.tls.key = own.key;
  config.max_handshakes = handshakes;
  config.max_handshakes_per_address = for_each_address;
  // Nobody times out while a test looks, unless it asks for that.
  config.transport.attempt_timeout = 10min;
  return config;
}

listening must_listen(program& here, const listen_config& config) {
  auto made = here.net->listen("tls://127.0.0.1:0", echo, config);
  if (!made)
    FAIL(to_string(made.error()));
  return std::move(*made);
}

/// Connects from 127.0.`group`.`number`, which like all of 127.0.0.0/8 is this machine.
plain_socket connect_from(std::uint8_t group, std::uint8_t number, std::uint16_t port) {
  plain_socket made{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in mine{};
  mine.sin_family = AF_INET;
  mine.sin_addr.s_addr = htonl(0x7f000000U | std::uint32_t{group} << 8U | number);
  REQUIRE(::bind(made.descriptor(), reinterpret_cast<const sockaddr*>(&mine), sizeof mine) == 0);
  const auto where = plain_socket::loopback(port);
  REQUIRE(::connect(made.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  return made;
}

bool has_ended(plain_socket& client) {
  const auto now = client.receive_now();
  return now.ended || now.error == ECONNRESET;
}

/// Waits for the end of the stream, whatever comes before.
void await_end(plain_socket& client) {
  std::array<char, 256> ignored{};
  auto got = ssize_t{1};
  while (got > 0)
    got = ::recv(client.descriptor(), ignored.data(), ignored.size(), 0);
  CHECK((got == 0 || errno == ECONNRESET));
}

/// Peers with connections of their own.
class honest_clients {
public:
  honest_clients(program& here, const listening& server) : here_(here), port_(server.port) {
    options_.transport.tls.trust.text = certificate_text("root.pem");
    options_.transport.tls.server_name = "localhost";
    options_.transport.tls.session_resumption = false;
  }

  connection_actor next() {
    // A pool has one peer for equal options.
    options_.reconnection.base_delay = std::chrono::milliseconds{100 + ++count_};
    return here_.net->acquire("tls://127.0.0.1:" + std::to_string(port_), options_).value();
  }

private:
  program& here_;
  std::uint16_t port_;
  acquire_options options_;
  int count_ = 0;
};

bool is_echoed(witness& me, const connection_actor& through, std::string_view text) {
  anonymous_tell(through, cast{payload::copy_of(text), {}});
  return me.await_bytes(text.size()) == text;
}

listener_stats stats_of(witness& me, const listening& server) {
  return me.must_ask<listener_stats>(server.listener, get_listener_stats{});
}

} // namespace

TEST_CASE("honest clients are all served while 300 others hold every place of those who have not finished") {
  constexpr std::uint32_t places = 128;
  constexpr std::uint32_t attackers = 300;
  // Each keeps a descriptor on both sides.
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);

  program here;
  witness me{here.system};
  const auto server = must_listen(here, bounded(places, 16));
  honest_clients honest{here, server};
  const auto early = honest.next();
  me.must_ask<connection_info>(early, connect{});
  me.listen_to(early, event_mask::data);
  const auto memory_before = here.net->memory_used();

  std::vector<plain_socket> flood;
  const auto attack = [&](std::uint32_t index) {
    auto one = connect_from(1, static_cast<std::uint8_t>(1 + index % 30), server.port);
    // Half of them say nothing, and half begin to.
    if (index % 2 == 0)
      one.send(begun_hello.substr(0, 1 + index % begun_hello.size()));
    return one;
  };
  for (std::uint32_t index = 0; index < attackers; ++index)
    flood.push_back(attack(index));
  wait_until("all of them are accepted or turned away", [&] {
    const auto now = stats_of(me, server);
    return now.accepted + now.handshakes_refused >= attackers + 1;
  });
  const auto full = stats_of(me, server);
  CHECK(full.handshaking == places);
  CHECK(full.handshakes_evicted + full.handshakes_refused == attackers - places);

  // Whoever was thrown out comes back, as often as honest clients come.
  std::vector<connection_actor> served;
  for (std::uint32_t index = 0; index < 40; ++index) {
    for (std::uint32_t again = 0; again < 4; ++again)
      flood[(index * 4 + again) % attackers] = attack(index * 4 + again);
    served.push_back(honest.next());
    CHECK(me.must_ask<connection_info>(served.back(), connect{}).generation == 1);
    CHECK(is_echoed(me, early, "ping"));
  }
  for (const auto& each : served) {
    me.listen_to(each, event_mask::data);
    CHECK(is_echoed(me, each, "pong"));
  }
  wait_until("the rest has been dealt with", [&] { return stats_of(me, server).handshaking <= places; });
  const auto after = stats_of(me, server);
  CHECK(after.handshakes_evicted + after.handshakes_refused > full.handshakes_evicted + full.handshakes_refused);
  CHECK(after.accepting);
  CHECK(after.accept_errors == 0);
  // Whoever has not finished keeps no buffers: a few slabs for each shard are all there is.
  CHECK(here.net->memory_used() <= memory_before + 2 * 8 * (128U << 10U));

  const auto pools = me.must_ask<pool_stats>(here.net->supervisor(), get_pool_stats{});
  CHECK(pools.losses == 0);
  // All of them the first time, and not after having been thrown out.
  CHECK(pools.attempts == served.size() + 1);
  flood.clear();
  wait_until("all of them have gone", [&] { return stats_of(me, server).open == served.size() + 1; });
  CHECK(stats_of(me, server).handshaking == 0);
}

TEST_CASE("one address gets no more than its share, and keeps nobody else out") {
  constexpr std::uint32_t share = 8;
  program here;
  witness me{here.system};
  const auto server = must_listen(here, bounded(64, share));
  std::vector<plain_socket> greedy;
  for (std::uint32_t count = 0; count < share; ++count)
    greedy.push_back(connect_from(1, 1, server.port));
  wait_until("it has its share", [&] { return stats_of(me, server).handshaking == share; });
  for (std::uint32_t count = 0; count < 20; ++count) {
    auto one_more = connect_from(1, 1, server.port);
    await_end(one_more);
  }
  auto now = stats_of(me, server);
  CHECK(now.handshaking == share);
  CHECK(now.handshakes_refused == 20);
  CHECK(now.handshakes_evicted == 0);
  CHECK(now.accepted == share);
  CHECK(std::ranges::none_of(greedy, has_ended));

  // Another address is not in its way, and its own gets in again when one of its clients has gone.
  honest_clients honest{here, server};
  const auto neighbour = honest.next();
  CHECK(me.must_ask<connection_info>(neighbour, connect{}).generation == 1);
  greedy.pop_back();
  wait_until("its place is free", [&] { return stats_of(me, server).handshaking == share - 1; });
  greedy.push_back(connect_from(1, 1, server.port));
  wait_until("it is taken again", [&] { return stats_of(me, server).handshaking == share; });
  now = stats_of(me, server);
  CHECK(now.handshakes_refused == 20);
  CHECK(std::ranges::none_of(greedy, has_ended));
}

TEST_CASE("the oldest that has not finished goes first, whether it has said something or not") {
  constexpr std::uint8_t places = 10;
  program here;
  witness me{here.system};
  const auto server = must_listen(here, bounded(places, places));
  std::vector<plain_socket> waiting;
  for (std::uint8_t number = 0; number < places; ++number) {
    waiting.push_back(connect_from(1, static_cast<std::uint8_t>(1 + number), server.port));
    if (number % 2 == 0)
      waiting.back().send(begun_hello);
    wait_until("it is accepted", [&] { return stats_of(me, server).accepted == number + 1U; });
  }
  std::vector<plain_socket> newcomers;
  for (std::size_t next = 0; next < places; ++next) {
    CAPTURE(next);
    newcomers.push_back(connect_from(2, static_cast<std::uint8_t>(1 + next), server.port));
    await_end(waiting[next]);
    CHECK(stats_of(me, server).handshakes_evicted == next + 1);
    CHECK(std::none_of(waiting.begin() + static_cast<std::ptrdiff_t>(next) + 1, waiting.end(), has_ended));
  }
  CHECK(std::ranges::none_of(newcomers, has_ended));
  CHECK(stats_of(me, server).handshakes_refused == 0);
}

TEST_CASE("whoever says nothing, or not enough, is gone after attempt_timeout") {
  program here;
  witness me{here.system};
  auto config = bounded(64, 64);
  config.transport.connect_timeout = 50ms;
  config.transport.attempt_timeout = 50ms;
  const auto server = must_listen(here, config);
  std::vector<plain_socket> slow;
  for (std::uint8_t index = 0; index < 20; ++index) {
    slow.push_back(connect_from(1, 1, server.port));
    if (index % 2 == 0)
      slow.back().send(begun_hello);
  }
  for (auto& each : slow)
    await_end(each);
  wait_until("none of them is left", [&] {
    const auto now = stats_of(me, server);
    return now.open == 0 && now.handshaking == 0;
  });
  const auto now = stats_of(me, server);
  CHECK(now.accepted == slow.size());
  CHECK(now.handshakes_refused == 0);
  CHECK(now.handshakes_evicted == 0);
}

} // namespace actorwire::test
