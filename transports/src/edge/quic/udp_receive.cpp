#include "udp_control.hpp"
#include "udp_receive_buffers.hpp"
#include "udp_socket.hpp"
#include "udp_system_call.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <span>

namespace actorwire {

namespace {

bool means_nothing_there(int errno_value) {
  // A signal in between is not worth a report: what there is stays readable.
  return errno_value == EAGAIN || errno_value == EWOULDBLOCK || errno_value == EINTR;
}

/// Gives the datagrams of one message to `sink`; returns false if the message had to be cut off.
bool deliver(mmsghdr& message, const udp_path& ends, udp_sink& sink) {
  auto& head = message.msg_hdr;
  // Without all that the kernel has to say nobody knows where one datagram ends and the next begins.
  if ((head.msg_flags & MSG_CTRUNC) != 0)
    return false;
  const auto told = read_control(head);
  udp_arrival arrived;
  arrived.mark = told.mark;
  arrived.path = ends;
  if (head.msg_name != nullptr)
    arrived.path.remote = udp_address{static_cast<const sockaddr*>(head.msg_name), head.msg_namelen};
  if (told.local)
    arrived.path.local = udp_address{*told.local, ends.local.port()};

  const auto is_truncated = (head.msg_flags & MSG_TRUNC) != 0;
  std::span rest{static_cast<const std::byte*>(head.msg_iov->iov_base), message.msg_len};
  const auto segment_size = told.segment_size != 0 ? told.segment_size : rest.size();
  // What was cut off is no datagram; those of a train before it are whole.
  if (is_truncated)
    rest = rest.first(told.segment_size != 0 ? rest.size() / segment_size * segment_size : 0);
  while (!rest.empty()) {
    arrived.bytes = rest.first(std::min(segment_size, rest.size()));
    rest = rest.subspan(arrived.bytes.size());
    sink.handle_datagram(arrived);
  }
  return !is_truncated;
}

} // namespace

udp_reception udp_socket::receive(udp_receive_buffers& buffers, udp_sink& sink) {
  assert(is_open());
  const auto messages = buffers.prepare(!is_connected_);
  const auto count = retry_interrupted([&] {
    return ::recvmmsg(descriptor_, messages.data(), static_cast<unsigned>(messages.size()), MSG_DONTWAIT, nullptr);
  });
  udp_reception outcome;
  if (count < 0) {
    outcome.system_code = means_nothing_there(errno) ? 0 : errno;
    return outcome;
  }
  outcome.messages = static_cast<std::size_t>(count);
  outcome.may_have_more = outcome.messages == messages.size();
  // A copy, because the sink may close the socket.
  const udp_path ends{local_, remote_};
  for (auto& message : messages.first(outcome.messages))
    if (!deliver(message, ends, sink))
      ++outcome.truncated;
  return outcome;
}

} // namespace actorwire
