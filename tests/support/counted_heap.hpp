#pragma once

#include <cstddef>

namespace actorwire::test {

// Compiled into a test program, `counted_heap.cpp` counts what C++ code takes from the heap. Payloads are not among it: they
// use malloc.

/// Blocks that this thread has taken and not given back.
extern thread_local std::ptrdiff_t blocks_held;
/// Blocks that it has ever taken.
extern thread_local std::ptrdiff_t blocks_taken;
/// Whether it is to get none any more. Catch2 wants some, too.
extern thread_local bool heap_is_exhausted;

} // namespace actorwire::test
