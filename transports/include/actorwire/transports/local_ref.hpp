#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace actorwire {

/// Base of objects that several owners on one shard share. The count is not atomic, which is why it is cheap.
/// *Thread:* shard only, destruction included.
class locally_counted {
public:
  locally_counted() = default;
  locally_counted(const locally_counted&) = delete;
  locally_counted& operator=(const locally_counted&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0)
      delete this;
  }

protected:
  virtual ~locally_counted() = default;

private:
  std::uint32_t references_ = 0;
};

/// A counted reference to a `locally_counted` object.
template <class T>
class local_ref {
public:
  local_ref() noexcept = default;
  local_ref(std::nullptr_t) noexcept {}
  explicit local_ref(T* object) noexcept : object_(object) {
    if (object_ != nullptr)
      object_->retain();
  }
  local_ref(const local_ref& other) noexcept : local_ref(other.object_) {}
  local_ref(local_ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
    requires std::is_convertible_v<U*, T*> local_ref(const local_ref<U>& other)
  noexcept : local_ref(other.get()) {}
  local_ref& operator=(local_ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~local_ref() {
    if (object_ != nullptr)
      object_->release();
  }

  [[nodiscard]] T* get() const noexcept { return object_; }
  [[nodiscard]] T* operator->() const noexcept { return object_; }
  [[nodiscard]] T& operator*() const noexcept { return *object_; }
  [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }

private:
  T* object_ = nullptr;
};

template <class T, class... Args>
[[nodiscard]] local_ref<T> make_local(Args&&... args) {
  return local_ref<T>{new T(std::forward<Args>(args)...)};
}

} // namespace actorwire
