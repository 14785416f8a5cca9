// What accepting does about errors, those included that no test can provoke: they come from an accept4 that stands before
// the system's.

#include "socket_fixture.hpp"

#include <actorwire/transports/acceptor.hpp>

#include <catch2/catch_test_macros.hpp>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <deque>
#include <limits>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

/// What the next calls fail with; each takes one.
std::deque<int> failures;
/// All calls fail with it; 0: none does.
int lasting_failure = 0;
std::size_t calls = 0;

} // namespace

extern "C" int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
  ++calls;
  if (lasting_failure != 0) {
    errno = lasting_failure;
    return -1;
  }
  if (!failures.empty()) {
    errno = failures.front();
    failures.pop_front();
    return -1;
  }
  return static_cast<int>(::syscall(SYS_accept4, descriptor, address, size, flags));
}

namespace {

/// An acceptor on a free port of 127.0.0.1, and the errors that it is to meet.
class listening {
public:
  explicit listening(stepped_shard& here) : acceptor_(make_tcp_acceptor(here.run)) {
    failures.clear();
    lasting_failure = 0;
    REQUIRE(acceptor_->open({protocol::tcp, "127.0.0.1", 0}, {}, seen));
    calls = 0;
  }
  ~listening() {
    acceptor_->close();
    failures.clear();
    lasting_failure = 0;
  }
  listening(const listening&) = delete;
  listening& operator=(const listening&) = delete;

  [[nodiscard]] plain_socket client() const { return plain_socket::connect_to(acceptor_->local().port); }

  recording_acceptor_observer seen;

private:
  local_ref<acceptor> acceptor_;
};

/// Errors that are a client's own, and not the listener's (accept(2)).
constexpr int of_a_client[] = {ECONNABORTED, EINTR,        EPERM,  EPROTO,      ENETDOWN,  ENETUNREACH,
                               EHOSTDOWN,    EHOSTUNREACH, ENONET, ENOPROTOOPT, EOPNOTSUPP};

constexpr int of_the_system[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EIO};

} // namespace

TEST_CASE("an error of one client is reported, and the next one is accepted at once", "[P7]") {
  for (const auto error : of_a_client) {
    CAPTURE(error);
    stepped_shard here;
    listening on{here};
    failures = {error, error};
    const auto client = on.client();
    here.until([&] { return on.seen.accepted.size() == 1; });
    REQUIRE(on.seen.errors.size() == 2);
    CHECK(on.seen.errors.front().system_code == error);
    CHECK(on.seen.errors.front().where == phase::setup);
    here.settle();
    CHECK(here.run.timers().size() == 0);
  }
}

TEST_CASE("in a shortage accepting rests, reports once, asks rarely, and goes on when it is over", "[P7]") {
  for (const auto error : of_the_system) {
    CAPTURE(error);
    stepped_shard here;
    listening on{here};
    lasting_failure = error;
    const auto client = on.client();
    here.until([&] { return !on.seen.errors.empty(); });
    for (int rest = 1; rest <= 20; ++rest) {
      here.settle();
      CHECK(calls == static_cast<std::size_t>(rest));
      here.time.advance(100ms);
    }
    here.settle();
    CHECK(on.seen.errors.size() == 1);
    CHECK(on.seen.errors.front().system_code == error);
    CHECK(on.seen.accepted.empty());
    lasting_failure = 0;
    here.time.advance(100ms);
    here.until([&] { return on.seen.accepted.size() == 1; });
    CHECK(on.seen.errors.size() == 1);
  }
}

TEST_CASE("clients that come to nothing without end make accepting rest, too", "[P7]") {
  constexpr std::size_t in_a_row = 64;
  stepped_shard here;
  listening on{here};
  lasting_failure = ECONNABORTED;
  const auto client = on.client();
  here.until([&] { return on.seen.errors.size() >= in_a_row; });
  for (std::size_t rest = 0; rest < 20; ++rest) {
    here.settle();
    CHECK(calls == in_a_row + rest);
    CHECK(on.seen.errors.size() == in_a_row + rest);
    here.time.advance(100ms);
  }
  lasting_failure = 0;
  here.until([&] { return on.seen.accepted.size() == 1; });
  // One that succeeds makes the next failures the clients' own again.
  failures.assign(in_a_row - 1, ECONNABORTED);
  const auto next = on.client();
  here.until([&] { return on.seen.accepted.size() == 2; });
}
