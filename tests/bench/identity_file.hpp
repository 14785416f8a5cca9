#pragma once

#include "posix.hpp"
#include "temporary_file.hpp"
#include "tls_identity.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

namespace actorwire::bench {

/// What both sides must know, in a file as long as this lives: the server has all of it, and clients trust the certificate.
class identity_file {
public:
  identity_file() : made_(make_tls_identity()) {
    const auto text = made_.certificate + made_.key;
    if (::write(file_.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw_errno("write");
  }

  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  [[nodiscard]] const std::string& certificate() const noexcept { return made_.certificate; }

  static tls_identity read(const std::string& path) {
    std::ifstream file{path};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    return {text, text};
  }

private:
  tls_identity made_;
  temporary_file file_{"bench_identity"};
};

} // namespace actorwire::bench
