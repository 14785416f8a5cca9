#pragma once

#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/secret.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace actorwire::test {

/// Changes one setting of whatever describes itself: the one of a number, counted from 0 through all members of members.
/// Settings that are added are among them without a word here.
class variation {
public:
  explicit variation(std::size_t which) noexcept : left_(which) {}

  /// Where the setting that was changed is, such as `transport.tls.server_name`; empty if there are not as many.
  template <described T>
  std::string apply(T& value) {
    T::describe(value, *this);
    return std::exchange(found_, {});
  }

  template <class... Ts>
  bool operator()(std::string_view, field<Ts>... fields) {
    (visit(fields), ...);
    return true;
  }

private:
  template <class T>
  void visit(field<T> member) {
    const auto length = path_.size();
    path_.append(path_.empty() ? "" : ".").append(member.name);
    change(member.value);
    path_.resize(length);
  }

  /// Whether this is the one.
  bool take() {
    if (!found_.empty())
      return false;
    if (left_-- > 0)
      return false;
    found_ = path_;
    return true;
  }

  template <described T>
  void change(T& value) {
    T::describe(value, *this);
  }

  template <class T>
    requires std::is_arithmetic_v<T>
  void change(T& value) {
    if (take())
      value = std::is_same_v<T, bool> ? static_cast<T>(!value) : static_cast<T>(value + 1);
  }

  template <class T>
    requires std::is_enum_v<T>
  void change(T& value) {
    // To a neighbour: the first, or the one after it.
    if (take())
      value = value == T{} ? static_cast<T>(1) : T{};
  }

  template <class Rep, class Period>
  void change(std::chrono::duration<Rep, Period>& value) {
    if (take())
      ++value;
  }

  void change(std::string& value) {
    if (take())
      value += 'x';
  }

  void change(secret& value) {
    if (take())
      value = secret{value.reveal() + 'x'};
  }

  template <class T>
  void change(std::vector<T>& value) {
    if (take())
      value.emplace_back();
  }

  template <class... Ts>
  void change(std::variant<Ts...>& value) {
    if (take()) {
      value = other_than(value.index(), std::type_identity<std::variant<Ts...>>{});
      return;
    }
    std::visit([this](auto& held) { this->change(held); }, value);
  }

  template <class First, class Second, class... Rest>
  static std::variant<First, Second, Rest...> other_than(std::size_t index,
                                                         std::type_identity<std::variant<First, Second, Rest...>>) {
    return index == 0 ? std::variant<First, Second, Rest...>{Second{}} : std::variant<First, Second, Rest...>{First{}};
  }

  std::size_t left_;
  std::string path_;
  std::string found_;
};

/// Copies of `base` that differ in one setting each, by the name of the setting.
template <class T>
std::map<std::string, T> every_variation_of(const T& base) {
  std::map<std::string, T> all;
  for (std::size_t which = 0;; ++which) {
    auto other = base;
    auto setting = variation{which}.apply(other);
    if (setting.empty())
      return all;
    all.emplace(std::move(setting), std::move(other));
  }
}

} // namespace actorwire::test
