#include "qlog_file.hpp"

#include "engine/quic/quic_setup.hpp"
#include "quic_group.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

namespace actorwire {

namespace {

std::string name_of_file(const quic_config& quic, bool is_server) {
  const auto now = std::time(nullptr);
  std::tm broken_down{};
  ::gmtime_r(&now, &broken_down);
  std::array<char, sizeof "20000101T000000Z"> when{};
  std::strftime(when.data(), when.size(), "%Y%m%dT%H%M%SZ", &broken_down);
  std::array<std::byte, 8> chance;
  secure_random()(chance);
  auto name = quic.qlog_directory + '/' + when.data() + '-';
  for (const auto each : chance) {
    constexpr std::string_view digits = "0123456789abcdef";
    name += digits[std::to_integer<std::size_t>(each >> 4U)];
    name += digits[std::to_integer<std::size_t>(each & std::byte{15})];
  }
  return name + (is_server ? "-server.sqlog" : "-client.sqlog");
}

} // namespace

// -- the file -----------------------------------------------------------------------------------------------------------

qlog_file::qlog_file(int descriptor, std::size_t limit) : descriptor_(descriptor), limit_(limit) {
  try {
    gathered_.reserve(gathered_bytes_max);
  } catch (const std::exception&) {
    close();
    throw;
  }
}

qlog_file::~qlog_file() {
  flush();
  close();
}

void qlog_file::write(std::string_view record) noexcept {
  if (descriptor_ < 0)
    return;
  if (written_ + gathered_.size() + record.size() > limit_) {
    flush();
    return close();
  }
  if (gathered_.size() + record.size() > gathered_bytes_max)
    flush();
  if (record.size() > gathered_bytes_max)
    put(record);
  else
    gathered_.append(record);
}

void qlog_file::flush() noexcept {
  put(gathered_);
  gathered_.clear();
}

void qlog_file::put(std::string_view text) noexcept {
  while (!text.empty() && descriptor_ >= 0) {
    const auto count = ::write(descriptor_, text.data(), text.size());
    if (count > 0) {
      written_ += static_cast<std::size_t>(count);
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      close();
    }
  }
}

void qlog_file::close() noexcept {
  if (const auto mine = std::exchange(descriptor_, -1); mine >= 0)
    ::close(mine);
}

// -- the folder ---------------------------------------------------------------------------------------------------------

std::function<void(std::string_view)> qlog_folder::begin(const quic_config& quic, bool is_server) {
  if (quic.qlog_directory.empty() || files_made_ >= files_max)
    return {};
  const auto name = name_of_file(quic, is_server);
  constexpr auto readable_by_owner = 0600;
  const auto descriptor =
      ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, readable_by_owner);
  if (descriptor < 0)
    return {};
  ++files_made_;
  return [file = std::make_shared<qlog_file>(descriptor)](std::string_view record) { file->write(record); };
}

result<void> check_qlog_folder(const quic_config& quic) {
  if (quic.qlog_directory.empty())
    return {};
  if (auto checked = check_qlog(quic); !checked)
    return checked;
  struct stat about {};
  auto failure = ::stat(quic.qlog_directory.c_str(), &about) != 0 ? errno : 0;
  if (failure == 0 && !S_ISDIR(about.st_mode))
    failure = ENOTDIR;
  if (failure == 0 && ::access(quic.qlog_directory.c_str(), W_OK | X_OK) != 0)
    failure = errno;
  if (failure != 0)
    return make_invalid_value("quic.qlog_directory", "(not shown)",
                              "a folder that this program may write to (the system says: "
                                  + std::generic_category().message(failure) + ")");
  return {};
}

} // namespace actorwire
