#include <actorwire/messages/histogram.hpp>

#include <algorithm>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <limits>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

namespace actorwire {

namespace {

constexpr std::uint32_t per_octave = histogram::buckets_per_octave;
constexpr int octave_bits = std::countr_zero(per_octave);

/// Below 8 the number itself; from there on 8 for each power of two.
constexpr std::uint32_t bucket_of(std::uint32_t value) noexcept {
  const auto shift = std::max(static_cast<int>(std::bit_width(value)) - octave_bits - 1, 0);
  return (value >> shift) + per_octave * static_cast<std::uint32_t>(shift);
}

constexpr int shift_of(std::uint32_t bucket) noexcept {
  return std::max(static_cast<int>(bucket / per_octave) - 1, 0);
}

constexpr std::uint32_t least_of(std::uint32_t bucket) noexcept {
  const auto shift = shift_of(bucket);
  return (bucket - per_octave * static_cast<std::uint32_t>(shift)) << shift;
}

constexpr std::uint32_t greatest_of(std::uint32_t bucket) noexcept {
  return least_of(bucket) + ((std::uint32_t{1} << shift_of(bucket)) - 1);
}

constexpr std::uint32_t middle_of(std::uint32_t bucket) noexcept {
  return least_of(bucket) + (greatest_of(bucket) - least_of(bucket)) / 2;
}

static_assert(bucket_of(7) == 7 && bucket_of(8) == 8 && bucket_of(15) == 15 && bucket_of(16) == 16
              && bucket_of(17) == 16 && bucket_of(18) == 17);
static_assert(bucket_of(std::numeric_limits<std::uint32_t>::max()) == histogram::bucket_count_max - 1);
static_assert(greatest_of(histogram::bucket_count_max - 1) == std::numeric_limits<std::uint32_t>::max());
static_assert(least_of(16) == 16 && greatest_of(16) == 17);

/// The sum, or the greatest number there is.
constexpr std::uint64_t add(std::uint64_t left, std::uint64_t right) noexcept {
  return left + std::min(right, std::numeric_limits<std::uint64_t>::max() - left);
}

/// Reads numbers and separators off the front of a text.
class reader {
public:
  explicit reader(std::string_view text) noexcept : rest_(text) {}

  [[nodiscard]] bool is_done() const noexcept { return rest_.empty(); }

