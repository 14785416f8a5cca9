#pragma once

#include "transport_contract.hpp"
#include "transport_user.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace actorwire::test {

inline transport_error aborted() {
  return make_error(error_code::crashed, phase::established, origin::local, "ended by the test");
}

inline transport_error closed_by_test() {
  return make_error(error_code::closed, phase::close, origin::local, "closed by the test");
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
inline std::string fill(transport_fixture& fixture, transport_user& sender) {
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
    const auto before = sender.count(transport_user::event::writable);
    fixture.settle();
    if (sender.count(transport_user::event::writable) == before)
      return taken;
  }
  FAIL("a sender could send without end to a peer that does not read");
  return taken;
}

} // namespace actorwire::test
