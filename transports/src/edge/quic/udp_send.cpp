#include "udp_control.hpp"
#include "udp_name.hpp"
#include "udp_socket.hpp"
#include "udp_system_call.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace actorwire {

namespace {

udp_send_status judge(int errno_value) {
  switch (errno_value) {
    case 0:
      return udp_send_status::sent;
    case EAGAIN:
#if EAGAIN != EWOULDBLOCK
    case EWOULDBLOCK:
#endif
    case EINTR:
    case ENOBUFS:
    case ENOMEM:
      return udp_send_status::blocked;
    case EMSGSIZE:
      return udp_send_status::too_large;
    case ECONNREFUSED:
      return udp_send_status::refused;
    default:
      return udp_send_status::failed;
  }
}

} // namespace

udp_send_result udp_socket::send(const udp_departure& departing) {
  assert(is_open());
  const auto size = departing.bytes.size();
  assert(size != 0 && size <= departure_bytes_max && departing.segment_size != 0);
  assert((size - 1) / departing.segment_size < departure_segments_max);
  if (size <= departing.segment_size || !has_gso_)
    return send_one_by_one(departing);
  const auto error = transmit(departing, 0, size);
  if (error != EIO && error != EINVAL)
    return {judge(error), error == 0 ? size : 0, error};

  // EIO: the device cannot add checksums, or the path is encrypted (IPsec). EINVAL: anything, also that the segments have
  // become too large for the path, which a newer kernel tells by EMSGSIZE. One by one shows which it is.
  const auto outcome = send_one_by_one(departing);
  if (error == EIO || outcome.bytes != 0)
    has_gso_ = false;
  return outcome;
}

udp_send_result udp_socket::send_one_by_one(const udp_departure& departing) {
  udp_send_result outcome;
  while (outcome.bytes < departing.bytes.size() && outcome.status == udp_send_status::sent) {
    const auto size = std::min(departing.segment_size, departing.bytes.size() - outcome.bytes);
    outcome.system_code = transmit(departing, outcome.bytes, size);
    outcome.status = judge(outcome.system_code);
    if (outcome.status == udp_send_status::sent)
      outcome.bytes += size;
  }
  return outcome;
}

int udp_socket::transmit(const udp_departure& departing, std::size_t offset, std::size_t size) {
  const auto& to = is_connected_ ? remote_ : departing.path.remote;
  const udp_name name{to, family_};
  udp_control_writer control;
  if (departing.mark != ecn_mark::not_capable)
    control.add_mark(departing.mark, to.family());
  const auto& from = departing.path.local;
  if (local_.is_wildcard() && from.is_known() && !from.is_wildcard())
    control.add_source(from);
  if (size > departing.segment_size)
    control.add_segment_size(static_cast<std::uint16_t>(departing.segment_size));

  iovec piece{const_cast<std::byte*>(departing.bytes.data() + offset), size};
  msghdr message{};
  if (!is_connected_) {
    message.msg_name = const_cast<sockaddr*>(name.data());
    message.msg_namelen = name.size();
  }
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  control.attach_to(message);
  const auto sent = retry_interrupted([&] { return ::sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  return sent < 0 ? errno : 0;
}

} // namespace actorwire
