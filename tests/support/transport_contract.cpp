#include "transport_contract.hpp"

#include "seed.hpp"
#include "transport_user.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using event = transport_user::event;

transport_error aborted() {
  return make_error(error_code::crashed, phase::established, origin::local, "ended by the test");
}

transport_error closed_by_test() {
  return make_error(error_code::closed, phase::close, origin::local, "closed by the test");
}

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (auto& each : bytes)
    each = static_cast<char>(random());
  return bytes;
}

/// A fixture, and a connection on it.
class contract {
public:
  contract() : fixture_(make_transport_fixture()) {
    dialler.configure(fixture_->config());
    acceptor.configure(fixture_->config());
  }

  [[nodiscard]] transport_fixture& fixture() noexcept { return *fixture_; }
  bool wait(const std::function<bool()>& reached) { return fixture_->wait(reached); }

  /// Starts to connect; the listening side is not there yet.
  void dial() {
    dialler.use(fixture_->make());
    REQUIRE(dialler.init());
    dialler.connect(fixture_->listening());
  }

  /// Waits for the listening side, without initializing it.
  void await_accepted() {
    REQUIRE(wait([this] {
      if (!acceptor.wire())
        acceptor.use(fixture_->accepted());
      return static_cast<bool>(acceptor.wire());
    }));
  }

  void connect() {
    dial();
    await_accepted();
    REQUIRE(acceptor.init());
    REQUIRE(wait([this] { return dialler.is_connected() && acceptor.is_connected(); }));
  }

private:
  // Before the observers, which detach their transports when they go.
  std::unique_ptr<transport_fixture> fixture_;

public:
  transport_user dialler;
  transport_user acceptor;
};

/// Fills the way from `sender` to a peer that does not read; returns what was taken.
std::string fill(transport_fixture& fixture, transport_user& sender) {
  constexpr std::size_t size_max = std::size_t{256} << 20U;
  std::string block(std::size_t{64} << 10U, '\0');
  std::string taken;
  while (taken.size() < size_max) {
    for (std::size_t index = 0; index < block.size(); ++index)
      block[index] = static_cast<char>((taken.size() + index) * 31 >> 3U);
    const auto accepted = sender.send(block);
    REQUIRE(accepted);
    REQUIRE(*accepted <= block.size());
    taken += std::string_view{block}.substr(0, *accepted);
    if (*accepted == block.size())
      continue;
    // What lies before the peer's buffers may still move there.
    const auto before = sender.count(event::writable);
    fixture.settle();
    if (sender.count(event::writable) == before)
      return taken;
  }
  FAIL("a sender could send without end to a peer that does not read");
  return taken;
}

} // namespace

TEST_CASE("contract: both ends report the connection once, with matching addresses") {
  contract both;
  both.connect();
  std::vector way{event::resolving, event::connecting};
  if (both.fixture().shakes_hands())
    way.push_back(event::handshaking);
  way.push_back(event::connected);
  CHECK(both.dialler.events() == way);
  CHECK(both.acceptor.events() == std::vector{event::connected});
  CHECK(both.dialler.addresses().local == both.acceptor.addresses().remote);
  CHECK(both.dialler.addresses().remote == both.acceptor.addresses().local);
  CHECK(!both.dialler.addresses().local.empty());
}

