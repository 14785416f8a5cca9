#pragma once

#include <actorwire/messages/payload.hpp>

#include <cstdint>

namespace actorwire {

/// What the frames of a session are for, with their numbers on the wire. The others belong to no session.
/// - `data`: a message of the program; its number is its place in its direction of the session, from 1.
/// - `hello`: the first frame of a client, see `session_hello`.
/// - `welcome`: the first frame of a listener, see `session_welcome`.
/// - `acknowledge`: its number is that of the last message that was delivered, as all before it were. No body.
/// - `goodbye`: the last frame of a session; its number is that of an `acknowledge`. See `session_goodbye`.
enum class session_frame_kind : std::uint8_t { data = 0, hello = 4, welcome = 5, acknowledge = 6, goodbye = 7 };

/// One frame of a session, without its envelope. `number` is 0 where none is named above.
struct session_frame {
  session_frame_kind kind = session_frame_kind::data;
  std::uint64_t number = 0;
  payload body;
};

} // namespace actorwire
