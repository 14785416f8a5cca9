// The proxy does to real connections what its lanes say, and tells each side what such a line would tell it.

#include "../integration/transports/socket_fixture.hpp"
#include "seed.hpp"
#include "tcp_fault_proxy.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// A client and a server with the proxy between them.
struct connected {
  explicit connected(const tcp_faults& faults, std::mt19937_64 chance = {})
    : proxy(listener.port(), {faults}, chance),
      client(plain_socket::connect_to(proxy.port())),
      server(listener.accept()) {}

  plain_listener listener;
  tcp_fault_proxy proxy;
  plain_socket client;
  plain_socket server;
};

struct arrival {
  std::string text;
  /// 0: the stream ended in order.
  int error = 0;
};

/// Reads to the end, however that comes.
arrival read_all(const plain_socket& from) {
  arrival got;
  std::vector<char> space(65'536);
  for (;;) {
    const auto size = ::recv(from.descriptor(), space.data(), space.size(), 0);
    if (size <= 0) {
      got.error = size < 0 ? errno : 0;
      REQUIRE(got.error != EAGAIN);
      return got;
    }
    got.text.append(space.data(), static_cast<std::size_t>(size));
  }
}

/// Reads as many bytes.
std::string read(const plain_socket& from, std::size_t size) {
  std::string text(size, '\0');
  REQUIRE(::recv(from.descriptor(), text.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
  return text;
}

/// The error that comes in the end of sending on and on; 0 when `limit` bytes were taken.
int send_until_refused(const plain_socket& by, std::size_t limit) {
  const std::string bytes(10'000, 'x');
  for (std::size_t sum = 0; sum < limit;) {
    const auto size = ::send(by.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0)
      return errno;
    sum += static_cast<std::size_t>(size);
  }
  return 0;
}

bool is_gone(int error) {
  return error == ECONNRESET || error == EPIPE;
}

void wait_for(const tcp_fault_proxy& proxy, const std::function<bool(const tcp_fault_record&)>& reached) {
  const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!reached(proxy.records().at(0))) {
    REQUIRE(std::chrono::steady_clock::now() < give_up_at);
    std::this_thread::yield();
  }
}

/// Waits until so many connections have come.
void wait_until_seen(const tcp_fault_proxy& proxy, std::size_t count) {
  const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (proxy.records().size() < count) {
    REQUIRE(std::chrono::steady_clock::now() < give_up_at);
    std::this_thread::yield();
  }
}

/// A client that comes later, and is carried.
struct next_client {
  plain_socket client;
  plain_socket server;
};

/// Holds that the server has heard nothing, not even an end: had it been told, it would have been so before another client
/// is served. Returns that one.
next_client check_untold(connected& line) {
  auto client = plain_socket::connect_to(line.proxy.port());
  auto server = line.listener.accept();
  client.send("served");
  CHECK(read(server, 6) == "served");
  const auto heard = line.server.receive_now();
  CHECK_FALSE(heard.ended);
  CHECK(heard.error == 0);
  CHECK(heard.text.empty());
  return {std::move(client), std::move(server)};
}

} // namespace

TEST_CASE("without faults the proxy carries connections both ways, each apart, and their ends one by one") {
  plain_listener listener;
  const tcp_fault_proxy proxy{listener.port(), {}, {}};
  auto first = plain_socket::connect_to(proxy.port());
  auto to_first = listener.accept();
  auto second = plain_socket::connect_to(proxy.port());
  auto to_second = listener.accept();
  first.send("from the first");
  first.finish();
  second.send("from the second");
  CHECK(read_all(to_first).text == "from the first");
  CHECK(read(to_second, 15) == "from the second");
  // Only the one half has ended.
  std::thread sender{[&] {
    to_first.send(pattern(1'000'000));
    to_first.finish();
  }};
  const auto got = read_all(first);
  sender.join();
  CHECK(got.error == 0);
  CHECK(got.text == pattern(1'000'000));
  const auto records = proxy.records();
  REQUIRE(records.size() == 2);
  CHECK(records[0].from_client == 14);
  CHECK(records[0].to_server == 14);
  CHECK(records[0].from_server == 1'000'000);
  CHECK(records[0].to_client == 1'000'000);
  CHECK(records[1].to_server == 15);
  CHECK_FALSE(records[0].is_struck);
}

TEST_CASE("a cut connection ends for the receiver after just so many bytes, and the sender finds it gone") {
  const auto at = GENERATE(0U, 1U, 300'000U);
  connected line{{.to_server = {.fate = tcp_fate::cut, .at = at}}};
  int error = 0;
  std::thread sender{[&] { error = send_until_refused(line.client, 50'000'000); }};
  const auto got = read_all(line.server);
  sender.join();
  CHECK(got.error == 0);
  CHECK(got.text.size() == at);
  CHECK(is_gone(error));
  CHECK(line.proxy.records().at(0).is_struck);
}

TEST_CASE("a reset connection is reset for both sides") {
  connected line{{.to_client = {.fate = tcp_fate::reset, .at = 10}}};
  line.server.send("ten bytes, and more");
  const auto got = read_all(line.client);
  CHECK(is_gone(got.error));
  CHECK(got.text == "ten bytes,");
  CHECK(is_gone(read_all(line.server).error));
}

TEST_CASE("what a half-open connection swallows is taken, and nobody hears of it or of an end") {
  connected line{{.to_server = {.fate = tcp_fate::swallow, .at = 10}}};
  line.client.send(pattern(1'000'000));
  CHECK(read(line.server, 10) == pattern(10));
  wait_for(line.proxy, [](const auto& record) { return record.from_client == 1'000'000; });
  // The other direction is as it was.
  line.server.send("answer");
  CHECK(read(line.client, 6) == "answer");
  line.client.close();
  check_untold(line);
}

TEST_CASE("a stalled connection takes no more than its buffers hold, and stays") {
  connected line{{.to_server = {.fate = tcp_fate::stall, .at = 10}}};
  const int small = 50'000;
  ::setsockopt(line.client.descriptor(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const auto taken = line.client.send_what_fits(std::string(8'000'000, 'x'));
  CHECK(taken < 1'000'000);
  CHECK(read(line.server, 10) == "xxxxxxxxxx");
  line.server.send("answer");
  CHECK(read(line.client, 6) == "answer");
  CHECK(line.proxy.records().at(0).from_client == 10);
}

TEST_CASE("a byte that is corrupted is the one that was meant") {
  connected line{{.to_client = {.fate = tcp_fate::corrupt, .at = 3}}};
  line.server.send("0123456789");
  const auto got = read(line.client, 10);
  CHECK(got.substr(0, 3) == "012");
  CHECK(got[3] != '3');
  CHECK(got.substr(4) == "456789");
}

TEST_CASE("what dribbles and is delayed arrives all the same, in order", "[random]") {
  const test_seed seed;
  connected line{{.to_server = {.piece_max = 1},
                  .to_client = {.piece_max = 50, .delay_max = std::chrono::milliseconds{3}}},
                 seed.engine()};
  line.client.send(pattern(10'000));
  CHECK(read(line.server, 10'000) == pattern(10'000));
  std::thread sender{[&] { line.server.send(pattern(200'000)); }};
  CHECK(read(line.client, 200'000) == pattern(200'000));
  sender.join();
}

TEST_CASE("a server that resets or is not there resets the client") {
  plain_listener listener;
  const tcp_fault_proxy proxy{listener.port(), {}, {}};
  auto client = plain_socket::connect_to(proxy.port());
  listener.accept().reset();
  CHECK(is_gone(read_all(client).error));
  listener.close();
  client = plain_socket::connect_to(proxy.port());
  CHECK(is_gone(read_all(client).error));
}

TEST_CASE("a client that resets resets the server, after what it said before") {
  connected line{{}};
  line.client.send("last words");
  wait_for(line.proxy, [](const auto& record) { return record.to_server == 10; });
  line.client.reset();
  const auto got = read_all(line.server);
  CHECK(got.text == "last words");
  CHECK(is_gone(got.error));
}

TEST_CASE("the n-th connection meets with the n-th fault, and those after the last with none") {
  plain_listener listener;
  const tcp_faults first{.to_server = {.fate = tcp_fate::cut, .at = 1}};
  const tcp_faults second{.to_server = {.fate = tcp_fate::cut, .at = 2}};
  const tcp_fault_proxy proxy{listener.port(), {first, second}, {}};
  for (const auto arrives : {1U, 2U, 3U}) {
    auto client = plain_socket::connect_to(proxy.port());
    const auto server = listener.accept();
    client.send("abc");
    // The line has ended by itself, but for the last.
    if (arrives == 3)
      client.finish();
    CHECK(read_all(server).text.size() == arrives);
  }
}

TEST_CASE("nothing passes while the proxy is silent, and never on connections that came before it healed") {
  connected line{{}};
  line.client.send("heard");
  CHECK(read(line.server, 5) == "heard");
  line.proxy.silence();
  line.client.send("not heard");
  line.server.send("not heard");
  const auto meanwhile = plain_socket::connect_to(line.proxy.port());
  wait_until_seen(line.proxy, 2);
  line.proxy.heal();
  line.proxy.reset_silenced_clients();
  const auto got = read_all(line.client);
  CHECK(is_gone(got.error));
  CHECK(got.text.empty());
  CHECK(is_gone(read_all(meanwhile).error));
  static_cast<void>(line.listener.accept());
  auto next = check_untold(line);
  line.proxy.reset_silenced_clients();
  next.client.send("again");
  CHECK(read(next.server, 5) == "again");
}

TEST_CASE("clients beyond the limit wait until one is gone") {
  plain_listener listener{128};
  const tcp_fault_proxy proxy{listener.port(), {}, {}};
  std::vector<plain_socket> clients;
  for (std::size_t count = 0; count < tcp_fault_proxy::connections_max; ++count)
    clients.push_back(plain_socket::connect_to(proxy.port()));
  std::vector<plain_socket> servers;
  for (std::size_t count = 0; count < tcp_fault_proxy::connections_max; ++count)
    servers.push_back(listener.accept());
  auto late = plain_socket::connect_to(proxy.port());
  late.send("late");
  // The one that was there first is served as ever.
  clients.front().send("early");
  CHECK(read(servers.front(), 5) == "early");
  CHECK(proxy.records().size() == tcp_fault_proxy::connections_max);
  clients.front().reset();
  CHECK(read(listener.accept(), 4) == "late");
}

TEST_CASE("faults are drawn within their reach, all of them, and as the seed says", "[random]") {
  const test_seed seed;
  const auto draw = [&](std::uint32_t stream) {
    std::vector<std::pair<tcp_fate, std::uint64_t>> all;
    auto chance = seed.engine(stream);
    for (int count = 0; count < 1'000; ++count) {
      const auto faults = drawn_faults(chance, {tcp_fate::cut, tcp_fate::corrupt}, 500);
      const auto& struck = faults.to_server.fate != tcp_fate::carry ? faults.to_server : faults.to_client;
      REQUIRE((faults.to_server.fate == tcp_fate::carry) != (faults.to_client.fate == tcp_fate::carry));
      REQUIRE(struck.at < 500);
      all.emplace_back(struck.fate, struck.at);
    }
    return all;
  };
  const auto once = draw(0);
  CHECK(once == draw(0));
  CHECK(once != draw(1));
  for (const auto fate : {tcp_fate::cut, tcp_fate::corrupt})
    CHECK(std::ranges::count(once, fate, &std::pair<tcp_fate, std::uint64_t>::first) > 300);
}

} // namespace actorwire::test
