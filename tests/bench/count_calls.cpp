// Stands before the C library in a process that is measured (LD_PRELOAD), and counts what is taken from the heap and what is
// copied there. It counts in a file that the measuring process has made, so that nobody has to ask.

#include "call_counts_page.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#define ACTORWIRE_STANDS_FIRST extern "C" [[gnu::visibility("default")]]

// The C library's own names of what is put in its place here.
extern "C" void* libc_malloc(std::size_t size) noexcept __asm__("__libc_malloc");
extern "C" void* libc_calloc(std::size_t count, std::size_t size) noexcept __asm__("__libc_calloc");
extern "C" void* libc_realloc(void* block, std::size_t size) noexcept __asm__("__libc_realloc");
extern "C" void* libc_memalign(std::size_t alignment, std::size_t size) noexcept __asm__("__libc_memalign");

// What calls become where buffers are checked (_FORTIFY_SOURCE).
ACTORWIRE_STANDS_FIRST void* checked_memcpy(void* into, const void* from, std::size_t size, std::size_t room) noexcept
    __asm__("__memcpy_chk");
ACTORWIRE_STANDS_FIRST void* checked_memmove(void* into, const void* from, std::size_t size, std::size_t room) noexcept
    __asm__("__memmove_chk");

namespace {

using actorwire::bench::call_counts_page;
using move_function = void* (*)(void*, const void*, std::size_t);

call_counts_page nowhere{};
call_counts_page* page = &nowhere;
move_function real_move = nullptr;

/// Until the C library is found.
void* move_bytewise(void* into, const void* from, std::size_t size) {
  auto* const to = static_cast<volatile char*>(into);
  const auto* const source = static_cast<const volatile char*>(from);
  if (to <= source)
    for (std::size_t index = 0; index < size; ++index)
      to[index] = source[index];
  else
    for (auto index = size; index > 0; --index)
      to[index - 1] = source[index - 1];
  return into;
}

void* move(void* into, const void* from, std::size_t size) {
  if (size >= actorwire::bench::least_counted_copy)
    page->copied.fetch_add(size, std::memory_order_relaxed);
  return (real_move != nullptr ? real_move : move_bytewise)(into, from, size);
}

void count_block() {
  page->blocks.fetch_add(1, std::memory_order_relaxed);
}

[[gnu::constructor]] void begin() {
  real_move = reinterpret_cast<move_function>(::dlsym(RTLD_NEXT, "memmove"));
  const auto* const name = std::getenv(actorwire::bench::call_counts_variable);
  if (name == nullptr)
    return;
  const auto file = ::open(name, O_RDWR | O_CLOEXEC);
  if (file < 0)
    return;
  auto* const shared = ::mmap(nullptr, actorwire::bench::call_counts_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (shared != MAP_FAILED)
    page = static_cast<call_counts_page*>(shared);
}

} // namespace

ACTORWIRE_STANDS_FIRST void* malloc(std::size_t size) noexcept {
  count_block();
  return libc_malloc(size);
}

ACTORWIRE_STANDS_FIRST void* calloc(std::size_t count, std::size_t size) noexcept {
  count_block();
  return libc_calloc(count, size);
}

ACTORWIRE_STANDS_FIRST void* realloc(void* block, std::size_t size) noexcept {
  count_block();
  return libc_realloc(block, size);
}

ACTORWIRE_STANDS_FIRST void* memalign(std::size_t alignment, std::size_t size) noexcept {
  count_block();
  return libc_memalign(alignment, size);
}

ACTORWIRE_STANDS_FIRST void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  count_block();
  return libc_memalign(alignment, size);
}

ACTORWIRE_STANDS_FIRST int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
  count_block();
  *block = libc_memalign(alignment, size);
  return *block != nullptr ? 0 : ENOMEM;
}

ACTORWIRE_STANDS_FIRST void* memcpy(void* into, const void* from, std::size_t size) noexcept {
  return move(into, from, size);
}

ACTORWIRE_STANDS_FIRST void* memmove(void* into, const void* from, std::size_t size) noexcept {
  return move(into, from, size);
}

void* checked_memcpy(void* into, const void* from, std::size_t size, std::size_t) noexcept {
  return move(into, from, size);
}

void* checked_memmove(void* into, const void* from, std::size_t size, std::size_t) noexcept {
  return move(into, from, size);
}
