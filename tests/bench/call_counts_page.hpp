#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace actorwire::bench {

/// What the library that counts and its reader share, at the beginning of a file.
struct call_counts_page {
  std::atomic<std::uint64_t> blocks;
  std::atomic<std::uint64_t> copied;
};

inline constexpr std::size_t call_counts_size = 4'096;
/// Names the file.
inline constexpr const char* call_counts_variable = "ACTORWIRE_BENCH_COUNTS";
/// Bytes of the smallest copy that counts.
inline constexpr std::size_t least_counted_copy = 256;

} // namespace actorwire::bench
