#include <actorwire/messages/payload.hpp>

#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>

namespace actorwire {

namespace {

/// Takes back the slabs that belong to no pool. It has no state and its destructor does nothing, so it serves every
/// thread, and still serves payloads that are released while the program's globals are destroyed.
class heap_owner final : public slab_owner {
public:
  void recycle(slab* memory) noexcept override {
    memory->~slab();
    std::free(memory);
  }
};

constinit heap_owner heap;

} // namespace

payload payload::uninitialized(std::size_t size) {
  if (size > std::numeric_limits<std::uint32_t>::max())
    throw std::length_error{"a payload holds at most 4 GiB - 1 bytes"};
  payload made;
  if (size == 0)
    return made;
  void* memory = std::malloc(sizeof(slab) + size);
  if (memory == nullptr)
    throw std::bad_alloc{};
  made.slab_ = new (memory) slab;
  made.slab_->capacity = static_cast<std::uint32_t>(size);
  made.slab_->owner = &heap;
  made.size_ = static_cast<std::uint32_t>(size);
  return made;
}

payload payload::copy_of(std::span<const std::byte> bytes) {
  auto copy = uninitialized(bytes.size());
  if (!bytes.empty())
    std::memcpy(copy.mutable_data(), bytes.data(), bytes.size());
  return copy;
}

std::string to_string(const payload& bytes) {
  return "payload(" + std::to_string(bytes.size()) + " bytes)";
}

} // namespace actorwire
