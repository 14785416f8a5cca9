#pragma once

#include <actorwire/transports/buffer_pool.hpp>

#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <cstdint>

namespace actorwire {

/// Free space at the end of a slab. Null when the memory limit is reached.
struct slab_space {
  slab* memory = nullptr;
  std::uint32_t offset = 0;
  std::uint32_t size = 0;

  [[nodiscard]] std::byte* data() const noexcept { return memory->bytes() + offset; }
};

/// The slab that the connections of one shard, those that say little, fill in turn. Small messages then pack: a slab per
/// connection would keep 16 KiB alive for every message of a few bytes that waits somewhere, and a modest backlog of them
/// would use up the memory of the whole network. It also means that idle connections hold no memory.
/// One per event loop: `boost::asio::use_service<receive_slab>(context)`. *Thread:* shard only.
class receive_slab final : public boost::asio::execution_context::service {
public:
  using key_type = receive_slab;
  static boost::asio::execution_context::id id;

  explicit receive_slab(boost::asio::execution_context& owner) : service(owner) {}
  ~receive_slab() override;

  /// Returns space of at least a quarter of a slab, taken from `pool` if the present slab has less.
  [[nodiscard]] slab_space prepare(buffer_pool& pool);

  /// Tells that the first `size` bytes of the space are in use; before that, nobody may keep a reference to them.
  void commit(std::uint32_t size) noexcept;

private:
  void shutdown() override {}

  slab* memory_ = nullptr;
  std::uint32_t offset_ = 0;
};

} // namespace actorwire
