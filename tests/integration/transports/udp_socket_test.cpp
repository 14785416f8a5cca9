#include "udp_fixture.hpp"

#include <catch2/catch_test_macros.hpp>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

using namespace actorwire;
using namespace actorwire::test;

namespace {

constexpr std::size_t datagram_size = 1'452;

udp_departure train(std::string_view text, const udp_address& to) {
  return {{{}, to}, ecn_mark::not_capable, datagram_size, bytes_of(text)};
}

int option_of(const udp_socket& socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(socket.native_handle(), level, name, &value, &size) == 0);
  return value;
}

bool has_ipv6() {
  udp_socket socket;
  return socket.open(address("::1"), {}).has_value();
}

std::vector<std::string> loopbacks() {
  return has_ipv6() ? std::vector<std::string>{"127.0.0.1", "::1"} : std::vector<std::string>{"127.0.0.1"};
}

/// Opens sockets in a network of their own, whose only interface carries 1,500 bytes; false if this program may not.
bool open_in_small_network(udp_socket& first, udp_socket& second) {
  auto opened = false;
  // Sockets stay in the network that they were made in; the thread takes the rest of it away.
  std::thread{[&] {
    if (::unshare(CLONE_NEWNET) != 0)
      return;
    const auto configurator = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq loopback{};
    std::string_view{"lo"}.copy(loopback.ifr_name, sizeof loopback.ifr_name);
    loopback.ifr_mtu = 1'500;
    opened = ::ioctl(configurator, SIOCSIFMTU, &loopback) == 0;
    loopback.ifr_flags = IFF_UP;
    opened = opened && ::ioctl(configurator, SIOCSIFFLAGS, &loopback) == 0;
    ::close(configurator);
    opened = opened && first.open(address("127.0.0.1"), {}) && second.open(address("127.0.0.1"), {});
  }}.join();
  return opened;
}

} // namespace

TEST_CASE("a train of datagrams arrives cut, in order and equal, whoever cuts it") {
  const auto text = pattern(43 * datagram_size + 100);
  for (const auto& host : loopbacks())
    for (const auto gso : {true, false})
      for (const auto gro : {true, false}) {
        CAPTURE(host, gso, gro);
        open_udp_socket from{host, {.gso = gso}};
        open_udp_socket to{host, {.gro = gro}};
        receiver there;
        const auto outcome = from.send(train(text, to.local()));
        CHECK(outcome.status == udp_send_status::sent);
        CHECK(outcome.bytes == text.size());
        there.receive(to, 44);
        CHECK(there.sink.texts() == cut(text, datagram_size));
        CHECK(there.sink.seen.front().path == udp_path{to.local(), from.local()});
        CHECK(there.truncated == 0);
        CHECK_FALSE((from.has_gso() && !gso));
      }
}

