#include "system_call_counter.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace actorwire::bench {

system_call_counter::system_call_counter(pid_t process) {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  messages_ = unique_fd{ends[0]};
  unique_fd written{ends[1]};
  auto id = std::to_string(process);
  tracer_ = checked(::fork(), "fork");
  if (tracer_ == 0) {
    ::dup2(written.get(), STDERR_FILENO);
    ::execlp("strace", "strace", "-f", "-c", "-o", file_.path().c_str(), "-p", id.c_str(), nullptr);
    ::_exit(127);
  }
  // The process that writes must be the only one: else the end of what it writes is none.
  written = unique_fd{};
  std::string told;
  std::array<char, 256> bytes{};
  while (told.find('\n') == std::string::npos) {
    const auto count = ::read(messages_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      break;
    told.append(bytes.data(), static_cast<std::size_t>(count));
  }
  is_attached_ = told.find(" attached") != std::string::npos;
}

system_call_counter::~system_call_counter() {
  end(SIGKILL);
}

std::optional<std::uint64_t> system_call_counter::stop() {
  end(SIGINT);
  if (!is_attached_)
    return {};
  // The last line: % time, seconds, usecs/call, calls, perhaps errors, "total".
  std::ifstream file{file_.path()};
  for (std::string line; std::getline(file, line);) {
    if (!line.ends_with(" total"))
      continue;
    std::istringstream words{line};
    std::string share;
    std::string seconds;
    std::string each;
    std::uint64_t calls = 0;
    words >> share >> seconds >> each >> calls;
    return calls;
  }
  return {};
}

void system_call_counter::end(int signal) noexcept {
  if (tracer_ < 0)
    return;
  ::kill(tracer_, signal);
  ::waitpid(std::exchange(tracer_, -1), nullptr, 0);
}

} // namespace actorwire::bench
