// The proxy does what tests that use it rely on.

#include "pattern.hpp"
#include "seed.hpp"
#include "udp_fault_proxy.hpp"

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// A blocking UDP socket of 127.0.0.1 that waits 20 s at most.
class plain_udp {
public:
  plain_udp() : descriptor_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(descriptor_ >= 0);
    const timeval limit{20, 0};
    REQUIRE(::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    const auto any = loopback(0);
    REQUIRE(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
  }
  ~plain_udp() { ::close(descriptor_); }
  plain_udp(const plain_udp&) = delete;
  plain_udp& operator=(const plain_udp&) = delete;

  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in where{};
    socklen_t size = sizeof where;
    REQUIRE(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    return ntohs(where.sin_port);
  }

  void send(std::uint16_t to, std::string_view text) const { send(loopback(to), text); }
  void send(const sockaddr_in& to, std::string_view text) const {
    REQUIRE(::sendto(descriptor_, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to)
            == static_cast<ssize_t>(text.size()));
  }

  struct arrival {
    std::string text;
    sockaddr_in from;
    [[nodiscard]] std::string from_text() const {
      std::array<char, INET_ADDRSTRLEN> host{};
      ::inet_ntop(AF_INET, &from.sin_addr, host.data(), host.size());
      return std::string{host.data()} + ":" + std::to_string(ntohs(from.sin_port));
    }
  };
  [[nodiscard]] arrival receive() const {
    std::array<char, 65'536> space;
    arrival got{};
    socklen_t length = sizeof got.from;
    const auto size =
        ::recvfrom(descriptor_, space.data(), space.size(), 0, reinterpret_cast<sockaddr*>(&got.from), &length);
    REQUIRE(size >= 0);
    got.text.assign(space.data(), static_cast<std::size_t>(size));
    return got;
  }

private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return where;
  }

  int descriptor_;
};

/// What arrives of `texts`, which come in one after the other, and then of "end", which gets through.
std::vector<std::string> carried(const udp_faults& faults, const std::vector<std::string>& texts,
                                 std::mt19937_64 chance = {}) {
  const plain_udp server;
  const plain_udp client;
  const udp_fault_proxy proxy{server.port(), faults, std::move(chance)};
  for (const auto& each : texts)
    client.send(proxy.port(), each);
  std::vector<std::string> arrived;
  do {
    // A faulty end is sent again.
    client.send(proxy.port(), "end");
    arrived.push_back(server.receive().text);
  } while (arrived.back() != "end");
  arrived.pop_back();
  return arrived;
}

/// Fails the test if the proxy does not come to count so in the end.
template <class Condition>
void wait_until(const udp_fault_proxy& proxy, Condition reached) {
  const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!reached(proxy.counts())) {
    const auto now = proxy.counts();
    CAPTURE(now.arrived, now.silenced, now.clients);
    REQUIRE(std::chrono::steady_clock::now() < give_up_at);
    std::this_thread::yield();
  }
}

} // namespace

TEST_CASE("without faults the proxy carries datagrams both ways, each client's apart") {
  const plain_udp server;
  const plain_udp first;
  const plain_udp second;
  const udp_fault_proxy proxy{server.port(), {}, {}};
  first.send(proxy.port(), "from the first");
  const auto from_first = server.receive();
  second.send(proxy.port(), "from the second");
  const auto from_second = server.receive();
  CHECK(from_first.text == "from the first");
  CHECK(from_second.text == "from the second");
  CHECK(from_first.from_text() != from_second.from_text());
  server.send(from_second.from, "to the second");
  server.send(from_first.from, "to the first");
  CHECK(first.receive().text == "to the first");
  CHECK(second.receive().text == "to the second");
  CHECK(proxy.counts().arrived == 4);
}

TEST_CASE("datagrams beyond the MTU are dropped, and those of just that size are not") {
  const std::string fits(1'252, 'f');
  CHECK(carried({.mtu = 1'280}, {std::string(1'253, 'x'), fits}) == std::vector{fits});
}

TEST_CASE("a datagram that is held back comes after those that overtake it, or after its time") {
  const plain_udp server;
  const plain_udp client;
  const udp_fault_proxy proxy{server.port(), {.reordering = 0.5, .overtaken_by = 1}, {}};
  constexpr auto count = 100U;
  for (auto number = 0U; number < count; ++number)
    client.send(proxy.port(), std::to_string(number));
  std::vector<unsigned> order;
  while (order.size() < count)
    order.push_back(static_cast<unsigned>(std::stoul(server.receive().text)));
  CHECK_FALSE(std::ranges::is_sorted(order));
  CHECK(proxy.counts().reordered > 0);
  std::ranges::sort(order);
  CHECK(std::ranges::adjacent_find(order) == order.end());
}

