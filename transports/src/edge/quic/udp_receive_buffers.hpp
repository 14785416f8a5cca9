#pragma once

#include "udp_control.hpp"

#include <boost/asio/execution_context.hpp>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <span>

namespace actorwire {

/// The memory that all UDP sockets of a shard receive into, one after the other: what arrives is dealt with before the
/// next is asked. A shard without UDP sockets has none; an idle connection costs none.
/// One per event loop: `boost::asio::use_service<udp_receive_buffers>(context)`. *Thread:* shard only.
class udp_receive_buffers final : public boost::asio::execution_context::service {
public:
  using key_type = udp_receive_buffers;
  static boost::asio::execution_context::id id;

  /// Messages of one call to the system. More gained nothing in measurements.
  static constexpr std::size_t count = 8;
  /// A train may have any size that a datagram may have.
  static constexpr std::size_t default_size = std::size_t{64} << 10U;

  /// *Units:* `size` is bytes of each buffer. Longer messages lose their end, which is found out.
  explicit udp_receive_buffers(boost::asio::execution_context& owner, std::size_t size = default_size);
  ~udp_receive_buffers() override;

  /// Returns messages, ready to be filled by recvmmsg(2); the first call takes the memory. `with_names`: whether the
  /// addresses of senders are asked for. *Lifetime:* of the contents, until the next call.
  [[nodiscard]] std::span<mmsghdr> prepare(bool with_names);

private:
  struct memory;

  void shutdown() override {}

  std::size_t size_;
  std::unique_ptr<memory> memory_;
};

} // namespace actorwire
