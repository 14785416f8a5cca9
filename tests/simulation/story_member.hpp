#pragma once

#include "message_book.hpp"
#include "probe.hpp"
#include "session_server.hpp"

#include <memory>
#include <random>
#include <string_view>

namespace actorwire::test {

/// One peer of a random story with its user, who sends numbered messages by chance.
struct story_member {
  probe user;
  connection_actor peer;
  message_book book;
  /// Null where the peer has no session.
  std::unique_ptr<session_server> server{};
  /// What the user was told when it subscribed.
  connection_status snapshot{};
  /// What the peer counted in the end.
  delivery_totals totals{};

  void send(std::mt19937_64& chance);
  void cast(std::mt19937_64& chance);
  void send_batch(std::mt19937_64& chance);

  /// Whether `text` was the last thing that came back.
  [[nodiscard]] bool has_back(std::string_view text) const;

  /// Holds what the user was told against what the peer counted and what its servers got, on the network of its shard.
  void check(const simulated_network& hosts, const std::vector<endpoint>& endpoints) const;

private:
  [[nodiscard]] send_options next_options(std::mt19937_64& chance) const;
};

} // namespace actorwire::test
