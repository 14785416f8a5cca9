#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/detail/reactor_op.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cassert>

namespace actorwire {

/// A TCP socket that knows its event loop by type, which makes it smaller than `tcp::socket` and its calls direct.
class tcp_socket
  : public boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type> {
public:
  using basic_stream_socket::basic_stream_socket;

  /// Waits by `what` until there is something to read. `async_wait` asks the kernel each time to report what is there already;
  /// that costs a system call, which is spared here if `is_drained`: the last read has found nothing. What comes afterwards
  /// is reported all the same, since Asio registers each socket once, edge-triggered (epoll(7)), and remembers what was
  /// reported while nobody waited. But who was told since that there is something, and did not read it, is not told again:
  /// then it is not drained. The socket must be open.
  void start_wait(boost::asio::detail::reactor& events, boost::asio::detail::reactor_op& what, bool is_drained) {
    assert(is_open());
    auto& self = impl_.get_implementation();
    events.start_op(boost::asio::detail::reactor::read_op, self.socket_, self.reactor_data_, &what, false, is_drained);
  }
};

} // namespace actorwire
