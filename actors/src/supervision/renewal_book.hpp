#pragma once

#include "supervision/attempt_id.hpp"
#include "supervision/backoff.hpp"

#include <actorwire/messages/events.hpp>
#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace actorwire {

/// Which connections are to be replaced by others, when, and how far that has come. A peer whose connection stays for good
/// is not in here.
///
///     plan -> (head is due) -> begin -> (it stands by, and the old connection ends) -> forget
///                                  `-> postpone -> (head is due) -> ...
///
/// *Thread:* shard only.
class renewal_book {
public:
  struct renewal {
    /// When the replacement may be dialled; means nothing while there is one.
    time_point due = time_point::max();
    /// How long the old connection may take to end.
    std::chrono::milliseconds limit{0};
    /// The attempt to have another connection, or that connection; 0 while there is neither.
    attempt_id attempt = 0;
    time_point started{};
    /// The other connection is ready, and the old one ends.
    bool stands_by = false;
    /// Which of the peer's endpoints carries the other.
    std::uint8_t carried_by = 0;
    /// It was planned once more after the attempt had begun.
    bool is_wanted_anew = false;
    /// Failures of the replacement alone.
    backoff delays;
  };

  renewal_book() = default;
  renewal_book(const renewal_book&) = delete;
  renewal_book& operator=(const renewal_book&) = delete;

  /// The peer's connection is to be replaced at `due`, or before if that was planned. Where the attempt has begun, the
  /// connection that comes of it is to be replaced as well.
  void plan(connection_id peer, time_point due, std::chrono::milliseconds limit);

  /// Null if nothing is planned.
  [[nodiscard]] renewal* find(connection_id peer) noexcept;

  /// The one that has been due the longest, and when; nothing if none is waited for.
  [[nodiscard]] std::optional<std::pair<time_point, connection_id>> head() const noexcept;

  /// The replacement of a peer that waits for its time is dialled.
  void begin(connection_id peer, attempt_id attempt, time_point now);

  /// There is no replacement yet, or none any more: the next may be dialled at `due`.
  void postpone(connection_id peer, time_point due);

  /// Nothing is planned any more.
  void forget(connection_id peer);

  [[nodiscard]] std::size_t size() const noexcept { return renewals_.size(); }

  /// Replacements that there are, from the dial of each until it takes the place of the other.
  [[nodiscard]] std::size_t under_way() const noexcept { return renewals_.size() - waiting_.size(); }

private:
  std::unordered_map<connection_id, renewal> renewals_;
  /// Those that wait for their time.
  std::set<std::pair<time_point, connection_id>> waiting_;
};

} // namespace actorwire
