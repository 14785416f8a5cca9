#pragma once

#include <actorwire/export.hpp>

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

struct slab;

/// Whoever takes a slab back when its last reference is gone. *Thread:* any thread may call `recycle`.
class slab_owner {
public:
  virtual void recycle(slab* memory) noexcept = 0;

protected:
  ~slab_owner() = default;
};

/// A block of memory that many payloads share; its bytes follow the header. Owned by its reference count.
struct slab {
  std::atomic<std::uint32_t> references{1};
  std::uint32_t capacity = 0;
  slab_owner* owner = nullptr;
  slab* next = nullptr;

  [[nodiscard]] std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }

  void retain() noexcept { references.fetch_add(1, std::memory_order_relaxed); }

  void release() noexcept {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      owner->recycle(this);
  }
};

/// Immutable bytes: a reference to a slice of a shared slab, 16 bytes wide. Copying shares, slicing shares, nothing
/// copies bytes except `copy_of` and `detach`. From the receive buffer through an actor to the send call the same
/// memory is used throughout.
///
/// A payload keeps its whole slab alive: a program that stores a small part of what it received for long should store
/// `detach()` of it.
/// *Units:* bytes, at most 4 GiB-1.
/// *Thread:* any thread; one payload object must not be changed by two threads at once.
class payload {
public:
  payload() noexcept = default;

  /// Takes a new reference to `size` bytes at `offset` of `memory`.
  payload(slab& memory, std::uint32_t offset, std::uint32_t size) noexcept
    : slab_(&memory), offset_(offset), size_(size) {
    slab_->retain();
  }

  payload(const payload& other) noexcept : slab_(other.slab_), offset_(other.offset_), size_(other.size_) {
    if (slab_ != nullptr)
      slab_->retain();
  }

  payload(payload&& other) noexcept
    : slab_(std::exchange(other.slab_, nullptr)),
      offset_(std::exchange(other.offset_, 0)),
      size_(std::exchange(other.size_, 0)) {}

  payload& operator=(payload other) noexcept {
    std::swap(slab_, other.slab_);
    std::swap(offset_, other.offset_);
    std::swap(size_, other.size_);
    return *this;
  }

  ~payload() {
    if (slab_ != nullptr)
      slab_->release();
  }

  /// Copies bytes into memory of its own. *Errors:* throws `std::bad_alloc`; more than 4 GiB-1 throws
  /// `std::length_error`.
  [[nodiscard]] ACTORWIRE_EXPORT static payload copy_of(std::span<const std::byte> bytes);
  [[nodiscard]] static payload copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span{text})); }

  /// Makes `size` bytes and lets `fill(std::span<std::byte>)` write them, before anyone else can see them.
  template <class Fill>
  [[nodiscard]] static payload made_by(std::size_t size, Fill&& fill) {
    auto made = uninitialized(size);
    std::forward<Fill>(fill)(std::span<std::byte>{made.mutable_data(), size});
    return made;
  }

  [[nodiscard]] const std::byte* data() const noexcept { return slab_ != nullptr ? slab_->bytes() + offset_ : nullptr; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data(), size_}; }
  /// The bytes seen as characters; valid as long as a payload of this slab lives.
  [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data()), size_}; }
  /// The slab that holds the bytes, for those who want to keep them longer than this payload; null when empty.
  [[nodiscard]] slab* memory() const noexcept { return slab_; }

  /// Shares `count` bytes from `offset` on; both must lie inside.
  [[nodiscard]] payload slice(std::uint32_t offset, std::uint32_t count) const noexcept {
    assert(offset <= size_ && count <= size_ - offset);
    return count == 0 ? payload{} : payload{*slab_, offset_ + offset, count};
  }

  /// Copies the bytes out of a shared slab, so that the slab can go back to its pool.
  [[nodiscard]] payload detach() const { return copy_of(bytes()); }

  /// Compares contents.
  friend bool operator==(const payload& left, const payload& right) noexcept { return left.text() == right.text(); }

private:
  [[nodiscard]] ACTORWIRE_EXPORT static payload uninitialized(std::size_t size);

  [[nodiscard]] std::byte* mutable_data() noexcept { return slab_ != nullptr ? slab_->bytes() + offset_ : nullptr; }

  slab* slab_ = nullptr;
  std::uint32_t offset_ = 0;
  std::uint32_t size_ = 0;
};

static_assert(sizeof(payload) == 16);

/// Renders the size, never the content: payloads may hold secrets and logs should not.
[[nodiscard]] ACTORWIRE_EXPORT std::string to_string(const payload& bytes);

} // namespace actorwire
