// Calls over real sockets: between two programs, and with programs that know nothing of the library but docs/framing.md.

#include "frame_vectors.hpp"
#include "hex.hpp"
#include "secured_program.hpp"
#include "secured_schemes.hpp"
#include "talking_process.hpp"

#include <catch2/generators/catch_generators_range.hpp>
#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire::test {

namespace {

transport_config numbered(transport_config config = settings()) {
  config.framing.mode = framing_mode::numbered;
  return config;
}

/// Answers, except to what asks for something else.
caf::behavior obliging(caf::event_based_actor* self, const connection_actor& client) {
  tell(self, client, subscribe{event_mask::data | event_mask::streams, credit_mode::automatic});
  return {
      [self, client](called& question) {
        const auto text = question.body.text();
        if (text == "ping")
          tell(self, client, actorwire::answer_to(question, payload::copy_of("pong")));
        else if (text == "refuse")
          tell(self, client, refusal_of(question, 7, "busy"));
        else if (text == "end")
          tell(self, client, close{close_mode::abort, 1s});
        else if (text != "say nothing")
          tell(self, client, actorwire::answer_to(question, question.body));
      },
      [self, client](received& data) {
        send_options by;
        by.stream = data.stream;
        tell(self, client, cast{std::move(data.body), by});
      },
      [](const connection_status&) {},
      [](const opened&) {},
      [](const state_changed&) {},
      [](const peer_closing&) {},
      [](const stream_opened&) {},
      [](const stream_closed&) {},
      [](const data_lost&) {},
      [](const backpressure&) {},
  };
}

actorwire::call with_text(std::string_view text, send_options options = {}, std::chrono::milliseconds timeout = {}) {
  return {payload::copy_of(text), options, timeout};
}

/// Waits for as many bytes.
std::string take(const plain_socket& from, std::size_t size) {
  std::string bytes(size, '\0');
  REQUIRE(::recv(from.descriptor(), bytes.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
  return bytes;
}

const auto call_frame = bytes_of_hex(frame_vectors[2].hex);
const auto answer_frame = bytes_of_hex(frame_vectors[3].hex);
const auto refusal_frame = bytes_of_hex(frame_vectors[4].hex);

} // namespace

TEST_CASE("one program calls another over every transport", "[D2]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  program there;
  program here;
  witness me{here.system};
  const auto server = there.net->listen(scheme + "://127.0.0.1:0", obliging, to_listen(numbered()));
  if (!server)
    FAIL(to_string(server.error()));
  const auto peer =
      here.net->acquire(scheme + "://127.0.0.1:" + std::to_string(server->port), to_acquire(numbered())).value();
  const auto pong = me.must_ask<answered>(peer, with_text("ping"));
  CHECK(pong.body.text() == "pong");
  CHECK(pong.generation == 1);
  const auto large = pattern(1'000'000);
  CHECK((me.must_ask<answered>(peer, with_text(large, {.wanted = outcome::acked})).body.text() == large));
  const auto refused = me.try_to_ask<answered>(peer, with_text("refuse"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::call_refused);
  CHECK(refused.error().system_code == 7);
  CHECK(refused.error().text == "busy");
  const auto silent = me.try_to_ask<answered>(peer, with_text("say nothing", {}, 50ms));
  REQUIRE_FALSE(silent);
  CHECK(silent.error().code == error_code::call_unanswered);
  CHECK(may_have_been_handled(silent.error()));
  const auto cut = me.try_to_ask<answered>(peer, with_text("end"));
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == error_code::call_unanswered);
  CHECK(may_have_been_handled(cut.error()));
  // The peer is connected anew, and calls on.
  CHECK(me.must_ask<answered>(peer, with_text("ping")).generation == 2);
  const auto figures = me.must_ask<stats>(peer, get_stats{});
  CHECK(figures.lifetime.calls == call_totals{6, 3, 1, 2, 0});
  CHECK(figures.delivery.accepted.messages == 6);
}

TEST_CASE("a thousand calls at once are answered, each with its own", "[D2]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  program there;
  program here;
  const auto server = there.net->listen(scheme + "://127.0.0.1:0", obliging, to_listen(numbered())).value();
  const auto peer =
      here.net->acquire(scheme + "://127.0.0.1:" + std::to_string(server.port), to_acquire(numbered())).value();
  std::atomic<int> right{0};
  std::atomic<int> wrong{0};
  for (int asker = 0; asker < 4; ++asker)
    here.system.spawn([&, peer, asker](caf::event_based_actor* self) {
      for (int count = 0; count < 250; ++count) {
        const auto text = std::to_string(asker) + "/" + std::to_string(count);
        // As long as the machine needs: it is not the time of a call that ends this test.
        ask(self, peer, caf::infinite, with_text(text, {}, 10min))
            .then([&, text](const answered& reply) { ++(reply.body.text() == text ? right : wrong); },
                  [&](const caf::error&) { ++wrong; });
      }
    });
  for (int known = 0; known < 1'000; known = right + wrong)
    wait_until("another call is answered", [&] { return right + wrong > known; });
  CHECK(right == 1'000);
}

#if ACTORWIRE_QUIC
TEST_CASE("calls go over streams of their own", "[D2]") {
  program there;
  program here;
  witness me{here.system};
  const auto server = there.net->listen("quic://127.0.0.1:0", obliging, to_listen(numbered())).value();
  const auto peer = here.net->acquire(quic_uri(server.port), to_acquire(numbered())).value();
  me.must_ask<connection_info>(peer, connect{});
  send_options on_it;
  on_it.stream = me.must_ask<stream_opened>(peer, open_stream{}).stream;
  CHECK(me.must_ask<answered>(peer, with_text("ping", on_it)).body.text() == "pong");
  CHECK(me.try_to_ask<answered>(peer, with_text("refuse", on_it)).error().code == error_code::call_refused);
  on_it.stream = me.must_ask<stream_opened>(peer, open_stream{stream_direction::unidirectional, {}}).stream;
  CHECK(me.try_to_ask<answered>(peer, with_text("ping", on_it)).error().code == error_code::stream_closed);
}
#endif

TEST_CASE("a client that speaks by hand calls, and is answered byte by byte as documented") {
  program here;
  const auto server = here.net->listen("tcp://127.0.0.1:0", obliging, to_listen(numbered({}))).value();
  auto client = plain_socket::connect_to(server.port);
  client.send(call_frame);
  CHECK(take(client, answer_frame.size()) == answer_frame);
  // In two pieces, with data in front.
  const auto data_frame = bytes_of_hex(frame_vectors[0].hex);
  auto refused = bytes_of_hex("00 00 00 0f 01 00 00 00 00 00 00 00 01") + "refuse";
  client.send(data_frame + refused.substr(0, 7));
  client.send(refused.substr(7));
  CHECK(take(client, data_frame.size()) == data_frame);
  CHECK(take(client, refusal_frame.size()) == refusal_frame);
  // A frame that there is not ends the connection.
  client.send(bytes_of_hex(malformed_vectors[1].hex));
  char more = 0;
  CHECK(::recv(client.descriptor(), &more, 1, 0) <= 0);
}

TEST_CASE("the client that the documentation shows calls") {
  if (!is_installed("python3"))
    SKIP("python3 is not installed");
  program here;
  const auto server = here.net->listen("tcp://127.0.0.1:0", obliging, to_listen(numbered({}))).value();
  const auto port = std::to_string(server.port);
  CHECK(talking_process{{"python3", ACTORWIRE_NUMBERED_CLIENT, port, "ping"}}.await_end() == "answered pong\n");
  CHECK(talking_process{{"python3", ACTORWIRE_NUMBERED_CLIENT, port, "refuse"}}.await_end() == "refused with 7 busy\n");
}

TEST_CASE("a server that speaks by hand is called byte by byte as documented") {
  program here;
  plain_listener server;
  const auto peer = here.net->acquire(uri(server.port()), to_acquire(numbered({}))).value();
  auto client = server.accept();
  std::atomic<int> told{0};
  std::string answer_text;
  transport_error refusal;
  const auto asker = here.system.spawn([&, peer](caf::event_based_actor* self) {
    ask(self, peer, caf::infinite, with_text("ping")).then([&](const answered& reply) {
      answer_text = reply.body.text();
      ++told;
    });
    ask(self, peer, caf::infinite, with_text("ping"))
        .then([&](const answered&) { ++told; },
              [&](const caf::error& reason) {
                refusal = to_transport_error(reason);
                ++told;
              });
  });
  CHECK(take(client, call_frame.size()) == call_frame);
  const auto second = take(client, call_frame.size());
  CHECK(second == bytes_of_hex("00 00 00 0d 01 00 00 00 00 00 00 00 02 70 69 6e 67"));
  client.send(bytes_of_hex("00 00 00 0e 03 00 00 00 00 00 00 00 02 07") + "busy" + answer_frame);
  wait_until("both calls are answered", [&] { return told == 2; });
  CHECK(answer_text == "pong");
  CHECK(refusal.code == error_code::call_refused);
  CHECK(refusal.system_code == 7);
  CHECK(refusal.text == "busy");
}

} // namespace actorwire::test
