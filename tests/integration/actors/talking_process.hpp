#pragma once

#include "child_process.hpp"
#include "program.hpp"

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

/// A program that is typed to, and whose words are waited for.
class talking_process {
public:
  explicit talking_process(const std::vector<std::string>& words)
    : input_(make_pipe()), output_(make_pipe()), process_(words, directory_.path(), {input_.reading, output_.writing}) {
    close(input_.reading);
    close(output_.writing);
    // One that has ended reads nothing, which its output tells better than a signal.
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~talking_process() {
    end_input();
    process_.kill();
    close(output_.reading);
  }
  talking_process(const talking_process&) = delete;
  talking_process& operator=(const talking_process&) = delete;

  void type(std::string_view text) const {
    REQUIRE(::write(input_.writing, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void end_input() { close(input_.writing); }

  /// Waits until it has said `words` after what was waited for before.
  void await(std::string_view words) {
    auto found = said_.find(words, heard_);
    while (found == std::string::npos) {
      if (!read_more())
        FAIL("ended without having said \"" << words << "\", but:\n" << said_);
      found = said_.find(words, heard_);
    }
    heard_ = found + words.size();
  }

  /// Waits until it has said `prefix`, and a number behind it and more; returns the number.
  std::uint16_t await_number(std::string_view prefix) {
    await(prefix);
    auto end = std::string::npos;
    while ((end = said_.find_first_not_of("0123456789", heard_)) == std::string::npos)
      if (!read_more())
        FAIL("ended within a number:\n" << said_);
    return static_cast<std::uint16_t>(std::stoul(said_.substr(heard_, end - heard_)));
  }

  /// Waits until it says nothing more; returns all that it has said.
  const std::string& await_end() {
    while (read_more()) {
    }
    return said_;
  }

  [[nodiscard]] bool has_said(std::string_view words) const { return said_.find(words) != std::string::npos; }

  void kill() { process_.kill(); }
  void stop() { process_.stop(); }
  void go_on() { process_.go_on(); }

private:
  struct pipe_ends {
    int reading;
    int writing;
  };

  static pipe_ends make_pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    return {ends[0], ends[1]};
  }
  static void close(int& descriptor) {
    if (descriptor >= 0)
      ::close(std::exchange(descriptor, -1));
  }

  /// False at the end of its output.
  bool read_more() {
    pollfd asked{output_.reading, POLLIN, 0};
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
    if (::poll(&asked, 1, static_cast<int>(limit.count())) <= 0)
      FAIL("says nothing more, after:\n" << said_);
    char buffer[4096];
    const auto size = ::read(output_.reading, buffer, sizeof buffer);
    if (size <= 0)
      return false;
    said_.append(buffer, static_cast<std::size_t>(size));
    return true;
  }

  temporary_directory directory_;
  pipe_ends input_;
  pipe_ends output_;
  child_process process_;
  std::string said_;
  std::size_t heard_ = 0;
};

} // namespace actorwire::test
