// What does one message take on its way from an actor, or a handler in the shard, to another that sends it back, what does a lost connection take until
// it is there again, and what do figures that are told? Both sides run on one thread, in a time of their own, so that the
// number of instructions is the same in each run, however busy the machine is: instructions.sh has them counted, and compares
// them with those that were kept. By itself this prints the time that they take.

#include "arguments.hpp"
#include "echo_actor.hpp"
#include "echo_handler.hpp"
#include "loaded_libraries.hpp"
#include "machine.hpp"
#include "program.hpp"
#include "stepped_program.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <caf/event_based_actor.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

constexpr std::string_view usage = R"(usage: bench_paths [options]
  --path NAME     only that path
  --times N       how often it is gone, after a warm-up (2000)
  --list          prints the names of all paths
  --toolchain     prints what figures depend on
  --smoke         a quick run that proves that everything works
)";

/// What an actor is to do, and has done.
struct task {
  std::uint64_t left = 0;
  bool is_done = false;

  /// One time is over; returns whether another is wanted.
  bool go_on() {
    if (--left > 0)
      return true;
    is_done = true;
    return false;
  }
};

/// Resets whoever says something.
caf::behavior reset_it(caf::event_based_actor* self, const connection_actor& connection) {
  return {
      [self, connection](const received&) {
        tell(self, connection, actorwire::close{close_mode::abort, std::chrono::seconds{1}});
      },
      [](const state_changed&) {},
      [](const data_lost&) {},
      [](const connection_status&) {},
      [](const opened&) {},
      [](const peer_closing&) {},
      [](const backpressure&) {},
  };
}

/// The next message leaves when the last is back.
caf::behavior ping_pong(caf::event_based_actor* self, const connection_actor& peer, const payload& message,
                        const std::shared_ptr<task>& wanted, test::virtual_clock* time) {
  tell(self, peer, subscribe{event_mask::data, credit_mode::automatic});
  return {
      [=, missing = std::size_t{message.size()}](const received& data) mutable {
        missing -= std::min<std::size_t>(missing, data.body.size());
        if (missing > 0)
          return;
        missing = message.size();
        // A round trip takes time, or what is sent at a pace would never leave.
        time->advance(std::chrono::microseconds{100});
        if (wanted->go_on())
          tell(self, peer, cast{message, {}});
      },
      [](const connection_status&) {},
      [](const peer_closing&) {},
  };
}

/// The same by a handler.
class ping_pong_handler final : public connection_handler {
public:
  ping_pong_handler(local_connection here, const payload& message, const std::shared_ptr<task>& wanted,
                    test::virtual_clock& time)
    : connection_handler(here, event_mask::data), message_(message), wanted_(wanted), time_(time) {}

  void on_received(received&& data) override {
    missing_ -= std::min<std::size_t>(missing_, data.body.size());
    if (missing_ > 0)
      return;
    missing_ = message_.size();
    time_.advance(std::chrono::microseconds{100});
    if (wanted_->go_on() && !here().send(payload{message_}))
      here().close(close_mode::abort);
  }

private:
  const payload message_;
  std::size_t missing_ = message_.size();
  std::shared_ptr<task> wanted_;
  test::virtual_clock& time_;
};

/// As soon as the connection is ready, it is lost again.
caf::behavior lose(caf::event_based_actor* self, const connection_actor& peer, const payload& message,
                   const std::shared_ptr<task>& wanted) {
  tell(self, peer, subscribe{event_mask::state, credit_mode::automatic});
  return {
      [=](const state_changed& change) {
        if (change.to == connection_state::ready && wanted->go_on())
          tell(self, peer, cast{message, {}});
      },
      // It may have been ready before anybody asked.
      [=](const connection_status& now) {
        if (now.state == connection_state::ready)
          tell(self, peer, cast{message, {}});
      },
      [](const opened&) {},
  };
}

caf::behavior watch(caf::event_based_actor* self, const connection_actor& peer, const std::shared_ptr<task>& wanted) {
  tell(self, peer, stream_stats{std::chrono::milliseconds{10}});
  return {
      [=](const stats&) { wanted->go_on(); },
      [](const connection_status&) {},
  };
}

/// `handled` are round trips between handlers in the shard.
enum class kind : std::uint8_t { round_trips, handled, losses, figures };

struct path {
  std::string_view name;
  protocol proto;
  kind what;
  /// Bytes.
  std::size_t message_size;
  /// Other connections of the same program, which are idle.
  std::size_t idle;
};

constexpr std::size_t small = 64;
constexpr std::size_t large = 65'536;

constexpr std::array paths{
    path{"tcp", protocol::tcp, kind::round_trips, small, 0},
    path{"tls", protocol::tls, kind::round_trips, small, 0},
    path{"quic", protocol::quic, kind::round_trips, small, 0},
    path{"tcp_64k", protocol::tcp, kind::round_trips, large, 0},
    path{"tls_64k", protocol::tls, kind::round_trips, large, 0},
    path{"quic_64k", protocol::quic, kind::round_trips, large, 0},
    path{"tcp_callback", protocol::tcp, kind::handled, small, 0},
    path{"tcp_among_500", protocol::tcp, kind::round_trips, small, 500},
    path{"tcp_reconnect", protocol::tcp, kind::losses, small, 0},
    path{"tcp_stats", protocol::tcp, kind::figures, small, 0},
};

