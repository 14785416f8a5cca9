#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace transfer {

/// Throws what errno says, with the name of what could not be done.
[[noreturn]] inline void throw_errno(const std::string& doing) {
  throw std::system_error{errno, std::generic_category(), doing};
}

/// An open file that is closed in the end.
class file {
public:
  file() = default;

  /// *Errors:* throws `std::system_error`.
  file(const std::filesystem::path& where, int flags, mode_t mode = 0)
    : descriptor_(::open(where.c_str(), flags | O_CLOEXEC, mode)) {
    if (descriptor_ < 0)
      throw_errno(where.string());
  }

  file(file&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

  file& operator=(file other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  ~file() {
    if (descriptor_ >= 0)
      ::close(descriptor_);
  }

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

private:
  int descriptor_ = -1;
};

/// Reads until `buffer` is full or the file ends; returns how much came. *Errors:* throws `std::system_error`.
inline std::size_t read_at(int descriptor, std::span<std::byte> buffer, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const auto count =
        ::pread(descriptor, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (count == 0)
      break;
    if (count > 0)
      done += static_cast<std::size_t>(count);
    else if (errno != EINTR)
      throw_errno("read");
  }
  return done;
}

/// Writes all of `bytes`. *Errors:* throws `std::system_error`.
inline void write_at(int descriptor, std::span<const std::byte> bytes, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto count =
        ::pwrite(descriptor, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (count > 0)
      done += static_cast<std::size_t>(count);
    else if (errno != EINTR)
      throw_errno("write");
  }
}

} // namespace transfer
