#include "socket_fixture.hpp"

#include <actorwire/transports/acceptor.hpp>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

/// An acceptor on a free port of 127.0.0.1.
class listening {
public:
  explicit listening(stepped_shard& here, const listen_config& config = {}) : acceptor_(make_tcp_acceptor(here.run)) {
    REQUIRE(acceptor_->open({protocol::tcp, "127.0.0.1", 0}, config, seen));
  }
  ~listening() { acceptor_->close(); }
  listening(const listening&) = delete;
  listening& operator=(const listening&) = delete;

  acceptor* operator->() const { return acceptor_.get(); }
  [[nodiscard]] std::uint16_t port() const { return acceptor_->local().port; }

  recording_acceptor_observer seen;

private:
  local_ref<acceptor> acceptor_;
};

/// Lowers the limit of descriptors to what is in use now, until it is destroyed.
class no_more_descriptors {
public:
  no_more_descriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const auto next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
    REQUIRE(next >= 0);
    ::close(next);
    auto lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_more_descriptors(const no_more_descriptors&) = delete;
  no_more_descriptors& operator=(const no_more_descriptors&) = delete;

private:
  rlimit before_{};
};

} // namespace

TEST_CASE("port 0 becomes a real port, and clients come with their address") {
  stepped_shard here;
  listening on{here};
  REQUIRE(on.port() != 0);
  CHECK(on->local().host == "127.0.0.1");
  const auto client = plain_socket::connect_to(on.port());
  here.until([&] { return on.seen.accepted.size() == 1; });
  CHECK(on.seen.remotes.front().proto == protocol::tcp);
  CHECK(on.seen.remotes.front().host == "127.0.0.1");
}

TEST_CASE("an accepted transport connects by its init") {
  stepped_shard here;
  listening on{here};
  auto client = plain_socket::connect_to(on.port());
  here.until([&] { return on.seen.accepted.size() == 1; });
  recording_observer seen;
  const auto& wire = on.seen.accepted.front();
  REQUIRE(wire->init({}, seen));
  CHECK_FALSE(seen.connected);
  wire->receive(5);
  client.send("hello");
  here.until([&] { return seen.text == "hello"; });
  CHECK("tcp://" + seen.addresses.remote == to_string(on.seen.remotes.front()));
  wire->detach();
}

TEST_CASE("a burst of clients beyond one turn's share is accepted completely") {
  stepped_shard here;
  listening on{here};
  std::vector<plain_socket> clients;
  for (int count = 0; count < 200; ++count)
    clients.push_back(plain_socket::connect_to(on.port()));
  here.until([&] { return on.seen.accepted.size() == clients.size(); });
  CHECK(on.seen.errors.empty());
}

TEST_CASE("a transport that is dropped turns its client away") {
  stepped_shard here;
  listening on{here};
  auto client = plain_socket::connect_to(on.port());
  here.until([&] { return on.seen.accepted.size() == 1; });
  on.seen.accepted.clear();
  CHECK(client.receive_now().ended);
}

TEST_CASE("while paused clients wait in the backlog, and resume takes them") {
  stepped_shard here;
  listening on{here};
  here.settle();
  on->pause();
  const auto first = plain_socket::connect_to(on.port());
  const auto second = plain_socket::connect_to(on.port());
  here.settle();
  CHECK(on.seen.accepted.empty());
  for (int count = 0; count < 100; ++count)
    CHECK_FALSE(here.run.run_ready());
  on->resume();
  here.until([&] { return on.seen.accepted.size() == 2; });
}

TEST_CASE("pausing within a callback stops after that client") {
  stepped_shard here;
  listening on{here};
  std::vector<plain_socket> clients;
  for (int count = 0; count < 5; ++count)
    clients.push_back(plain_socket::connect_to(on.port()));
  on.seen.then_accepted = [&] { on->pause(); };
  here.until([&] { return !on.seen.accepted.empty(); });
  here.settle();
  CHECK(on.seen.accepted.size() == 1);
}

TEST_CASE("closing within a callback is the last of it, and frees the port") {
  stepped_shard here;
  listening on{here};
  const auto first = plain_socket::connect_to(on.port());
  const auto second = plain_socket::connect_to(on.port());
  on.seen.then_accepted = [&] { on->close(); };
  here.until([&] { return !on.seen.accepted.empty(); });
  here.settle();
  CHECK(on.seen.accepted.size() == 1);

  const auto next = make_tcp_acceptor(here.run);
  recording_acceptor_observer seen;
  CHECK(next->open(on->local(), {}, seen));
  next->close();
}

