#pragma once

#include <string>

namespace actorwire::bench {

/// Runs an actorwire listener that speaks TLS and echoes, with one shard and all limits at their defaults, until standard
/// input ends. Prints its port once it listens, and at the end a line of figures: clients accepted, refused before and
/// evicted before they were ready, errors, and the network's memory in bytes.
void run_flooded_server(const std::string& congestion_control);

} // namespace actorwire::bench
