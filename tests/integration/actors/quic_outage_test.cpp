// A client whose address is taken away, for a while or for good, in a network namespace of its own. It is a program of
// its own, because a namespace is for the whole life of a process.

#include "digest.hpp"
#include "secured_program.hpp"

#include <sched.h>

#include <cstdlib>
#include <string>

namespace actorwire::test {

namespace {

void run(const std::string& command) {
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0); // NOLINT(cert-env33-c): words of this file only
}

/// From now on the way to this machine itself begins at `address`.
void live_at(const std::string& address) {
  run("ip address add " + address + "/32 dev lo");
  run("ip route replace local 127.0.0.1/32 dev lo table local src " + address);
}

void leave(const std::string& address) {
  run("ip address del " + address + "/32 dev lo");
}

/// Moves this program into a network of its own, where nothing is; false if its user may not.
bool begin_alone() {
  return ::unshare(CLONE_NEWNET) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

/// A client that is connected to an echo, both in this program.
struct connected_program : program {
  /// `host` as it stands in a URI.
  explicit connected_program(const std::string& host, const acquire_options& options = to_acquire())
    : server(net->listen("quic://" + host + ":0", echo, to_listen()).value()),
      peer(net->acquire("quic://" + host + ":" + std::to_string(server.port), options).value()),
      info(me.must_ask<connection_info>(peer, connect{})) {
    me.listen_to(peer, event_mask::data | event_mask::state);
  }

  void say(const std::string& text) { anonymous_tell(peer, cast{payload::copy_of(text), {}}); }
  [[nodiscard]] bool hears(const std::string& text) { return me.await_bytes(text.size()) == text; }
  [[nodiscard]] std::uint64_t generation() { return me.must_ask<connection_info>(peer, connect{}).generation; }

  witness me{system};
  listening server;
  connection_actor peer;
  connection_info info;
};

acquire_options that_stay() {
  auto config = settings();
  quic_config quic;
  quic.migration = quic_migration::refuse;
  config.protocol_settings = quic;
  return to_acquire(config);
}

} // namespace

TEST_CASE("a connection that may not move outlives the time without any way to its server") {
  if (!begin_alone())
    SKIP("this user may make no network namespace");
  run("ip link set lo up");
  live_at("10.99.0.1");
  connected_program here{"127.0.0.1", that_stay()};
  CHECK(here.info.local_address.starts_with("10.99.0.1:"));
  const auto text = pattern(300'000);
  here.say(text);
  CHECK(here.hears(text));
  leave("10.99.0.1");
  const auto sent_before = here.me.must_ask<stats>(here.peer, get_stats{}).transport.bytes_sent;
  here.say(text);
  // All that may be on its way has been handed to a system that takes none of it.
  wait_until("the connection tries to send",
             [&] { return here.me.must_ask<stats>(here.peer, get_stats{}).transport.bytes_sent > sent_before; });
  CHECK_FALSE(here.me.await_or_nothing<received>(300ms));
  run("ip address add 10.99.0.1/32 dev lo");
  CHECK(here.hears(text));
  CHECK(here.generation() == here.info.generation);
}

TEST_CASE(
    "a connection whose address is taken away in the middle of a transfer goes on from another one, again and again") {
  if (!begin_alone())
    SKIP("this user may make no network namespace");
  run("ip link set lo up");
  live_at("10.99.0.1");
  connected_program here{"127.0.0.1"};
  CHECK(here.info.local_address.starts_with("10.99.0.1:"));
  std::string expected;
  std::string arrived;
  for (const std::string number : {"2", "3", "4"}) {
    const auto text = pattern(1'000'000);
    expected += text + text;
    here.say(text);
    arrived += here.me.await_bytes(text.size() / 4);
    live_at("10.99.0." + number);
    leave("10.99.0." + std::to_string(std::stoi(number) - 1));
    // However fast the first half was.
    here.say(text);
    const auto moved = here.me.await<address_changed>();
    CHECK(moved.local_address.starts_with("10.99.0." + number + ":"));
    CHECK(moved.generation == here.info.generation);
    arrived += here.me.await_bytes(expected.size() - arrived.size());
  }
  CHECK(sha256_of(arrived) == sha256_of(expected));
  CHECK(here.generation() == here.info.generation);
}

TEST_CASE("a connection without any way to its server takes the next one that there is, from wherever it begins") {
  if (!begin_alone())
    SKIP("this user may make no network namespace");
  run("ip link set lo up");
  live_at("10.99.0.1");
  connected_program here{"127.0.0.1"};
  const auto text = pattern(300'000);
  here.say(text);
  CHECK(here.hears(text));
  leave("10.99.0.1");
  run("ip link set lo down");
  here.say(text);
  CHECK_FALSE(here.me.await_or_nothing<received>(300ms));
  run("ip link set lo up");
  live_at("10.99.0.2");
  const auto moved = here.me.await<address_changed>();
  CHECK(moved.generation == here.info.generation);
  CHECK(here.hears(text));
}

TEST_CASE(
    "a connection of IPv6 whose address is taken away goes on from another one, although nothing fails to be sent") {
  if (!begin_alone())
    SKIP("this user may make no network namespace");
  const auto begin_at = [](const std::string& address) {
    run("ip -6 address add " + address + "/128 dev lo nodad");
    run("ip -6 route replace local fd77::1 dev lo table local metric 1 src " + address);
  };
  run("ip link set lo up");
  run("ip -6 address add fd77::1/128 dev lo nodad");
  run("ip -6 route del local fd77::1 table local");
  begin_at("fd99::1");
  connected_program here{"[fd77::1]"};
  CHECK(here.info.local_address.starts_with("[fd99::1]:"));
  const auto text = pattern(300'000);
  here.say(text);
  CHECK(here.hears(text));
  begin_at("fd99::2");
  run("ip -6 address del fd99::1/128 dev lo");
  here.say(text);
  const auto moved = here.me.await<address_changed>();
  CHECK(moved.local_address.starts_with("[fd99::2]:"));
  CHECK(moved.generation == here.info.generation);
  CHECK(here.hears(text));
}

} // namespace actorwire::test
