#include "udp_receive_buffers.hpp"

#include <netinet/in.h>

#include <array>

namespace actorwire {

boost::asio::execution_context::id udp_receive_buffers::id;

struct udp_receive_buffers::memory {
  struct alignas(cmsghdr) control {
    std::array<std::byte, udp_control_size_max> bytes;
  };

  // Not initialised: pages that no datagram touches are never there.
  explicit memory(std::size_t size) : bytes(std::make_unique_for_overwrite<std::byte[]>(count * size)) {
    for (std::size_t index = 0; index < count; ++index)
      pieces[index] = {bytes.get() + index * size, size};
  }

  std::unique_ptr<std::byte[]> bytes;
  std::array<iovec, count> pieces{};
  std::array<mmsghdr, count> messages{};
  std::array<sockaddr_in6, count> names{};
  std::array<control, count> controls{};
};

udp_receive_buffers::udp_receive_buffers(boost::asio::execution_context& owner, std::size_t size)
  : service(owner), size_(size) {}

udp_receive_buffers::~udp_receive_buffers() = default;

std::span<mmsghdr> udp_receive_buffers::prepare(bool with_names) {
  if (memory_ == nullptr)
    memory_ = std::make_unique<memory>(size_);
  // The kernel writes lengths and flags into the heads, so they are made anew each time.
  for (std::size_t index = 0; index < count; ++index) {
    auto& head = memory_->messages[index].msg_hdr;
    head = {};
    head.msg_name = with_names ? &memory_->names[index] : nullptr;
    head.msg_namelen = with_names ? sizeof memory_->names[index] : 0;
    head.msg_iov = &memory_->pieces[index];
    head.msg_iovlen = 1;
    head.msg_control = memory_->controls[index].bytes.data();
    head.msg_controllen = memory_->controls[index].bytes.size();
  }
  return memory_->messages;
}

} // namespace actorwire
