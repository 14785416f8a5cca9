#pragma once

#include "quic_random.hpp"
#include "siphash.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

namespace actorwire {

/// Remembers the first messages of clients that sent early data, so that nobody can send them a second time (RFC 8446,
/// 8.2). Errs on one side only: it may call something seen that is new, which costs that client a round trip.
///
/// GnuTLS says how long each is to be remembered: for its window, 10 s by default, beyond which it refuses old messages
/// itself. The store belongs to one server; one that is also reached elsewhere must share it or refuse early data.
/// *Thread:* one at a time; shards share it by `shared_anti_replay`.
class anti_replay_store {
public:
  using wall_time_point = std::chrono::system_clock::time_point;

  static constexpr std::size_t size_default = 65'536;

  /// Draws the key of the hash. *Units:* `size_max` messages at a time, at about 50 bytes each.
  explicit anti_replay_store(const quic_random& random, std::size_t size_max = size_default);

  /// Remembers a message until `until`. Returns whether it is new: then its early data may be taken. It is not when the
  /// store is full, or when its time is over already.
  [[nodiscard]] bool add(std::span<const std::byte> key, wall_time_point until, wall_time_point now);

  /// Whether `add` would call it new.
  [[nodiscard]] bool is_new(std::span<const std::byte> key, wall_time_point until, wall_time_point now);

  /// How many messages are remembered.
  [[nodiscard]] std::size_t size() const noexcept { return seen_.size(); }

private:
  using entry = std::pair<wall_time_point, std::uint64_t>;

  void forget_old(wall_time_point now);

  const std::size_t size_max_;
  siphash_key key_;
  /// Hashes suffice: two that are equal by chance make one of them seen.
  std::unordered_set<std::uint64_t> seen_;
  /// The same as a heap, whose time is over first on top.
  std::vector<entry> by_time_;
};

} // namespace actorwire
