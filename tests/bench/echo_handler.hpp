#pragma once

#include "echo_actor.hpp"

#include <actorwire/actors/connection_handler.hpp>
#include <actorwire/messages/events.hpp>

#include <memory>
#include <utility>

namespace actorwire::bench {

/// What `echo` does, by a handler in the shard.
class echo_handler final : public connection_handler {
public:
  using connection_handler::connection_handler;

  void on_received(received&& data) override {
    if (!here().send(std::move(data.body)))
      here().close(close_mode::abort);
  }
  void on_data_lost(const data_lost& loss) override { report_loss(loss); }
};

[[nodiscard]] inline std::unique_ptr<connection_handler> make_echo_handler(local_connection here) {
  return std::make_unique<echo_handler>(here);
}

} // namespace actorwire::bench
