#include "connection.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace actorwire::bench {

unique_fd connect_to(std::uint16_t port, const std::string& congestion_control) {
  unique_fd socket{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  const timeval timeout{stall_timeout.count(), 0};
  checked(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout), "SO_SNDTIMEO");
  checked(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), "SO_RCVTIMEO");
  const auto on = 1;
  checked(::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  set_congestion_control(socket.get(), congestion_control);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  return socket;
}

void make_nonblocking(int socket) {
  checked(::fcntl(socket, F_SETFL, O_NONBLOCK), "fcntl");
}

void wait_for(int socket, short events) {
  constexpr auto timeout = static_cast<int>(std::chrono::milliseconds{stall_timeout}.count());
  pollfd wanted{socket, events, 0};
  if (checked(::poll(&wanted, 1, timeout), "poll") == 0)
    throw std::runtime_error("the server has stalled");
}

std::size_t receive_some(int socket, std::span<std::byte> into) {
  const auto count = ::recv(socket, into.data(), into.size(), 0);
  if (count > 0)
    return static_cast<std::size_t>(count);
  if (count == 0)
    throw std::runtime_error("the server closed a connection");
  if (errno != EAGAIN)
    throw_errno("recv");
  return 0;
}

std::size_t send_some(int socket, std::span<const std::byte> from) {
  const auto count = ::send(socket, from.data(), from.size(), MSG_NOSIGNAL);
  if (count >= 0)
    return static_cast<std::size_t>(count);
  if (errno != EAGAIN)
    throw_errno("send");
  return 0;
}

namespace {

class plain_connection final : public connection {
public:
  explicit plain_connection(unique_fd socket) : socket_(std::move(socket)) { make_nonblocking(socket_.get()); }

  [[nodiscard]] int fd() const noexcept override { return socket_.get(); }
  std::size_t read_some(std::span<std::byte> into) override { return receive_some(socket_.get(), into); }
  std::size_t write_some(std::span<const std::byte> from) override { return send_some(socket_.get(), from); }

private:
  unique_fd socket_;
};

} // namespace

std::unique_ptr<connection> make_plain_connection(unique_fd socket) {
  return std::make_unique<plain_connection>(std::move(socket));
}

} // namespace actorwire::bench
