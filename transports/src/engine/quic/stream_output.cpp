#include "stream_output.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace actorwire {

std::size_t stream_output::append(std::span<const outgoing> pieces, std::size_t room) {
  if (is_finished_ || is_discarded_)
    return 0;
  auto left = room;
  for (auto piece : pieces) {
    if (left == 0)
      break;
    piece.size = std::min(piece.size, left);
    if (piece.size == 0)
      continue;
    if (piece.owner != nullptr)
      append_shared(piece);
    else
      append_copy({piece.data, piece.size});
    left -= piece.size;
  }
  accepted_ += room - left;
  return room - left;
}

void stream_output::append_shared(const outgoing& piece) {
  const auto offset = piece.data - piece.owner->bytes();
  assert(offset >= 0 && static_cast<std::size_t>(offset) + piece.size <= piece.owner->capacity);
  append_slice(*piece.owner, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(piece.size));
}

void stream_output::append_copy(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (copies_used_ == copies_.size()) {
      const auto size = std::clamp<std::size_t>(bytes.size(), copy_bytes_min, copy_bytes_max);
      copies_ = payload::made_by(size, [](std::span<std::byte>) {});
      copies_used_ = 0;
    }
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), copies_.size() - copies_used_));
    std::memcpy(copies_.memory()->bytes() + copies_used_, bytes.data(), count);
    append_slice(*copies_.memory(), copies_used_, count);
    copies_used_ += count;
    bytes = bytes.subspan(count);
  }
}

void stream_output::append_slice(slab& memory, std::uint32_t offset, std::uint32_t size) {
  if (!chunks_.empty()) {
    auto& last = chunks_.back();
    // ngtcp2 may point into the last chunk, but what it points at stays where it is. A chunk that was sent whole is left
    // as it is: it is released the sooner.
    if (next_ < chunks_.size() && last.memory() == &memory && last.data() + last.size() == memory.bytes() + offset) {
      last = payload{memory, offset - last.size(), last.size() + size};
      return;
    }
  }
  chunks_.push(payload{memory, offset, size});
}

stream_output::offer stream_output::gather(std::span<ngtcp2_vec> into, std::size_t bytes_max) const {
  offer made;
  if (is_discarded_)
    return made;
  auto begin = next_offset_;
  for (auto index = next_; index < chunks_.size() && made.count < into.size() && made.bytes < bytes_max; ++index) {
    const auto rest = chunks_[index].bytes().subspan(begin);
    const auto size = std::min(rest.size(), bytes_max - made.bytes);
    // ngtcp2 only reads what its vectors point at.
    into[made.count++] = {const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(rest.data())), size};
    made.bytes += size;
    begin = 0;
  }
  made.fin = is_finished_ && !is_fin_sent_ && made.bytes == unsent();
  return made;
}

void stream_output::advance(std::size_t bytes, bool fin) {
  assert(bytes <= unsent());
  sent_ += bytes;
  while (bytes != 0) {
    const auto rest = std::size_t{chunks_[next_].size() - next_offset_};
    if (bytes < rest) {
      next_offset_ += static_cast<std::uint32_t>(bytes);
      break;
    }
    bytes -= rest;
    ++next_;
    next_offset_ = 0;
  }
  assert(!fin || (is_finished_ && unsent() == 0));
  is_fin_sent_ = is_fin_sent_ || fin;
}

void stream_output::acknowledge(std::uint64_t offset, std::uint64_t size) {
  assert(offset == acked_ && size <= sent_ - acked_);
  acked_ = offset + size;
  while (next_ != 0 && first_offset_ + chunks_.front().size() <= acked_) {
    first_offset_ += chunks_.pop().size();
    --next_;
  }
  if (chunks_.empty()) {
    copies_ = {};
    copies_used_ = 0;
  }
}

void stream_output::discard() {
  if (is_discarded_)
    return;
  is_discarded_ = true;
  accepted_ = sent_;
  if (next_offset_ != 0) {
    auto& cut = chunks_[next_++];
    cut = cut.slice(0, std::exchange(next_offset_, 0));
  }
  chunks_.truncate(next_);
  copies_ = {};
  copies_used_ = 0;
}

void stream_output::release() noexcept {
  is_discarded_ = true;
  chunks_.truncate(0);
  copies_ = {};
  copies_used_ = 0;
  next_ = 0;
  next_offset_ = 0;
  first_offset_ = sent_ = accepted_ = acked_;
}

void stream_output::rewind() noexcept {
  assert(acked_ == 0);
  sent_ = 0;
  next_ = 0;
  next_offset_ = 0;
  is_fin_sent_ = false;
}

} // namespace actorwire
