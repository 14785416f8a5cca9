#pragma once

#include "simulated_network.hpp"

#include <actorwire/messages/transport_config.hpp>

namespace actorwire::test {

/// Servers for `simulated_network::listen`. They take what arrives at once, and finish when the client has finished.

/// Sends back what it gets.
[[nodiscard]] simulated_network::accept_function echo_service(const transport_config& config = {});

/// Takes everything and says nothing.
[[nodiscard]] simulated_network::accept_function sink_service(const transport_config& config = {});

/// Never reads, so that its clients are held up.
[[nodiscard]] simulated_network::accept_function deaf_service(const transport_config& config = {});

} // namespace actorwire::test
