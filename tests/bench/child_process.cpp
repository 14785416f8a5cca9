#include "child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <stdexcept>

namespace actorwire::bench {

static std::array<unique_fd, 2> make_pipe() {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

/// Whether `environment` sets what the inherited NAME=VALUE sets. The dynamic linker would take the last of two.
static bool is_replaced(std::string_view inherited, const std::vector<std::string>& environment) {
  const auto name = inherited.substr(0, inherited.find('=') + 1);
  return std::ranges::any_of(environment, [name](const std::string& setting) { return setting.starts_with(name); });
}

child_process::child_process(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                             const std::string& program) {
  auto input = make_pipe();
  auto output = make_pipe();
  std::vector<char*> words;
  std::string name = "bench";
  words.push_back(name.data());
  for (const auto& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  std::vector<char*> settings;
  for (const auto& setting : environment)
    settings.push_back(const_cast<char*>(setting.c_str()));
  for (auto* inherited = ::environ; *inherited != nullptr; ++inherited)
    if (!is_replaced(*inherited, environment))
      settings.push_back(*inherited);
  settings.push_back(nullptr);

  id_ = checked(::fork(), "fork");
  if (id_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(input[0].get(), STDIN_FILENO);
    ::dup2(output[1].get(), STDOUT_FILENO);
    ::execve(program.empty() ? "/proc/self/exe" : program.c_str(), words.data(), settings.data());
    ::_exit(127);
  }
  input_ = std::move(input[1]);
  output_ = std::move(output[0]);
}

child_process::~child_process() {
  if (id_ < 0)
    return;
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
}

std::chrono::nanoseconds child_process::cpu_time() const {
  clockid_t clock{};
  if ((errno = ::clock_getcpuclockid(id_, &clock)) != 0)
    throw_errno("clock_getcpuclockid");
  timespec time{};
  checked(::clock_gettime(clock, &time), "clock_gettime");
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

std::size_t child_process::read_more(steady_clock::time_point deadline) {
  using namespace std::chrono;
  for (;;) {
    const auto left = ceil<milliseconds>(deadline - steady_clock::now()).count();
    pollfd wanted{output_.get(), POLLIN, 0};
    const auto ready = ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready == 0)
      throw std::runtime_error("process " + std::to_string(id_) + " does not answer");
    if (ready < 0 && errno == EINTR)
      continue;
    checked(ready, "poll");
    std::array<char, 256> bytes{};
    const auto count = checked(::read(output_.get(), bytes.data(), bytes.size()), "read");
    unread_.append(bytes.data(), static_cast<std::size_t>(count));
    return static_cast<std::size_t>(count);
  }
}

std::string child_process::read_line(std::chrono::milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  for (;;) {
    if (const auto end = unread_.find('\n'); end != std::string::npos) {
      auto line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    if (read_more(deadline) == 0)
      throw process_ended("process " + std::to_string(id_) + " ended too early");
  }
}

void child_process::write(std::string_view text) const {
  while (!text.empty())
    text.remove_prefix(static_cast<std::size_t>(checked(::write(input_.get(), text.data(), text.size()), "write")));
}

void child_process::finish() {
  input_ = unique_fd{};
  // The end of its output is the end of the process.
  const auto deadline = steady_clock::now() + std::chrono::seconds{10};
  while (read_more(deadline) > 0) {
  }
  auto status = 0;
  checked(::waitpid(id_, &status, 0), "waitpid");
  const auto id = std::exchange(id_, -1);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("process " + std::to_string(id) + " failed, wait status " + std::to_string(status));
}

} // namespace actorwire::bench
