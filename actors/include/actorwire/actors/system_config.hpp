#pragma once

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/export.hpp>

#include <caf/actor_system_config.hpp>

namespace actorwire {

/// Makes the library's messages known to CAF. Call it before the actor system is made; a second call does no harm.
/// Programs that use `system_config` need not.
ACTORWIRE_EXPORT void register_types(caf::actor_system_config& config);

/// Sets how CAF's scheduler waits for work. By default its idle workers sleep for 50 microseconds between looks, which
/// adds about 130 us to each message between a shard and an actor on the scheduler; with these settings they block
/// instead, and it is about 30 us. Values that the program's own configuration sets later win.
ACTORWIRE_EXPORT void tune(caf::actor_system_config& config);

namespace detail {

/// CAF 1.x wants to know the message types before the first configuration is made.
struct ACTORWIRE_EXPORT early_registration {
  early_registration();
};

} // namespace detail

/// An `actor_system_config` that is ready for this library: types registered, scheduler tuned.
class ACTORWIRE_EXPORT system_config : private detail::early_registration, public caf::actor_system_config {
public:
  system_config();
};

} // namespace actorwire
