#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace actorwire::bench {

/// Thrown for what the user typed.
struct usage_error : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// Walks over a command line.
class arguments {
public:
  arguments(int count, char** words) : words_(words + 1, static_cast<std::size_t>(count > 0 ? count - 1 : 0)) {}

  /// The next option; nothing at the end.
  std::optional<std::string_view> next() {
    if (words_.empty())
      return {};
    option_ = words_.front();
    words_ = words_.subspan(1);
    return option_;
  }

  /// What follows the option that `next` returned.
  std::string_view value() {
    const std::string option{option_};
    const auto word = next();
    if (!word)
      throw usage_error(option + " needs a value");
    return *word;
  }

  /// The same as a number within the range.
  template <class Number>
  Number number(Number least, Number greatest) {
    const std::string option{option_};
    const auto text = value();
    Number result{};
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), result);
    if (failure != std::errc{} || end != text.data() + text.size() || !(result >= least && result <= greatest))
      throw usage_error(option + ": '" + std::string{text} + "' is not a number from " + std::to_string(least) + " to "
                        + std::to_string(greatest));
    return result;
  }

  /// Throws, since the option that `next` returned is none.
  [[noreturn]] void refuse() const { throw usage_error("unknown option '" + std::string{option_} + "'"); }

private:
  std::span<char*> words_;
  std::string_view option_;
};

} // namespace actorwire::bench
