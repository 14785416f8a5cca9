#include "packet_link.hpp"

#include "task_door.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace actorwire::test {

namespace {

/// Longer than any packet of an interface of 1,500 bytes.
constexpr std::size_t packet_size_max = 2'048;

/// Has a thread of its own do something, so that what it changes about itself ends with it.
void run_apart(const std::function<void()>& what) {
  std::exception_ptr failure;
  std::thread{[&] {
    try {
      what();
    } catch (...) {
      failure = std::current_exception();
    }
  }}.join();
  if (failure)
    std::rethrow_exception(failure);
}

descriptor present_network() {
  return descriptor{checked(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open the network namespace")};
}

descriptor control_socket() {
  return descriptor{checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")};
}

ifreq request_for(const char* name) {
  ifreq made{};
  std::strncpy(made.ifr_name, name, sizeof made.ifr_name - 1);
  return made;
}

void switch_on(const descriptor& control, const char* name) {
  auto request = request_for(name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  checked(::ioctl(control.get(), SIOCSIFFLAGS, &request), "switch an interface on");
}

void give_address(const descriptor& control, const char* name, unsigned long what, const char* address) {
  auto request = request_for(name);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &where.sin_addr);
  std::memcpy(&request.ifr_addr, &where, sizeof where);
  checked(::ioctl(control.get(), what, &request), "give an interface its address");
}

/// Makes an interface whose packets come out of the descriptor. *Thread:* one of the network that is to have it.
descriptor make_interface(const char* address) {
  constexpr auto name = "link";
  descriptor made{checked(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "open /dev/net/tun")};
  auto request = request_for(name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  checked(::ioctl(made.get(), TUNSETIFF, &request), "make an interface");
  const auto control = control_socket();
  give_address(control, name, SIOCSIFADDR, address);
  give_address(control, name, SIOCSIFNETMASK, "255.255.255.252");
  switch_on(control, name);
  return made;
}

descriptor make_network() {
  descriptor made{-1};
  run_apart([&] {
    checked(::unshare(CLONE_NEWNET), "make a network namespace");
    switch_on(control_socket(), "lo");
    made = present_network();
  });
  return made;
}

descriptor interface_in(const network_namespace& where, const char* address) {
  descriptor made{-1};
  where.run([&] { made = make_interface(address); });
  return made;
}

} // namespace

network_namespace::network_namespace() : number_(make_network()) {}

void network_namespace::run(const std::function<void()>& what) const {
  const auto before = present_network();
  checked(::setns(number_.get(), CLONE_NEWNET), "enter a network namespace");
  struct on_the_way_out {
    const descriptor& before;
    ~on_the_way_out() { ::setns(before.get(), CLONE_NEWNET); }
  };
  const on_the_way_out leave{before};
  what();
}

std::string network_namespace::refusal() {
  try {
    const network_namespace first;
    const network_namespace second;
    const packet_link link{first, second, 0, {}};
    return {};
  } catch (const std::system_error& failure) {
    return failure.what();
  }
}

class packet_link::carrier {
public:
  carrier(const network_namespace& first, const network_namespace& second, double loss, std::mt19937_64 chance)
    : loss_(loss),
      first_{interface_in(first, first_address), std::mt19937_64{chance()}},
      second_{interface_in(second, second_address), std::mt19937_64{chance()}},
      thread_([this] { run(); }) {}

  ~carrier() {
    door_.call([this] { is_over_ = true; });
    thread_.join();
  }

  carrier(const carrier&) = delete;
  carrier& operator=(const carrier&) = delete;

  void set_parted(bool is_parted) {
    door_.call([&] { is_parted_ = is_parted; });
  }

  packet_counts counts() {
    packet_counts seen;
    door_.call([&] { seen = counts_; });
    return seen;
  }

private:
  struct end {
    descriptor interface;
    /// For what comes from there.
    std::mt19937_64 chance;
  };

  void run() {
    while (!is_over_) {
      std::array<pollfd, 3> waiting{
          {{door_.bell(), POLLIN, 0}, {first_.interface.get(), POLLIN, 0}, {second_.interface.get(), POLLIN, 0}}};
      ::poll(waiting.data(), waiting.size(), -1);
      if (waiting[1].revents != 0)
        carry(first_, second_);
      if (waiting[2].revents != 0)
        carry(second_, first_);
      if (waiting[0].revents != 0)
        door_.do_tasks();
    }
  }

  void carry(end& from, const end& to) {
    std::array<char, packet_size_max> packet;
    const auto size = ::read(from.interface.get(), packet.data(), packet.size());
    if (size <= 0)
      return;
    const auto is_lost = std::uniform_real_distribution<>{0, 1}(from.chance) < loss_;
    if (is_lost || is_parted_ || ::write(to.interface.get(), packet.data(), static_cast<std::size_t>(size)) != size)
      ++counts_.lost;
    else
      ++counts_.carried;
  }

  const double loss_;
  task_door door_;
  // What follows is the thread's.
  end first_;
  end second_;
  packet_counts counts_;
  bool is_parted_ = false;
  bool is_over_ = false;
  std::thread thread_;
};

packet_link::packet_link(const network_namespace& first, const network_namespace& second, double loss,
                         std::mt19937_64 chance)
  : carrier_(std::make_unique<carrier>(first, second, loss, std::move(chance))) {}

packet_link::~packet_link() = default;

void packet_link::part() {
  carrier_->set_parted(true);
}

void packet_link::heal() {
  carrier_->set_parted(false);
}

packet_counts packet_link::counts() const {
  return carrier_->counts();
}

} // namespace actorwire::test
