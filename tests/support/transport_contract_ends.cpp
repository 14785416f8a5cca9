// How connections end: by both sides, by one of them, and from within any callback.

#include "transport_contract_pair.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using event = transport_user::event;

/// Brings the dialler into one of its states: 0 is initialized, 1 told to connect, 2 on its way, and all others connected.
void bring(contract& both, int state) {
  if (state == 0) {
    both.dialler.use(both.fixture().make());
    REQUIRE(both.dialler.init());
    return;
  }
  if (state > 2)
    return both.connect();
  both.dial();
  if (state == 2)
    REQUIRE(both.wait([&] { return both.dialler.has(event::connecting); }));
}

} // namespace

TEST_CASE("contract: after a half-close the other direction goes on") {
  contract both;
  both.connect();
  both.dialler.allow_everything();
  both.acceptor.allow_everything();
  both.dialler.write("question");
  both.dialler.finish();
  REQUIRE(both.wait([&] { return both.acceptor.has(event::peer_finished); }));
  CHECK(both.acceptor.received() == "question");
  const std::string answer(300'000, 'x');
  both.acceptor.write(answer);
  REQUIRE(both.wait([&] { return both.dialler.received().size() == answer.size(); }));
  CHECK(!both.dialler.has(event::peer_finished));
  CHECK(!both.dialler.is_closed());
  CHECK(!both.acceptor.is_closed());
}

TEST_CASE("contract: when both sides have finished, each hears once that all is closed") {
  const auto dialler_first = GENERATE(true, false);
  contract both;
  both.connect();
  both.dialler.allow_everything();
  both.acceptor.allow_everything();
  auto& first = dialler_first ? both.dialler : both.acceptor;
  auto& second = dialler_first ? both.acceptor : both.dialler;
  first.write("from the first");
  first.finish();
  REQUIRE(both.wait([&] { return second.has(event::peer_finished); }));
  second.write("from the second");
  second.finish();
  REQUIRE(both.wait([&] { return first.is_closed() && second.is_closed(); }));
  both.fixture().settle();
  for (auto* each : {&first, &second}) {
    CHECK(each->reason().code == error_code::closed);
    CHECK(each->count(event::closed) == 1);
    CHECK(each->count(event::peer_finished) == 1);
    CHECK(each->wire()->bytes_acked() == each->wire()->stats().bytes_sent);
  }
  CHECK(first.received() == "from the second");
  CHECK(second.received() == "from the first");
}

TEST_CASE("contract: both sides may finish at the same time, and from within a callback") {
  contract both;
  both.connect();
  for (auto* each : {&both.dialler, &both.acceptor}) {
    each->allow_everything();
    each->write("last words");
  }
  both.acceptor.then = [&](event kind) {
    if (kind == event::peer_finished)
      both.acceptor.finish();
  };
  const auto at_once = GENERATE(true, false);
  if (at_once)
    both.acceptor.finish();
  both.dialler.finish();
  REQUIRE(both.wait([&] { return both.dialler.is_closed() && both.acceptor.is_closed(); }));
  CHECK(both.dialler.reason().code == error_code::closed);
  CHECK(both.acceptor.reason().code == error_code::closed);
  CHECK(both.dialler.received() == "last words");
  CHECK(both.acceptor.received() == "last words");
}

TEST_CASE("contract: sending fails before the connection, after the finish and after the close") {
  contract both;
  const auto fails = [&] {
    const auto taken = both.dialler.send("x");
    return !taken && taken.error().kind == error_kind::send;
  };
  both.dialler.use(both.fixture().make());
  REQUIRE(both.dialler.init());
  CHECK(fails());
  both.dialler.connect(both.fixture().listening());
  CHECK(fails());
  both.await_accepted();
  REQUIRE(both.acceptor.init());
  REQUIRE(both.wait([&] { return both.dialler.is_connected(); }));
  SECTION("finish") {
    both.dialler.finish();
    CHECK(fails());
    both.dialler.finish();
    CHECK(fails());
  }
  SECTION("close") {
    both.dialler.close(aborted());
    CHECK(fails());
    REQUIRE(both.wait([&] { return both.dialler.is_closed(); }));
    CHECK(fails());
  }
  SECTION("loss") {
    both.acceptor.close(aborted());
    REQUIRE(both.wait([&] { return both.dialler.is_closed(); }));
    CHECK(fails());
  }
}

TEST_CASE("contract: an aborted connection looks reset to the peer and not finished") {
  const auto with_bytes_on_the_way = GENERATE(false, true);
  contract both;
  both.connect();
  both.acceptor.allow_everything();
  if (with_bytes_on_the_way)
    fill(both.fixture(), both.acceptor);
  both.dialler.close(aborted());
  REQUIRE(both.wait([&] { return both.dialler.is_closed() && both.acceptor.is_closed(); }));
  CHECK(both.dialler.reason() == aborted());
  CHECK(both.acceptor.reason().code == error_code::reset);
  CHECK(both.acceptor.reason().where == phase::established);
  CHECK(!both.acceptor.has(event::peer_finished));
}

TEST_CASE("contract: a connection that is closed in order looks finished to the peer") {
  contract both;
  both.connect();
  both.acceptor.allow_everything();
  both.dialler.write("all of it");
  REQUIRE(both.wait([&] { return both.dialler.wire()->bytes_acked() == 9; }));
  both.dialler.close(closed_by_test());
  REQUIRE(both.wait([&] { return both.acceptor.has(event::peer_finished); }));
  CHECK(both.acceptor.received() == "all of it");
  CHECK(both.wait([&] { return both.dialler.is_closed(); }));
  CHECK(both.dialler.reason() == closed_by_test());
}

TEST_CASE("contract: bytes that were on their way when the peer closed in order are not called acknowledged") {
  const auto finishes = GENERATE(false, true);
  contract both;
  both.connect();
  both.dialler.allow_everything();
  fill(both.fixture(), both.dialler);
  if (finishes)
    both.dialler.finish();
  both.fixture().settle();
  // What a transport acknowledges without anybody reading it has arrived there.
  const auto arrived = both.dialler.wire()->bytes_acked();
  const auto sent = both.dialler.wire()->stats().bytes_sent;
  // The acceptor has sent nothing, so nothing of its own is lost by its close.
  both.acceptor.close(closed_by_test());
  REQUIRE(both.wait([&] { return both.dialler.is_closed(); }));
  const auto acked = both.dialler.wire()->bytes_acked();
  CHECK((acked == arrived || acked < sent));
}

TEST_CASE("contract: between a close and the end nothing is told, whatever has arrived") {
  contract both;
  both.connect();
  both.dialler.write(std::string(200'000, 'x'));
  both.dialler.finish();
  both.fixture().settle();
  both.acceptor.then = [&](event kind) {
    if (kind == event::received)
      both.acceptor.close(aborted());
  };
  both.acceptor.allow_everything();
  REQUIRE(both.wait([&] { return both.acceptor.is_closed(); }));
  CHECK(both.acceptor.reason() == aborted());
  CHECK(both.acceptor.events() == std::vector{event::connected, event::received, event::closed});
}

TEST_CASE("contract: closing in any state is reported once, with the first reason") {
  contract both;
  const auto state = GENERATE(0, 1, 2, 3, 4, 5, 6);
  CAPTURE(state);
  bring(both, state);
  if (state == 4)
    both.dialler.finish();
  if (state == 5) {
    both.acceptor.finish();
    REQUIRE(both.wait([&] { return both.dialler.has(event::peer_finished); }));
  }
  if (state == 6)
    fill(both.fixture(), both.dialler);
  const auto before = both.dialler.events().size();
  both.dialler.close(aborted());
  both.dialler.close(closed_by_test());
  REQUIRE(both.wait([&] { return both.dialler.is_closed(); }));
  both.dialler.close(closed_by_test());
  both.fixture().settle();
  CHECK(both.dialler.reason() == aborted());
  CHECK(both.dialler.events().size() == before + 1);
}

TEST_CASE("contract: a transport that was detached says nothing more") {
  contract both;
  const auto state = GENERATE(0, 1, 2, 3, 4);
  CAPTURE(state);
  bring(both, state);
  if (state == 4) {
    both.dialler.allow_everything();
    both.acceptor.write("unread");
    both.dialler.close(aborted());
  }
  const auto before = both.dialler.events().size();
  both.dialler.detach();
  both.fixture().settle();
  CHECK(both.dialler.events().size() == before);
}

TEST_CASE("contract: an observer may give its transport up in any callback") {
  const auto when = GENERATE(event::resolving, event::connecting, event::connected, event::received,
                             event::peer_finished, event::writable, event::closed);
  CAPTURE(static_cast<int>(when));
  contract both;
  auto is_given_up = false;
  both.dialler.then = [&](event kind) {
    if (kind == when && !is_given_up) {
      is_given_up = true;
      both.dialler.drop();
    }
  };
  both.dial();
  const auto accept = [&] {
    if (!both.acceptor.wire()) {
      both.acceptor.use(both.fixture().accepted());
      if (both.acceptor.wire() && both.acceptor.init())
        both.acceptor.allow_everything();
    }
    return static_cast<bool>(both.acceptor.wire());
  };
  if (when == event::resolving || when == event::connecting) {
    REQUIRE(both.wait([&] { return is_given_up; }));
    both.fixture().settle();
    return;
  }
  REQUIRE(both.wait(accept));
  if (when == event::writable) {
    // The acceptor reads only when the way to it is full.
    REQUIRE(both.wait([&] { return both.dialler.is_connected(); }));
    std::string block(std::size_t{1} << 20U, 'w');
    for (int count = 0; count < 256 && !is_given_up && both.dialler.unsent_size() == 0; ++count)
      both.dialler.write(block);
  } else if (when != event::connected) {
    REQUIRE(both.wait([&] { return both.dialler.is_connected() && both.acceptor.is_connected(); }));
    both.dialler.allow_everything();
    both.acceptor.write("something");
    both.acceptor.finish();
    if (when == event::closed) {
      REQUIRE(both.wait([&] { return both.dialler.has(event::peer_finished); }));
      both.dialler.finish();
    }
  }
  REQUIRE(both.wait([&] { return is_given_up; }));
  both.fixture().settle();
  CHECK(both.dialler.events().back() == when);
}

TEST_CASE("contract: a transport may be closed in any callback") {
  const auto when =
      GENERATE(event::resolving, event::connecting, event::connected, event::received, event::peer_finished);
  CAPTURE(static_cast<int>(when));
  contract both;
  both.dialler.then = [&](event kind) {
    if (kind == when)
      both.dialler.close(aborted());
  };
  both.dial();
  auto is_greeted = false;
  REQUIRE(both.wait([&] {
    if (!both.acceptor.wire()) {
      both.acceptor.use(both.fixture().accepted());
      if (both.acceptor.wire())
        static_cast<void>(both.acceptor.init());
    }
    if (both.dialler.is_connected() && both.acceptor.is_connected() && !both.dialler.is_closed()
        && !std::exchange(is_greeted, true)) {
      both.dialler.allow_everything();
      both.acceptor.write("something");
      both.acceptor.finish();
    }
    return both.dialler.is_closed();
  }));
  both.fixture().settle();
  CHECK(both.dialler.reason() == aborted());
  CHECK(both.dialler.count(when) == 1);
}
