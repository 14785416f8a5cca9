#pragma once

#include "address_group.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace actorwire {

/// How many connections of a listener each address has, over all its shards, and how many it may have. It knows only
/// addresses that have some, so there are never more of them than connections.
/// *Thread:* any thread.
class address_limit : public std::enable_shared_from_this<address_limit> {
public:
  /// The place of one connection among those of its address: held by whoever has to give it back, and by whoever has to
  /// take it. *Thread:* one at a time; what passes it on to another thread orders the two.
  class share {
  public:
    share(std::shared_ptr<address_limit> book, const address_group& from) noexcept
      : book_(std::move(book)), from_(from) {}
    ~share() {
      if (is_taken_)
        book_->give_back(from_);
    }

    share(const share&) = delete;
    share& operator=(const share&) = delete;

    /// Counts the connection for its address; false, and counted as refused, if that has as many as it may have. A second
    /// call changes nothing.
    [[nodiscard]] bool take() {
      is_taken_ = is_taken_ || book_->take(from_);
      return is_taken_;
    }

    /// Whether `take` would succeed now; if not, that is counted as refused.
    [[nodiscard]] bool is_to_be_had() { return is_taken_ || book_->has_room(from_); }

    [[nodiscard]] bool is_taken() const noexcept { return is_taken_; }

  private:
    const std::shared_ptr<address_limit> book_;
    const address_group from_;
    bool is_taken_ = false;
  };

  explicit address_limit(std::uint32_t limit) noexcept : limit_(limit) {}

  /// Returns a place that is not taken yet.
  [[nodiscard]] std::shared_ptr<share> share_of(const address_group& from) {
    return std::make_shared<share>(shared_from_this(), from);
  }

  /// Connections that were turned away.
  [[nodiscard]] std::uint64_t refused() const;

  /// Addresses that have connections.
  [[nodiscard]] std::size_t size() const;

private:
  [[nodiscard]] bool take(const address_group& from);
  [[nodiscard]] bool has_room(const address_group& from);
  void give_back(const address_group& from) noexcept;

  const std::uint32_t limit_;
  mutable std::mutex mutex_;
  /// A tree, because strangers choose the keys, and could choose those that a hash table is slow with.
  std::map<address_group, std::uint32_t> connections_;
  std::uint64_t refused_ = 0;
};

} // namespace actorwire
