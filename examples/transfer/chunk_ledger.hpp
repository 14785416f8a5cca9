#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace transfer {

/// Where the chunks of a file are, as its sender knows it.
class chunk_ledger {
public:
  explicit chunk_ledger(std::uint32_t count) : places_(count, place::here) {}

  /// The first chunk that must be sent.
  [[nodiscard]] std::optional<std::uint32_t> next() noexcept {
    while (cursor_ < places_.size() && places_[cursor_] != place::here)
      ++cursor_;
    return cursor_ < places_.size() ? std::optional{static_cast<std::uint32_t>(cursor_)} : std::nullopt;
  }

  void send(std::uint32_t chunk) noexcept { places_[chunk] = place::under_way; }

  void take_back(std::uint32_t chunk) noexcept {
    if (places_[chunk] != place::under_way)
      return;
    places_[chunk] = place::here;
    cursor_ = std::min<std::size_t>(cursor_, chunk);
  }

  /// Returns whether that is news.
  bool store(std::uint32_t chunk) noexcept {
    if (std::exchange(places_[chunk], place::there) == place::there)
      return false;
    ++stored_;
    return true;
  }

  [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(places_.size()); }
  [[nodiscard]] bool is_complete() const noexcept { return stored_ == places_.size(); }

private:
  enum class place : std::uint8_t { here, under_way, there };

  std::vector<place> places_;
  std::size_t cursor_ = 0;
  std::size_t stored_ = 0;
};

} // namespace transfer
