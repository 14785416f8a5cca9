#pragma once

#include "posix.hpp"
#include "tls_identity.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace actorwire::bench {

/// What both sides must know, in a file as long as this lives: the server has all of it, and clients trust the certificate.
class identity_file {
public:
  identity_file() : made_(make_tls_identity()) {
    path_ = (std::filesystem::temp_directory_path() / "bench_identity_XXXXXX").string();
    const unique_fd file{checked(::mkstemp(path_.data()), "mkstemp")};
    const auto text = made_.certificate + made_.key;
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw_errno("write");
  }
  ~identity_file() { ::unlink(path_.c_str()); }
  identity_file(const identity_file&) = delete;
  identity_file& operator=(const identity_file&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const std::string& certificate() const noexcept { return made_.certificate; }

  static tls_identity read(const std::string& path) {
    std::ifstream file{path};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    return {text, text};
  }

private:
  tls_identity made_;
  std::string path_;
};

} // namespace actorwire::bench
