#pragma once

#include "quic_cid.hpp"
#include "quic_random.hpp"
#include "siphash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace actorwire {

/// Finds what a connection ID belongs to. Strangers choose the ID that their first packet goes to, so the hash has a key
/// that they do not know. A connection has about five IDs; each takes 32 bytes of a table that is at most three quarters
/// full, grows and shrinks by halves. *Thread:* one at a time. *Lifetime:* points at values, and does not own them.
template <class T>
class connection_id_map {
public:
  /// Draws the key of the hash.
  explicit connection_id_map(const quic_random& random) {
    std::array<std::byte, 16> key{};
    random(key);
    key_ = siphash_key::from(key);
  }

  /// Adds an ID. Returns false, and changes nothing, when it is there already: then somebody else is reached by it.
  bool insert(const quic_cid& id, T& value) {
    if (find(id) != nullptr)
      return false;
    if (4 * (size_ + 1) > 3 * slots_.size())
      rehash(slots_.empty() ? slots_min : 2 * slots_.size());
    place({id, &value});
    ++size_;
    return true;
  }

  /// Returns what the ID belongs to; null if that is nobody.
  [[nodiscard]] T* find(const quic_cid& id) const noexcept {
    const auto index = index_of(id);
    return index == slots_.size() ? nullptr : slots_[index].value;
  }

  /// Removes an ID. Returns whether it was there.
  bool erase(const quic_cid& id) noexcept {
    auto hole = index_of(id);
    if (hole == slots_.size())
      return false;
    // What was pushed away from its place by others moves up, so that no search ends at the hole.
    for (auto index = after(hole); slots_[index].value != nullptr; index = after(index)) {
      const auto home = home_of(slots_[index].id);
      if (((index - home) & mask()) >= ((index - hole) & mask())) {
        slots_[hole] = slots_[index];
        hole = index;
      }
    }
    slots_[hole] = {};
    --size_;
    if (size_ == 0)
      slots_ = std::vector<slot>{};
    else if (8 * size_ < slots_.size() && slots_.size() > slots_min)
      shrink();
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

private:
  static constexpr std::size_t slots_min = 16;

  struct slot {
    quic_cid id;
    /// Null where nothing is.
    T* value = nullptr;
  };

  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  [[nodiscard]] std::size_t after(std::size_t index) const noexcept { return (index + 1) & mask(); }
  [[nodiscard]] std::size_t home_of(const quic_cid& id) const noexcept {
    return static_cast<std::size_t>(siphash<1, 3>(key_, id.bytes())) & mask();
  }

  /// The slot of an ID; one past the last if it is nowhere.
  [[nodiscard]] std::size_t index_of(const quic_cid& id) const noexcept {
    if (slots_.empty())
      return 0;
    auto index = home_of(id);
    for (; slots_[index].value != nullptr; index = after(index))
      if (slots_[index].id == id)
        return index;
    return slots_.size();
  }

  void place(const slot& what) noexcept {
    auto index = home_of(what.id);
    while (slots_[index].value != nullptr)
      index = after(index);
    slots_[index] = what;
  }

  void rehash(std::size_t count) {
    const auto old = std::exchange(slots_, std::vector<slot>(count));
    for (const auto& each : old)
      if (each.value != nullptr)
        place(each);
  }

  void shrink() noexcept {
    try {
      rehash(slots_.size() / 2);
    } catch (const std::bad_alloc&) {
      // Where there is no memory for the smaller table the larger one stays, and the next that goes tries again.
    }
  }

  siphash_key key_;
  /// A power of two, or none.
  std::vector<slot> slots_;
  std::size_t size_ = 0;
};

} // namespace actorwire
