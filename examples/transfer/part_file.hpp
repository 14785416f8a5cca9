#pragma once

#include "chunk_set.hpp"
#include "file.hpp"
#include "protocol.hpp"

#include <cstdint>
#include <filesystem>
#include <span>

namespace transfer {

/// A file on its way: NAME.part holds the bytes, NAME.part.state says which of them are there. Both can be left at any
/// instant by a dying process and are found again: a chunk is recorded after it was written, and both are with the
/// kernel when `write` returns. Only when everything is there and its SHA-256 is right does NAME appear, so it never
/// holds half a file.
///
/// Should the machine itself stop, a chunk may be recorded whose bytes never reached the disk. The SHA-256 finds that
/// out, and the transfer starts anew.
/// *Errors:* every function throws `std::system_error` naming the file.
class part_file {
public:
  /// Goes on with what is there, if it is of the same content; starts anew otherwise.
  part_file(const std::filesystem::path& folder, const offer& wanted);

  [[nodiscard]] const offer& description() const noexcept { return wanted_; }
  [[nodiscard]] const chunk_set& present() const noexcept { return present_; }

  /// Stores a chunk; its size must be that of the layout. Storing it twice does no harm.
  void write(std::uint32_t index, std::span<const std::byte> bytes);

  /// Call it when all chunks are present: returns the SHA-256 of what is stored. If it is the wanted one, the file has
  /// its name now and is safe on disk; if not, everything stored is thrown away.
  sha256_digest finish();

private:
  bool is_stored_already();
  bool resume();
  void start();
  void discard();

  std::filesystem::path folder_;
  offer wanted_;
  std::filesystem::path final_path_;
  std::filesystem::path part_path_;
  std::filesystem::path state_path_;
  file part_;
  file state_;
  chunk_set present_;
  /// Where the bitmap begins in the state file.
  std::size_t head_size_ = 0;
  /// The file has its final name.
  bool is_stored_ = false;
};

} // namespace transfer
