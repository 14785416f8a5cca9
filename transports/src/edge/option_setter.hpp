#pragma once

#include <actorwire/messages/result.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <string_view>

namespace actorwire {

/// Sets one option of a socket after the other until one fails.
class option_setter {
public:
  explicit option_setter(int descriptor) noexcept : descriptor_(descriptor) {}

  /// *Errors:* the system's, with `doing` in the text, such as `set TCP_NODELAY`.
  template <class T>
  option_setter& set(int level, int name, T value, std::string_view doing) {
    if (outcome_ && ::setsockopt(descriptor_, level, name, &value, sizeof value) != 0)
      outcome_ = make_system_error(errno, phase::setup, doing);
    return *this;
  }

  [[nodiscard]] result<void> outcome() const { return outcome_; }

private:
  int descriptor_;
  result<void> outcome_;
};

/// A size in the form that options of sockets have.
[[nodiscard]] inline int to_int(std::size_t bytes) {
  return static_cast<int>(std::min<std::size_t>(bytes, std::numeric_limits<int>::max()));
}

} // namespace actorwire
