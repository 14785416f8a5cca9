#pragma once

#include <actorwire/messages/requests.hpp>

#include <cstddef>
#include <memory>
#include <unordered_map>

namespace actorwire {

/// Holds one copy of each distinct set of options, because most peers of a pool are acquired with the same. Two sets are
/// equal exactly if their addresses are. *Thread:* shard only; the options themselves may be read by any thread.
class options_table {
public:
  using pointer = std::shared_ptr<const acquire_options>;

  /// Returns the copy of `options`, or null if there is none.
  [[nodiscard]] pointer find(const acquire_options& options) const;

  /// Returns the copy of `options`, made if there is none, and counts one more use of it.
  [[nodiscard]] pointer use(const acquire_options& options);

  /// Ends one use; with the last the copy leaves the table. Whoever still points to it keeps it alive, not listed.
  void release(const pointer& options) noexcept;

  /// Distinct sets in use.
  [[nodiscard]] std::size_t size() const noexcept { return copies_.size(); }

private:
  struct copy {
    pointer options;
    std::size_t uses = 0;
  };

  using copies = std::unordered_multimap<std::size_t, copy>;

  [[nodiscard]] copies::const_iterator locate(std::size_t hash, const acquire_options& options) const;

  copies copies_;
};

} // namespace actorwire
