#pragma once

#include "address_group.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/transports/acceptor.hpp>

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

namespace actorwire {

/// The half-open clients of a listener, over all its shards: accepted, and not yet through with their handshake. Bounds
/// how many there are, and how many of one address, and so its own memory. When it is full, the oldest goes for the
/// newcomer, on whichever shard it lives: whoever means it is soon ready, and whoever never finishes is the oldest some
/// day. Keeps nobody alive.
///
/// A client whose address is a mere claim does not count for that address, or strangers could use up the share of whom
/// they choose; and it goes before all that have proved theirs.
/// *Thread:* any thread.
class handshake_book {
public:
  /// What a client is known by in the book, never used twice; 0: none.
  using place = std::uint64_t;

  struct admission {
    [[nodiscard]] bool is_admitted() const noexcept { return taken != 0; }

    place taken = 0;
    /// Who is to be ended for it, and is in the book no more; null: nobody, or one that has just ended.
    connection_actor evicted;
  };

  struct figures {
    std::uint32_t handshaking = 0;
    /// Not admitted, for either reason.
    std::uint64_t refused = 0;
    /// Gave way to another.
    std::uint64_t evicted = 0;
  };

  /// How many of `max_connections` may be half-open where `wanted` are to be: who has proved nothing never has all places.
  [[nodiscard]] static std::uint32_t limit_for(std::uint32_t wanted, std::uint32_t max_connections) noexcept;

  /// At most `limit` clients, of which at most `share` of one group.
  handshake_book(std::uint32_t limit, std::uint32_t share) noexcept : share_(share), limit_(limit) {}

  /// From now on so many. Clients beyond it stay, and each newcomer takes the place of one.
  void set_limit(std::uint32_t limit);

  /// Takes a place for a client that has no actor yet; at the limit that of the oldest. The share of an address holds in
  /// either case, so nobody who has his gets in at the cost of another address. Whoever is admitted is to be added, or
  /// removed.
  [[nodiscard]] admission admit(const address_group& from, address_proof proof = address_proof::proved);
  /// Tells who has the place; from now on it may have to go for another. It may have left it already.
  void add(place taken, const connection_actor& client);

  /// Whether the client is in the book: false if it has left before, or had to go.
  [[nodiscard]] bool contains(place taken) const;

  /// The client is through with its handshake, or has gone, or is not added after all. Returns whether it was in the book:
  /// false if it has left before, or had to go.
  bool remove(place taken) noexcept;

  [[nodiscard]] figures counts() const;

private:
  struct entry {
    place number;
    /// Null until it is added.
    caf::weak_actor_ptr client;
    address_group from;
    address_proof proof;
    bool is_added = false;
  };
  using entries = std::list<entry>;

  [[nodiscard]] entries& queue_of(address_proof proof) noexcept {
    return proof == address_proof::proved ? proved_by_age_ : claimed_by_age_;
  }
  [[nodiscard]] entries& list_of(const entry& which) noexcept {
    return which.is_added ? queue_of(which.proof) : nameless_;
  }
  [[nodiscard]] entries& first_to_go() noexcept { return claimed_by_age_.empty() ? proved_by_age_ : claimed_by_age_; }
  [[nodiscard]] place take_place(const address_group& from, address_proof proof);
  void take_out(entries::iterator which) noexcept;

  const std::uint32_t share_;
  mutable std::mutex mutex_;
  std::uint32_t limit_;
  /// Clients of each group that has some that have proved so. A tree, because strangers choose the keys, and could choose those that a hash
  /// table is slow with.
  std::map<address_group, std::uint32_t> groups_;
  /// The oldest first.
  entries proved_by_age_;
  entries claimed_by_age_;
  /// Those for whom a place was taken, and who are not added yet.
  entries nameless_;
  std::unordered_map<place, entries::iterator> places_;
  place last_place_ = 0;
  figures counts_;
};

} // namespace actorwire
