// 0-RTT through actors, over real sockets: what a program calls idempotent leaves with the first packet.

#include "secured_program.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace actorwire::test {

namespace {

constexpr send_options may_arrive_twice{.idempotent = true};

transport_config with_early_data(bool whether = true) {
  auto config = settings();
  quic_config quic;
  quic.early_data = whether;
  config.protocol_settings = quic;
  return config;
}

quic_metrics metrics_of(witness& me, const connection_actor& peer) {
  return std::get<quic_metrics>(me.must_ask<stats>(peer, get_stats{}).transport.metrics);
}

/// A program that was here before, and so has a session to come back with.
struct returning_program : program {
  explicit returning_program(bool early_data = true) {
    server = net->listen("quic://127.0.0.1:0", echo, to_listen(with_early_data(early_data))).value();
    const auto peer = net->acquire(quic_uri(server.port), to_acquire(with_early_data())).value();
    me.listen_to(peer, event_mask::data);
    CHECK_FALSE(talk_to(peer, "first"));
    me.must_ask<close_report>(peer, close{close_mode::drain, 5s});
  }

  /// Says something and hears it back; returns whether the server has taken early data.
  bool talk_to(const connection_actor& peer, std::string_view text) {
    anonymous_tell(peer, cast{payload::copy_of(text), may_arrive_twice});
    CHECK(me.await_bytes(text.size()) == text);
    return metrics_of(me, peer).early_data_accepted;
  }

  witness me{system};
  listening server;
};

} // namespace

TEST_CASE("a peer that comes back sends what may arrive twice with its first packet") {
  returning_program here;
  const auto peer = here.net->acquire(quic_uri(here.server.port), to_acquire(with_early_data())).value();
  here.me.listen_to(peer, event_mask::data);
  CHECK(here.talk_to(peer, "early"));
  anonymous_tell(peer, cast{payload::copy_of(", late"), {}});
  CHECK(here.me.await_bytes(6) == ", late");
  wait_until("its handshake is known to be done", [&] {
    return here.me.must_ask<listener_stats>(here.server.listener, get_listener_stats{}).handshaking == 0;
  });
}

TEST_CASE("messages keep their order, whatever of them leaves early") {
  returning_program here;
  const auto peer = here.net->acquire(quic_uri(here.server.port), to_acquire(with_early_data())).value();
  std::string all;
  for (int index = 0; index < 400; ++index) {
    auto text = std::to_string(index) + pattern(500).substr(0, static_cast<std::size_t>(index)) + ";";
    all += text;
    anonymous_tell(peer, cast{payload::copy_of(text), index == 250 ? send_options{} : may_arrive_twice});
  }
  here.me.listen_to(peer, event_mask::data);
  CHECK((here.me.await_bytes(all.size()) == all));
  CHECK(metrics_of(here.me, peer).early_data_accepted);
  const auto totals = here.me.must_ask<stats>(peer, get_stats{}).delivery;
  CHECK(totals.written.messages == 400);
}

TEST_CASE("what a server refuses of the first packet arrives once, after the handshake") {
  returning_program here{false};
  const auto peer = here.net->acquire(quic_uri(here.server.port), to_acquire(with_early_data())).value();
  here.me.listen_to(peer, event_mask::data);
  CHECK_FALSE(here.talk_to(peer, "early"));
  CHECK_FALSE(here.talk_to(peer, "late"));
}

TEST_CASE("what leaves early while nobody listens arrives when somebody does") {
  returning_program here;
  here.me.must_ask<close_report>(here.server.listener, close{close_mode::drain, 5s});
  const auto peer = here.net->acquire(quic_uri(here.server.port), to_acquire(with_early_data())).value();
  here.me.listen_to(peer, event_mask::data | event_mask::state);
  anonymous_tell(peer, cast{payload::copy_of("early"), may_arrive_twice});
  // Two attempts at least have taken it, and failed.
  for (int failed = 0; failed < 3;)
    failed += here.me.await<state_changed>().to == connection_state::backoff ? 1 : 0;
  CHECK(here.me.must_ask<stats>(peer, get_stats{}).delivery.pending.messages == 1);
  // The last words of connections keep the port for a moment, in which clients are refused.
  auto again = here.net->listen(quic_uri(here.server.port), echo, to_listen(with_early_data()));
  for (; !again; again = here.net->listen(quic_uri(here.server.port), echo, to_listen(with_early_data()))) {
    REQUIRE(again.error().code == error_code::address_in_use);
    here.me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  }
  here.server = std::move(*again);
  CHECK(here.me.await_bytes(5) == "early");
  CHECK(here.talk_to(peer, "more") == metrics_of(here.me, peer).early_data_accepted);
  const auto totals = here.me.must_ask<stats>(peer, get_stats{}).delivery;
  CHECK(totals.written.messages == 2);
  CHECK(totals.not_sent.messages + totals.maybe_sent.messages == 0);
}

} // namespace actorwire::test
