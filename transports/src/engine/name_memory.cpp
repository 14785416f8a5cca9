#include "name_memory.hpp"

#include <utility>

namespace actorwire {

void name_memory::remember(const std::string& name, std::vector<ip_address> addresses, time_point asked_at) {
  if (const auto known = places_.find(name); known != places_.end()) {
    known->second->addresses = std::move(addresses);
    known->second->asked_at = asked_at;
    by_use_.splice(by_use_.begin(), by_use_, known->second);
    return;
  }
  if (places_.size() == names_max) {
    places_.erase(by_use_.back().name);
    by_use_.pop_back();
  }
  by_use_.push_front({name, std::move(addresses), asked_at});
  places_.emplace(name, by_use_.begin());
}

void name_memory::forget(const std::string& name) {
  const auto known = places_.find(name);
  if (known == places_.end())
    return;
  by_use_.erase(known->second);
  places_.erase(known);
}

std::optional<std::vector<ip_address>> name_memory::recall(const std::string& name, time_point now) {
  const auto known = places_.find(name);
  if (known == places_.end())
    return std::nullopt;
  if (now - known->second->asked_at > lifetime) {
    by_use_.erase(known->second);
    places_.erase(known);
    return std::nullopt;
  }
  by_use_.splice(by_use_.begin(), by_use_, known->second);
  return known->second->addresses;
}

} // namespace actorwire
