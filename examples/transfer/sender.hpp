#pragma once

#include "file.hpp"
#include "progress.hpp"
#include "protocol.hpp"

#include <actorwire/actors/network.hpp>

#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace transfer {

/// What is to be sent, and how.
struct send_job {
  file source;
  offer what;
  actorwire::endpoint remote;
  std::vector<actorwire::connection_actor> connections;
  /// Bytes per second over all connections; 0: as fast as it goes.
  std::uint64_t rate = 0;
  std::vector<std::unique_ptr<observer>> observers;
};

/// Opens `path` and computes its SHA-256. *Errors:* throws `std::system_error`, for anything but a regular file, too.
[[nodiscard]] send_job open_job(const std::filesystem::path& path, std::uint32_t chunk_size);

/// Makes supervised connections to `remote` that come back whenever they are lost. `tls` is for `tls://`. *Units:* `attempts` is how many
/// times in a row each may fail to connect; 0: any.
[[nodiscard]] actorwire::result<std::vector<actorwire::connection_actor>>
dial(caf::actor_system& system, actorwire::network& net, const actorwire::endpoint& remote,
     const actorwire::tls_config& tls, std::size_t count, std::uint32_t attempts);

/// A transfer that goes on.
struct sending {
  /// Told to exit, it leaves what is under way to its connections.
  caf::actor who;
  /// In the end an empty text, or why the transfer failed.
  std::future<std::string> outcome;
};

/// Makes the actor that sends the file. It reads from disk, which blocks, so it has a thread of its own.
[[nodiscard]] sending spawn_sender(caf::actor_system& system, send_job job);

} // namespace transfer
