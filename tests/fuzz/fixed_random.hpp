#pragma once

#include <cstdint>

namespace actorwire::fuzz {

/// Has everything that GnuTLS takes for random from now on follow from `seed`. GnuTLS has no function for that; but it asks
/// for random bytes by a function of its public interface, and a program that defines that function itself is asked instead.
/// A GnuTLS that was linked so that this does not hold (`-Bsymbolic`, a static library) stays random: then inputs are less
/// easy to repeat, and all that is checked is checked still.
void restart_random(std::uint64_t seed) noexcept;

} // namespace actorwire::fuzz
