#include "address_limit.hpp"

#include <cassert>

namespace actorwire {

bool address_limit::take(const address_group& from) {
  const std::lock_guard guard{mutex_};
  auto& count = connections_[from];
  if (count >= limit_) {
    ++refused_;
    return false;
  }
  ++count;
  return true;
}

bool address_limit::has_room(const address_group& from) {
  const std::lock_guard guard{mutex_};
  const auto known = connections_.find(from);
  if (known == connections_.end() || known->second < limit_)
    return true;
  ++refused_;
  return false;
}

void address_limit::give_back(const address_group& from) noexcept {
  const std::lock_guard guard{mutex_};
  const auto known = connections_.find(from);
  assert(known != connections_.end() && known->second > 0);
  if (--known->second == 0)
    connections_.erase(known);
}

std::uint64_t address_limit::refused() const {
  const std::lock_guard guard{mutex_};
  return refused_;
}

std::size_t address_limit::size() const {
  const std::lock_guard guard{mutex_};
  return connections_.size();
}

} // namespace actorwire