TEST_CASE("the longest trains that may be are sent: 64 datagrams, and 65,507 bytes") {
  open_udp_socket from{"127.0.0.1"};
  open_udp_socket to{"127.0.0.1"};
  receiver there;
  const auto many = pattern(64);
  CHECK(from.send({{{}, to.local()}, ecn_mark::not_capable, 1, bytes_of(many)}).status == udp_send_status::sent);
  there.receive(to, 64);
  CHECK(there.sink.texts() == cut(many, 1));
  const auto large = pattern(departure_bytes_max);
  CHECK(from.send({{{}, to.local()}, ecn_mark::not_capable, 1'200, bytes_of(large)}).status == udp_send_status::sent);
  there.receive(to, 64 + 55);
  CHECK(there.sink.seen.back().text.size() == departure_bytes_max % 1'200);
}

TEST_CASE("a train takes one call to send and one message to receive") {
  open_udp_socket from{"127.0.0.1"};
  open_udp_socket to{"127.0.0.1"};
  int value = 0;
  socklen_t size = sizeof value;
  if (!from.has_gso() || ::getsockopt(to.native_handle(), SOL_UDP, UDP_GRO, &value, &size) != 0 || value == 0)
    SKIP("this kernel does not cut and join trains");
  receiver there;
  const auto text = pattern(44 * datagram_size);
  CHECK(from.send(train(text, to.local())).status == udp_send_status::sent);
  there.receive(to, 44);
  CHECK(there.messages == 1);
  CHECK_FALSE(there.last.may_have_more);
}

TEST_CASE("one call receives eight messages, and says that there may be more") {
  open_udp_socket from{"127.0.0.1"};
  open_udp_socket to{"127.0.0.1"};
  receiver there;
  for (int count = 0; count < 9; ++count)
    CHECK(from.send(single("hello", to.local())).status == udp_send_status::sent);
  there.receive(to, 1);
  CHECK(there.last.messages == 8);
  CHECK(there.last.may_have_more);
  there.receive(to, 9);
  CHECK(there.last.messages == 1);
  CHECK_FALSE(there.last.may_have_more);
  const auto nothing = to.receive(there.buffers, there.sink);
  CHECK(nothing.messages == 0);
  CHECK(nothing.system_code == 0);
}

TEST_CASE("marks of congestion arrive, on single datagrams and on trains") {
  for (const auto& host : loopbacks())
    for (const auto* bound : {"", "wildcard", "all"}) {
      const std::string wildcard = host == "::1" ? "::" : "0.0.0.0";
      if (std::string_view{bound} == "all" && !has_ipv6())
        continue;
      open_udp_socket to{*bound == 0 ? host : std::string_view{bound} == "all" ? "::" : wildcard};
      open_udp_socket from{host};
      const auto where = address(host, to.local().port());
      receiver there;
      const auto text = pattern(3 * datagram_size);
      for (const auto mark : {ecn_mark::capable_0, ecn_mark::not_capable, ecn_mark::congested, ecn_mark::capable_1}) {
        CAPTURE(host, bound, static_cast<int>(mark));
        const auto before = there.sink.seen.size();
        CHECK(from.send({{{}, where}, mark, 1, bytes_of("x")}).status == udp_send_status::sent);
        CHECK(from.send({{{}, where}, mark, datagram_size, bytes_of(text)}).status == udp_send_status::sent);
        there.receive(to, before + 4);
        for (auto index = before; index < before + 4; ++index)
          CHECK(there.sink.seen[index].mark == mark);
      }
    }
}

TEST_CASE("a socket for all addresses tells where a datagram was sent to, and answers from there") {
  for (const auto* bound : {"0.0.0.0", "::"}) {
    if (std::string_view{bound} == "::" && !has_ipv6())
      continue;
    open_udp_socket server{bound};
    const auto port = server.local().port();
    std::vector<std::string> hosts{"127.0.0.1", "127.0.0.2"};
    if (std::string_view{bound} == "::")
      hosts.emplace_back("::1");
    for (const auto& host : hosts) {
      CAPTURE(bound, host);
      receiver here;
      open_udp_socket client{host == "::1" ? "::1" : "127.0.0.1"};
      // Connected, the client hears nobody but the address that it has asked.
      REQUIRE(client.connect(address(host, port)));
      CHECK(client.send(single("question", {})).status == udp_send_status::sent);
      const auto asked = here.receive(server, 1).path;
      CHECK(asked == udp_path{address(host, port), client.local()});
      CHECK(to_text(asked.remote) == to_text(client.local()));
      const auto text = pattern(5 * datagram_size);
      CHECK(server.send({asked, ecn_mark::capable_0, datagram_size, bytes_of(text)}).status == udp_send_status::sent);
      const auto& answer = here.receive(client, 6);
      CHECK(answer.path == udp_path{client.local(), address(host, port)});
      CHECK(answer.mark == ecn_mark::capable_0);
    }
  }
}

TEST_CASE("an IPv6 socket for all addresses connects to IPv4 peers too, and shows them as such") {
  if (!has_ipv6())
    SKIP("this machine has no IPv6");
  open_udp_socket server{"127.0.0.1"};
  open_udp_socket client{"::"};
  REQUIRE(client.connect(server.local()));
  CHECK(to_text(client.remote()) == to_text(server.local()));
  CHECK(to_text(client.local()).starts_with("127.0.0.1:"));
  receiver here;
  CHECK(client.send(single("question", {})).status == udp_send_status::sent);
  CHECK(here.receive(server, 1).path == udp_path{server.local(), client.local()});
  CHECK(server.send(single("answer", client.local())).status == udp_send_status::sent);
  CHECK(here.receive(client, 2).path == udp_path{client.local(), server.local()});
}

TEST_CASE("a socket for all addresses knows its own one as soon as it is connected") {
  open_udp_socket server{"127.0.0.1"};
  open_udp_socket client{"0.0.0.0"};
  CHECK(client.local().is_wildcard());
  REQUIRE(client.connect(server.local()));
  CHECK(client.local() == address("127.0.0.1", client.local().port()));
  CHECK(option_of(client, IPPROTO_IP, IP_PKTINFO) == 0);
}

TEST_CASE("a connected socket hears nobody but its peer") {
  open_udp_socket server{"127.0.0.1"};
  open_udp_socket stranger{"127.0.0.1"};
  open_udp_socket client{"127.0.0.1"};
  REQUIRE(client.connect(server.local()));
  CHECK(stranger.send(single("strange", client.local())).status == udp_send_status::sent);
  CHECK(server.send(single("known", client.local())).status == udp_send_status::sent);
  receiver here;
  CHECK(here.receive(client, 1).text == "known");
}

TEST_CASE("where the kernel refuses to cut a train, it is sent one by one from then on") {
  open_udp_socket from{"127.0.0.1"};
  open_udp_socket to{"127.0.0.1"};
  if (!from.has_gso())
    SKIP("this kernel does not cut trains");
  // Without checksums the kernel does not cut (net/ipv4/udp.c).
  const int on = 1;
  REQUIRE(::setsockopt(from.native_handle(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == 0);
  receiver there;
  const auto text = pattern(30 * datagram_size + 1);
  const auto outcome = from.send(train(text, to.local()));
  CHECK(outcome.status == udp_send_status::sent);
  CHECK(outcome.bytes == text.size());
  CHECK_FALSE(from.has_gso());
  there.receive(to, 31);
  CHECK(there.sink.texts() == cut(text, datagram_size));
}

TEST_CASE("a train whose datagrams the path does not carry is dropped, and the kernel still cuts others") {
  udp_socket from;
  udp_socket to;
  if (!open_in_small_network(from, to))
    SKIP("this program may not make a network");
  if (!from.has_gso())
    SKIP("this kernel does not cut trains");
  const auto text = pattern(10 * 1'473);
  const auto outcome = from.send({{{}, to.local()}, ecn_mark::not_capable, 1'473, bytes_of(text)});
  CHECK(outcome.status == udp_send_status::too_large);
  CHECK(outcome.bytes == 0);
  CHECK(from.has_gso());
  const auto fitting = std::string_view{text}.substr(0, std::size_t{10} * 1'472);
  CHECK(from.send({{{}, to.local()}, ecn_mark::not_capable, 1'472, bytes_of(fitting)}).status == udp_send_status::sent);
  receiver there;
  there.receive(to, 10);
  CHECK(there.sink.texts() == cut(fitting, 1'472));
}

TEST_CASE("a datagram that the interface does not carry is too large, and is not sent in parts") {
  udp_socket from;
  udp_socket to;
  if (!open_in_small_network(from, to))
    SKIP("this program may not make a network");
  receiver there;
  const auto text = pattern(1'473);
  const auto outcome = from.send(single(text, to.local()));
  CHECK(outcome.status == udp_send_status::too_large);
  CHECK(outcome.system_code == EMSGSIZE);
  CHECK(from.send(single("next", to.local())).status == udp_send_status::sent);
  CHECK(there.receive(to, 1).text == "next");
}

TEST_CASE("a datagram beyond what IPv6 on loopback carries is too large") {
  if (!has_ipv6())
    SKIP("this machine has no IPv6");
  open_udp_socket from{"::1"};
  open_udp_socket to{"::1"};
  const auto text = pattern(departure_bytes_max);
  CHECK(from.send(single(text, to.local())).status == udp_send_status::too_large);
}

TEST_CASE("a blocked socket says how much it took") {
  blocking_socket socket;
  const auto text = pattern(44 * datagram_size);
  const auto outcome = socket.send(train(text, {}));
  CHECK(outcome.status == udp_send_status::blocked);
  CHECK(outcome.bytes > 0);
  CHECK(outcome.bytes < text.size());
  CHECK(outcome.bytes % datagram_size == 0);
  std::vector<std::string> arrived;
  socket.read_into(arrived);
  CHECK(arrived == cut(std::string_view{text}.substr(0, outcome.bytes), datagram_size));
}

TEST_CASE("a connected socket whose peer is gone hears of it once for each datagram, by sending or by receiving") {
  for (const auto& host : loopbacks()) {
    CAPTURE(host);
    std::optional<open_udp_socket> server{host};
    open_udp_socket client{host};
    REQUIRE(client.connect(server->local()));
    const auto where = server->local();
    server.reset();
    receiver here;

    CHECK(client.send(single("anybody there?", {})).status == udp_send_status::sent);
    wait_for(client.native_handle(), POLLERR);
    const auto outcome = client.send(single("dropped", {}));
    CHECK(outcome.status == udp_send_status::refused);
    CHECK(outcome.bytes == 0);

    CHECK(client.send(single("anybody there?", {})).status == udp_send_status::sent);
    wait_for(client.native_handle(), POLLERR);
    CHECK(client.receive(here.buffers, here.sink).system_code == ECONNREFUSED);
    CHECK(client.receive(here.buffers, here.sink).system_code == 0);

    udp_socket next;
    REQUIRE(next.open(where, {}));
    CHECK(client.send(single("hello again", {})).status == udp_send_status::sent);
    CHECK(here.receive(next, 1).text == "hello again");
  }
}

TEST_CASE("a socket that is not connected does not suffer from peers that are gone") {
  open_udp_socket server{"127.0.0.1"};
  open_udp_socket other{"127.0.0.1"};
  const auto gone = open_udp_socket{"127.0.0.1"}.local();
  receiver here;
  for (int count = 0; count < 3; ++count)
    CHECK(server.send(single("anybody there?", gone)).status == udp_send_status::sent);
  CHECK(server.send(single("hello", other.local())).status == udp_send_status::sent);
  CHECK(here.receive(other, 1).text == "hello");
}

TEST_CASE("what cannot be sent fails, is dropped, and the socket goes on") {
  open_udp_socket from{"0.0.0.0"};
  open_udp_socket to{"127.0.0.1"};
  // An address that is not of this machine (RFC 5737).
  const auto text = pattern(3 * datagram_size);
  const udp_path foreign{address("192.0.2.1"), to.local()};
  const auto outcome = from.send({foreign, ecn_mark::not_capable, datagram_size, bytes_of(text)});
  CHECK(outcome.status == udp_send_status::failed);
  CHECK(outcome.bytes == 0);
  CHECK(outcome.system_code != 0);
  receiver there;
  CHECK(from.send(train(text, to.local())).status == udp_send_status::sent);
  there.receive(to, 3);
  CHECK(there.sink.texts() == cut(text, datagram_size));
}

TEST_CASE("sockets join one that shares its port, and every datagram comes to one of them") {
  for (const auto& host : {std::string{"127.0.0.1"}, std::string{"0.0.0.0"}}) {
    CAPTURE(host);
    open_udp_socket first{host};
    udp_socket second;
    udp_socket intruder;
    auto refused = second.open(first.local(), {.reuse_port = true});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::address_in_use);
    CHECK(refused.error().text.find(std::to_string(first.local().port())) != std::string::npos);
    CHECK_FALSE(second.is_open());

    REQUIRE(first.share());
    REQUIRE(second.open(first.local(), {.reuse_port = true}));
    CHECK_FALSE(intruder.open(first.local(), {}));

    receiver there;
    const auto where = address("127.0.0.1", first.local().port());
    std::deque<open_udp_socket> clients;
    for (int count = 0; count < 64; ++count)
      CHECK(clients.emplace_back("127.0.0.1").send(single("hello", where)).status == udp_send_status::sent);
    std::array<std::size_t, 2> shares{};
    while (shares[0] + shares[1] < clients.size()) {
      std::array<pollfd, 2> waiting{{{first.native_handle(), POLLIN, 0}, {second.native_handle(), POLLIN, 0}}};
      REQUIRE(::poll(waiting.data(), waiting.size(), 20'000) > 0);
      shares[0] += first.receive(there.buffers, there.sink).messages;
      shares[1] += second.receive(there.buffers, there.sink).messages;
    }
    CHECK(shares[0] > 0);
    CHECK(shares[1] > 0);
    std::set<std::uint16_t> ports;
    for (const auto& each : there.sink.seen)
      ports.insert(each.path.remote.port());
    CHECK(ports.size() == clients.size());
  }
}

TEST_CASE("a socket joins nobody without a port") {
  udp_socket socket;
  const auto refused = socket.open(address("127.0.0.1"), {.reuse_port = true});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::invalid_value);
}

TEST_CASE("a datagram larger than the buffers is dropped, counted, and does not hurt the next") {
  receiver there{4'000};
  open_udp_socket from{"127.0.0.1"};
  open_udp_socket to{"127.0.0.1"};
  const auto large = pattern(4'001);
  const auto fitting = pattern(4'000);
  CHECK(from.send(single(large, to.local())).status == udp_send_status::sent);
  CHECK(from.send(single(fitting, to.local())).status == udp_send_status::sent);
  CHECK(there.receive(to, 1).text == fitting);
  CHECK(there.messages == 2);
  CHECK(there.truncated == 1);
}

TEST_CASE("of a train larger than the buffers the whole datagrams arrive") {
  receiver there{4'000};
  open_udp_socket from{"127.0.0.1"};
  open_udp_socket to{"127.0.0.1"};
  const auto text = pattern(5 * datagram_size);
  CHECK(from.send(train(text, to.local())).status == udp_send_status::sent);
  CHECK(from.send(single("end", to.local())).status == udp_send_status::sent);
  while (there.sink.seen.empty() || there.sink.seen.back().text != "end")
    there.receive(to, there.sink.seen.size() + 1);
  if (there.truncated == 0)
    SKIP("this kernel does not join trains");
  const auto pieces = cut(text, datagram_size);
  CHECK(there.sink.texts() == std::vector<std::string>{pieces[0], pieces[1], "end"});
  CHECK(there.truncated == 1);
}

TEST_CASE("an empty datagram is left out") {
  open_udp_socket from{"127.0.0.1"};
  open_udp_socket to{"127.0.0.1"};
  REQUIRE(::sendto(from.native_handle(), "", 0, 0, to.local().data(), to.local().size()) == 0);
  CHECK(from.send(single("next", to.local())).status == udp_send_status::sent);
  receiver there;
  there.receive(to, 1);
  CHECK(there.sink.texts() == std::vector<std::string>{"next"});
  CHECK(there.messages == 2);
  CHECK(there.truncated == 0);
}

TEST_CASE("all sockets of a loop receive into the same memory") {
  boost::asio::io_context context;
  auto& buffers = boost::asio::use_service<udp_receive_buffers>(context);
  CHECK(&buffers == &boost::asio::use_service<udp_receive_buffers>(context));
  recording_sink sink;
  open_udp_socket from{"127.0.0.1"};
  std::deque<open_udp_socket> sockets;
  for (int count = 0; count < 20; ++count) {
    auto& socket = sockets.emplace_back("127.0.0.1");
    CHECK(from.send(single("to " + std::to_string(socket.local().port()), socket.local())).status
          == udp_send_status::sent);
  }
  for (auto& socket : sockets) {
    wait_for(socket.native_handle(), POLLIN);
    CHECK(socket.receive(buffers, sink).messages == 1);
    CHECK(sink.seen.back().text == "to " + std::to_string(socket.local().port()));
    CHECK(sink.seen.back().path.local == socket.local());
    CHECK(sink.seen.back().where == sink.seen.front().where);
  }
}

TEST_CASE("whoever takes datagrams may answer meanwhile, and close the socket") {
  open_udp_socket client{"127.0.0.1"};
  open_udp_socket server{"127.0.0.1"};
  receiver there;
  there.sink.then = [&] {
    if (!server.is_open())
      return;
    CHECK(server.send(single("answer", there.sink.seen.back().path.remote)).status == udp_send_status::sent);
    server.close();
  };
  const auto where = server.local();
  const auto text = pattern(6 * datagram_size);
  CHECK(client.send(train(text, where)).status == udp_send_status::sent);
  wait_for(server.native_handle(), POLLIN);
  (void)server.receive(there.buffers, there.sink);
  CHECK_FALSE(server.is_open());
  for (const auto& each : there.sink.seen)
    CHECK(each.path.local == where);
  there.sink.then = nullptr;
  there.sink.seen.clear();
  CHECK(there.receive(client, 1).text == "answer");
}

TEST_CASE("no socket fragments or remembers the MTU of a path") {
  open_udp_socket four{"0.0.0.0"};
  CHECK(option_of(four, IPPROTO_IP, IP_MTU_DISCOVER) == IP_PMTUDISC_PROBE);
  if (!has_ipv6())
    return;
  open_udp_socket both{"::"};
  CHECK(option_of(both, IPPROTO_IPV6, IPV6_MTU_DISCOVER) == IPV6_PMTUDISC_PROBE);
  CHECK(option_of(both, IPPROTO_IP, IP_MTU_DISCOVER) == IP_PMTUDISC_PROBE);
  open_udp_socket six{"::1"};
  CHECK(option_of(six, IPPROTO_IPV6, IPV6_MTU_DISCOVER) == IPV6_PMTUDISC_PROBE);
}

TEST_CASE("a socket tells what buffers it got, in the units in which they are asked for") {
  open_udp_socket modest{"127.0.0.1", {.buffer_size = 65'536}};
  CHECK(modest.buffer_sizes().receive == 65'536);
  CHECK(modest.buffer_sizes().send == 65'536);
  open_udp_socket greedy{"127.0.0.1", {.buffer_size = std::size_t{1} << 40U}};
  CHECK(greedy.buffer_sizes().receive == static_cast<std::size_t>(option_of(greedy, SOL_SOCKET, SO_RCVBUF)) / 2);
  CHECK(greedy.buffer_sizes().receive > 65'536);
  CHECK(greedy.buffer_sizes().send < std::size_t{1} << 40U);
  open_udp_socket plain{"127.0.0.1", {.buffer_size = 0}};
  CHECK(plain.buffer_sizes().receive > 0);
}

TEST_CASE("an address of another machine cannot be bound, and the failure names it") {
  udp_socket socket;
  const auto refused = socket.open(address("192.0.2.1", 4'433), {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("192.0.2.1:4433") != std::string::npos);
  CHECK_FALSE(socket.is_open());
}

TEST_CASE("a closed socket gives its port back, and can be opened anew") {
  open_udp_socket socket{"127.0.0.1"};
  const auto where = socket.local();
  REQUIRE(socket.connect(where));
  socket.close();
  CHECK_FALSE(socket.local().is_known());
  REQUIRE(socket.open(where, {}));
  CHECK(socket.local() == where);
  CHECK_FALSE(socket.remote().is_known());
}
