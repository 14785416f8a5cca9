#pragma once

#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/result.hpp>

#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace actorwire {

/// Checks the fields of one configuration struct, in the order of the calls, and keeps the first complaint.
///
///     return range_check{"tcp"}
///       .within("keepalive_probes", config.keepalive_probes, 1, 127)
///       .verdict();
///
/// Complaints name a field by the struct's short name and its own, `tcp.keepalive_probes`, wherever the struct is
/// nested.
class range_check {
public:
  explicit range_check(std::string_view group) : group_(group) {}

  /// `value` must lie in `least` .. `most`, both included. Not-a-number lies nowhere.
  template <class T>
  range_check& within(std::string_view name, T value, std::type_identity_t<T> least, std::type_identity_t<T> most) {
    if (!failure_ && !(least <= value && value <= most))
      refuse(name, render(value), render_range(least, most));
    return *this;
  }

  /// `value` must be 0, which means `zero_meaning`, or lie in `least` .. `most`.
  template <class T>
  range_check& zero_or_within(std::string_view name, T value, std::string_view zero_meaning,
                              std::type_identity_t<T> least, std::type_identity_t<T> most) {
    if (!failure_ && value != T{} && !(least <= value && value <= most))
      refuse(name, render(value), "0 (" + std::string{zero_meaning} + ") or " + render_range(least, most));
    return *this;
  }

  /// `value` must lie in `least` .. `bound`, the bound itself excluded.
  range_check& within_half_open(std::string_view name, double value, double least, double bound) {
    if (!failure_ && !(least <= value && value < bound))
      refuse(name, render(value), "at least " + render(least) + " and below " + render(bound));
    return *this;
  }

  /// `value` must be one of the named values; a cast or the wire can make others.
  template <named_enumeration E>
  range_check& named(std::string_view name, E value) {
    const auto number = static_cast<std::underlying_type_t<E>>(value);
    if (!failure_ && !names_a_value<E>(number))
      refuse(name, std::to_string(number), "one of " + listed(names_of(value)));
    return *this;
  }

  /// `value` must not exceed another field of the same struct.
  template <class T>
  range_check& at_most(std::string_view name, T value, std::string_view other_name, std::type_identity_t<T> other) {
    if (!failure_ && value > other)
      conflict(name, render(value), "at most", path(other_name), render(other));
    return *this;
  }

  /// `value` must stay below a field of another struct, named in full.
  template <class T>
  range_check& below(std::string_view name, T value, std::string_view other_path, std::type_identity_t<T> other) {
    if (!failure_ && value >= other)
      conflict(name, render(value), "below", other_path, render(other));
    return *this;
  }

  /// `is_allowed` must hold of a field whose value is shown as `shown`.
  range_check& allowed(std::string_view name, std::string_view shown, bool is_allowed, std::string_view what) {
    if (!failure_ && !is_allowed)
      refuse(name, shown, what);
    return *this;
  }

  /// `is_compatible` must hold of a field and others that `complaint` names.
  range_check& compatible(std::string_view name, bool is_compatible, std::string_view complaint) {
    if (!failure_ && !is_compatible)
      failure_ = make_error(error_code::conflicting_values, phase::setup, origin::local,
                            path(name).append(": ").append(complaint));
    return *this;
  }

  /// Takes over the complaint of a nested struct.
  range_check& nested(const result<void>& checked) {
    if (!failure_ && !checked)
      failure_ = checked.error();
    return *this;
  }

  [[nodiscard]] result<void> verdict() const { return failure_ ? result<void>{*failure_} : result<void>{}; }

private:
  void refuse(std::string_view name, std::string_view value, std::string_view allowed) {
    failure_ = make_invalid_value(path(name), value, allowed);
  }

  void conflict(std::string_view name, std::string_view value, std::string_view relation, std::string_view other_path,
                std::string_view other_value) {
    std::string text = path(name);
    text.append(" = ").append(value).append(": must be ").append(relation).append(" ");
    text.append(other_path).append(" = ").append(other_value);
    failure_ = make_error(error_code::conflicting_values, phase::setup, origin::local, std::move(text));
  }

  [[nodiscard]] std::string path(std::string_view name) const { return std::string{group_}.append(".").append(name); }

  static std::string render(std::integral auto value) { return std::to_string(value); }
  static std::string render(std::chrono::milliseconds value) { return std::to_string(value.count()) + " ms"; }
  static std::string render(double value) {
    // Whole numbers as people write them, 1000000 and not 1e+06, as far as each of them is exact.
    if (std::abs(value) < 1e15 && value == std::trunc(value))
      return std::to_string(static_cast<std::int64_t>(value));
    // Else the shortest text that reads back as the same number: at most 24 characters.
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
  }

  template <class T>
  static std::string render_range(T least, T most) {
    return render(least) + ".." + render(most);
  }
  static std::string render_range(std::chrono::milliseconds least, std::chrono::milliseconds most) {
    return std::to_string(least.count()) + ".." + render(most);
  }

  static std::string listed(const auto& names) {
    std::string text;
    for (const auto name : names)
      text.append(text.empty() ? "" : ", ").append(name);
    return text;
  }

  std::string_view group_;
  std::optional<transport_error> failure_;
};

// -- limits that several structs share --------------------------------------------------------------------------------

/// No timer of a connection is sensibly longer, and sums of such times stay far from overflow.
inline constexpr std::chrono::milliseconds longest_time = std::chrono::hours{24};

/// The finest step of all times here; 0 would expire before anything could happen.
inline constexpr std::chrono::milliseconds shortest_time{1};

/// Most bytes that one connection may be allowed to hold in one place.
inline constexpr std::size_t most_bytes = std::size_t{1} << 30U;

/// Most connections, or things that count connections; a process has about as many descriptors (fs.nr_open).
inline constexpr std::uint32_t most_connections = 1'000'000;

} // namespace actorwire
