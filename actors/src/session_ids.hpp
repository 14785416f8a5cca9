#pragma once

#include "session/session_id.hpp"

namespace actorwire {

/// Draws the id of a session from the system's source of chance, which is fit for secrets (getrandom(2)). *Thread:* any thread.
/// *Errors:* throws `std::system_error` where the system has none.
[[nodiscard]] session_id draw_session_id();

} // namespace actorwire
