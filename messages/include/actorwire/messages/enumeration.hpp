#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

namespace actorwire {

/// An enumeration whose names are known: `names_of(E)` returns an array with one name per value, in order and without
/// gaps. Everything generic (printing, parsing, range checks on input from the wire) follows from that array.
template <class E>
concept named_enumeration = std::is_enum_v<E> && requires(E value) {
  names_of(value).size();
};

/// Returns the name of `value`, or "?" for a value outside the enumeration.
/// *Thread:* any thread.
template <named_enumeration E>
[[nodiscard]] constexpr std::string_view name_of(E value) noexcept {
  const auto& names = names_of(value);
  const auto index = static_cast<std::size_t>(value);
  return index < names.size() ? names[index] : std::string_view{"?"};
}

/// Returns the name of `value` as an owning string, the form that logging and CAF expect.
template <named_enumeration E>
[[nodiscard]] std::string to_string(E value) {
  return std::string{name_of(value)};
}

/// Returns whether `number` is the number of one of the values of `E`.
template <named_enumeration E>
[[nodiscard]] constexpr bool names_a_value(std::underlying_type_t<E> number) noexcept {
  return static_cast<std::size_t>(number) < names_of(E{}).size();
}

} // namespace actorwire
