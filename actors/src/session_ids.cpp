#include "session_ids.hpp"

#include <sys/random.h>

#include <cerrno>
#include <span>
#include <system_error>

namespace actorwire {

session_id draw_session_id() {
  return session_id::draw([](std::span<std::byte> room) {
    // Up to 256 bytes come whole, once the source is ready; before that a signal may interrupt it.
    while (::getrandom(room.data(), room.size(), 0) != static_cast<ssize_t>(room.size()))
      if (errno != EINTR)
        throw std::system_error{errno, std::generic_category(), "getrandom"};
  });
}

} // namespace actorwire
