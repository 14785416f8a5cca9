// How a TCP connection ends: in order, by a reset, by this side, and in the middle of a callback.

#include "tcp_sides.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

TEST_CASE("after the peer's end we may go on sending, and our end completes the connection") {
  stepped_shard here;
  dialled both{here};
  both.near.wire->receive(unlimited);
  both.far.send("question");
  both.far.finish();
  here.until([&] { return both.near.seen.peer_finished == 1; });
  CHECK(both.near.seen.text == "question");
  here.settle();
  CHECK_FALSE(both.near.seen.closed);
  send(*both.near.wire, "answer");
  both.near.wire->finish();
  CHECK_FALSE(both.near.seen.closed);
  here.until([&] { return both.near.seen.closed.has_value(); });
  CHECK(both.near.seen.closed->code == error_code::closed);
  CHECK(both.near.seen.closed->who == origin::remote);
  CHECK(both.near.seen.peer_finished == 1);
  const auto got = both.far.receive_now();
  CHECK(got.text == "answer");
  CHECK(got.ended);
}

TEST_CASE("the connection counts as closed only when the peer has acknowledged every byte") {
  stepped_shard here;
  // A peer with a small buffer that does not read keeps bytes unacknowledged.
  dialled both{here, {}, 4'096};
  both.near.wire->receive(unlimited);
  both.far.finish();
  here.until([&] { return both.near.seen.peer_finished == 1; });
  const auto bytes = pattern(200'000);
  const auto sent = send(*both.near.wire, bytes);
  both.near.wire->finish();
  for (int count = 0; count < 100; ++count) {
    here.time.advance(10ms);
    here.settle();
  }
  CHECK_FALSE(both.near.seen.closed);
  CHECK(both.near.wire->bytes_acked() < sent);
  std::string received;
  here.until([&] {
    received.append(both.far.receive_now().text);
    here.time.advance(10ms);
    return both.near.seen.closed.has_value();
  });
  CHECK(both.near.seen.closed->code == error_code::closed);
  CHECK(both.near.wire->bytes_acked() == sent);
}

TEST_CASE("a reset by the peer is a loss, after what it sent before") {
  stepped_shard here;
  dialled both{here};
  both.near.wire->receive(unlimited);
  both.far.send("last words");
  both.far.reset();
  here.until([&] { return both.near.seen.closed.has_value(); });
  CHECK(both.near.seen.text == "last words");
  CHECK(both.near.seen.peer_finished == 0);
  CHECK(both.near.seen.closed->code == error_code::reset);
  CHECK(both.near.seen.closed->who == origin::remote);
  CHECK(both.near.seen.closed->where == phase::established);
}

TEST_CASE("a reset after the peer's end is a loss") {
  stepped_shard here;
  dialled both{here};
  both.near.wire->receive(unlimited);
  both.far.finish();
  here.until([&] { return both.near.seen.peer_finished == 1; });
  here.settle();
  both.far.reset();
  here.until([&] { return both.near.seen.closed.has_value(); });
  CHECK(both.near.seen.closed->code == error_code::reset);
}

TEST_CASE("a send that meets the reset first still delivers what the peer sent before") {
  stepped_shard here;
  dialled both{here};
  both.near.wire->receive(unlimited);
  both.far.send("bye");
  both.far.reset();
  send(*both.near.wire, "too late");
  CHECK(send(*both.near.wire, "much too late") == 0);
  CHECK_FALSE(both.near.seen.closed);
  here.until([&] { return both.near.seen.closed.has_value(); });
  here.settle();
  CHECK(both.near.seen.text == "bye");
  CHECK(both.near.seen.peer_finished == 0);
  CHECK(both.near.seen.closed_count == 1);
  CHECK(both.near.seen.closed->code == error_code::reset);
}

TEST_CASE("a send that meets a reset does not make it look like an end") {
  stepped_shard here;
  dialled both{here};
  both.near.wire->receive(unlimited);
  both.far.reset();
  CHECK(send(*both.near.wire, "too late") == 0);
  here.until([&] { return both.near.seen.closed.has_value(); });
  CHECK(both.near.seen.peer_finished == 0);
  CHECK(both.near.seen.closed->code == error_code::reset);
}

TEST_CASE("an allowance that comes with a reset still gets what lay before it") {
  stepped_shard here;
  adopted both{here};
  both.far.send("unread");
  here.settle();
  both.near.wire->receive(unlimited);
  both.far.reset();
  here.until([&] { return both.near.seen.closed.has_value(); });
  CHECK(both.near.seen.text == "unread");
  CHECK(both.near.seen.closed->code == error_code::reset);
}

TEST_CASE("closing in order shows the peer an end, closing for any other reason a reset") {
  stepped_shard here;
  dialled in_order{here};
  send(*in_order.near.wire, "all");
  here.until([&] { return in_order.near.wire->bytes_acked() == 3; });
  in_order.near.wire->close(closed_by_us());
  auto got = in_order.far.receive_now();
  CHECK(got.text == "all");
  CHECK(got.ended);

  dialled failed{here};
  failed.near.wire->close(make_error(error_code::stalled, phase::established, origin::local, "stalled"));
  got = failed.far.receive_now();
  CHECK(got.error == ECONNRESET);
  here.until([&] { return failed.near.seen.closed.has_value(); });
  CHECK(failed.near.seen.closed->code == error_code::stalled);
}

TEST_CASE("closing with bytes on their way resets, so that the peer does not take a part for the whole") {
  stepped_shard here;
  dialled both{here, {}, 4'096};
  send(*both.near.wire, pattern(1'000'000));
  both.near.wire->close(closed_by_us());
  const auto got = both.far.receive_now();
  CHECK_FALSE(got.ended);
  CHECK(got.error == ECONNRESET);
}

TEST_CASE("a detached transport is silent, whatever was pending") {
  stepped_shard here;
  dialled both{here};
  both.near.wire->receive(unlimited);
  both.far.send("unseen");
  both.far.finish();
  both.near.wire->detach();
  here.settle();
  CHECK(both.near.seen.text.empty());
  CHECK(both.near.seen.peer_finished == 0);
  CHECK_FALSE(both.near.seen.closed);

  dialled closing{here};
  closing.near.wire->close(closed_by_us());
  closing.near.wire->detach();
  here.settle();
  CHECK_FALSE(closing.near.seen.closed);
}

TEST_CASE("the observer may drop the transport in every callback") {
  const std::array callbacks{&recording_observer::then_progress,      &recording_observer::then_connected,
                             &recording_observer::then_received,      &recording_observer::then_writable,
                             &recording_observer::then_peer_finished, &recording_observer::then_closed};
  for (std::size_t index = 0; index < callbacks.size(); ++index)
    for (const auto with_detach : {true, false}) {
      // Only detach ends a connection that has system calls pending; at the end there are none.
      const auto is_last = callbacks[index] == &recording_observer::then_closed;
      if (!with_detach && !is_last)
        continue;
      CAPTURE(index);
      stepped_shard here;
      plain_listener listener;
      side near{make_tcp_transport(here.run, std::make_shared<resolver>())};
      auto dropped = false;
      near.seen.*callbacks[index] = [&] {
        if (std::exchange(dropped, true))
          return;
        if (with_detach)
          near.wire->detach();
        near.wire = nullptr;
      };
      near.init();
      near.wire->connect(listener.where());
      here.until([&] { return dropped || near.seen.connected; });
      if (!dropped) {
        auto far = listener.accept();
        near.wire->receive(unlimited);
        const auto bytes = pattern(std::size_t{32} << 20U);
        send(*near.wire, bytes);
        far.send("something");
        here.until([&] { return dropped || near.seen.text == "something"; });
        std::string received;
        here.until([&] {
          received.append(far.receive_now().text);
          return dropped || near.seen.writable > 0;
        });
        if (!dropped)
          far.finish();
        here.until([&] { return dropped || near.seen.peer_finished > 0; });
        far.reset();
        here.until([&] { return dropped; });
      }
      here.settle();
    }
}

TEST_CASE("a transport may be closed, finished and read from within a callback") {
  stepped_shard here;
  adopted both{here};
  both.near.seen.then_received = [&] {
    both.near.wire->receive(1);
    send(*both.near.wire, "!");
  };
  both.near.seen.then_peer_finished = [&] { both.near.wire->finish(); };
  both.near.wire->receive(1);
  both.far.send("abc");
  both.far.finish();
  here.until([&] { return both.near.seen.closed.has_value(); });
  CHECK(both.near.seen.text == "abc");
  CHECK(both.near.seen.closed->code == error_code::closed);
  CHECK(both.far.receive_now().text == "!!!");

  adopted aborted{here};
  aborted.near.seen.then_received = [&] { aborted.near.wire->close(closed_by_us()); };
  aborted.near.wire->receive(unlimited);
  aborted.far.send(pattern(100'000));
  here.until([&] { return aborted.near.seen.closed.has_value(); });
  CHECK(aborted.near.seen.closed_count == 1);
}
