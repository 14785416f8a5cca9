#pragma once

#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/frame_label.hpp>

#include <cstdint>

namespace actorwire {

/// One frame of a session, without its envelope:
/// - `data`: a message of the program; its number is its place in its direction of the session, from 1.
/// - `hello`: the first frame of a client, see `session_hello`.
/// - `welcome`: the first frame of a listener, see `session_welcome`.
/// - `acknowledge`: its number is that of the last message that was delivered, as all before it were. No body.
/// - `goodbye`: the last frame of a session; its number is that of an `acknowledge`. See `session_goodbye`.
///
/// Other kinds belong to no session. `number` is 0 where none is named above.
struct session_frame {
  frame_kind kind = frame_kind::data;
  std::uint64_t number = 0;
  payload body;
};

} // namespace actorwire
