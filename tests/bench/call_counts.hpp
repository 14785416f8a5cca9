#pragma once

#include "temporary_file.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace actorwire::bench {

/// What a process does that a clock does not tell.
struct call_figures {
  /// Blocks that were taken from the heap, by whatever language or library.
  std::uint64_t blocks = 0;
  /// Bytes that were copied, where 256 or more were copied at once: payloads are, headers are not.
  std::uint64_t copied = 0;
};

/// Reads what a process counts that has `environment`: a library stands before all others there (count_calls.cpp). Copies that
/// a compiler has put in the place of a call are not seen, nor those in the kernel; ciphers are no copies.
class call_counts {
public:
  /// *Errors:* throws without room for a page.
  call_counts();
  ~call_counts();
  call_counts(const call_counts&) = delete;
  call_counts& operator=(const call_counts&) = delete;

  /// Whether this build has that library: sanitizers stand in its place.
  [[nodiscard]] static bool is_built() noexcept;

  [[nodiscard]] std::vector<std::string> environment() const;
  [[nodiscard]] call_figures now() const noexcept;

  /// *Errors:* throws if nothing was counted yet: no process begins without the heap, so the library was not loaded.
  void require_some() const;

private:
  temporary_file file_{"bench_counts"};
  const void* page_ = nullptr;
};

} // namespace actorwire::bench
