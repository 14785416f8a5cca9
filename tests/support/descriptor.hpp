#pragma once

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace actorwire::test {

/// Returns what a system call returned. *Errors:* throws `std::system_error` when that says that it failed.
inline int checked(int returned, const char* what) {
  if (returned < 0)
    throw std::system_error{errno, std::generic_category(), what};
  return returned;
}

/// A descriptor that is closed with its owner.
class descriptor {
public:
  explicit descriptor(int number) noexcept : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~descriptor() { close(); }

  void close() noexcept {
    if (number_ >= 0)
      ::close(std::exchange(number_, -1));
  }

  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }

private:
  int number_;
};

} // namespace actorwire::test
