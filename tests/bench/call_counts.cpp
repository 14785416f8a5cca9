#include "call_counts.hpp"

#include "call_counts_page.hpp"
#include "posix.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

namespace actorwire::bench {

call_counts::call_counts() {
  checked(::ftruncate(file_.fd(), call_counts_size), "ftruncate");
  auto* const page = ::mmap(nullptr, call_counts_size, PROT_READ, MAP_SHARED, file_.fd(), 0);
  if (page == MAP_FAILED)
    throw_errno("mmap");
  page_ = page;
}

call_counts::~call_counts() {
  ::munmap(const_cast<void*>(page_), call_counts_size);
}

bool call_counts::is_built() noexcept {
  return ACTORWIRE_BENCH_COUNT_CALLS[0] != '\0';
}

std::vector<std::string> call_counts::environment() const {
  return {std::string{call_counts_variable} + "=" + file_.path(), "LD_PRELOAD=" ACTORWIRE_BENCH_COUNT_CALLS};
}

call_figures call_counts::now() const noexcept {
  const auto& page = *static_cast<const call_counts_page*>(page_);
  return {page.blocks.load(std::memory_order_relaxed), page.copied.load(std::memory_order_relaxed)};
}

void call_counts::require_some() const {
  if (now().blocks == 0)
    throw std::runtime_error("nothing is counted: the server has not loaded " ACTORWIRE_BENCH_COUNT_CALLS);
}

} // namespace actorwire::bench
