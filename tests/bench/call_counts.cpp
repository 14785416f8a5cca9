#include "call_counts.hpp"

#include "call_counts_page.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

namespace actorwire::bench {

call_counts::call_counts() : path_((std::filesystem::temp_directory_path() / "bench_counts_XXXXXX").string()) {
  const unique_fd file{checked(::mkstemp(path_.data()), "mkstemp")};
  checked(::ftruncate(file.get(), call_counts_size), "ftruncate");
  auto* const page = ::mmap(nullptr, call_counts_size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (page == MAP_FAILED)
    throw_errno("mmap");
  page_ = page;
}

call_counts::~call_counts() {
  ::munmap(const_cast<void*>(page_), call_counts_size);
  ::unlink(path_.c_str());
}

bool call_counts::is_built() noexcept {
  return ACTORWIRE_BENCH_COUNT_CALLS[0] != '\0';
}

std::vector<std::string> call_counts::environment() const {
  return {std::string{call_counts_variable} + "=" + path_, "LD_PRELOAD=" ACTORWIRE_BENCH_COUNT_CALLS};
}

call_figures call_counts::now() const noexcept {
  const auto& page = *static_cast<const call_counts_page*>(page_);
  return {page.blocks.load(std::memory_order_relaxed), page.copied.load(std::memory_order_relaxed)};
}

} // namespace actorwire::bench
