#pragma once

#include "session/session_id.hpp"

#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace actorwire {

// The bodies of the frames that begin and end a session. All numbers are big endian. A parser takes exactly what is described
// here, so that for each value there is one sequence of bytes: no other length, no bit that means nothing. The number of a frame
// with a hello or a welcome is 0.
//
// hello, 50 bytes                              welcome, 50 bytes
//    0   1  version: 1                            0   1  version: 1
//    1   1  flags: bit 0: resumes; others 0       1   1  answer: 0 .. 4, see session_answer
//    2  16  session id, not all 0                 2  16  session id, that of the hello
//   18   8  epoch, 1 or more                     18   8  epoch, that of the hello
//   26   8  delivered                            26   8  delivered
//   34   8  replays_from, 1 or more              34   8  replays_from, 1 or more
//   42   8  sent                                 42   8  sent
//
// goodbye, 9 bytes
//    0   1  version: 1
//    1   8  received, not below the number of the frame
//
// The hello of the first connection of the session 000102..0f:
//   01 00 000102030405060708090a0b0c0d0e0f 0000000000000001 0000000000000000 0000000000000001 0000000000000000
// The hello of its third, of a client that was delivered 7 messages, has sent 300, and was told that 255 of those arrived:
//   01 01 000102030405060708090a0b0c0d0e0f 0000000000000003 0000000000000007 0000000000000100 000000000000012c
// The answer that resumes it, of a listener that was delivered 290, has sent 9, and was told that 7 of those arrived:
//   01 01 000102030405060708090a0b0c0d0e0f 0000000000000003 0000000000000122 0000000000000008 0000000000000009
// The answer of a listener that does not know the session:
//   01 02 000102030405060708090a0b0c0d0e0f 0000000000000003 0000000000000000 0000000000000001 0000000000000000
// A goodbye that says that of what arrived up to 300 some may not have reached the program:
//   01 000000000000012c

/// Where one side of a session stands, in both directions.
struct session_position {
  /// The last message that was delivered to its program, as all before it were; 0 if none was.
  std::uint64_t delivered = 0;
  /// The first of its own messages that it can still send again: all before it were acknowledged.
  std::uint64_t replays_from = 1;
  /// The last of its own messages that it has ever sent; 0 if there is none.
  std::uint64_t sent = 0;

  friend constexpr bool operator==(const session_position&, const session_position&) noexcept = default;
};

/// What a client says first on each connection of a session.
struct session_hello {
  session_id id{};
  /// Counts the connections of the session, from 1. The higher one is the newer.
  std::uint64_t epoch = 1;
  /// Whether the client was welcomed before. Otherwise none of the session was sent or delivered yet; with epoch 1 it begins
  /// where it is not known. With any other it does not, so that a session begins once: it is lost, and nothing with it.
  bool resumes = false;
  session_position position{};

  friend constexpr bool operator==(const session_hello&, const session_hello&) noexcept = default;
};

/// How a listener answers a hello.
/// - `begun`: the session is new.
/// - `resumed`: it goes on, from the two positions.
/// - `not_known`: it is not known, or was begun by somebody else, or its positions cannot be.
/// - `superseded`: it has a newer connection, or had one.
/// - `no_room`: there are too many sessions; a later attempt may succeed.
enum class session_answer : std::uint8_t { begun, resumed, not_known, superseded, no_room };

constexpr std::array<std::string_view, 5> names_of(session_answer) {
  return {"begun", "resumed", "not_known", "superseded", "no_room"};
}

/// What a listener says first on each connection of a session. `position` says something with `resumed` only.
struct session_welcome {
  session_answer answer = session_answer::begun;
  session_id id{};
  std::uint64_t epoch = 1;
  session_position position{};

  friend constexpr bool operator==(const session_welcome&, const session_welcome&) noexcept = default;
};

/// What either side says last in a session: the frame's number is its final acknowledgement, and what was sent beyond `received`
/// its program will never get. What is between the two it had, but may not have handled.
struct session_goodbye {
  std::uint64_t received = 0;

  friend constexpr bool operator==(const session_goodbye&, const session_goodbye&) noexcept = default;
};

inline constexpr std::uint8_t session_version = 1;
inline constexpr std::size_t session_hello_size = 50;
inline constexpr std::size_t session_welcome_size = 50;
inline constexpr std::size_t session_goodbye_size = 9;

[[nodiscard]] std::array<std::byte, session_hello_size> encode(const session_hello& hello) noexcept;
[[nodiscard]] std::array<std::byte, session_welcome_size> encode(const session_welcome& welcome) noexcept;
[[nodiscard]] std::array<std::byte, session_goodbye_size> encode(const session_goodbye& goodbye) noexcept;

/// Read what a peer has sent, in a frame of this number. *Errors:* `malformed` naming the field; nothing of an id is repeated.
[[nodiscard]] result<session_hello> parse_session_hello(std::uint64_t number, std::span<const std::byte> body);
[[nodiscard]] result<session_welcome> parse_session_welcome(std::uint64_t number, std::span<const std::byte> body);
[[nodiscard]] result<session_goodbye> parse_session_goodbye(std::uint64_t number, std::span<const std::byte> body);

} // namespace actorwire
