#include "fixed_random.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <cstddef>
#include <span>

namespace {

std::uint64_t state = 0;

/// SplitMix64: good enough for numbers that protect nothing.
std::uint64_t next_number() noexcept {
  state += 0x9E3779B97F4A7C15U;
  auto mixed = state;
  mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
  return mixed ^ (mixed >> 31U);
}

} // namespace

extern "C" int gnutls_rnd(gnutls_rnd_level_t, void* data, std::size_t len) {
  for (auto& byte : std::span{static_cast<unsigned char*>(data), len})
    byte = static_cast<unsigned char>(next_number());
  return 0;
}

void actorwire::fuzz::restart_random(std::uint64_t seed) noexcept {
  state = seed;
}
