#include "engine/quic/udp_address.hpp"

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>

#include <string>

using namespace actorwire;

namespace {

udp_address address(const std::string& host, std::uint16_t port) {
  return {parse_ip_address(host).value(), port};
}

/// What a system call fills in.
sockaddr_in6 name(const char* host, std::uint16_t port) {
  sockaddr_in6 made{};
  made.sin6_family = AF_INET6;
  made.sin6_port = htons(port);
  REQUIRE(::inet_pton(AF_INET6, host, &made.sin6_addr) == 1);
  return made;
}

udp_address taken_from(const sockaddr_in6& name, socklen_t size = sizeof(sockaddr_in6)) {
  return {reinterpret_cast<const sockaddr*>(&name), size};
}

} // namespace

TEST_CASE("addresses are shown as people write them") {
  CHECK(to_text(address("192.0.2.1", 443)) == "192.0.2.1:443");
  CHECK(to_text(address("2001:db8::1", 443)) == "[2001:db8::1]:443");
  CHECK(to_text(address("::", 0)) == "[::]:0");
  CHECK(to_text(address("fe80::1%7", 1)) == "[fe80::1%7]:1");
}

TEST_CASE("an IPv4 address is one, also if it comes in the form of an IPv6 socket") {
  const auto plain = address("192.0.2.1", 443);
  CHECK(address("::ffff:192.0.2.1", 443) == plain);
  CHECK(taken_from(name("::ffff:192.0.2.1", 443)) == plain);
  CHECK(to_text(taken_from(name("::ffff:192.0.2.1", 443))) == "192.0.2.1:443");
  CHECK(taken_from(name("::ffff:192.0.2.1", 443)).size() == sizeof(sockaddr_in));
  CHECK(taken_from(name("::fffe:192.0.2.1", 443)).family() == AF_INET6);
}

TEST_CASE("an address goes to the system and back unchanged") {
  for (const auto* host : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "::1", "fe80::1%7"}) {
    CAPTURE(host);
    const auto before = address(host, 50'000);
    const udp_address after{before.data(), before.size()};
    CHECK(after == before);
    CHECK(after.host() == parse_ip_address(host));
    CHECK(after.port() == 50'000);
  }
}

TEST_CASE("addresses differ by port, by scope and by family") {
  CHECK_FALSE(address("192.0.2.1", 1) == address("192.0.2.1", 2));
  CHECK_FALSE(address("fe80::1%7", 1) == address("fe80::1%8", 1));
  CHECK_FALSE(address("0.0.0.0", 1) == address("::", 1));
}

TEST_CASE("a flow label is no part of an address") {
  auto labelled = name("2001:db8::1", 443);
  labelled.sin6_flowinfo = htonl(12);
  CHECK(taken_from(labelled) == address("2001:db8::1", 443));
}

TEST_CASE("wildcards are those of both families") {
  CHECK(address("0.0.0.0", 443).is_wildcard());
  CHECK(address("::", 443).is_wildcard());
  CHECK(address("::ffff:0.0.0.0", 443).is_wildcard());
  CHECK_FALSE(address("127.0.0.1", 443).is_wildcard());
  CHECK_FALSE(address("::1", 443).is_wildcard());
  CHECK_FALSE(udp_address{}.is_wildcard());
}

TEST_CASE("an address that is cut short or of no known family is none") {
  auto strange = name("::1", 443);
  CHECK_FALSE(taken_from(strange, sizeof(sockaddr_in)).is_known());
  strange.sin6_family = AF_UNIX;
  CHECK_FALSE(taken_from(strange).is_known());
  CHECK(udp_address{}.size() == 0);
}
