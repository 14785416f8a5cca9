#include "accepting_process.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <new>
#include <stdexcept>
#include <thread>

namespace actorwire::bench {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

static unique_fd listen_on_loopback(const std::string& congestion_control) {
  unique_fd socket{checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")};
  set_congestion_control(socket.get(), congestion_control);
  // All of 127.0.0.0/8 is this machine, and nobody outside may connect.
  constexpr char loopback[] = "lo";
  checked(::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, loopback, sizeof loopback), "SO_BINDTODEVICE");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  checked(::listen(socket.get(), 4'096), "listen");
  return socket;
}

static std::uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  checked(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

accepting_process::accepting_process(std::size_t capacity, const std::string& congestion_control)
  : capacity_(capacity),
    listener_(listen_on_loopback(congestion_control)),
    port_(port_of(listener_.get())),
    mapped_size_(sizeof(board) + capacity * sizeof(std::int64_t)) {
  auto* const memory = ::mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw_errno("mmap");
  board_ = new (memory) board;
  id_ = checked(::fork(), "fork");
  if (id_ == 0)
    accept_all();
  // Else the kernel would go on to accept when the process is gone.
  listener_ = unique_fd{};
}

accepting_process::~accepting_process() {
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
  ::munmap(board_, mapped_size_);
}

std::int64_t* accepting_process::times() const noexcept {
  return reinterpret_cast<std::int64_t*>(board_ + 1);
}

std::size_t accepting_process::accepted() const noexcept {
  return board_->accepted.load(std::memory_order_acquire);
}

std::vector<steady_clock::time_point> accepting_process::accept_times(std::size_t first) const {
  std::vector<steady_clock::time_point> result;
  for (auto index = first; index < accepted(); ++index)
    result.emplace_back(std::chrono::nanoseconds{times()[index]});
  return result;
}

void accepting_process::reset_oldest(std::size_t count) {
  board_->to_reset.store(static_cast<std::uint32_t>(count), std::memory_order_release);
  const auto deadline = steady_clock::now() + std::chrono::seconds{10};
  while (board_->was_reset.load(std::memory_order_acquire) < count) {
    if (steady_clock::now() > deadline)
      throw std::runtime_error("the accepting process does not reset its connections");
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

void accepting_process::accept_all() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener_.get(), &wanted);
  std::vector<int> sockets;
  std::uint32_t was_reset = 0;
  for (;;) {
    // Looks at the board every 5 ms; a connection wakes it at once.
    epoll_event ready{};
    ::epoll_wait(epoll, &ready, 1, 5);
    accept_waiting(sockets);
    const auto count = board_->to_reset.load(std::memory_order_acquire);
    while (was_reset < std::min<std::size_t>(count, sockets.size())) {
      const linger at_once{1, 0};
      ::setsockopt(sockets[was_reset], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(sockets[was_reset]);
      board_->was_reset.store(++was_reset, std::memory_order_release);
      // The first to come back must not wait until the last is gone: their times would lie too close together.
      accept_waiting(sockets);
    }
  }
}

void accepting_process::accept_waiting(std::vector<int>& sockets) {
  while (sockets.size() < capacity_) {
    const auto socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0)
      return;
    times()[sockets.size()] = std::chrono::nanoseconds{steady_clock::now().time_since_epoch()}.count();
    sockets.push_back(socket);
    board_->accepted.store(static_cast<std::uint32_t>(sockets.size()), std::memory_order_release);
  }
}

} // namespace actorwire::bench
