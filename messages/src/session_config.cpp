#include "range_check.hpp"

#include <actorwire/messages/session_config.hpp>

namespace actorwire {

namespace {

constexpr std::uint32_t most_messages = 1'000'000;

} // namespace

result<void> validate(const session_config& config) {
  using namespace std::chrono_literals;
  return range_check{"session"}
      .named("mode", config.mode)
      .within("replay_messages", config.replay_messages, 1, most_messages)
      .within("replay_bytes", config.replay_bytes, 1, most_bytes)
      .within("ack_messages", config.ack_messages, 1, most_messages)
      .within("ack_bytes", config.ack_bytes, 1, most_bytes)
      .within("ack_delay", config.ack_delay, 0ms, 10s)
      .verdict();
}

} // namespace actorwire
