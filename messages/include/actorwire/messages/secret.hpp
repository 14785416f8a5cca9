#pragma once

#include <actorwire/export.hpp>

#include <string>
#include <string_view>

namespace actorwire {

/// Text that is not to be shown: it has to be asked for by name, prints as stars, and its memory is wiped at the end.
/// It does travel in messages, so those that carry one belong on connections that are encrypted.
/// *Thread:* immutable value.
class secret {
public:
  secret() = default;
  ACTORWIRE_EXPORT explicit secret(std::string text) noexcept;
  secret(const secret&) = default;
  ACTORWIRE_EXPORT secret(secret&& other) noexcept;
  ACTORWIRE_EXPORT secret& operator=(secret other) noexcept;
  ACTORWIRE_EXPORT ~secret();

  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  /// The text itself.
  [[nodiscard]] const std::string& reveal() const noexcept { return text_; }

  friend bool operator==(const secret&, const secret&) = default;

private:
  std::string text_;
};

/// Renders stars, or nothing for nothing.
[[nodiscard]] ACTORWIRE_EXPORT std::string to_string(const secret& hidden);

} // namespace actorwire
