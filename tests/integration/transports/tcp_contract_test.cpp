#include "tcp_fixture.hpp"

namespace actorwire::test {

std::unique_ptr<transport_fixture> make_transport_fixture() {
  return std::make_unique<tcp_fixture>();
}

} // namespace actorwire::test
