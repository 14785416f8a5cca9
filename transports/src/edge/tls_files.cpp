#include "tls_files.hpp"

#include "engine/tls_error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace actorwire {

namespace {

// Larger than any store of trust anchors, and small enough for a mistaken name to do no harm.
constexpr std::size_t longest_file = std::size_t{16} << 20U;

class descriptor {
public:
  explicit descriptor(int number) noexcept : number_(number) {}
  ~descriptor() {
    if (number_ >= 0)
      ::close(number_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  [[nodiscard]] int get() const noexcept { return number_; }

private:
  int number_;
};

bool has_changed(const struct stat& before, const struct stat& after) noexcept {
  return before.st_size != after.st_size || before.st_mtim.tv_sec != after.st_mtim.tv_sec
      || before.st_mtim.tv_nsec != after.st_mtim.tv_nsec;
}

/// Returns errno, or 0; EAGAIN for a file that changes meanwhile. The bytes are wiped when they go, because they may be a key.
int read_file(const std::string& name, secret& content) {
  // A pipe or a terminal by that name would keep the reader for ever.
  const descriptor file{::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat about {};
  if (file.get() < 0 || ::fstat(file.get(), &about) != 0)
    return errno;
  if (!S_ISREG(about.st_mode))
    return EINVAL;
  if (static_cast<std::size_t>(about.st_size) > longest_file)
    return EFBIG;
  // One byte more than it has, so that the end shows.
  std::string bytes(static_cast<std::size_t>(about.st_size) + 1, '\0');
  std::size_t length = 0;
  auto failure = 0;
  while (length < bytes.size()) {
    const auto got = ::read(file.get(), bytes.data() + length, bytes.size() - length);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      failure = errno;
    if (got <= 0)
      break;
    length += static_cast<std::size_t>(got);
  }
  // Half of a file that someone is writing may look like a whole one.
  struct stat afterwards {};
  if (failure == 0 && ::fstat(file.get(), &afterwards) != 0)
    failure = errno;
  if (failure == 0 && (length + 1 != bytes.size() || has_changed(about, afterwards)))
    failure = EAGAIN;
  bytes.resize(length);
  content = secret{std::move(bytes)};
  return failure;
}

/// What one setting stands for.
result<secret> read_setting(std::string_view field, const std::string& file, const std::string& text,
                            bool is_detailed) {
  if (file.empty())
    return secret{text};
  secret content;
  if (const auto failure = read_file(file, content); failure != 0)
    return make_credentials_error(field, "the file cannot be read",
                                  file + ": " + std::generic_category().message(failure), is_detailed);
  return content;
}

} // namespace

result<tls_material> read_tls_material(const tls_config& config) {
  tls_material material;
  const auto read = [&](std::string_view field, const std::string& file, const std::string& text,
                        auto& into) -> result<void> {
    auto content = read_setting(field, file, text, config.detailed_errors);
    if (!content)
      return content.error();
    if constexpr (std::is_same_v<decltype(into), secret&>)
      into = std::move(*content);
    else
      into = content->reveal();
    return {};
  };
  if (auto done = read("tls.trust", config.trust.file, config.trust.text, material.trust); !done)
    return done.error();
  if (auto done = read("tls.certificate", config.certificate.file, config.certificate.text, material.certificate);
      !done)
    return done.error();
  if (auto done = read("tls.key", config.key.file, config.key.text.reveal(), material.key); !done)
    return done.error();
  if (auto done = read("tls.revocation_file", config.revocation_file, {}, material.revocations); !done)
    return done.error();
  return material;
}

result<std::function<void(std::string_view)>> open_key_log(const tls_config& config) {
  if (config.key_log_file.empty())
    return std::function<void(std::string_view)>{};
  constexpr auto readable_by_owner = 0600;
  const auto file = std::make_shared<const descriptor>(
      ::open(config.key_log_file.c_str(),
             O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, readable_by_owner));
  struct stat about {};
  if (file->get() < 0 || ::fstat(file->get(), &about) != 0)
    return make_credentials_error("tls.key_log_file", "the file cannot be written",
                                  config.key_log_file + ": " + std::generic_category().message(errno),
                                  config.detailed_errors);
  // Whoever can read the log can read the connections, and who owns it decides who can.
  constexpr auto others = 0077;
  if (!S_ISREG(about.st_mode) || about.st_uid != ::geteuid() || (about.st_mode & others) != 0)
    return make_credentials_error("tls.key_log_file",
                                  "it is not a file of this user that nobody else may read or write",
                                  config.key_log_file, config.detailed_errors);
  return std::function<void(std::string_view)>{[file](std::string_view line) {
    // In one piece, so that lines of several shards do not mix. A full disk costs the log, not the connection.
    [[maybe_unused]] const auto ignored = ::write(file->get(), line.data(), line.size());
  }};
}

} // namespace actorwire
