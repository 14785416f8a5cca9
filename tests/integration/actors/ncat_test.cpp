// Another real peer: ncat, as a server that sends back what a child process of its own (cat) makes of each line, and as
// a client that ends its side long before ours.

#include "child_process.hpp"
#include "program.hpp"

#include <fstream>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

bool is_free(std::uint16_t port) {
  const plain_socket socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const int on = 1;
  ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto where = plain_socket::loopback(port);
  return ::bind(socket.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream{path, std::ios::binary} << bytes;
}

std::string read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// An echo server: ncat with a cat for each connection.
class echo_server {
public:
  echo_server() : port_(free_port()), process_(start()) {}

  void kill() { process_.kill(); }
  void restart() {
    // What the killed server had started may hold on to its listening socket a little longer.
    wait_until("the port is free", [this] { return is_free(port_); });
    process_ = start();
  }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
  [[nodiscard]] child_process start() const {
    return child_process{{"ncat", "-l", "127.0.0.1", std::to_string(port_), "-k", "-e", "/bin/cat"}, directory_.path()};
  }

  temporary_directory directory_;
  std::uint16_t port_;
  child_process process_;
};

acquire_options lines() {
  acquire_options options;
  options.transport.framing.mode = framing_mode::line;
  options.reconnection.base_delay = 5ms;
  options.reconnection.max_delay = 50ms;
  return options;
}

} // namespace

TEST_CASE("a peer exchanges lines with ncat") {
  if (!is_installed("ncat"))
    SKIP("ncat is not installed");
  const echo_server server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri(server.port()), lines()).value();
  me.listen_to(peer, event_mask::data);
  for (int count = 0; count < 100; ++count) {
    const auto line = "line " + std::to_string(count);
    anonymous_tell(peer, cast{payload::copy_of(line), {}});
    CHECK(me.await<received>().body.text() == line);
  }
}

TEST_CASE("a connection whose client has finished its side can still answer ncat") {
  if (!is_installed("ncat"))
    SKIP("ncat is not installed");
  const temporary_directory directory;
  const auto bytes = pattern(1'000'000);
  write_file(directory.path() + "/in", bytes);
  program here;
  listen_config config;
  config.transport.allow_half_open = true;
  const auto server = here.net->listen(
      "tcp://127.0.0.1:0",
      [](caf::event_based_actor* self, const connection_actor& client) {
        const auto kept = std::make_shared<std::vector<payload>>();
        return minding([kept](received& data) { kept->push_back(std::move(data.body)); },
                       [self, client, kept](const peer_closing&) {
                         // All of it goes back, only now that the client can say no more.
                         for (auto& part : *kept)
                           tell(self, client, cast{std::move(part), {}});
                         self->quit();
                       });
      },
      config);
  REQUIRE(server);
  child_process client{{"sh", "-c", "exec ncat 127.0.0.1 " + std::to_string(server->port) + " < in > out"},
                       directory.path()};
  wait_until("ncat has ended", [&] { return client.has_succeeded(); });
  CHECK(read_file(directory.path() + "/out") == bytes);
}

TEST_CASE("a peer that finishes its side still gets the rest, and hears of the end") {
  plain_listener server;
  program here;
  witness me{here.system};
  acquire_options options;
  options.transport.allow_half_open = true;
  const auto peer = here.net->acquire(uri(server.port()), options).value();
  auto other = server.accept();
  me.listen_to(peer, event_mask::data);
  anonymous_tell(peer, cast{payload::copy_of("question"), {}});
  anonymous_tell(peer, finish_stream{});
  std::string got(9, '\0');
  REQUIRE(::recv(other.descriptor(), got.data(), got.size(), MSG_WAITALL) == 8);
  other.send(pattern(300'000));
  other.finish();
  CHECK(me.await_bytes(300'000) == pattern(300'000));
  static_cast<void>(me.await<peer_closing>());
}

TEST_CASE("whoever pulls from a half-open connection learns that nothing more comes") {
  plain_listener server;
  program here;
  witness me{here.system};
  acquire_options options;
  options.transport.allow_half_open = true;
  const auto peer = here.net->acquire(uri(server.port()), options).value();
  auto other = server.accept();
  other.send("the rest");
  other.finish();
  CHECK(me.must_ask<received>(peer, receive{}).body.text() == "the rest");
  // The first may come before the end does, the second comes after it in any case.
  for (int count = 0; count < 2; ++count) {
    const auto more = me.try_to_ask<received>(peer, receive{});
    REQUIRE_FALSE(more);
    CHECK(more.error().code == error_code::peer_closed);
  }
}

TEST_CASE("a peer that nobody reads from drains at once when the other side has said its last") {
  plain_listener server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri(server.port())).value();
  auto other = server.accept();
  other.send("nobody wants to hear this");
  other.finish();
  // Its own time is far longer than the patience of the test.
  const auto report = me.must_ask<close_report>(peer, close{close_mode::drain, 10min});
  CHECK(report.complete);
}

TEST_CASE("a subscriber that never handles the peer's end does not keep the connection half open") {
  plain_listener server;
  program here;
  witness busy{here.system};
  acquire_options options;
  options.transport.operation_timeout = 100ms;
  const auto peer = here.net->acquire(uri(server.port()), options).value();
  auto other = server.accept();
  busy.listen_to(peer, event_mask::data);
  other.finish();
  // It is told of the end, and does not look.
  char byte = 0;
  CHECK(::recv(other.descriptor(), &byte, 1, 0) == 0);
}

TEST_CASE("a peer connects again after ncat was killed and restarted") {
  if (!is_installed("ncat"))
    SKIP("ncat is not installed");
  echo_server server;
  program here;
  witness me{here.system};
  const auto peer = here.net->acquire(uri(server.port()), lines()).value();
  me.listen_to(peer, event_mask::data | event_mask::state);
  auto count = 0;
  // Says a line until it comes back. The socket of a server that dies may still take a connection, which then goes with it.
  const auto converse = [&] {
    for (;;) {
      REQUIRE(++count < 1'000);
      const auto line = "line " + std::to_string(count);
      anonymous_tell(peer, cast{payload::copy_of(line), {}});
      std::optional<received> answer;
      for (auto is_lost = false; !answer && !is_lost;)
        me.self()->receive(
            [&](received& data) {
              if (data.body.text() == line)
                answer = std::move(data);
            },
            [&](const state_changed& change) {
              is_lost = change.to == connection_state::backoff;
              if (is_lost)
                CHECK(change.reason.code != error_code::none);
            },
            [](const opened&) {}, [](const peer_closing&) {},
            caf::after(patience) >> [] { FAIL("no line came back, and no loss was told"); });
      if (answer)
        return answer->generation;
    }
  };
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    const auto generation = converse();
    CHECK(generation > last);
    last = generation;
    server.kill();
    server.restart();
  }
}

} // namespace actorwire::test
