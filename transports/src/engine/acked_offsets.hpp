#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace actorwire {

/// Tells how much of what was written is acknowledged, when what travels is longer than what was written: records of TLS
/// have a head and a tail. Never says too much; says all when all is acknowledged. Memory is bounded: beyond
/// `marks_max` records that are on their way, two share a mark.
class acked_offsets {
public:
  /// Even.
  static constexpr std::size_t marks_max = 256;

  /// The first `plain` bytes are acknowledged when the first `travelling` bytes are. Both grow.
  void mark(std::uint64_t plain, std::uint64_t travelling) {
    if (marks_.size() == marks_max)
      thin_out();
    marks_.push_back({plain, travelling});
  }

  /// Returns how much of the plain bytes is acknowledged, when `travelling` bytes are.
  std::uint64_t acknowledge(std::uint64_t travelling) {
    const auto open = std::find_if(marks_.begin(), marks_.end(),
                                   [travelling](const pair& each) { return each.travelling > travelling; });
    if (open != marks_.begin())
      acked_ = std::prev(open)->plain;
    // An idle connection keeps no memory for it.
    if (open == marks_.end())
      marks_ = std::vector<pair>{};
    else
      marks_.erase(marks_.begin(), open);
    return acked_;
  }

  [[nodiscard]] std::size_t size() const noexcept { return marks_.size(); }

private:
  struct pair {
    std::uint64_t plain;
    std::uint64_t travelling;
  };

  /// Every other mark goes, never the last: what it stood for counts when the next one does.
  void thin_out() {
    for (std::size_t index = 0; index < marks_.size() / 2; ++index)
      marks_[index] = marks_[2 * index + 1];
    marks_.resize(marks_.size() / 2);
  }

  std::vector<pair> marks_;
  std::uint64_t acked_ = 0;
};

} // namespace actorwire
