// How connections begin: what both ends are told, and what a refusal leaves.

#include "transport_contract_pair.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

using event = transport_user::event;

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