  [[nodiscard]] bool take(char separator) noexcept {
    if (!rest_.starts_with(separator))
      return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// As it is written: without a sign, and without zeros before it.
  template <class Number>
  [[nodiscard]] std::optional<Number> number() noexcept {
    Number value = 0;
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    const auto length = static_cast<std::size_t>(end - rest_.data());
    if (failure != std::errc{} || (length > 1 && rest_.front() == '0'))
      return std::nullopt;
    rest_.remove_prefix(length);
    return value;
  }

private:
  std::string_view rest_;
};

/// Whatever it is, it is not shown: it may be long.
transport_error no_histogram(std::string_view text) {
  return make_invalid_value("histogram", "a text of " + std::to_string(text.size()) + " characters",
                            "what to_string(histogram) writes");
}

} // namespace

void histogram::record(std::chrono::nanoseconds taken) noexcept {
  const auto value =
      static_cast<std::uint32_t>(std::clamp(std::chrono::floor<microseconds>(taken), microseconds{0}, longest).count());
  const auto bucket = bucket_of(value);
  try {
    if (counts_.empty()) {
      counts_.push_back(0);
      first_ = bucket;
      min_ = max_ = value;
    } else if (bucket < first_) {
      counts_.insert(counts_.begin(), first_ - bucket, 0);
      first_ = bucket;
    } else if (bucket - first_ >= counts_.size()) {
      counts_.resize(bucket - first_ + 1);
    }
  } catch (const std::bad_alloc&) {
    // What looks on must not bring down what it looks at.
    return;
  }
  auto& count = counts_[bucket - first_];
  count = add(count, 1);
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

histogram& histogram::operator+=(const histogram& other) {
  if (other.empty())
    return *this;
  if (empty())
    return *this = other;
  const auto first = std::min(first_, other.first_);
  const auto end = std::max(first_ + counts_.size(), other.first_ + other.counts_.size());
  std::vector<std::uint64_t> sum(end - first);
  std::copy(counts_.begin(), counts_.end(), sum.begin() + (first_ - first));
  for (std::size_t index = 0; index < other.counts_.size(); ++index) {
    auto& count = sum[other.first_ - first + index];
    count = add(count, other.counts_[index]);
  }
  counts_ = std::move(sum);
  first_ = first;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  return *this;
}

histogram& histogram::operator-=(const histogram& earlier) noexcept {
  if (empty() || earlier.empty())
    return *this;
  for (std::size_t index = 0; index < earlier.counts_.size(); ++index) {
    const auto bucket = earlier.first_ + index;
    if (bucket < first_ || bucket - first_ >= counts_.size())
      continue;
    auto& count = counts_[bucket - first_];
    count -= std::min(count, earlier.counts_[index]);
  }
  const auto is_taken = [](std::uint64_t count) { return count > 0; };
  const auto begin = std::find_if(counts_.begin(), counts_.end(), is_taken);
  if (begin == counts_.end())
    return *this = histogram{};
  const auto end = std::find_if(counts_.rbegin(), counts_.rend(), is_taken).base();
  first_ += static_cast<std::uint32_t>(begin - counts_.begin());
  counts_.erase(end, counts_.end());
  counts_.erase(counts_.begin(), begin);
  min_ = std::max(min_, least_of(first_));
  max_ = std::min(max_, greatest_of(first_ + static_cast<std::uint32_t>(counts_.size()) - 1));
  return *this;
}

std::uint64_t histogram::count() const noexcept {
  std::uint64_t sum = 0;
  for (const auto count : counts_)
    sum = add(sum, count);
  return sum;
}

histogram::microseconds histogram::quantile(double share) const noexcept {
  // In this order, so that what is not a number asks for the least.
  if (empty() || !(share > 0))
    return min();
  if (share >= 1)
    return max();
  const auto all = count();
  // How many of them, the least first, are not to exceed it: at least one, and with rounding no more than there are.
  const auto wanted = std::ceil(share * static_cast<double>(all));
  const auto rank = wanted < static_cast<double>(all) ? static_cast<std::uint64_t>(wanted) : all;
  std::uint64_t passed = 0;
  for (std::size_t index = 0; index < counts_.size(); ++index) {
    passed = add(passed, counts_[index]);
    if (passed >= rank)
      return microseconds{std::clamp(middle_of(first_ + static_cast<std::uint32_t>(index)), min_, max_)};
  }
  return max();
}

std::string to_string(const histogram& counted) {
  if (counted.empty())
    return {};
  auto text = std::to_string(counted.min_) + ' ' + std::to_string(counted.max_) + ' ' + std::to_string(counted.first_);
  char separator = ' ';
  for (const auto count : counted.counts_) {
    text += std::exchange(separator, ',');
    if (count > 0)
      text += std::to_string(count);
  }
  return text;
}

result<histogram> parse_histogram(std::string_view text) {
  histogram read;
  if (text.empty())
    return read;
  if (text.size() > histogram::text_size_max)
    return no_histogram(text);
  reader from{text};
  const auto min = from.number<std::uint32_t>();
  if (!min || !from.take(' '))
    return no_histogram(text);
  const auto max = from.number<std::uint32_t>();
  if (!max || !from.take(' '))
    return no_histogram(text);
  const auto first = from.number<std::uint32_t>();
  if (!first || *first >= histogram::bucket_count_max || !from.take(' '))
    return no_histogram(text);
  do {
    const auto count = from.number<std::uint64_t>();
    // What follows a count that is missing is a comma, or nothing that may be there.
    if (count && *count == 0)
      return no_histogram(text);
    read.counts_.push_back(count.value_or(0));
  } while (*first + read.counts_.size() < histogram::bucket_count_max && from.take(','));
  const auto last = *first + static_cast<std::uint32_t>(read.counts_.size()) - 1;
  if (!from.is_done() || read.counts_.front() == 0 || read.counts_.back() == 0 || *min > *max
      || bucket_of(*min) != *first || bucket_of(*max) != last)
    return no_histogram(text);
  read.min_ = *min;
  read.max_ = *max;
  read.first_ = *first;
  return read;
}

} // namespace actorwire