TEST_CASE("one bit of a corrupted datagram is another") {
  const plain_udp server;
  const plain_udp client;
  const udp_fault_proxy proxy{server.port(), {.corruption = 1}, {}};
  const std::string text(100, 'x');
  client.send(proxy.port(), text);
  const auto damaged = server.receive().text;
  REQUIRE(damaged.size() == text.size());
  auto bits = 0;
  for (std::size_t index = 0; index < text.size(); ++index)
    bits += std::popcount(static_cast<unsigned char>(damaged[index] ^ text[index]));
  CHECK(bits == 1);
}

TEST_CASE("a seed decides which datagrams are lost and which come twice", "[random]") {
  const test_seed seed;
  std::vector<std::string> texts;
  for (int number = 0; number < 100; ++number)
    texts.push_back(std::to_string(number));
  const udp_faults faults{.loss = 0.3, .duplication = 0.3};
  const auto once = carried(faults, texts, seed.engine());
  CHECK(once == carried(faults, texts, seed.engine()));
  CHECK(once != carried(faults, texts, seed.engine(1)));
}

TEST_CASE("after a rebinding the server sees the client elsewhere, and answers to the old port are lost") {
  const plain_udp server;
  const plain_udp client;
  udp_fault_proxy proxy{server.port(), {}, {}};
  client.send(proxy.port(), "before");
  const auto before = server.receive();
  const auto elsewhere = proxy.rebind("127.0.0.2");
  CHECK(elsewhere.starts_with("127.0.0.2:"));
  client.send(proxy.port(), "after");
  const auto after = server.receive();
  CHECK(after.text == "after");
  CHECK(after.from_text() == elsewhere);
  server.send(before.from, "too late");
  server.send(after.from, "in time");
  CHECK(client.receive().text == "in time");
}

TEST_CASE("the n-th client is carried for so many datagrams, and those after the last for all") {
  const plain_udp server;
  const plain_udp first;
  const plain_udp second;
  const udp_fault_proxy proxy{server.port(), {.lives = {3}}, {}};
  first.send(proxy.port(), "1");
  const auto from_first = server.receive();
  server.send(from_first.from, "2");
  CHECK(first.receive().text == "2");
  first.send(proxy.port(), "3");
  CHECK(server.receive().text == "3");
  first.send(proxy.port(), "4");
  server.send(from_first.from, "5");
  second.send(proxy.port(), "6");
  CHECK(server.receive().text == "6");
  wait_until(proxy, [](const auto& counts) { return counts.arrived == 6; });
  CHECK(proxy.counts().silenced == 2);
  CHECK(proxy.counts().clients == 2);
}

TEST_CASE("nothing passes while the proxy is silent, and never of the clients that came before it healed") {
  const plain_udp server;
  const plain_udp before;
  const plain_udp meanwhile;
  const plain_udp after;
  udp_fault_proxy proxy{server.port(), {}, {}};
  before.send(proxy.port(), "heard");
  const auto seen = server.receive();
  CHECK(seen.text == "heard");
  proxy.silence();
  before.send(proxy.port(), "not heard");
  server.send(seen.from, "not heard");
  meanwhile.send(proxy.port(), "not heard");
  wait_until(proxy, [](const auto& counts) { return counts.silenced == 3; });
  proxy.heal();
  before.send(proxy.port(), "not heard");
  meanwhile.send(proxy.port(), "not heard");
  after.send(proxy.port(), "later");
  const auto later = server.receive();
  CHECK(later.text == "later");
  server.send(later.from, "answer");
  CHECK(after.receive().text == "answer");
  wait_until(proxy, [](const auto& counts) { return counts.silenced == 5; });
}

TEST_CASE("what a server of QUIC asks its clients for by Retry is counted, by either version") {
  using namespace std::string_literals;
  const plain_udp server;
  const plain_udp client;
  const udp_fault_proxy proxy{server.port(), {}, {}};
  // From the client it would mean nothing.
  client.send(proxy.port(), "\xf0\x00\x00\x00\x01 retry"s);
  const auto from = server.receive().from;
  for (const auto& each : {"\xf0\x00\x00\x00\x01 retry"s, "\xc0\x6b\x33\x43\xcf retry"s,
                           // What else begins a connection, by either version, and what comes after that.
                           "\xc0\x00\x00\x00\x01 initial"s, "\xf0\x6b\x33\x43\xcf handshake"s,
                           "\xf0\x00\x00\x00\x00 versions"s, "\x70\x00\x00\x00\x01 short"s, "\xf0"s}) {
    server.send(from, each);
    CHECK(client.receive().text == each);
  }
  CHECK(proxy.counts().retries == 2);
}

} // namespace actorwire::test
