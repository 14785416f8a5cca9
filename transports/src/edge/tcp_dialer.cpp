#include "tcp_dialer.hpp"

#include "reactor.hpp"
#include "socket_address.hpp"
#include "socket_options.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace actorwire {

using boost::asio::ip::tcp;

result<void> tcp_dialer::start_attempt(std::size_t index) {
  if (auto opened = open_socket(index); !opened)
    return opened;
  sockets_[index]->async_connect(address_of(index),
                                 [self = local_ref<tcp_dialer>{this}, index](const boost::system::error_code& failure) {
                                   const shard::turn here{self->where()};
                                   self->handle_connect(index, failure);
                                 });
  return {};
}

void tcp_dialer::handle_connect(std::size_t index, const boost::system::error_code& failure) {
  // An attempt that was given up has no socket any more.
  if (is_over() || !sockets_[index])
    return;
  auto code = failure.value();
  // Dialling a local port where nobody listens can meet itself: the kernel may choose that very port for our end, and
  // then both ends of the connection are one socket (simultaneous open, RFC 9293, 3.5).
  const auto descriptor = sockets_[index]->native_handle();
  if (code == 0 && local_end(descriptor) == remote_end(descriptor))
    code = ECONNREFUSED;
  if (code == 0)
    note_success(index);
  else
    note_failure(index, make_system_error(code, phase::connect, "connect to " + to_text(address_of(index))));
}

result<void> tcp_dialer::open_socket(std::size_t index) {
  // Not by Asio, which lets programs that this process starts inherit its sockets.
  const auto protocol = address_of(index).protocol();
  const auto descriptor = ::socket(protocol.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol.protocol());
  if (descriptor < 0)
    return make_system_error(errno, phase::connect, "open a socket");
  auto& socket = sockets_[index].emplace(where().loop().context());
  boost::system::error_code failure;
  socket.assign(protocol, descriptor, failure);
  if (failure) {
    ::close(descriptor);
    return make_system_error(failure.value(), phase::connect, "watch a socket");
  }
  return apply_options(descriptor, config());
}

tcp::endpoint tcp_dialer::address_of(std::size_t index) const {
  return socket_address(address(index), remote().port);
}

void tcp_dialer::hand_over(std::size_t winner) {
  auto connected = std::move(*sockets_[winner]);
  sockets_.clear();
  told_->on_dialed(std::move(connected));
}

} // namespace actorwire
