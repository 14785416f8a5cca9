#pragma once

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/transports/transport.hpp>

#include <functional>
#include <memory>

namespace actorwire::test {

/// What the contract needs of a kind of transport. The suite runs on one thread: the fixture's shard is stepped by it.
class transport_fixture {
public:
  virtual ~transport_fixture() = default;

  /// What both ends are set to.
  [[nodiscard]] virtual transport_config config() { return {}; }
  /// Whether both ends shake hands before they are connected.
  [[nodiscard]] virtual bool shakes_hands() const { return false; }

  /// A transport that is to be connected.
  [[nodiscard]] virtual local_ref<transport> make() = 0;
  /// Where the fixture listens.
  [[nodiscard]] virtual endpoint listening() = 0;
  /// The next connection that arrived there, not initialized; null while there is none.
  [[nodiscard]] virtual local_ref<transport> accepted() = 0;
  /// Where nobody listens, and the host says so.
  [[nodiscard]] virtual endpoint refusing() = 0;

  /// Lets things happen until `reached` holds; false if it does not within a time that is long for this transport.
  virtual bool wait(const std::function<bool()>& reached) = 0;
  /// Lets everything happen that is on its way.
  virtual void settle() = 0;
};

/// Defined once by each test program that links `actorwire_transport_contract`, which is the suite: the promises of
/// `transport` that every kind of it keeps. Files `transport_contract_*.cpp` hold it.
[[nodiscard]] std::unique_ptr<transport_fixture> make_transport_fixture();

} // namespace actorwire::test
