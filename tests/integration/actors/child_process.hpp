#pragma once

#include "temporary_directory.hpp"

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace actorwire::test {

/// Descriptors that a program reads from and writes to; -1: nowhere.
struct program_streams {
  int input = -1;
  int output = -1;
};

/// A program that runs beside the test and ends with it at the latest, whatever becomes of the test.
class child_process {
public:
  /// `words` are the program and its arguments. What it says and complains of goes to `streams.output`.
  child_process(const std::vector<std::string>& words, const std::string& directory, program_streams streams = {}) {
    std::vector<char*> arguments;
    for (const auto& word : words)
      arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ > 0)
      return;
    // Only what is safe in the child of a program with threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // A group of its own, so that what it starts itself can be ended with it.
    ::setpgid(0, 0);
    const auto nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(streams.input >= 0 ? streams.input : nowhere, 0);
    for (const int stream : {1, 2})
      ::dup2(streams.output >= 0 ? streams.output : nowhere, stream);
    if (::chdir(directory.c_str()) == 0)
      ::execvp(arguments.front(), arguments.data());
    ::_exit(127);
  }

  ~child_process() { kill(); }

  child_process(child_process&& other) noexcept : process_(std::exchange(other.process_, -1)) {}
  child_process& operator=(child_process&& other) noexcept {
    std::swap(process_, other.process_);
    return *this;
  }

  /// Whether it has ended by itself, successfully. Does not wait.
  bool has_succeeded() {
    int status = 0;
    if (process_ <= 0 || ::waitpid(process_, &status, WNOHANG) != process_)
      return false;
    process_ = -1;
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
    return true;
  }

  /// Ends it at once, with all that it started, and waits for its end.
  void kill() {
    if (process_ <= 0)
      return;
    ::kill(-process_, SIGKILL);
    ::kill(process_, SIGKILL);
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
  }

  /// Stops it, and waits until it has: its kernel goes on answering for it.
  void stop() {
    REQUIRE(process_ > 0);
    REQUIRE(::kill(-process_, SIGSTOP) == 0);
    int status = 0;
    while (::waitpid(process_, &status, WUNTRACED) < 0 && errno == EINTR) {
    }
    REQUIRE(WIFSTOPPED(status));
  }

  /// Lets it go on after `stop`.
  void go_on() {
    REQUIRE(process_ > 0);
    REQUIRE(::kill(-process_, SIGCONT) == 0);
  }

private:
  pid_t process_ = -1;
};

/// Whether a program of that name is on the path.
inline bool is_installed(const std::string& name) {
  const char* all = std::getenv("PATH");
  std::string rest = all == nullptr ? "/usr/bin" : all;
  for (std::size_t end = 0; end != std::string::npos;) {
    end = rest.find(':');
    if (::access((rest.substr(0, end) + "/" + name).c_str(), X_OK) == 0)
      return true;
    if (end != std::string::npos)
      rest.erase(0, end + 1);
  }
  return false;
}

} // namespace actorwire::test