TEST_CASE("contract: bytes arrive complete and in order in both directions") {
  test_seed seed;
  auto random = seed.engine();
  contract both;
  both.connect();
  both.dialler.allow_everything();
  both.acceptor.allow_everything();
  std::string from_dialler;
  std::string from_acceptor;
  for (const std::size_t size_max : {1U, 2U, 100U, 20'000U, 1U << 20U})
    for (int count = 0; count < 4; ++count) {
      for (auto [sender, sent] : {std::pair{&both.dialler, &from_dialler}, std::pair{&both.acceptor, &from_acceptor}}) {
        const auto bytes = random_bytes(random, random() % (size_max + 1));
        *sent += bytes;
        sender->write(bytes);
      }
      if (random() % 2 == 0)
        REQUIRE(both.wait([&] { return both.dialler.unsent_size() == 0; }));
    }
  CHECK(both.wait([&] {
    return both.acceptor.received().size() >= from_dialler.size()
        && both.dialler.received().size() >= from_acceptor.size();
  }));
  CHECK((both.acceptor.received() == from_dialler));
  CHECK((both.dialler.received() == from_acceptor));
}

TEST_CASE("contract: pieces of any number, size and owner are sent as one stream") {
  test_seed seed;
  auto random = seed.engine();
  contract both;
  both.connect();
  both.acceptor.allow_everything();
  std::string sent;
  for (const std::size_t count : {0U, 1U, 2U, 63U, 64U, 65U, 200U}) {
    std::vector<std::string> texts;
    for (std::size_t index = 0; index < count; ++index)
      texts.push_back(random_bytes(random, random() % 40));
    std::vector<outgoing> pieces;
    for (const auto& each : texts) {
      pieces.push_back({reinterpret_cast<const std::byte*>(each.data()), each.size(), nullptr});
      sent += each;
    }
    const auto taken = both.dialler.send(pieces);
    REQUIRE(taken);
    std::size_t size = 0;
    for (const auto& each : texts)
      size += each.size();
    REQUIRE(*taken == size);
  }
  REQUIRE(both.wait([&] { return both.acceptor.received().size() >= sent.size(); }));
  CHECK((both.acceptor.received() == sent));
}

TEST_CASE("contract: memory that is sent may be reused or dropped when the call returns") {
  contract both;
  both.connect();
  auto text = std::make_unique<std::string>(10'000, 'a');
  const auto first = both.dialler.send(*text);
  REQUIRE((first && *first == 10'000));
  text->assign(10'000, 'b');
  const auto second = both.dialler.send(*text);
  REQUIRE((second && *second == 10'000));
  text.reset();
  // Bytes that somebody else owns are kept by a reference to the owner, as long as they are needed.
  slab* owner = nullptr;
  struct heap final : slab_owner {
    void recycle(slab* memory) noexcept override {
      memory->~slab();
      ::operator delete(memory);
    }
  };
  static heap from_heap;
  owner = new (::operator new(sizeof(slab) + 5)) slab;
  owner->capacity = 5;
  owner->owner = &from_heap;
  std::copy_n("owned", 5, reinterpret_cast<char*>(owner->bytes()));
  const outgoing piece{owner->bytes(), 5, owner};
  const auto third = both.dialler.send(std::span{&piece, 1});
  owner->release();
  REQUIRE((third && *third == 5));

  both.acceptor.allow_everything();
  REQUIRE(both.wait([&] { return both.acceptor.received().size() == 20'005; }));
  CHECK((both.acceptor.received() == std::string(10'000, 'a') + std::string(10'000, 'b') + "owned"));
}

TEST_CASE("contract: bytes that arrive before the accepted end is initialized are not lost") {
  contract both;
  both.dialler.then = [&](event kind) {
    if (kind == event::connected)
      both.dialler.write("early");
  };
  both.dial();
  both.await_accepted();
  both.fixture().settle();
  // Without a handshake the kernel has connected both by now.
  REQUIRE(both.dialler.is_connected() == !both.fixture().shakes_hands());
  REQUIRE(both.acceptor.init());
  both.acceptor.allow_everything();
  CHECK(both.wait([&] { return both.acceptor.received() == "early"; }));
  CHECK(both.acceptor.events().front() == event::connected);
}

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

TEST_CASE("contract: nothing is delivered beyond the allowance, and more follows more") {
  contract both;
  both.connect();
  const std::string text = "0123456789abcdefghij";
  both.dialler.write(text);
  both.dialler.finish();
  both.fixture().settle();
  CHECK(both.acceptor.received().empty());
  std::size_t allowed = 0;
  for (const std::size_t more : {1U, 2U, 7U}) {
    both.acceptor.allow(more);
    allowed += more;
    REQUIRE(both.wait([&] { return both.acceptor.received().size() == allowed; }));
    both.fixture().settle();
    CHECK(both.acceptor.received() == text.substr(0, allowed));
    CHECK(!both.acceptor.has(event::peer_finished));
  }
  both.acceptor.allow(text.size());
  REQUIRE(both.wait([&] { return both.acceptor.has(event::peer_finished); }));
  CHECK(both.acceptor.received() == text);
}

TEST_CASE("contract: bytes may be allowed from within the delivery of others") {
  contract both;
  both.connect();
  const std::string text(50'000, 'y');
  both.acceptor.then = [&](event kind) {
    if (kind == event::received)
      both.acceptor.allow(1'000);
  };
  both.acceptor.allow(1'000);
  both.dialler.write(text);
  REQUIRE(both.wait([&] { return both.acceptor.received().size() == text.size(); }));
}

TEST_CASE("contract: the end of an idle stream is noticed without an allowance") {
  contract both;
  both.connect();
  both.dialler.finish();
  CHECK(both.wait([&] { return both.acceptor.has(event::peer_finished); }));
}

TEST_CASE("contract: a reset is noticed without an allowance") {
  contract both;
  both.connect();
  both.dialler.close(aborted());
  CHECK(both.wait([&] { return both.acceptor.is_closed(); }));
}

TEST_CASE("contract: a sender to a peer that does not read is held up, and goes on when it reads") {
  contract both;
  both.connect();
  auto sent = fill(both.fixture(), both.dialler);
  const auto before = both.dialler.count(event::writable);
  both.acceptor.allow_everything();
  REQUIRE(both.wait([&] { return both.dialler.count(event::writable) > before; }));
  both.dialler.write("and the rest");
  sent += "and the rest";
  REQUIRE(both.wait([&] { return both.acceptor.received().size() >= sent.size(); }));
  CHECK((both.acceptor.received() == sent));
}

TEST_CASE("contract: one direction that is held up does not hold up the other") {
  contract both;
  both.connect();
  fill(both.fixture(), both.dialler);
  both.dialler.allow_everything();
  const std::string text(200'000, 'z');
  both.acceptor.write(text);
  CHECK(both.wait([&] { return both.dialler.received().size() == text.size(); }));
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

TEST_CASE("contract: a refused attempt is reported once, with the phase in which it failed") {
  contract one;
  one.dialler.use(one.fixture().make());
  REQUIRE(one.dialler.init());
  one.dialler.connect(one.fixture().refusing());
  REQUIRE(one.wait([&] { return one.dialler.is_closed(); }));
  one.fixture().settle();
  CHECK(one.dialler.reason().code == error_code::refused);
  CHECK(one.dialler.reason().where == phase::connect);
  CHECK(one.dialler.reason().retryable);
  CHECK(one.dialler.events() == std::vector{event::resolving, event::connecting, event::closed});
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
  switch (state) {
    case 0:
      both.dialler.use(both.fixture().make());
      REQUIRE(both.dialler.init());
      break;
    case 1:
      both.dial();
      break;
    case 2:
      both.dial();
      REQUIRE(both.wait([&] { return both.dialler.has(event::connecting); }));
      break;
    case 3:
      both.connect();
      break;
    case 4:
      both.connect();
      both.dialler.finish();
      break;
    case 5:
      both.connect();
      both.acceptor.finish();
      REQUIRE(both.wait([&] { return both.dialler.has(event::peer_finished); }));
      break;
    default:
      both.connect();
      fill(both.fixture(), both.dialler);
      break;
  }
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
  switch (state) {
    case 0:
      both.dialler.use(both.fixture().make());
      REQUIRE(both.dialler.init());
      break;
    case 1:
      both.dial();
      break;
    case 2:
      both.dial();
      REQUIRE(both.wait([&] { return both.dialler.has(event::connecting); }));
      break;
    case 3:
      both.connect();
      break;
    default:
      both.connect();
      both.dialler.allow_everything();
      both.acceptor.write("unread");
      both.dialler.close(aborted());
      break;
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

TEST_CASE("contract: the figures count every byte, and are kept after the end") {
  contract both;
  both.connect();
  both.acceptor.allow_everything();
  both.dialler.allow_everything();
  both.dialler.write(std::string(5'000, 'a'));
  both.acceptor.write(std::string(70, 'b'));
  REQUIRE(both.wait([&] { return both.acceptor.received().size() == 5'000 && both.dialler.received().size() == 70; }));
  const auto check = [&] {
    CHECK(both.dialler.wire()->stats().bytes_sent == 5'000);
    CHECK(both.dialler.wire()->stats().bytes_received == 70);
    CHECK(both.acceptor.wire()->stats().bytes_sent == 70);
    CHECK(both.acceptor.wire()->stats().bytes_received == 5'000);
  };
  check();
  both.dialler.finish();
  both.acceptor.finish();
  REQUIRE(both.wait([&] { return both.dialler.is_closed() && both.acceptor.is_closed(); }));
  check();
}

TEST_CASE("contract: acknowledged bytes are never more than sent ones, and become all of them") {
  contract both;
  both.connect();
  CHECK(both.dialler.wire()->bytes_acked() == 0);
  CHECK(both.acceptor.wire()->bytes_acked() == 0);
  both.acceptor.allow_everything();
  std::uint64_t sent = 0;
  std::uint64_t acked = 0;
  for (int count = 0; count < 20; ++count) {
    const auto taken = both.dialler.send(std::string(3'000, 'a'));
    REQUIRE(taken);
    sent += *taken;
    REQUIRE(both.wait([&] {
      const auto now = both.dialler.wire()->bytes_acked();
      REQUIRE(now >= acked);
      REQUIRE(now <= sent);
      acked = now;
      return count % 4 != 0 || acked == sent;
    }));
  }
  CHECK(both.wait([&] { return both.dialler.wire()->bytes_acked() == sent; }));
  CHECK(both.acceptor.wire()->bytes_acked() == 0);
}

TEST_CASE("contract: invalid settings are refused and nothing else follows") {
  contract one;
  one.dialler.use(one.fixture().make());
  auto config = one.fixture().config();
  config.framing.max_frame_size = 0;
  const auto refused = one.dialler.init(config);
  REQUIRE(!refused);
  CHECK(refused.error().kind == error_kind::configuration);
  CHECK(refused.error().text.find("max_frame_size") != std::string::npos);
  one.fixture().settle();
  CHECK(one.dialler.events().empty());
}

TEST_CASE("contract: many connections at once do not get in each other's way") {
  constexpr std::size_t count = 20;
  contract world;
  std::vector<std::unique_ptr<transport_user>> diallers;
  std::vector<std::unique_ptr<transport_user>> acceptors;
  for (std::size_t index = 0; index < count; ++index) {
    auto& made = *diallers.emplace_back(std::make_unique<transport_user>(world.fixture().make()));
    REQUIRE(made.init(world.fixture().config()));
    made.connect(world.fixture().listening());
  }
  REQUIRE(world.wait([&] {
    if (auto arrived = world.fixture().accepted()) {
      auto& made = *acceptors.emplace_back(std::make_unique<transport_user>(std::move(arrived)));
      REQUIRE(made.init(world.fixture().config()));
      made.allow_everything();
      // Each answers what it is told.
      made.then = [&made, seen = std::size_t{0}](event kind) mutable {
        if (kind != event::received)
          return;
        made.write(made.received().substr(seen));
        seen = made.received().size();
      };
    }
    return acceptors.size() == count
        && std::ranges::all_of(diallers, [](const auto& each) { return each->is_connected(); });
  }));
  for (std::size_t index = 0; index < count; ++index) {
    diallers[index]->allow_everything();
    diallers[index]->write(std::string(1'000 + index, static_cast<char>('a' + index)));
  }
  REQUIRE(world.wait([&] {
    return std::ranges::all_of(diallers, [&](const auto& each) {
      return each->received().size() >= 1'000 + static_cast<std::size_t>(&each - diallers.data());
    });
  }));
  for (std::size_t index = 0; index < count; ++index)
    CHECK(diallers[index]->received() == std::string(1'000 + index, static_cast<char>('a' + index)));
}
