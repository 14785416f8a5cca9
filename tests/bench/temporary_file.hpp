#pragma once

#include "posix.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace actorwire::bench {

/// A new, empty file as long as this lives, whose name begins with `name`.
class temporary_file {
public:
  /// *Errors:* throws if it cannot be made.
  explicit temporary_file(const std::string& name)
    : path_((std::filesystem::temp_directory_path() / (name + "_XXXXXX")).string()),
      file_(checked(::mkostemp(path_.data(), O_CLOEXEC), "mkostemp")) {}
  ~temporary_file() { ::unlink(path_.c_str()); }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] int fd() const noexcept { return file_.get(); }

private:
  std::string path_;
  unique_fd file_;
};

} // namespace actorwire::bench
