#pragma once

#include <actorwire/messages/stream.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

namespace actorwire {

/// Which stream sends next, of those that have something to send and may. A smaller urgency goes first, whatever else
/// waits. Within one urgency incremental streams take turns; those that are not incremental take one turn together, which
/// is used in the order of their ids. So neither a long stream that is not incremental nor an endless one that is keeps
/// the others out (RFC 9218, 10).
///
/// Each call takes O(log n). A few that leave and come back allocate nothing. *Thread:* one at a time.
class stream_scheduler {
public:
  /// The stream has something to send. Of one that is known already the priority is changed; with the same priority it
  /// keeps its place. An urgency beyond 7 counts as 7.
  void add(std::int64_t id, stream_priority priority);

  /// The stream has nothing to send, or is blocked. Of one that is not known nothing happens.
  void remove(std::int64_t id);

  /// Returns which stream sends next; empty if there is none. Until something changes it is the same one.
  [[nodiscard]] std::optional<std::int64_t> next() const;

  /// The stream has had its turn, for instance a packet or what one call to the system sends. Of one that is not known
  /// nothing happens.
  void rotate(std::int64_t id);

  [[nodiscard]] bool contains(std::int64_t id) const { return by_id_.contains(id); }
  [[nodiscard]] bool empty() const noexcept { return by_id_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return by_id_.size(); }

private:
  static constexpr std::uint8_t urgency_max = 7;
  /// Nodes of streams that have left, which are kept for those that come.
  static constexpr std::size_t spares_max = 4;

  /// In the order in which they are sent, but for the turn that streams which are not incremental take.
  struct place {
    std::uint8_t urgency;
    bool incremental;
    /// Of incremental streams: whoever has the smallest is next. Of others 0.
    std::uint64_t turn;
    std::int64_t id;

    friend bool operator<(const place& left, const place& right) noexcept {
      return std::tie(left.urgency, left.incremental, left.turn, left.id)
           < std::tie(right.urgency, right.incremental, right.turn, right.id);
    }
  };
  using line = std::set<place>;
  using index = std::map<std::int64_t, line::const_iterator>;

  /// Whether streams wait that have this urgency and are not incremental.
  [[nodiscard]] bool has_sequential(std::uint8_t urgency) const;
  void insert(std::int64_t id, std::uint8_t urgency, bool incremental);

  line line_;
  index by_id_;
  std::vector<line::node_type> spare_places_;
  std::vector<index::node_type> spare_ids_;
  /// The turn of the streams of an urgency that are not incremental, all together.
  std::array<std::uint64_t, urgency_max + 1> sequential_turns_{};
  std::uint64_t last_turn_ = 0;
};

} // namespace actorwire
