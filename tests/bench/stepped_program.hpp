#pragma once

#include "identity_file.hpp"
#include "virtual_clock.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire::bench {

/// A server and its clients, both actors on one shard that runs on the calling thread, on the machine's sockets and in a
/// time of its own: what a message takes on its way is executed in one order, again and again.
class stepped_program {
public:
  /// Listens for `scheme://`, and has `serve` make whoever serves a client.
  stepped_program(std::string_view scheme, accept_function serve);
  /// The same by handlers in the shard.
  stepped_program(std::string_view scheme, handler_factory make);
  ~stepped_program();
  stepped_program(const stepped_program&) = delete;
  stepped_program& operator=(const stepped_program&) = delete;

  /// Dials the server. Each peer is one of its own.
  [[nodiscard]] connection_actor acquire();
  /// The same, and a handler serves it.
  [[nodiscard]] connection_actor acquire(handler_factory make);

  /// Runs until `done`. Where nothing is left to do it is time for the next deadline, but only after `grace`, real time, in
  /// which other threads may be done with what they do for connections that are made: they read certificates.
  /// *Errors:* throws after a minute.
  void run_until(const bool& done, std::chrono::milliseconds grace = {});

  [[nodiscard]] network& net() noexcept { return network_; }
  [[nodiscard]] test::virtual_clock& time() noexcept { return time_; }

private:
  static network_options options(const test::virtual_clock& time);
  template <class Serve>
  void listen(std::string_view scheme, Serve serve);
  [[nodiscard]] acquire_options next_options();

  test::virtual_clock time_;
  identity_file identity_;
  system_config config_;
  caf::actor_system system_{config_};
  network network_{system_, options(time_)};
  std::string uri_;
  std::uint32_t peers_ = 0;
};

} // namespace actorwire::bench

/// `program.run_until(done)`, by a name that a profiler is told, so that it counts nothing else.
extern "C" void actorwire_bench_counted(actorwire::bench::stepped_program& program, const bool& done);
