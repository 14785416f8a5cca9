#pragma once

#include <actorwire/messages/error.hpp>

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

namespace actorwire {

/// A value, or the reason why there is none. The form of every expected failure in this library: refused, timed out,
/// invalid input. (C++23's `std::expected`, reduced to what is used here.)
/// *Errors:* asking for the side that is not there is a bug of the caller and asserts.
template <class T>
class [[nodiscard]] result {
public:
  using value_type = T;

  // Both conversions are implicit on purpose: `return value;` and `return error;` read alike.
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(transport_error reason) : state_(std::in_place_index<1>, std::move(reason)) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] T& value() & {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && { return std::move(value()); }

  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  [[nodiscard]] const transport_error& error() const {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

private:
  std::variant<T, transport_error> state_;
};

/// Success, or the reason of the failure.
template <>
class [[nodiscard]] result<void> {
public:
  using value_type = void;

  result() = default;
  result(transport_error reason) : reason_(std::move(reason)) {}

  [[nodiscard]] bool has_value() const noexcept { return !reason_; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] const transport_error& error() const {
    assert(reason_);
    return *reason_;
  }

private:
  std::optional<transport_error> reason_;
};

} // namespace actorwire
