#include "flood.hpp"

#include "connection.hpp"
#include "gnutls_support.hpp"
#include "posix.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace actorwire::bench {

namespace {

/// What a client of GnuTLS would send first.
std::vector<std::byte> make_client_hello() {
  const auto credentials = make_gnutls_credentials();
  const auto priorities = make_gnutls_priorities();
  const auto session = make_gnutls_session(GNUTLS_CLIENT, credentials.get(), priorities.get());
  std::vector<std::byte> hello;
  gnutls_transport_set_ptr(session.get(), &hello);
  gnutls_transport_set_push_function(session.get(),
                                     [](gnutls_transport_ptr_t into, const void* from, std::size_t size) -> ssize_t {
                                       auto& bytes = *static_cast<std::vector<std::byte>*>(into);
                                       const auto* const first = static_cast<const std::byte*>(from);
                                       bytes.insert(bytes.end(), first, first + size);
                                       return static_cast<ssize_t>(size);
                                     });
  gnutls_transport_set_pull_function(session.get(), [](gnutls_transport_ptr_t, void*, std::size_t) -> ssize_t {
    errno = EAGAIN;
    return -1;
  });
  gnutls_handshake(session.get());
  return hello;
}

class flood {
public:
  explicit flood(const flood_plan& wanted)
    : wanted_(wanted), hello_(make_client_hello()), attackers_(wanted.attackers) {}

  void run() {
    watch(STDIN_FILENO, end_of_input);
    // Spread over the time after which they come back: else all would come at once for ever.
    const auto start = steady_clock::now();
    for (std::uint32_t index = 0; index < attackers_.size(); ++index)
      waiting_.push_back({start + wanted_.pause * index / attackers_.size(), index});
    attack_until([this] { return begun_ >= attackers_.size(); });
    std::puts("all have connected");
    std::fflush(stdout);
    const auto before = begun_;
    attack_until([] { return false; });
    const auto connected = std::ranges::count_if(attackers_, [](const auto& one) { return one.socket.get() >= 0; });
    std::printf("%zu %zu\n", begun_ - before, static_cast<std::size_t>(connected));
    std::fflush(stdout);
  }

private:
  /// A second is so many ticks, in each of which one dribbler in so many sends its byte.
  static constexpr std::size_t ticks_a_second = 100;
  static constexpr std::chrono::milliseconds tick{1'000 / ticks_a_second};
  static constexpr std::uint32_t end_of_input = ~0U;

  struct attacker {
    unique_fd socket;
    std::size_t sent = 0;
  };

  struct return_time {
    steady_clock::time_point due;
    std::uint32_t index;
  };

  void watch(int socket, std::uint32_t index) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = index;
    checked(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
  }

  /// Or until standard input ends.
  template <class Condition>
  void attack_until(Condition is_done) {
    while (!is_over_ && !is_done()) {
      const auto next = waiting_.empty() ? next_tick_ : std::min(next_tick_, waiting_.front().due);
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - steady_clock::now()).count();
      handle_events(static_cast<int>(std::max<std::int64_t>(left, 0)));
      const auto now = steady_clock::now();
      for (; next_tick_ <= now; next_tick_ += tick)
        dribble();
      for (; !waiting_.empty() && waiting_.front().due <= now; waiting_.pop_front())
        begin(waiting_.front().index);
    }
  }

  void begin(std::uint32_t index) {
    ++begun_;
    auto& one = attackers_[index];
    one.socket = unique_fd{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
    one.sent = 0;
    const auto on = 1;
    // Else each would take a port away from all other addresses.
    checked(::setsockopt(one.socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on), "no port");
    set_congestion_control(one.socket.get(), wanted_.congestion_control);
    sockaddr_in mine{};
    mine.sin_family = AF_INET;
    mine.sin_addr.s_addr = htonl(0x7f00'0101U + static_cast<std::uint32_t>(index % wanted_.addresses));
    checked(::bind(one.socket.get(), reinterpret_cast<const sockaddr*>(&mine), sizeof mine), "bind");
    auto where = mine;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(wanted_.port);
    if (::connect(one.socket.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
      come_back_later(index);
      return;
    }
    make_nonblocking(one.socket.get());
    watch(one.socket.get(), index);
  }

  void handle_events(int timeout) {
    const auto count = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), timeout);
    for (const auto& event : std::span{ready_}.first(static_cast<std::size_t>(std::max(count, 0))))
      if (event.data.u32 == end_of_input)
        is_over_ = true;
      else
        // A server has nothing to say to whoever has not said anything whole, but that this is the end.
        come_back_later(event.data.u32);
  }

  void dribble() {
    next_ = (next_ + 1) % ticks_a_second;
    for (auto index = 2 * next_ + 1; index < attackers_.size(); index += 2 * ticks_a_second) {
      auto& one = attackers_[index];
      if (one.socket.get() >= 0 && one.sent < hello_.size())
        one.sent += static_cast<std::size_t>(
            std::max<ssize_t>(::send(one.socket.get(), &hello_[one.sent], 1, MSG_NOSIGNAL), 0));
    }
  }

  void come_back_later(std::uint32_t index) {
    attackers_[index].socket = unique_fd{};
    waiting_.push_back({steady_clock::now() + wanted_.pause, index});
  }

  const flood_plan& wanted_;
  const std::vector<std::byte> hello_;
  std::vector<attacker> attackers_;
  /// Those that come first first: all wait equally long.
  std::deque<return_time> waiting_;
  unique_fd epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
  std::array<epoll_event, 256> ready_{};
  steady_clock::time_point next_tick_ = steady_clock::now() + tick;
  std::size_t next_ = 0;
  std::size_t begun_ = 0;
  bool is_over_ = false;
};

} // namespace

void run_flood(const flood_plan& wanted) {
  raise_file_limit();
  flood{wanted}.run();
}

} // namespace actorwire::bench
