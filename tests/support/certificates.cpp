#include "certificates.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace actorwire::test {

static std::string file_of(std::string_view name, std::string_view kind) {
  return std::string{name}.append(kind);
}

static std::string first_line_of(const std::string& file) {
  const auto text = certificate_text(file);
  return text.substr(0, text.find('\n'));
}

std::string certificate_path(std::string_view file) {
  const char* const folder = std::getenv("ACTORWIRE_TEST_CERTIFICATES");
  if (folder == nullptr || *folder == '\0')
    throw std::runtime_error{"ACTORWIRE_TEST_CERTIFICATES is not set. Run this test by ctest, or make a folder by "
                             "tests/support/certificates.sh and name it there."};
  const auto path = std::filesystem::path{folder} / file;
  if (!std::filesystem::is_regular_file(path))
    throw std::runtime_error{"there is no " + path.string() + "; tests/support/certificates.sh lists what there is"};
  return path.string();
}

std::string certificate_text(std::string_view file) {
  std::ifstream in{certificate_path(file), std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!in || text.empty())
    throw std::runtime_error{"cannot read " + certificate_path(file)};
  return text;
}

std::string pin_of(std::string_view name) {
  return first_line_of(file_of(name, ".pin"));
}

identity identity_in_files(std::string_view name) {
  identity found;
  found.certificate.file = certificate_path(file_of(name, ".pem"));
  found.key.file = certificate_path(file_of(name, ".key"));
  return found;
}

identity identity_in_memory(std::string_view name) {
  identity found;
  found.certificate.text = certificate_text(file_of(name, ".pem"));
  found.key.text = secret{certificate_text(file_of(name, ".key"))};
  return found;
}

secret password_of(std::string_view name) {
  return secret{first_line_of(file_of(name, ".password"))};
}

} // namespace actorwire::test
