#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

namespace actorwire {

/// One member of a message with its name; what a message's `describe` hands to its visitor.
template <class T>
struct field {
  std::string_view name;
  T& value;
};

template <class T>
field(std::string_view, T&) -> field<T>;

/// A visitor that only asks whether a type has a description.
struct description_probe {
  template <class... Ts>
  constexpr bool operator()(std::string_view, field<Ts>...) const noexcept {
    return true;
  }
};

/// A plain struct that lists its members once, in
/// `template <class Self, class Visitor> static auto describe(Self& self, Visitor&& visit)`, as
/// `visit("type name", field{"member", self.member}...)`. Serialisation, printing and comparison are written against
/// this list, so that a message never names the library that carries it.
template <class T>
concept described = std::is_class_v<T> && requires(T& value) {
  { T::describe(value, description_probe{}) } -> std::same_as<bool>;
};

} // namespace actorwire
