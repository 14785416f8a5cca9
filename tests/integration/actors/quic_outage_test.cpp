// A client whose address is taken away for a while, in a network namespace of its own. It is a program of
// its own, because a namespace is for the whole life of a process.

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

} // namespace

TEST_CASE("a connection outlives the time without any way to its server") {
  if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
    SKIP("this user may make no network namespace");
  run("ip link set lo up");
  live_at("10.99.0.1");
  program here;
  witness me{here.system};
  const auto server = here.net->listen("quic://127.0.0.1:0", echo, to_listen()).value();
  const auto peer = here.net->acquire(quic_uri(server.port), to_acquire()).value();
  const auto info = me.must_ask<connection_info>(peer, connect{});
  CHECK(info.local_address.starts_with("10.99.0.1:"));
  me.listen_to(peer, event_mask::data | event_mask::state);
  const auto text = pattern(300'000);
  anonymous_tell(peer, cast{payload::copy_of(text), {}});
  CHECK((me.await_bytes(text.size()) == text));
  run("ip address del 10.99.0.1/32 dev lo");
  const auto sent_before = me.must_ask<stats>(peer, get_stats{}).transport.bytes_sent;
  anonymous_tell(peer, cast{payload::copy_of(text), {}});
  // All that may be on its way has been handed to a system that takes none of it.
  wait_until("the connection tries to send",
             [&] { return me.must_ask<stats>(peer, get_stats{}).transport.bytes_sent > sent_before; });
  CHECK_FALSE(me.await_or_nothing<received>(300ms));
  run("ip address add 10.99.0.1/32 dev lo");
  CHECK((me.await_bytes(text.size()) == text));
  CHECK(me.must_ask<connection_info>(peer, connect{}).generation == info.generation);
}

} // namespace actorwire::test
