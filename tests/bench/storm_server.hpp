#pragma once

#include "child_process.hpp"

#include <cstdint>
#include <memory>

namespace actorwire::bench {

/// What the child process of `storm_server` does: accepts whoever comes on 127.0.0.1 at that port, 0 for any, says which
/// it is, and reads nothing. Ends when its standard input does.
void run_storm_server(std::uint16_t port);

/// A process that accepts connections, can be killed, and comes back on the same port.
class storm_server {
public:
  storm_server();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// Kills it (SIGKILL), starts another at once, and returns when that one listens.
  void restart();

private:
  void start();

  std::uint16_t port_ = 0;
  std::unique_ptr<child_process> process_;
};

} // namespace actorwire::bench
