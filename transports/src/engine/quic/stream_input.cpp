#include "stream_input.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

namespace actorwire {

namespace {

/// Where in its slab a piece ends.
std::uint32_t end_of(const payload& piece) noexcept {
  return static_cast<std::uint32_t>(piece.data() - piece.memory()->bytes()) + piece.size();
}

/// The piece with what follows it in its slab.
payload extended(const payload& piece, std::uint32_t bytes) noexcept {
  return {*piece.memory(), end_of(piece) - piece.size(), piece.size() + bytes};
}

} // namespace

void stream_input::append(receive_arena& arena, std::span<const std::byte> bytes) {
  // Whoever left something unread is not likely to read this soon.
  if (!pieces_.empty() && fresh_ == 0)
    bytes = bytes.subspan(append_own(arena, bytes));
  if (bytes.empty())
    return;
  append_shared(arena, bytes);
  if (has_many_small_pieces())
    settle(arena);
}

void stream_input::append_shared(receive_arena& arena, std::span<const std::byte> bytes) {
  auto copied = arena.copy_of(bytes);
  size_ += bytes.size();
  fresh_size_ += bytes.size();
  block_ = nullptr;
  if (fresh_ > 0) {
    auto& last = pieces_.back();
    if (last.memory() == copied.memory() && last.data() + last.size() == copied.data()) {
      last = extended(last, copied.size());
      return;
    }
  }
  pieces_.push(std::move(copied));
  ++fresh_;
}

std::size_t stream_input::append_own(receive_arena& arena, std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto left = bytes.size() - done;
    const auto used = block_ != nullptr ? end_of(pieces_.back()) : 0;
    if (block_ != nullptr && used < block_->capacity) {
      const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(left, block_->capacity - used));
      std::memcpy(block_->bytes() + used, bytes.data() + done, count);
      pieces_.back() = extended(pieces_.back(), count);
      size_ += count;
      done += count;
      continue;
    }
    const auto wanted = std::bit_ceil(std::max(left, size_));
    auto* fresh =
        arena.take_apart(static_cast<std::uint32_t>(std::clamp<std::size_t>(wanted, block_size_min, block_size_max)),
                         left);
    if (fresh == nullptr)
      break;
    // The piece keeps the block from now on; it is empty for a moment only.
    payload begun{*fresh, 0, 0};
    fresh->release();
    pieces_.push(std::move(begun));
    block_ = fresh;
  }
  return done;
}

payload stream_input::take(std::size_t bytes_max) {
  if (pieces_.empty() || bytes_max == 0)
    return {};
  auto& first = pieces_.front();
  payload taken;
  if (first.size() <= bytes_max) {
    taken = pieces_.pop();
  } else {
    const auto size = static_cast<std::uint32_t>(bytes_max);
    taken = first.slice(0, size);
    first = first.slice(size, first.size() - size);
  }
  size_ -= taken.size();
  fresh_ = std::min(fresh_, pieces_.size());
  fresh_size_ = std::min(fresh_size_, size_);
  if (pieces_.empty())
    block_ = nullptr;
  return taken;
}

void stream_input::settle(receive_arena& arena) {
  if (fresh_ == 0)
    return;
  const auto first = pieces_.size() - fresh_;
  std::vector<payload> fresh;
  fresh.reserve(fresh_);
  for (auto index = first; index < pieces_.size(); ++index)
    fresh.push_back(std::move(pieces_[index]));
  pieces_.truncate(first);
  size_ -= fresh_size_;
  fresh_ = fresh_size_ = 0;
  block_ = nullptr;
  const auto keep = [this](payload piece) {
    size_ += piece.size();
    pieces_.push(std::move(piece));
    block_ = nullptr;
  };
  for (std::size_t begin = 0; begin < fresh.size();) {
    // Pieces of one slab follow one another.
    const auto* memory = fresh[begin].memory();
    std::size_t bytes = 0;
    auto end = begin;
    for (; end < fresh.size() && fresh[end].memory() == memory; ++end)
      bytes += fresh[end].size();
    const auto is_worth_its_slab = 2 * bytes >= memory->capacity && bytes >= (end - begin) * small_piece_max;
    for (; begin < end; ++begin) {
      auto& piece = fresh[begin];
      const auto moved = is_worth_its_slab ? 0 : static_cast<std::uint32_t>(append_own(arena, piece.bytes()));
      if (moved < piece.size())
        keep(piece.slice(moved, piece.size() - moved));
    }
  }
}

void stream_input::clear() {
  *this = stream_input{};
}

} // namespace actorwire