TEST_CASE("without descriptors accepting rests, reports once, and goes on when there are some", "[P7]") {
  stepped_shard here;
  listening on{here};
  const auto before = plain_socket::connect_to(on.port());
  here.until([&] { return on.seen.accepted.size() == 1; });
  const auto first = plain_socket::connect_to(on.port());
  const auto second = plain_socket::connect_to(on.port());
  // Nothing is asserted during the shortage, because the sanitizers' own checks need descriptors.
  auto spun = false;
  {
    const no_more_descriptors shortage;
    here.until([&] { return !on.seen.errors.empty(); });
    for (int count = 0; count < 10; ++count) {
      here.time.advance(100ms);
      here.settle();
      spun = spun || here.run.run_ready();
    }
  }
  CHECK_FALSE(spun);
  CHECK(on.seen.errors.size() == 1);
  CHECK(on.seen.errors.front().code == error_code::descriptor_limit);
  CHECK(on.seen.accepted.size() == 1);
  here.time.advance(99ms);
  here.settle();
  CHECK(on.seen.accepted.size() == 1);
  here.time.advance(1ms);
  here.until([&] { return on.seen.accepted.size() == 3; });

  // The next shortage is an episode of its own.
  const auto third = plain_socket::connect_to(on.port());
  const no_more_descriptors shortage;
  here.until([&] { return on.seen.errors.size() == 2; });
}

TEST_CASE("an address in use, a foreign address and a name that is none are refused with what was asked for") {
  stepped_shard here;
  recording_acceptor_observer seen;
  plain_listener taken;
  auto refused = make_tcp_acceptor(here.run)->open(taken.where(), {}, seen);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::address_in_use);
  CHECK(refused.error().text.find(std::to_string(taken.port())) != std::string::npos);

  refused = make_tcp_acceptor(here.run)->open({protocol::tcp, "192.0.2.1", 0}, {}, seen);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("192.0.2.1") != std::string::npos);

  refused = make_tcp_acceptor(here.run)->open({protocol::tcp, "www.example.org", 0}, {}, seen);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::invalid_value);
  CHECK(refused.error().text.find("www.example.org") != std::string::npos);
}

TEST_CASE("all addresses of the machine can be listened on, and localhost") {
  for (const auto* host : {"*", "", "0.0.0.0", "localhost"}) {
    CAPTURE(host);
    stepped_shard here;
    recording_acceptor_observer seen;
    const auto on = make_tcp_acceptor(here.run);
    REQUIRE(on->open({protocol::tcp, host, 0}, {}, seen));
    const auto client = plain_socket::connect_to(on->local().port);
    here.until([&] { return seen.accepted.size() == 1; });
    on->close();
  }
}

TEST_CASE("shards share a port, and every client is accepted by one of them") {
  stepped_shard first;
  stepped_shard second;
  recording_acceptor_observer seen;
  listening on{first};
  const auto other = make_tcp_acceptor(second.run);
  listen_config joining;
  joining.share_port = true;
  REQUIRE_FALSE(make_tcp_acceptor(second.run)->open(on->local(), joining, seen));
  REQUIRE(on->share());
  REQUIRE_FALSE(make_tcp_acceptor(second.run)->open(on->local(), {}, seen));
  REQUIRE(other->open(on->local(), joining, seen));
  std::vector<plain_socket> clients;
  for (int count = 0; count < 64; ++count)
    clients.push_back(plain_socket::connect_to(on.port()));
  first.until([&] {
    second.run.run_ready();
    return on.seen.accepted.size() + seen.accepted.size() == clients.size();
  });
  other->close();
}

TEST_CASE("a connection can be made for another shard and be moved there") {
  stepped_shard accepting;
  stepped_shard serving;
  listening on{accepting};
  on.seen.target = &serving.run;
  auto client = plain_socket::connect_to(on.port());
  accepting.until([&] { return on.seen.accepted.size() == 1; });
  recording_observer seen;
  const auto wire = std::move(on.seen.accepted.front());
  REQUIRE(wire->init({}, seen));
  wire->receive(2);
  client.send("hi");
  serving.until([&] { return seen.text == "hi"; });
  CHECK_FALSE(accepting.run.run_ready());
  wire->detach();
}
