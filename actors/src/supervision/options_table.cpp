#include "supervision/options_table.hpp"

#include <cassert>
#include <chrono>
#include <functional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace actorwire {

namespace {

/// Hashes whatever describes itself, member by member, so that a member added to the options is part of their identity
/// without a word here. A member of a kind unknown to it does not compile.
class hasher {
public:
  template <class... Ts>
  std::size_t operator()(std::string_view, field<Ts>... fields) {
    (add(fields.value), ...);
    return seed_;
  }

private:
  template <described T>
  void add(const T& value) {
    T::describe(value, *this);
  }

  template <class T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  void add(T value) { mix(std::hash<T>{}(value)); }

  template <class Rep, class Period>
  void add(std::chrono::duration<Rep, Period> value) {
    add(value.count());
  }

  void add(const std::string& value) { mix(std::hash<std::string>{}(value)); }

  void add(const secret& value) { add(value.reveal()); }

  template <class T>
  void add(const std::vector<T>& values) {
    add(values.size());
    for (const auto& each : values)
      add(each);
  }

  template <class... Ts>
  void add(const std::variant<Ts...>& value) {
    add(value.index());
    std::visit([this](const auto& held) { this->add(held); }, value);
  }

  void mix(std::size_t hash) noexcept { seed_ ^= hash + 0x9e3779b97f4a7c15ULL + (seed_ << 6U) + (seed_ >> 2U); }

  std::size_t seed_ = 0;
};

std::size_t hash_of(const acquire_options& options) {
  hasher hash;
  return acquire_options::describe(options, hash);
}

} // namespace

options_table::pointer options_table::find(const acquire_options& options) const {
  const auto found = locate(hash_of(options), options);
  return found == copies_.end() ? nullptr : found->second.options;
}

options_table::pointer options_table::use(const acquire_options& options) {
  const auto hash = hash_of(options);
  const auto [first, last] = copies_.equal_range(hash);
  for (auto position = first; position != last; ++position) {
    if (*position->second.options == options) {
      ++position->second.uses;
      return position->second.options;
    }
  }
  return copies_.emplace(hash, copy{std::make_shared<const acquire_options>(options), 1})->second.options;
}

void options_table::release(const pointer& options) noexcept {
  const auto [first, last] = copies_.equal_range(hash_of(*options));
  for (auto position = first; position != last; ++position) {
    if (position->second.options == options) {
      if (--position->second.uses == 0)
        copies_.erase(position);
      return;
    }
  }
  assert(false); // Released more often than used.
}

options_table::copies::const_iterator options_table::locate(std::size_t hash, const acquire_options& options) const {
  auto [position, last] = copies_.equal_range(hash);
  while (position != last && *position->second.options != options)
    ++position;
  return position == last ? copies_.end() : position;
}

} // namespace actorwire
