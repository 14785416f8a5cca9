#include "part_file.hpp"

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

namespace transfer {

namespace {

/// The state file: this line, then the offer as it is sent, then the bitmap. Whatever does not begin exactly so belongs
/// to another content or another version.
std::vector<std::byte> state_head(const offer& wanted) {
  constexpr std::string_view title = "actorwire transfer state 1\n";
  const auto identity = encode(wanted);
  std::vector<std::byte> head;
  std::ranges::copy(std::as_bytes(std::span{title}), std::back_inserter(head));
  std::ranges::copy(identity.bytes(), std::back_inserter(head));
  return head;
}

std::uint64_t size_of(const file& opened, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(opened.descriptor(), &status) != 0)
    throw_errno(path.string());
  return static_cast<std::uint64_t>(status.st_size);
}

/// Reserves the space, so that a full disk is found out at the beginning and not in the middle.
void reserve(const file& opened, const std::filesystem::path& path, std::uint64_t size) {
  const auto length = static_cast<off_t>(size);
  if (::ftruncate(opened.descriptor(), 0) != 0)
    throw_errno(path.string());
  if (size == 0 || ::fallocate(opened.descriptor(), 0, 0, length) == 0)
    return;
  // Some file systems cannot; they get a file with holes.
  if (errno != EOPNOTSUPP || ::ftruncate(opened.descriptor(), length) != 0)
    throw_errno(path.string());
}

} // namespace

part_file::part_file(const std::filesystem::path& folder, const offer& wanted)
  : folder_(folder),
    wanted_(wanted),
    final_path_(folder / wanted.name),
    part_path_(folder / (wanted.name + ".part")),
    state_path_(folder / (wanted.name + ".part.state")),
    present_(static_cast<std::uint32_t>(wanted.shape.chunk_count())) {
  part_ = file{part_path_, O_RDWR | O_CREAT | O_NOFOLLOW, 0644};
  // The lock goes with the process, however that ends.
  if (::flock(part_.descriptor(), LOCK_EX | LOCK_NB) != 0)
    throw_errno(part_path_.string() + " is in use");
  if (resume())
    return;
  if (is_stored_already())
    discard();
  else
    start();
}

bool part_file::resume() {
  const auto head = state_head(wanted_);
  head_size_ = head.size();
  std::vector<std::byte> found(head.size() + present_.bitmap().size());
  try {
    state_ = file{state_path_, O_RDWR | O_NOFOLLOW};
  } catch (const std::system_error& failure) {
    if (failure.code() == std::errc::no_such_file_or_directory)
      return false;
    throw;
  }
  if (size_of(state_, state_path_) != found.size() || size_of(part_, part_path_) != wanted_.shape.size
      || read_at(state_.descriptor(), found, 0) != found.size()
      || !std::ranges::equal(head, std::span{found}.first(head.size())))
    return false;
  const auto bitmap = std::span{found}.subspan(head.size());
  if (!chunk_set::is_bitmap_of(present_.count(), bitmap))
    return false;
  present_ = chunk_set{present_.count(), bitmap};
  return true;
}

bool part_file::is_stored_already() {
  file stored;
  try {
    stored = file{final_path_, O_RDONLY | O_NOFOLLOW};
  } catch (const std::system_error&) {
    return false; // If it is in the way for another reason, the end of the transfer will say so.
  }
  if (size_of(stored, final_path_) != wanted_.shape.size || sha256_of(stored.descriptor()) != wanted_.content)
    return false;
  part_ = std::move(stored);
  for (std::uint32_t chunk = 0; chunk < present_.count(); ++chunk)
    present_.insert(chunk);
  is_stored_ = true;
  return true;
}

void part_file::start() {
  // The old state must be gone before the new bytes come: a process that dies between leaves nothing that deceives.
  std::filesystem::remove(state_path_);
  reserve(part_, part_path_, wanted_.shape.size);
  state_ = file{state_path_, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644};
  const auto head = state_head(wanted_);
  write_at(state_.descriptor(), present_.bitmap(), head.size());
  write_at(state_.descriptor(), head, 0);
}

void part_file::discard() {
  std::filesystem::remove(state_path_);
  std::filesystem::remove(part_path_);
}

void part_file::write(std::uint32_t index, std::span<const std::byte> bytes) {
  if (present_.contains(index))
    return;
  write_at(part_.descriptor(), bytes, wanted_.shape.offset_of(index));
  present_.insert(index);
  // The byte of the bitmap that holds this chunk.
  const auto position = head_size_ + index / 8;
  write_at(state_.descriptor(), present_.bitmap().subspan(index / 8, 1), position);
}

sha256_digest part_file::finish() {
  const auto stored = sha256_of(part_.descriptor());
  if (is_stored_)
    return stored;
  if (stored != wanted_.content) {
    discard();
    return stored;
  }
  // Content first, then the name: the other way round a power failure could leave the name without the content.
  if (::fdatasync(part_.descriptor()) != 0)
    throw_errno(part_path_.string());
  std::filesystem::rename(part_path_, final_path_);
  std::filesystem::remove(state_path_);
  const file entry{folder_, O_RDONLY | O_DIRECTORY};
  if (::fsync(entry.descriptor()) != 0)
    throw_errno(folder_.string());
  is_stored_ = true;
  return stored;
}

} // namespace transfer
