#include <actorwire/actors/system_config.hpp>

#include <chrono>
#include <string>

namespace actorwire {

void register_types(caf::actor_system_config& config) {
  detail::register_message_types<caf::id_block::actorwire>(config);
}

void tune(caf::actor_system_config& config) {
  const std::string prefix{detail::config_prefix};
  // One look at the other workers' queues, then block until there is work: the three values leave no polling phase.
  config.set(prefix + "work-stealing.aggressive-poll-attempts", std::size_t{1});
  config.set(prefix + "work-stealing.moderate-poll-attempts", std::size_t{0});
  config.set(prefix + "work-stealing.relaxed-sleep-duration", caf::timespan{std::chrono::milliseconds{100}});
}

detail::early_registration::early_registration() {
  register_meta_objects<caf::id_block::actorwire>();
}

system_config::system_config() {
  register_types(*this);
  tune(*this);
}

} // namespace actorwire
