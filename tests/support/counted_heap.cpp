#include "counted_heap.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace actorwire::test {

thread_local std::ptrdiff_t blocks_held = 0;
thread_local std::ptrdiff_t blocks_taken = 0;
thread_local bool heap_is_exhausted = false;

} // namespace actorwire::test

namespace {

using actorwire::test::blocks_held;
using actorwire::test::blocks_taken;
using actorwire::test::heap_is_exhausted;

void* allocate_block(std::size_t size) noexcept {
  auto* memory = heap_is_exhausted ? nullptr : std::malloc(std::max<std::size_t>(size, 1));
  blocks_held += memory != nullptr ? 1 : 0;
  ++blocks_taken;
  return memory;
}

void free_block(void* memory) noexcept {
  blocks_held -= memory != nullptr ? 1 : 0;
  std::free(memory);
}

} // namespace

void* operator new(std::size_t size) {
  if (auto* memory = allocate_block(size))
    return memory;
  throw std::bad_alloc{};
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate_block(size);
}

void operator delete(void* memory) noexcept {
  free_block(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  free_block(memory);
}
