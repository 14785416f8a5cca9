// A network as a whole: how it starts when the system lacks something, what its blocking functions do in stepped mode,
// and that it says so when its end has to wait.

#include "program.hpp"
#include "virtual_clock.hpp"

#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <future>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <thread>
#include <vector>

namespace actorwire::test {

namespace {

/// Leaves this program so much more address space, until it is destroyed.
class little_address_space {
public:
  explicit little_address_space(rlim_t bytes) {
    REQUIRE(::getrlimit(RLIMIT_AS, &before_) == 0);
    rlim_t pages = 0;
    std::ifstream{"/proc/self/statm"} >> pages;
    REQUIRE(pages > 0);
    auto lowered = before_;
    lowered.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + bytes;
    REQUIRE(::setrlimit(RLIMIT_AS, &lowered) == 0);
  }
  ~little_address_space() { ::setrlimit(RLIMIT_AS, &before_); }
  little_address_space(const little_address_space&) = delete;
  little_address_space& operator=(const little_address_space&) = delete;

private:
  rlimit before_{};
};

/// Takes what is written to standard error, from any thread, until it is destroyed.
class captured_errors final : private std::streambuf {
public:
  captured_errors() : previous_(std::cerr.rdbuf(this)) {}
  ~captured_errors() override { std::cerr.rdbuf(previous_); }

  [[nodiscard]] std::string text() {
    const std::lock_guard guard{mutex_};
    return text_;
  }

private:
  int overflow(int character) override {
    const std::lock_guard guard{mutex_};
    text_.push_back(static_cast<char>(character));
    return character;
  }
  std::streamsize xsputn(const char* bytes, std::streamsize size) override {
    const std::lock_guard guard{mutex_};
    text_.append(bytes, static_cast<std::size_t>(size));
    return size;
  }

  std::mutex mutex_;
  std::string text_;
  std::streambuf* previous_;
};

/// A minute passes with each look at it, so whatever waits by it has waited long enough.
class racing_clock final : public clock {
public:
  [[nodiscard]] time_point now() const noexcept override { return time_point{std::chrono::minutes{++looks_}}; }

private:
  mutable std::atomic<std::int64_t> looks_{0};
};

} // namespace

TEST_CASE("a network whose threads cannot all be started throws, and leaves nothing behind") {
  if (is_sanitized)
    SKIP("sanitizers need more address space than a limit would leave");
  system_config config;
  caf::actor_system system{config};
  const auto descriptors = open_descriptors();
  network_options options;
  options.shards = 64;
  auto has_thrown = false;
  {
    // Room for the stacks of some threads, and not of all. An arena of memory for each of them would need as much again,
    // and what a thread cannot do without, it dies without.
    ::mallopt(M_ARENA_MAX, 1);
    const little_address_space limited{rlim_t{128} << 20U};
    try {
      network net{system, options};
    } catch (const std::runtime_error&) {
      has_thrown = true;
    }
  }
  CHECK(has_thrown);
  CHECK(open_descriptors() == descriptors);
  options.shards = 2;
  network net{system, options};
  CHECK(net.listen("tcp://127.0.0.1:0", echo));
}

TEST_CASE("a network without descriptors for its shards throws, and leaves nothing behind") {
  if (is_sanitized)
    SKIP("sanitizers need descriptors");
  system_config config;
  caf::actor_system system{config};
  const auto descriptors = open_descriptors();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  auto lowered = before;
  lowered.rlim_cur = descriptors + 8;
  ::setrlimit(RLIMIT_NOFILE, &lowered);
  network_options options;
  options.shards = 16;
  auto has_thrown = false;
  try {
    network net{system, options};
  } catch (const std::runtime_error&) {
    has_thrown = true;
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(has_thrown);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("in stepped mode the functions that wait for a shard run it themselves") {
  virtual_clock time;
  network_options options;
  options.shards = 2;
  options.run = shard::mode::stepped;
  options.time = &time;
  program here{options};
  const auto server = here.net->listen("tcp://127.0.0.1:0", echo);
  REQUIRE(server);
  const auto peer = here.net->acquire(uri(server->port));
  REQUIRE(peer);
  CHECK(here.net->acquire(uri(server->port)).value() == *peer);
  CHECK(here.net->acquire("tcp://127.0.0.1:0").error().code == error_code::invalid_value);
  CHECK(here.net->listen(uri(server->port), echo).error().code == error_code::address_in_use);
}

TEST_CASE("a network that cannot end says how many actors it waits for") {
  const racing_clock time;
  captured_errors said;
  auto options = program::two_shards();
  options.time = &time;
  options.drain_timeout = 0ms;
  program here{options};
  std::vector<caf::actor> stubborn;
  for (int count = 0; count < 3; ++count)
    stubborn.push_back(here.net->spawn_on_shard(1, [](caf::event_based_actor* self) {
      self->set_exit_handler([](caf::exit_msg&) {});
      return caf::behavior{[self](caf::ok_atom) { self->quit(); }};
    }));
  std::thread helper{[&] {
    wait_until("it is said twice", [&] {
      const auto text = said.text();
      const auto first = text.find("3 actors");
      return first != std::string::npos && text.find("3 actors", first + 1) != std::string::npos;
    });
    for (const auto& one : stubborn)
      anonymous_tell(one, caf::ok_atom_v);
  }};
  here.net.reset();
  helper.join();
  CHECK(said.text().find("shard 1") != std::string::npos);
  CHECK(said.text().find("shard 0") == std::string::npos);
}

TEST_CASE("a network that cannot end says so even while an actor blocks the shard") {
  const racing_clock time;
  captured_errors said;
  auto options = program::two_shards();
  options.time = &time;
  options.drain_timeout = 0ms;
  program here{options};
  std::promise<void> release;
  std::promise<void> blocks;
  const auto blocking = here.net->spawn_on_shard(1, [&](caf::event_based_actor*) {
    return caf::behavior{[&](caf::ok_atom) {
      blocks.set_value();
      release.get_future().wait();
    }};
  });
  anonymous_tell(blocking, caf::ok_atom_v);
  blocks.get_future().wait();
  std::thread helper{[&] {
    // The shard is let go in any case, or a failure would never end.
    const auto give_up_at = std::chrono::steady_clock::now() + patience;
    while (said.text().find("1 actor is left on shard 1") == std::string::npos
           && std::chrono::steady_clock::now() < give_up_at)
      std::this_thread::yield();
    release.set_value();
  }};
  here.net.reset();
  helper.join();
  CHECK(said.text().find("1 actor is left on shard 1") != std::string::npos);
}

} // namespace actorwire::test
