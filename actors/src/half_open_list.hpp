#pragma once

#include "handshake_book.hpp"

#include <caf/fwd.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

namespace actorwire {

/// The half-open clients that one shard has accepted, in the order of their arrival. When the book of the listener is
/// full, the oldest of them goes for the newcomer: whoever means it is soon ready, and whoever never finishes is the
/// oldest some day. A shard ends none but its own, so that accepting needs no message between shards.
/// *Thread:* shard only.
class half_open_list {
public:
  struct admission {
    bool is_admitted = false;
    /// Who is to be ended for it; is in the list no more.
    std::optional<caf::actor_id> evicted;
  };

  explicit half_open_list(std::shared_ptr<handshake_book> book) noexcept : book_(std::move(book)) {}
  /// All that are left leave the book.
  ~half_open_list();

  half_open_list(const half_open_list&) = delete;
  half_open_list& operator=(const half_open_list&) = delete;

  /// Enters a client into the book, or not. One that is admitted is to be added.
  [[nodiscard]] admission admit(const address_group& from);
  void add(caf::actor_id client, const address_group& from);

  /// The client is ready, or has gone. Returns whether it was in the list.
  bool remove(caf::actor_id client) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

private:
  struct entry {
    caf::actor_id client;
    address_group from;
  };

  std::shared_ptr<handshake_book> book_;
  /// The oldest first.
  std::list<entry> by_age_;
  std::unordered_map<caf::actor_id, std::list<entry>::iterator> places_;
};

} // namespace actorwire
