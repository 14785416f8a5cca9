#include "udp_fault_proxy.hpp"

#include "descriptor.hpp"
#include "task_door.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <functional>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

using steady = std::chrono::steady_clock;

/// IPv4 and UDP, before the payload.
constexpr std::size_t header_bytes = 28;
/// Datagrams that are read from one socket before the next has its turn.
constexpr int batch_max = 64;

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &made.sin_addr) != 1)
    throw std::system_error{EINVAL, std::generic_category(), host};
  return made;
}

bool are_equal(const sockaddr_in& left, const sockaddr_in& right) {
  return left.sin_port == right.sin_port && left.sin_addr.s_addr == right.sin_addr.s_addr;
}

/// Not connected, so that the system reports nobody's absence by it.
descriptor socket_at(const std::string& host) {
  descriptor made{checked(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")};
  // As much as the system gives: what the proxy does not mean to lose should not get lost in it.
  const int size = 4 << 20;
  ::setsockopt(made.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  ::setsockopt(made.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  const auto where = address_of(host, 0);
  checked(::bind(made.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), "bind");
  return made;
}

sockaddr_in local_of(const descriptor& socket) {
  sockaddr_in where{};
  socklen_t size = sizeof where;
  checked(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&where), &size), "getsockname");
  return where;
}

std::string text_of(const sockaddr_in& address) {
  std::array<char, INET_ADDRSTRLEN> host{};
  ::inet_ntop(AF_INET, &address.sin_addr, host.data(), host.size());
  return std::string{host.data()} + ":" + std::to_string(ntohs(address.sin_port));
}

/// Whether this is a Retry of QUIC: a long header of that type, which versions 1 and 2 number differently.
bool is_retry(std::string_view datagram) {
  constexpr std::string_view version_1{"\x00\x00\x00\x01", 4};
  constexpr std::string_view version_2{"\x6b\x33\x43\xcf", 4};
  constexpr unsigned is_long = 0x80;
  constexpr unsigned type_bits = 0x30;
  if (datagram.size() < 5 || (static_cast<std::uint8_t>(datagram[0]) & is_long) == 0)
    return false;
  const auto type = static_cast<std::uint8_t>(datagram[0]) & type_bits;
  const auto version = datagram.substr(1, 4);
  return (version == version_1 && type == 0x30) || (version == version_2 && type == 0);
}

/// A UDP socket that cannot send drops: that is what networks do.
void transmit(const descriptor& by, const sockaddr_in& to, std::span<const char> bytes) {
  static_cast<void>(
      ::sendto(by.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to));
}

} // namespace

class udp_fault_proxy::link {
public:
  link(std::uint16_t server_port, const udp_faults& faults, std::mt19937_64 chance)
    : faults_(faults),
      server_(address_of("127.0.0.1", server_port)),
      to_server_{std::mt19937_64{chance()}, {}},
      to_clients_{std::mt19937_64{chance()}, {}},
      thread_([this] { run(); }) {}

  ~link() {
    call([this] { is_over_ = true; });
    thread_.join();
  }

  link(const link&) = delete;
  link& operator=(const link&) = delete;

  [[nodiscard]] std::uint16_t port() const { return ntohs(local_of(to_be_found_).sin_port); }
  [[nodiscard]] const udp_fault_counts& counts() const noexcept { return counts_; }

  std::string rebind(const std::string& host) {
    for (auto& each : clients_)
      // The old port is closed only then, so the new one is another.
      each.outside = socket_at(host);
    return clients_.empty() ? std::string{} : text_of(local_of(clients_.back().outside));
  }

  void set_silent(bool is_silent) {
    is_silent_ = is_silent;
    for (auto& each : clients_)
      each.to_live = 0;
    to_server_.held.clear();
    to_clients_.held.clear();
  }

  /// Has the proxy's thread do something, and waits for it. *Errors:* rethrows what it throws.
  void call(std::function<void()> what) { door_.call(std::move(what)); }

private:
  struct client {
    sockaddr_in address;
    /// Where the server sees it.
    descriptor outside;
    /// Datagrams.
    std::uint64_t to_live;
  };

  struct held_back {
    sockaddr_in client;
    std::string bytes;
    unsigned to_come;
    steady::time_point until;
  };

  /// One direction.
  struct lane {
    std::mt19937_64 chance;
    std::deque<held_back> held;
  };

  void run() {
    while (!is_over_) {
      std::vector<pollfd> waiting{{door_.bell(), POLLIN, 0}, {to_be_found_.get(), POLLIN, 0}};
      for (const auto& each : clients_)
        waiting.push_back({each.outside.get(), POLLIN, 0});
      ::poll(waiting.data(), waiting.size(), milliseconds_to_wait());
      // Before clients come and go.
      for (std::size_t index = 2; index < waiting.size(); ++index)
        if (waiting[index].revents != 0)
          read_from_server(clients_[index - 2]);
      if (waiting[1].revents != 0)
        read_from_clients();
      let_go_of_the_late(to_server_);
      let_go_of_the_late(to_clients_);
      if (waiting[0].revents != 0)
        door_.do_tasks();
    }
  }

  [[nodiscard]] int milliseconds_to_wait() const {
    auto next = steady::time_point::max();
    for (const auto* each : {&to_server_, &to_clients_})
      for (const auto& held : each->held)
        next = std::min(next, held.until);
    if (next == steady::time_point::max())
      return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - steady::now());
    return static_cast<int>(std::max(left, std::chrono::milliseconds{0}).count());
  }

  void read_from_clients() {
    read(to_be_found_, [this](const sockaddr_in& from, std::string bytes) {
      if (find(from) == nullptr) {
        if (clients_.size() == clients_max)
          clients_.erase(clients_.begin());
        const auto number = counts_.clients++;
        clients_.push_back({from, socket_at("127.0.0.1"), is_silent_ ? 0 : life_of(number)});
      }
      carry(to_server_, from, std::move(bytes));
    });
  }

  void read_from_server(const client& whose) {
    read(whose.outside, [&, this](const sockaddr_in& from, std::string bytes) {
      if (are_equal(from, server_))
        carry(to_clients_, whose.address, std::move(bytes));
    });
  }

  template <class Handler>
  void read(const descriptor& from, Handler&& handle) {
    for (int count = 0; count < batch_max; ++count) {
      sockaddr_in sender{};
      socklen_t length = sizeof sender;
      const auto size =
          ::recvfrom(from.get(), space_.data(), space_.size(), 0, reinterpret_cast<sockaddr*>(&sender), &length);
      if (size < 0)
        return;
      handle(sender, std::string{space_.data(), static_cast<std::size_t>(size)});
    }
  }

  /// Decides what becomes of one datagram that goes from or to `whose`.
  void carry(lane& by, const sockaddr_in& whose, std::string bytes) {
    // All are drawn for each, whatever becomes of it: the fate of the next does not depend on it.
    std::uniform_real_distribution<> share{0, 1};
    const auto is_lost = share(by.chance) < faults_.loss;
    const auto is_doubled = share(by.chance) < faults_.duplication;
    const auto is_damaged = share(by.chance) < faults_.corruption;
    const auto is_held = share(by.chance) < faults_.reordering;
    const auto where = share(by.chance);
    ++counts_.arrived;
    counts_.retries += &by == &to_clients_ && is_retry(bytes) ? 1 : 0;
    if (!lives(whose)) {
      ++counts_.silenced;
      return;
    }
    if (bytes.size() + header_bytes > faults_.mtu) {
      ++counts_.too_long;
      return;
    }
    if (is_lost) {
      ++counts_.lost;
      return;
    }
    if (is_damaged && !bytes.empty()) {
      ++counts_.corrupted;
      const auto bit = static_cast<std::size_t>(where * static_cast<double>(bytes.size() * 8));
      bytes[bit / 8] ^= static_cast<char>(1U << (bit % 8));
    }
    if (is_held && by.held.size() < held_max) {
      by.held.push_back({whose, std::move(bytes), faults_.overtaken_by, steady::now() + faults_.hold_max});
      return;
    }
    pass(by, whose, bytes);
    if (is_doubled) {
      ++counts_.duplicated;
      pass(by, whose, bytes);
    }
    let_go_of_the_overtaken(by);
  }

  void let_go_of_the_overtaken(lane& by) {
    for (auto& each : by.held)
      --each.to_come;
    std::erase_if(by.held, [&, this](const held_back& each) {
      if (each.to_come > 0)
        return false;
      ++counts_.reordered;
      pass(by, each.client, each.bytes);
      return true;
    });
  }

  void let_go_of_the_late(lane& by) {
    const auto now = steady::now();
    while (!by.held.empty() && by.held.front().until <= now) {
      const auto& late = by.held.front();
      counts_.reordered += late.to_come < faults_.overtaken_by ? 1 : 0;
      pass(by, late.client, late.bytes);
      by.held.pop_front();
    }
  }

  void pass(const lane& by, const sockaddr_in& whose, const std::string& bytes) {
    if (&by == &to_clients_)
      transmit(to_be_found_, whose, bytes);
    else if (const auto* known = find(whose))
      transmit(known->outside, server_, bytes);
  }

  [[nodiscard]] client* find(const sockaddr_in& address) {
    const auto found =
        std::ranges::find_if(clients_, [&](const client& each) { return are_equal(each.address, address); });
    return found == clients_.end() ? nullptr : &*found;
  }

  [[nodiscard]] std::uint64_t life_of(std::uint64_t number) const {
    return number < faults_.lives.size() ? faults_.lives[number] : ~std::uint64_t{0};
  }

  /// Counts one datagram of a client, unless that was the last.
  bool lives(const sockaddr_in& whose) {
    auto* known = find(whose);
    if (known == nullptr || known->to_live == 0)
      return false;
    --known->to_live;
    return true;
  }

  const udp_faults faults_;
  const sockaddr_in server_;
  const descriptor to_be_found_ = socket_at("127.0.0.1");
  task_door door_;
  // What follows is the thread's.
  std::vector<client> clients_;
  lane to_server_;
  lane to_clients_;
  udp_fault_counts counts_;
  std::array<char, 65'536> space_{};
  bool is_silent_ = false;
  bool is_over_ = false;
  std::thread thread_;
};

udp_fault_proxy::udp_fault_proxy(std::uint16_t server_port, const udp_faults& faults, std::mt19937_64 chance)
  : link_(std::make_unique<link>(server_port, faults, std::move(chance))) {}

udp_fault_proxy::~udp_fault_proxy() = default;

std::uint16_t udp_fault_proxy::port() const {
  return link_->port();
}

void udp_fault_proxy::silence() {
  link_->call([this] { link_->set_silent(true); });
}

void udp_fault_proxy::heal() {
  link_->call([this] { link_->set_silent(false); });
}

std::string udp_fault_proxy::rebind(const std::string& host) {
  std::string seen;
  link_->call([&] { seen = link_->rebind(host); });
  return seen;
}

udp_fault_counts udp_fault_proxy::counts() const {
  udp_fault_counts seen;
  link_->call([&] { seen = link_->counts(); });
  return seen;
}

} // namespace actorwire::test
