#pragma once

#include "probe.hpp"
#include "session/session_limits.hpp"
#include "simulated_system.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/transport_config.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace actorwire::test {

/// What a server with sessions has seen, over all of its connections and processes.
struct session_log {
  struct arrival {
    /// Of a message book.
    std::size_t number = 0;
    std::size_t size = 0;
  };
  /// The messages that its program was given, as they came.
  std::vector<arrival> heard;
  /// What the server was told of those that it sent back, by their numbers. Of one that was given to a connection which had
  /// ended by then nobody says anything.
  std::map<std::size_t, outcome> said;
  /// Sessions that its connections have begun, and gone on with.
  std::size_t begun = 0;
  std::size_t resumed = 0;
  /// Sessions that they have ended.
  std::size_t lost = 0;
  /// How often the server was another process afterwards.
  std::size_t restarts = 0;
  /// All of that, with its time.
  std::vector<std::string> lines;
};

/// The server of one peer that has a session: a listener of the library with its desk, on the network of one shard, whose
/// program sends back each message of a message book that it is given. *Lifetime:* outlived by `world`.
class session_server {
public:
  /// Listens at `uris`, which lead to one program.
  session_server(simulated_system& world, std::size_t shard, std::string uris, transport_config config,
                 const session_book_limits& limits);

  /// The process ends, with all sessions that it knows, and there is another. Its host should have crashed: a process that ends
  /// in order tells its clients.
  void lose_memory();

  /// Listens no more, and ends.
  void close();

  [[nodiscard]] const session_log& log() const noexcept { return *log_; }

private:
  void listen();

  simulated_system& world_;
  std::size_t shard_;
  std::string uris_;
  transport_config config_;
  session_book_limits limits_;
  probe keeper_;
  listener_actor listener_;
  /// Shared with those who serve connections.
  std::shared_ptr<session_log> log_ = std::make_shared<session_log>();
};

} // namespace actorwire::test
