// TLS over the system's sockets, with another side that does what no honest one would.

#include "../../unit/transports/tls_sides.hpp"
#include "edge/accept_tls.hpp"
#include "edge/tcp_transport.hpp"
#include "socket_fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

constexpr auto unlimited = std::numeric_limits<std::size_t>::max();

/// The other side: an engine and a plain socket, of which the test has every byte in its hands.
class stranger {
public:
  explicit stranger(std::unique_ptr<side> engine) : talk_(std::move(engine)) {}

  [[nodiscard]] side& talk() noexcept { return *talk_; }
  plain_socket socket;

  /// Takes what has come, answers what it asks for.
  void step() {
    auto got = socket.receive_now();
    if (!got.text.empty())
      talk_->feed(got.text);
    if (got.ended && !ended) {
      ended = true;
      talk_->engine.end_input();
    }
    talk_->advance();
    flush();
  }

  void say(std::string_view words) {
    talk_->say(words);
    flush();
  }

  void flush() {
    unsent_ += talk_->take_output();
    const auto count = socket.send_what_fits(std::string_view{unsent_}.substr(0, sends_at_most));
    sends_at_most -= count;
    sent_ += count;
    unsent_.erase(0, count);
  }

  /// How much it has sent and would send.
  [[nodiscard]] std::size_t length() const noexcept { return sent_ + unsent_.size(); }

  std::size_t sends_at_most = unlimited;
  bool ended = false;

private:
  std::unique_ptr<side> talk_;
  std::string unsent_;
  std::size_t sent_ = 0;
};

/// A server that was accepted, and a client that is a stranger.
class served {
public:
  explicit served(stepped_shard& where, const tls_config& server = good_server(),
                  const tls_config& client = good_client())
    : here(where), far(std::make_unique<side>(credentials(tls_role::client, client), std::string{"localhost"})) {
    plain_listener listener;
    far.socket = plain_socket::connect_to(listener.port());
    wire = accept_tls(here.run, adopt_tcp_socket(here.run, listener.accept().release(), stream_end::marked_within),
                      credentials(tls_role::server, server));
  }
  ~served() {
    if (wire)
      wire->detach();
    here.settle();
  }

  void start() { REQUIRE(wire->init({}, seen)); }
  void connect() {
    start();
    until([&] { return seen.connected && far.talk().is_done; });
  }
  void until(const std::function<bool()>& reached) {
    here.until([&] {
      if (far.socket.descriptor() >= 0)
        far.step();
      return reached();
    });
  }
  void settle() {
    for (int count = 0; count < 5; ++count) {
      if (far.socket.descriptor() >= 0)
        far.step();
      here.settle();
    }
  }

  stepped_shard& here;
  recording_observer seen;
  stranger far;
  local_ref<transport> wire;
};

} // namespace

TEST_CASE("a connection is over when both sides said so, though the peer keeps its socket") {
  stepped_shard here;
  served both{here};
  both.connect();
  both.wire->receive(unlimited);
  both.far.say("last words");
  both.far.talk().engine.close_sending();
  both.far.flush();
  both.until([&] { return both.seen.peer_finished == 1; });
  CHECK(both.seen.text == "last words");
  both.wire->finish();
  both.until([&] {
    here.time.advance(100ms);
    return both.seen.closed.has_value();
  });
  CHECK(both.seen.closed->code == error_code::closed);
}

TEST_CASE("what follows the peer's end is ignored, and takes no memory") {
  stepped_shard here;
  served both{here};
  both.connect();
  both.wire->receive(unlimited);
  both.far.talk().engine.close_sending();
  both.far.flush();
  both.until([&] { return both.seen.peer_finished == 1; });
  const auto junk = pattern(std::size_t{1} << 20U);
  std::size_t most = 0;
  for (int count = 0; count < 40; ++count) {
    both.far.socket.send_what_fits(junk);
    here.settle();
    most = std::max(most, here.budget->used());
  }
  CHECK(most <= std::size_t{1} << 20U);
  CHECK(both.seen.text.empty());
}

TEST_CASE("the reason for an end is the first, whatever is sent meanwhile") {
  stepped_shard here;
  served both{here};
  both.connect();
  both.wire->receive(unlimited);
  both.seen.then_received = [&] {
    const auto answer = piece("answer");
    const auto taken = both.wire->send({&answer, 1});
    CHECK((!taken || *taken == 0));
  };
  // A record that is good, and one that is not, at once.
  both.far.talk().say("words");
  const auto good = both.far.talk().take_output();
  both.far.talk().say("forged");
  auto bad = both.far.talk().take_output();
  bad.back() = static_cast<char>(bad.back() ^ 1);
  both.far.socket.send(good + bad);
  both.until([&] { return both.seen.closed.has_value(); });
  CHECK(both.seen.text == "words");
  CHECK(both.seen.closed->code == error_code::malformed);
}

TEST_CASE("at the memory limit connections pause, and all go on when memory comes back") {
  const auto is_gradual = GENERATE(true, false);
  CAPTURE(is_gradual);
  stepped_shard here{std::size_t{1} << 20U};
  std::vector<std::unique_ptr<served>> all;
  for (int count = 0; count < 8; ++count) {
    all.push_back(std::make_unique<served>(here));
    all.back()->connect();
    all.back()->seen.keeps_payloads = true;
  }
  const auto bytes = pattern(2'000'000);
  for (auto& each : all) {
    each->wire->receive(unlimited);
    each->far.say(bytes);
  }
  const auto received = [&] {
    std::size_t sum = 0;
    for (const auto& each : all)
      sum += each->seen.text.size();
    return sum;
  };
  for (std::size_t before = 1; received() != before;) {
    before = received();
    for (auto& each : all)
      each->settle();
    here.time.advance(10ms);
  }
  CHECK(here.budget->used() <= here.budget->limit());
  CHECK(received() < here.budget->limit());
  for (auto& each : all)
    each->seen.keeps_payloads = false;
  here.until([&] {
    for (auto& each : all) {
      auto& kept = each->seen.payloads;
      if (!kept.empty())
        kept.erase(kept.begin(), is_gradual ? kept.begin() + 1 : kept.end());
      each->far.step();
    }
    here.time.advance(10ms);
    return received() == all.size() * bytes.size();
  });
  for (auto& each : all)
    CHECK((each->seen.text == bytes));
}

TEST_CASE("a peer that goes at any byte of the handshake or of the first records is a loss, told once") {
  const auto resets = GENERATE(false, true);
  const auto reads = GENERATE(false, true);
  CAPTURE(resets, reads);
  stepped_shard here;
  for (std::size_t length = 0, whole = 1; length < whole; ++length) {
    served both{here};
    both.far.sends_at_most = length;
    both.start();
    if (reads)
      both.wire->receive(unlimited);
    both.far.talk().say("first");
    both.settle();
    both.far.talk().say("second");
    both.settle();
    whole = both.far.length() + 1;
    if (resets)
      both.far.socket.reset();
    else
      both.far.socket.finish();
    here.settle();
    // Behind records that nobody has read, the end is met when they are.
    if (both.seen.connected && !both.seen.closed)
      both.wire->receive(unlimited);
    here.until([&] { return both.seen.closed.has_value(); });
    CHECK(both.seen.closed_count == 1);
    CHECK(both.seen.peer_finished == 0);
    CHECK(both.seen.closed->code != error_code::closed);
    CHECK(both.seen.connected == (both.seen.closed->where != phase::handshake));
    CHECK(std::string_view{"firstsecond"}.starts_with(both.seen.text));
  }
}

} // namespace actorwire::test
