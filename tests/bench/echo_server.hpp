#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace actorwire::bench {

/// Sends back what it gets, on loopback, from construction to destruction.
class echo_server {
public:
  virtual ~echo_server() = default;

  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
};

struct serve_options {
  std::string congestion_control;
  /// CPU for the whole process; -1: any.
  int cpu = -1;
};

/// Runs the server that `make` returns until standard input ends. Prints its port and a line end once it listens.
void serve(const serve_options& options, const std::function<std::unique_ptr<echo_server>()>& make);

} // namespace actorwire::bench