class trial {
public:
  explicit trial(const path& chosen)
    : chosen_(chosen),
      program_(chosen.what == kind::handled
                   ? stepped_program{to_string(chosen.proto), make_echo_handler}
                   : stepped_program{to_string(chosen.proto), chosen.what == kind::losses ? reset_it : echo}) {
    for (std::size_t index = 0; index < chosen.idle; ++index)
      idle_.push_back(play(program_.acquire(), 1));
  }

  /// Goes the path so many times, once it is warm. Returns how long that took.
  std::chrono::nanoseconds run(std::uint64_t times) {
    constexpr std::uint64_t warm_up = 50;
    const auto peer = chosen_.what == kind::round_trips ? play(program_.acquire(), warm_up)
                    : chosen_.what == kind::handled     ? play_handled(warm_up)
                                                        : program_.acquire();
    switch (chosen_.what) {
      case kind::round_trips:
      case kind::handled:
        break;
      case kind::losses:
        spawn_beside(peer, lose, peer, message_, task_);
        break;
      case kind::figures:
        spawn_beside(peer, watch, peer, task_);
        break;
    }
    if (chosen_.what == kind::losses || chosen_.what == kind::figures)
      await(warm_up);
    *task_ = {times, false};
    if (chosen_.what != kind::figures)
      anonymous_tell(peer, cast{message_, {}});
    const auto start = steady_clock::now();
    actorwire_bench_counted(program_, task_->is_done);
    return steady_clock::now() - start;
  }

private:
  /// Has it send so many messages, one after the other; the player goes on with the next.
  connection_actor play(connection_actor peer, std::uint64_t times) {
    // Until the first message is back other threads are waited for, which read certificates when they have their turn.
    constexpr std::chrono::seconds grace{2};
    spawn_beside(peer, ping_pong, peer, message_, task_, &program_.time());
    anonymous_tell(peer, cast{message_, {}});
    await(1, grace);
    if (times > 1) {
      anonymous_tell(peer, cast{message_, {}});
      await(times - 1);
    }
    return peer;
  }

  connection_actor play_handled(std::uint64_t times) {
    auto peer = program_.acquire([this](local_connection here) {
      return std::make_unique<ping_pong_handler>(here, message_, task_, program_.time());
    });
    anonymous_tell(peer, cast{message_, {}});
    await(times, std::chrono::seconds{2});
    return peer;
  }

  void await(std::uint64_t times, std::chrono::milliseconds grace = {}) {
    *task_ = {times, false};
    program_.run_until(task_->is_done, grace);
  }

  const path& chosen_;
  payload message_ = payload::copy_of(std::string(chosen_.message_size, 'x'));
  std::shared_ptr<task> task_ = std::make_shared<task>();
  stepped_program program_;
  std::vector<connection_actor> idle_;
};

struct plan {
  std::vector<path> chosen{paths.begin(), paths.end()};
  std::uint64_t times = 2'000;
  bool only_names = false;
  bool only_toolchain = false;
};

plan parse(arguments words) {
  plan wanted;
  while (const auto option = words.next()) {
    if (*option == "--path") {
      const auto name = words.value();
      const auto* const found = std::ranges::find(paths, name, &path::name);
      if (found == paths.end())
        throw usage_error("unknown path '" + std::string{name} + "'");
      wanted.chosen = {*found};
    } else if (*option == "--times")
      wanted.times = words.number(std::uint64_t{1}, std::uint64_t{10'000'000});
    else if (*option == "--list")
      wanted.only_names = true;
    else if (*option == "--toolchain")
      wanted.only_toolchain = true;
    else if (*option == "--smoke")
      wanted.times = 5;
    else
      words.refuse();
  }
  std::erase_if(wanted.chosen, [](const path& one) { return !is_supported(one.proto); });
  return wanted;
}

void print_libraries(const char* title, const std::vector<std::string_view>& beginnings) {
  std::string names;
  for (const auto& name : loaded_libraries(beginnings))
    names.append(names.empty() ? "" : ", ").append(name);
  std::printf("%s: %s\n", title, names.c_str());
}

/// What instructions depend on, besides what is counted: not the version of actorwire.
void print_toolchain() {
  for (const auto& [name, value] : describe_machine())
    if (name == "compiler" || name == "versions")
      std::printf("%s: %s\n", name.c_str(), value.c_str());
  print_libraries("TLS", {"libgnutls.", "libnettle.", "libhogweed."});
  if (is_supported(protocol::quic))
    print_libraries("QUIC", {"libngtcp2"});
  else
    std::printf("QUIC: none\n");
}

int run(arguments words) {
  const auto wanted = parse(words);
  if (wanted.only_toolchain) {
    print_toolchain();
    return 0;
  }
  for (const auto& one : wanted.chosen) {
    std::printf("%s", std::string{one.name}.c_str());
    if (!wanted.only_names) {
      const auto took = std::chrono::duration<double, std::micro>(trial{one}.run(wanted.times));
      std::printf(" %.2f us", took.count() / static_cast<double>(wanted.times));
    }
    std::printf("\n");
  }
  return 0;
}

} // namespace

} // namespace actorwire::bench

int main(int count, char** words) {
  using namespace actorwire::bench;
  return run_program("bench_paths", usage, [&] { return run({count, words}); });
}
