#include "wall_time.hpp"

#include <gnutls/gnutls.h>

#include <utility>

namespace actorwire {

namespace {

thread_local const std::time_t* present = nullptr;

std::time_t present_time(std::time_t* copy) {
  if (present == nullptr)
    return std::time(copy);
  if (copy != nullptr)
    *copy = *present;
  return *present;
}

} // namespace

wall_time::wall_time(std::time_t now) noexcept : now_(now) {
  // GnuTLS has one such function for the whole process; ours is like the standard one to everybody else.
  [[maybe_unused]] static const bool installed = [] {
    ::gnutls_global_set_time_function(present_time);
    return true;
  }();
  outer_ = std::exchange(present, &now_);
}

wall_time::~wall_time() {
  present = outer_;
}

} // namespace actorwire
