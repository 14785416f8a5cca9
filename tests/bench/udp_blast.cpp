#include "udp_blast.hpp"

#include "posix.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::size_t segment_size = 1'452;
constexpr std::size_t train_size = 44 * segment_size;
constexpr std::size_t messages_per_call = 8;
constexpr int buffer_size = 4 << 20;

unique_fd make_socket() {
  unique_fd socket{checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
  return socket;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

class udp_sink final : public echo_server {
public:
  udp_sink() : socket_(make_socket()), end_(checked(::eventfd(0, EFD_CLOEXEC), "eventfd")) {
    const int on = 1;
    checked(::setsockopt(socket_.get(), SOL_UDP, UDP_GRO, &on, sizeof on), "set UDP_GRO");
    auto address = loopback(0);
    socklen_t size = sizeof address;
    checked(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size), "bind");
    checked(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread{[this] { drain(); }};
  }
  ~udp_sink() override {
    ::eventfd_write(end_.get(), 1);
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const noexcept override { return port_; }

private:
  void drain() {
    std::vector<std::byte> memory(messages_per_call << 16U);
    std::array<iovec, messages_per_call> pieces{};
    std::array<mmsghdr, messages_per_call> messages{};
    std::array<sockaddr_in, messages_per_call> names{};
    for (;;) {
      std::array<pollfd, 2> asked{pollfd{socket_.get(), POLLIN, 0}, pollfd{end_.get(), POLLIN, 0}};
      if (::poll(asked.data(), asked.size(), -1) < 0 || asked[1].revents != 0)
        return;
      for (std::size_t index = 0; index < messages_per_call; ++index) {
        pieces[index] = {memory.data() + (index << 16U), 1U << 16U};
        messages[index].msg_hdr = {};
        messages[index].msg_hdr.msg_iov = &pieces[index];
        messages[index].msg_hdr.msg_iovlen = 1;
        messages[index].msg_hdr.msg_name = &names[index];
        messages[index].msg_hdr.msg_namelen = sizeof names[index];
      }
      const auto got = ::recvmmsg(socket_.get(), messages.data(), messages_per_call, MSG_DONTWAIT, nullptr);
      for (int index = 0; index < got; ++index) {
        const auto& message = messages[static_cast<std::size_t>(index)];
        bytes_ += message.msg_len;
        if (message.msg_len == 0)
          ::sendto(socket_.get(), &bytes_, sizeof bytes_, 0, static_cast<const sockaddr*>(message.msg_hdr.msg_name),
                   message.msg_hdr.msg_namelen);
      }
    }
  }

  unique_fd socket_;
  unique_fd end_;
  std::uint16_t port_ = 0;
  std::uint64_t bytes_ = 0;
  std::thread thread_;
};

/// Asks the sink for its count, and again if the question was lost behind the blast.
std::uint64_t ask_count(int socket) {
  for (int tries = 0; tries < 50; ++tries) {
    ::send(socket, nullptr, 0, 0);
    pollfd asked{socket, POLLIN, 0};
    std::uint64_t count = 0;
    if (::poll(&asked, 1, 100) > 0 && ::recv(socket, &count, sizeof count, 0) == sizeof count)
      return count;
  }
  throw std::runtime_error("the sink does not answer");
}

} // namespace

std::unique_ptr<echo_server> make_udp_sink() {
  return std::make_unique<udp_sink>();
}

blast_figures measure_blast(std::uint16_t port, std::chrono::nanoseconds duration) {
  const auto socket = make_socket();
  const auto address = loopback(port);
  checked(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  const int segment = segment_size;
  checked(::setsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), "set UDP_SEGMENT");
  const std::vector<std::byte> train(train_size);
  const auto began = steady_clock::now();
  while (steady_clock::now() < began + duration)
    if (::send(socket.get(), train.data(), train.size(), 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
      throw_errno("send");
  const auto took = std::chrono::duration<double>(steady_clock::now() - began).count();
  const int off = 0;
  ::setsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &off, sizeof off);
  const auto arrived = ask_count(socket.get());
  return {static_cast<double>(arrived) / 1e6 / took, arrived};
}

} // namespace actorwire::bench
