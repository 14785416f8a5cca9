#pragma once

#include "connection.hpp"
#include "posix.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace actorwire::bench {

/// Bare epoll. Events carry the index that a socket was added with.
class event_queue {
public:
  void add(int socket, std::uint32_t events, std::uint32_t index) { control(EPOLL_CTL_ADD, socket, events, index); }
  void modify(int socket, std::uint32_t events, std::uint32_t index) { control(EPOLL_CTL_MOD, socket, events, index); }

  /// Waits for events. *Errors:* throws after `stall_timeout`.
  [[nodiscard]] std::span<const epoll_event> wait() {
    constexpr auto timeout = static_cast<int>(std::chrono::milliseconds{stall_timeout}.count());
    const auto count = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), timeout);
    if (count == 0)
      throw std::runtime_error("the server has stalled");
    if (count < 0 && errno != EINTR)
      throw_errno("epoll_wait");
    return {ready_.data(), static_cast<std::size_t>(std::max(count, 0))};
  }

private:
  void control(int operation, int socket, std::uint32_t events, std::uint32_t index) {
    epoll_event event{};
    event.events = events;
    event.data.u32 = index;
    checked(::epoll_ctl(epoll_.get(), operation, socket, &event), "epoll_ctl");
  }

  unique_fd epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
  std::array<epoll_event, 128> ready_{};
};

} // namespace actorwire::bench
