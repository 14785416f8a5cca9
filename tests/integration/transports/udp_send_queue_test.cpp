#include "edge/quic/udp_send_queue.hpp"
#include "udp_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;

namespace {

constexpr std::size_t datagram_size = 1'452;

udp_departure train(std::string_view text) {
  return {{}, ecn_mark::not_capable, datagram_size, bytes_of(text)};
}

/// Reads and flushes in turn until nothing waits.
std::vector<std::string> drain(udp_send_queue& queue, blocking_socket& socket) {
  std::vector<std::string> arrived;
  socket.read_into(arrived);
  while (!queue.is_empty()) {
    wait_for(socket.native_handle(), POLLOUT);
    const auto outcome = queue.flush(socket);
    CHECK(outcome.is_empty == queue.is_empty());
    CHECK_FALSE(outcome.was_refused);
    socket.read_into(arrived);
  }
  return arrived;
}

} // namespace

TEST_CASE("what a blocked socket does not take waits, and leaves in order and whole") {
  blocking_socket socket;
  udp_send_queue queue;
  const auto first = pattern(43 * datagram_size + 17);
  const std::string second = "a single one";
  const auto third = pattern(20 * datagram_size);
  CHECK(queue.send(socket, train(first)) == udp_send_status::blocked);
  CHECK(queue.send(socket, single(second, {})) == udp_send_status::blocked);
  CHECK(queue.send(socket, train(third)) == udp_send_status::blocked);

  auto expected = cut(first, datagram_size);
  expected.push_back(second);
  for (auto& piece : cut(third, datagram_size))
    expected.push_back(std::move(piece));
  CHECK(drain(queue, socket) == expected);
  CHECK(queue.bytes() == 0);
  CHECK(queue.dropped() == 0);
}

TEST_CASE("nothing overtakes what waits, even if the socket could take it") {
  blocking_socket socket;
  udp_send_queue queue;
  const auto early = pattern(20 * datagram_size);
  CHECK(queue.send(socket, train(early)) == udp_send_status::blocked);
  std::vector<std::string> arrived;
  socket.read_into(arrived);
  CHECK(queue.send(socket, single("late", {})) == udp_send_status::blocked);
  for (auto& piece : drain(queue, socket))
    arrived.push_back(std::move(piece));
  auto expected = cut(early, datagram_size);
  expected.emplace_back("late");
  CHECK(arrived == expected);
}

TEST_CASE("a socket that is not blocked makes the queue keep nothing") {
  open_udp_socket to{"127.0.0.1"};
  open_udp_socket from{"127.0.0.1"};
  receiver there;
  udp_send_queue queue;
  CHECK(queue.send(from, single("hello", to.local())) == udp_send_status::sent);
  CHECK(queue.is_empty());
  CHECK(queue.bytes() == 0);
  CHECK(queue.flush(from).is_empty);
  CHECK(there.receive(to, 1).text == "hello");
}

TEST_CASE("beyond the bound the newest datagrams are dropped, and all are accounted for") {
  blocking_socket socket;
  udp_send_queue queue;
  const auto text = pattern(44 * datagram_size);
  std::vector<std::string> sent;
  for (int count = 0; count < 8; ++count) {
    CHECK(queue.send(socket, train(text)) == udp_send_status::blocked);
    CHECK(queue.bytes() <= udp_send_queue::bytes_max);
    for (auto& piece : cut(text, datagram_size))
      sent.push_back(std::move(piece));
  }
  CHECK(queue.dropped() > 0);
  const auto dropped = queue.dropped();
  const auto arrived = drain(queue, socket);
  CHECK(arrived.size() + dropped == sent.size());
  sent.resize(arrived.size());
  CHECK(arrived == sent);
}

TEST_CASE("the smallest datagrams cannot make the queue grow beyond its bound") {
  blocking_socket socket;
  udp_send_queue queue;
  std::size_t sent = 0;
  while (queue.dropped() == 0 && sent < udp_send_queue::bytes_max) {
    (void)queue.send(socket, single("x", {}));
    ++sent;
  }
  CHECK(queue.dropped() == 1);
  CHECK(queue.bytes() <= udp_send_queue::bytes_max);
  CHECK(sent < udp_send_queue::bytes_max / sizeof(udp_path));
  CHECK(drain(queue, socket).size() == sent - 1);
}

TEST_CASE("what is refused while it waits is dropped, and told") {
  blocking_socket socket;
  udp_send_queue queue;
  const auto text = pattern(20 * datagram_size);
  CHECK(queue.send(socket, train(text)) == udp_send_status::blocked);
  socket.close_other_end();
  const auto outcome = queue.flush(socket);
  CHECK(outcome.is_empty);
  CHECK(outcome.was_refused);
  CHECK(queue.bytes() == 0);
}
