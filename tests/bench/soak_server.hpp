#pragma once

#include "child_process.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/messages/endpoint.hpp>

#include <caf/event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace actorwire::bench {

/// Serves one client: sends every message back on its stream, and ends the streams that the client ends. A client that says
/// "die" has the actor of its connection killed.
[[nodiscard]] caf::behavior serve_soak(caf::event_based_actor* self, const connection_actor& client);

/// What the child process of `soak_server` does: listens, says on which port, and serves by `serve_soak`. Ends when its standard input does.
void run_soak_server(const std::string& scheme, std::uint16_t port, const std::string& identity_path);

/// An echo server of one protocol in a process of its own, which is killed, stopped and started again.
class soak_server {
public:
  /// `identity_path` is that of a file with a certificate and its key.
  soak_server(protocol proto, std::string identity_path);

  [[nodiscard]] endpoint where() const { return {proto_, "127.0.0.1", port_}; }

  /// Kills it (SIGKILL) until then.
  void kill_until(steady_clock::time_point then);
  /// Stops it (SIGSTOP) until then; nothing if it is not running.
  void stop_until(steady_clock::time_point then);
  /// Lets it go on, or starts another, if its time has come.
  void follow_time(steady_clock::time_point now);
  /// The same at once.
  void revive() { follow_time(steady_clock::time_point::max()); }

private:
  void start();

  protocol proto_;
  std::string identity_path_;
  std::uint16_t port_ = 0;
  std::unique_ptr<child_process> process_;
  bool is_stopped_ = false;
  steady_clock::time_point away_until_;
};

} // namespace actorwire::bench
