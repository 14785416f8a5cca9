#include "edge/socket_options.hpp"

#include <actorwire/messages/health.hpp>

#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

class unconnected_socket {
public:
  unconnected_socket() : descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~unconnected_socket() { ::close(descriptor); }
  unconnected_socket(const unconnected_socket&) = delete;
  unconnected_socket& operator=(const unconnected_socket&) = delete;

  [[nodiscard]] int option(int level, int name) const {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(descriptor, level, name, &value, &size) == 0);
    return value;
  }

  const int descriptor;
};

transport_config keepalive(std::chrono::milliseconds interval, std::chrono::milliseconds timeout) {
  transport_config config;
  config.keepalive_interval = interval;
  config.keepalive_timeout = timeout;
  return config;
}

} // namespace

TEST_CASE("all keepalive probes go out before the keepalive timeout if the interval leaves room") {
  const auto plan = plan_keepalive(keepalive(15s, 20s));
  CHECK(plan == keepalive_plan{true, 15, 1, 4, 20'000});
}

TEST_CASE("a keepalive interval beyond the timeout makes the kernel wait for all probes") {
  const auto plan = plan_keepalive(keepalive(60s, 20s));
  CHECK(plan == keepalive_plan{true, 60, 5, 4, 80'000});
}

TEST_CASE("without keepalive only sent bytes have a limit") {
  CHECK(plan_keepalive(keepalive(0ms, 7s)) == keepalive_plan{false, 0, 0, 0, 7'000});
}

TEST_CASE("no plan lets the kernel give up before every probe had a second") {
  for (const auto interval : {1000ms, 1500ms, 19000ms, 20000ms, 3600000ms})
    for (const auto timeout : {1ms, 999ms, 20000ms, 86400000ms}) {
      const auto plan = plan_keepalive(keepalive(interval, timeout));
      CAPTURE(interval.count(), timeout.count());
      CHECK(plan.probe_interval_seconds >= 1);
      CHECK(static_cast<unsigned>(1000 * (plan.idle_seconds + plan.probes * plan.probe_interval_seconds))
            <= plan.user_timeout_milliseconds);
    }
}

TEST_CASE("no plan finds a silent machine later than the documented bound", "[H1]") {
  for (const auto interval : {1000ms, 1500ms, 7000ms, 15000ms, 19000ms, 60000ms, 3600000ms})
    for (const auto timeout : {1ms, 999ms, 7000ms, 20000ms, 92000ms, 100000ms, 3600000ms, 86400000ms})
      for (const std::uint32_t probes : {1U, 2U, 4U, 10U, 127U}) {
        CAPTURE(interval.count(), timeout.count(), probes);
        auto config = keepalive(interval, timeout);
        config.protocol_settings = tcp_config{.keepalive_probes = probes};
        const auto plan = plan_keepalive(config);
        // As net/ipv4/tcp_timer.c does: the connection ends with the first turn of a probe, not the first one, that comes after
        // the user timeout of silence.
        const std::chrono::milliseconds patience{plan.user_timeout_milliseconds};
        const std::chrono::seconds idle{plan.idle_seconds};
        const std::chrono::seconds spacing{plan.probe_interval_seconds};
        const auto rounds = patience > idle ? (patience - idle + spacing - 1ms) / spacing : 0;
        const auto verdict = idle + std::max<std::int64_t>(rounds, 1) * spacing;
        CHECK(verdict <= half_open_bound(config, protocol::tcp));
      }
}

TEST_CASE("every setting reaches the socket") {
  const unconnected_socket socket;
  auto config = keepalive(15s, 20s);
  config.mtu = 1'200;
  config.protocol_settings = tcp_config{true, 65'536, 131'072, 3};
  REQUIRE(apply_options(socket.descriptor, config));
  CHECK(socket.option(IPPROTO_TCP, TCP_NODELAY) != 0);
  // The kernel doubles what it is asked for, to account for its own book-keeping (socket(7)).
  CHECK(socket.option(SOL_SOCKET, SO_SNDBUF) == 2 * 65'536);
  CHECK(socket.option(SOL_SOCKET, SO_RCVBUF) == 2 * 131'072);
  CHECK(socket.option(IPPROTO_TCP, TCP_USER_TIMEOUT) == 20'000);
  CHECK(socket.option(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(socket.option(IPPROTO_TCP, TCP_KEEPIDLE) == 15);
  CHECK(socket.option(IPPROTO_TCP, TCP_KEEPINTVL) == 1);
  CHECK(socket.option(IPPROTO_TCP, TCP_KEEPCNT) == 3);
}

TEST_CASE("Nagle's algorithm stays on when nodelay is off") {
  const unconnected_socket socket;
  transport_config config;
  config.protocol_settings = tcp_config{.nodelay = false};
  REQUIRE(apply_options(socket.descriptor, config));
  CHECK(socket.option(IPPROTO_TCP, TCP_NODELAY) == 0);
}

TEST_CASE("an option that cannot be set is named") {
  const auto refused = apply_options(-1, transport_config{});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("TCP_NODELAY") != std::string::npos);
}
