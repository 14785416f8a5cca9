#include "storm_server.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <new>
#include <string>
#include <utility>

namespace actorwire::bench {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

struct accept_board::head {
  std::atomic<std::uint64_t> count{0};
};

// Children inherit it: no MFD_CLOEXEC.
accept_board::accept_board(std::size_t capacity)
  : accept_board(unique_fd{checked(::memfd_create("accepted", 0), "memfd_create")}, capacity) {}

accept_board::accept_board(unique_fd memory, std::size_t capacity)
  : memory_(std::move(memory)), capacity_(capacity), mapped_size_(sizeof(head) + capacity * sizeof(std::int64_t)) {
  checked(::ftruncate(memory_.get(), static_cast<off_t>(mapped_size_)), "ftruncate");
  auto* const mapped = ::mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0);
  if (mapped == MAP_FAILED)
    throw_errno("mmap");
  head_ = new (mapped) head;
}

accept_board::~accept_board() {
  ::munmap(head_, mapped_size_);
}

void accept_board::clear() noexcept {
  head_->count.store(0, std::memory_order_release);
}

void accept_board::note() noexcept {
  const auto index = head_->count.load(std::memory_order_relaxed);
  if (index < capacity_)
    places()[index] = std::chrono::nanoseconds{steady_clock::now().time_since_epoch()}.count();
  head_->count.store(index + 1, std::memory_order_release);
}

std::size_t accept_board::count() const noexcept {
  return head_->count.load(std::memory_order_acquire);
}

std::vector<steady_clock::time_point> accept_board::times() const {
  std::vector<steady_clock::time_point> result;
  const auto known = std::min(count(), capacity_);
  for (std::size_t index = 0; index < known; ++index)
    result.emplace_back(std::chrono::nanoseconds{places()[index]});
  return result;
}

std::int64_t* accept_board::places() const noexcept {
  return reinterpret_cast<std::int64_t*>(head_ + 1);
}

void run_storm_server(std::uint16_t port, accept_board& board) {
  raise_file_limit();
  const unique_fd listener{checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")};
  // What the one before has left in TIME_WAIT is no obstacle.
  const int yes = 1;
  checked(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "SO_REUSEADDR");
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(port);
  socklen_t size = sizeof where;
  checked(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&where), size), "bind");
  checked(::listen(listener.get(), 4'096), "listen");
  checked(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &size), "getsockname");
  std::printf("%u\n", unsigned{ntohs(where.sin_port)});
  std::fflush(stdout);
  std::vector<unique_fd> clients;
  for (;;) {
    pollfd wanted[]{{listener.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    checked(::poll(wanted, 2, -1), "poll");
    if (wanted[1].revents != 0)
      return;
    for (int client = 0; (client = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      board.note();
      clients.emplace_back(client);
    }
  }
}

storm_server::storm_server(std::size_t capacity) : board_(capacity) {
  start();
}

void storm_server::restart() {
  // Killed by its destructor, which waits until its sockets are closed.
  process_.reset();
  start();
}

void storm_server::start() {
  board_.clear();
  process_ = std::make_unique<child_process>(std::vector<std::string>{"serve", std::to_string(port_),
                                                                      std::to_string(board_.descriptor()),
                                                                      std::to_string(board_.capacity())});
  port_ = static_cast<std::uint16_t>(std::stoul(process_->read_line(std::chrono::seconds{10})));
}

} // namespace actorwire::bench
