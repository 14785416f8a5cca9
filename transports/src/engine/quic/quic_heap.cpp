#include "quic_heap.hpp"

#include <malloc.h>

#include <cstdlib>

namespace actorwire {

quic_heap::quic_heap(memory_tally& tally) noexcept
  : tally_(tally), functions_{this, allocate, release, allocate_zeros, reallocate} {}

void* quic_heap::allocate(std::size_t size, void* self) {
  auto* memory = std::malloc(size);
  static_cast<quic_heap*>(self)->note(::malloc_usable_size(memory), 0);
  return memory;
}

void* quic_heap::allocate_zeros(std::size_t count, std::size_t size, void* self) {
  auto* memory = std::calloc(count, size);
  static_cast<quic_heap*>(self)->note(::malloc_usable_size(memory), 0);
  return memory;
}

void* quic_heap::reallocate(void* memory, std::size_t size, void* self) {
  const auto before = ::malloc_usable_size(memory);
  auto* moved = std::realloc(memory, size);
  // Where there is no more, the old piece stays.
  if (moved != nullptr || size == 0)
    static_cast<quic_heap*>(self)->note(::malloc_usable_size(moved), before);
  return moved;
}

void quic_heap::release(void* memory, void* self) {
  static_cast<quic_heap*>(self)->note(0, ::malloc_usable_size(memory));
  std::free(memory);
}

void quic_heap::note(std::size_t taken, std::size_t given) noexcept {
  const auto before = counted();
  held_ += taken - given;
  if (const auto after = counted(); after != before)
    tally_.change(static_cast<std::ptrdiff_t>(after) - static_cast<std::ptrdiff_t>(before));
}

} // namespace actorwire
