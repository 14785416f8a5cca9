#pragma once

#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/result.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace actorwire {

/// What one connection writes of itself (qlog, in the JSON text sequences of draft-ietf-quic-qlog-main-schema). What comes is
/// gathered, and written when there is much of it and at the end. A file that is full, or a disk, costs the log and not the
/// connection.
/// *Thread:* one at a time.
class qlog_file {
public:
  /// What a file holds at most.
  static constexpr std::size_t bytes_max = std::size_t{256} << 20U;

  /// Takes a descriptor, and closes it. No file grows beyond `limit`; what is there then are whole records.
  explicit qlog_file(int descriptor, std::size_t limit = bytes_max);
  ~qlog_file();

  qlog_file(const qlog_file&) = delete;
  qlog_file& operator=(const qlog_file&) = delete;

  /// Takes one record.
  void write(std::string_view record) noexcept;

private:
  static constexpr std::size_t gathered_bytes_max = std::size_t{64} << 10U;

  void flush() noexcept;
  void put(std::string_view text) noexcept;
  void close() noexcept;

  int descriptor_;
  const std::size_t limit_;
  std::size_t written_ = 0;
  std::string gathered_;
};

/// The folder that settings name. Makes a file for each connection, of the name TIME-CHANCE-ROLE.sqlog, which only this user may
/// read, since it tells who talks to whom and how much.
/// *Thread:* one at a time.
class qlog_folder {
public:
  /// Files beyond this number are not made: clients that nobody knows must not fill a disk.
  static constexpr std::size_t files_max = 1'000;

  /// Where a record goes; what `quic_connection::settings::qlog` wants. Empty without a folder, or when no file can be made.
  [[nodiscard]] std::function<void(std::string_view)> begin(const quic_config& quic, bool is_server);

private:
  std::size_t files_made_ = 0;
};

/// Whether connections may write qlog as `quic` says. *Errors:* those of `check_qlog`, and `invalid_value` where the folder is not
/// there or cannot be written to; its name is not shown.
[[nodiscard]] result<void> check_qlog_folder(const quic_config& quic);

} // namespace actorwire
