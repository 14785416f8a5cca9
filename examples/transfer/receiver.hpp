#pragma once

#include <actorwire/actors/network.hpp>

#include <filesystem>

namespace transfer {

/// Makes the actor that stores files in `folder`. Give it to `network::listen` as the receiver of accepted connections,
/// with `wire_settings()`. It writes to disk, which blocks, so it has a thread of its own; while it is busy, its
/// connections are not read. What it does is printed to standard output.
[[nodiscard]] caf::actor spawn_receiver(caf::actor_system& system, const std::filesystem::path& folder);

} // namespace transfer
