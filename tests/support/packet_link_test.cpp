// The link carries packets between its two networks, or loses them.

#include "packet_link.hpp"
#include "seed.hpp"

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire::test {

namespace {

/// A blocking UDP socket of one end that waits 20 s at most.
class end_socket {
public:
  end_socket(const network_namespace& where, const char* address) {
    where.run([&] { socket_ = descriptor{checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")}; });
    const timeval limit{20, 0};
    REQUIRE(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    at_.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, address, &at_.sin_addr) == 1);
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at_), sizeof at_) == 0);
    socklen_t size = sizeof at_;
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&at_), &size) == 0);
  }

  void send(const end_socket& to, std::string_view text) const {
    REQUIRE(
        ::sendto(socket_.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to.at_), sizeof to.at_)
        == static_cast<ssize_t>(text.size()));
  }

  [[nodiscard]] std::string receive() const {
    char space[100];
    const auto size = ::recv(socket_.get(), space, sizeof space, 0);
    REQUIRE(size >= 0);
    return {space, static_cast<std::size_t>(size)};
  }

private:
  descriptor socket_{-1};
  sockaddr_in at_{};
};

} // namespace

TEST_CASE("a link carries packets both ways, none while it is parted, and again when it is healed") {
  if (const auto reason = network_namespace::refusal(); !reason.empty())
    SKIP("no networks of one's own here: " + reason);
  const network_namespace near;
  const network_namespace far;
  packet_link link{near, far, 0, {}};
  const end_socket here{near, packet_link::first_address};
  const end_socket there{far, packet_link::second_address};
  here.send(there, "question");
  CHECK(there.receive() == "question");
  there.send(here, "answer");
  CHECK(here.receive() == "answer");
  link.part();
  const auto before = link.counts().lost;
  here.send(there, "unheard");
  while (link.counts().lost == before) {
  }
  link.heal();
  here.send(there, "heard");
  CHECK(there.receive() == "heard");
}

TEST_CASE("a link loses the share that it is to lose", "[random]") {
  if (const auto reason = network_namespace::refusal(); !reason.empty())
    SKIP("no networks of one's own here: " + reason);
  const test_seed seed;
  const network_namespace near;
  const network_namespace far;
  const packet_link link{near, far, 0.5, seed.engine()};
  const end_socket here{near, packet_link::first_address};
  const end_socket there{far, packet_link::second_address};
  const auto before = link.counts();
  for (std::uint64_t sent = 1; sent <= 400; ++sent) {
    here.send(there, "x");
    // One after the other, so that no queue of the system loses any.
    for (auto now = link.counts(); now.lost + now.carried < before.lost + before.carried + sent; now = link.counts()) {
    }
  }
  const auto done = link.counts();
  CHECK(done.lost - before.lost > 100);
  CHECK(done.carried - before.carried > 100);
}

} // namespace actorwire::test
