#pragma once

#include <actorwire/messages/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

namespace actorwire::test {

using namespace std::chrono_literals;

using std::chrono::milliseconds;

constexpr std::size_t gibibyte = std::size_t{1} << 30U;
constexpr milliseconds day = 24h;

std::string written(std::integral auto value) {
  return std::to_string(value);
}
inline std::string written(milliseconds value) {
  return std::to_string(value.count()) + " ms";
}

/// Checks that `config` is refused, and that the text is exactly this.
template <class Config>
void check_refused(const Config& config, error_code code, const std::string& text) {
  INFO("expected: " << text);
  const auto checked = validate(config);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().text == text);
  CHECK(checked.error().code == code);
  CHECK(checked.error().kind == error_kind::configuration);
  CHECK(checked.error().where == phase::setup);
  CHECK_FALSE(checked.error().retryable);
}

/// One number or time of a configuration with its documented limits.
template <class Config, class T>
struct limited_field {
  std::string_view path;
  T Config::*member;
  T least;
  T most;
  /// The limits as the error names them.
  std::string_view allowed;

  void check_accepted(Config config, T value) const {
    INFO(path << " = " << written(value));
    config.*member = value;
    const auto checked = validate(config);
    CHECK((checked ? std::string{} : checked.error().text) == "");
  }

  void check_refused(Config config, T value) const {
    config.*member = value;
    std::string text{path};
    text.append(" = ").append(written(value)).append(": must be ").append(allowed);
    test::check_refused(config, error_code::invalid_value, text);
  }

  /// Valid at both limits, refused one step beyond either and at the extremes of the type. `config` must leave room.
  void check(const Config& config) const {
    check_accepted(config, least);
    check_accepted(config, most);
    const T one{1};
    if constexpr (std::unsigned_integral<T>) {
      // 0 is a limit, or has a meaning of its own and a case of its own.
      if (least > one)
        check_refused(config, static_cast<T>(least - one));
      check_refused(config, std::numeric_limits<T>::max());
    } else {
      if (least - one != T{0} || allowed.find("0 (") == std::string_view::npos)
        check_refused(config, least - one);
      check_refused(config, T{-1});
      check_refused(config, T::min());
      check_refused(config, T::max());
    }
    check_refused(config, static_cast<T>(most + one));
  }
};

template <class Config, class T>
limited_field(std::string_view, T Config::*, T, T, std::string_view) -> limited_field<Config, T>;

constexpr std::string_view any_time = "1..86400000 ms";

} // namespace actorwire::test
