#pragma once

#include "child_process.hpp"
#include "posix.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace actorwire::bench {

/// Echoes on so many shards, an actor for each connection, in a process of its own.
class scale_server {
public:
  /// `identity` is a file with a certificate and its key. `cpu` -1: it runs anywhere.
  scale_server(const std::string& scheme, std::size_t shards, const std::string& identity, int cpu);

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::size_t resident_bytes() const { return settled_resident_bytes(process_.id()); }

  /// How many connections it has now. *Errors:* throws if it does not answer.
  [[nodiscard]] std::size_t open();

  void finish() { process_.finish(); }

private:
  child_process process_;
  std::uint16_t port_;
};

struct scale_server_plan {
  std::string scheme;
  std::size_t shards = 1;
  std::string identity;
  int cpu = -1;
};

/// The other side: prints its port, then the number of connections for each line that comes.
void run_scale_server(const scale_server_plan& wanted);

} // namespace actorwire::bench
