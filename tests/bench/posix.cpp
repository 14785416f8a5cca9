#include "posix.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace actorwire::bench {

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

unique_fd::~unique_fd() {
  if (fd_ >= 0)
    ::close(fd_);
}

void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  checked(::sched_getaffinity(0, sizeof set, &set), "sched_getaffinity");
  std::vector<int> cpus;
  for (auto cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set))
      cpus.push_back(cpu);
  return cpus;
}

void pin_to_cpu(int cpu) {
  allow_cpus({cpu});
}

void allow_cpus(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const auto cpu : cpus)
    CPU_SET(static_cast<std::size_t>(cpu), &set);
  checked(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

std::size_t raise_file_limit() {
  rlimit limit{};
  checked(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  checked(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  return limit.rlim_cur;
}

std::size_t affordable_connections(std::size_t wanted) {
  constexpr std::size_t reserve = 200; // what a process has open besides
  const auto limit = raise_file_limit();
  if (limit >= wanted + reserve)
    return wanted;
  const auto count = limit > reserve ? limit - reserve : 1;
  // Standard output may be what a parent reads.
  std::fprintf(stderr, "note: the limit of open files (%zu) has room for %zu of %zu connections\n", limit, count,
               wanted);
  return count;
}

static std::size_t resident_bytes(pid_t process) {
  std::ifstream file{"/proc/" + std::to_string(process) + "/statm"};
  std::size_t total = 0;
  std::size_t resident = 0;
  if (!(file >> total >> resident))
    throw std::runtime_error("cannot read the memory of process " + std::to_string(process));
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t settled_resident_bytes(pid_t process) {
  constexpr std::chrono::milliseconds interval{50};
  constexpr auto quiet_needed = 4; // intervals without a change
  const auto deadline = steady_clock::now() + std::chrono::seconds{3};
  auto last = resident_bytes(process);
  for (auto quiet = 0; quiet < quiet_needed && steady_clock::now() < deadline;) {
    std::this_thread::sleep_for(interval);
    const auto now = resident_bytes(process);
    quiet = now == last ? quiet + 1 : 0;
    last = now;
  }
  return last;
}

void reset_on_close(int socket) {
  const linger at_once{1, 0};
  checked(::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
}

std::string plain_congestion_control() {
  std::ifstream file{"/proc/sys/net/ipv4/tcp_allowed_congestion_control"};
  std::vector<std::string> allowed;
  for (std::string name; file >> name;)
    allowed.push_back(name);
  for (const auto* wanted : {"cubic", "reno"})
    if (std::ranges::find(allowed, wanted) != allowed.end())
      return wanted;
  const unique_fd any{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  return congestion_control_of(any.get());
}

void set_congestion_control(int socket, const std::string& name) {
  checked(::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())),
          "TCP_CONGESTION");
}

std::string congestion_control_of(int socket) {
  std::array<char, 16> name{};
  socklen_t size = name.size();
  checked(::getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size), "TCP_CONGESTION");
  return std::string{name.data(), strnlen(name.data(), size)};
}

void set_congestion_control_of_listeners(const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    const auto fd = std::atoi(entry.path().filename().c_str());
    int listens = 0;
    socklen_t size = sizeof listens;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0)
      set_congestion_control(fd, name);
  }
}

} // namespace actorwire::bench
