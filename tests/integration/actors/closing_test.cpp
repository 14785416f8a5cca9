// Peers that are closed in each of their states, over each protocol, while the network lives on: what they had open is
// closed with them. What else a close promises is held in virtual time, by the tests of the same name.

#include "descriptor.hpp"
#include "secured_program.hpp"
#include "secured_schemes.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// A name service that answers nothing as long as this lives.
class hung_names {
public:
  ~hung_names() { end_.set_value(); }
  hung_names() = default;
  hung_names(const hung_names&) = delete;
  hung_names& operator=(const hung_names&) = delete;

  [[nodiscard]] std::shared_ptr<resolver> make_resolver() const {
    return std::make_shared<resolver>([ended = ended_](const std::string&) -> resolver::answer {
      ended.wait();
      return make_error(error_code::resolve_failed, phase::resolve, origin::system, "says the test");
    });
  }

private:
  std::promise<void> end_;
  std::shared_future<void> ended_ = end_.get_future().share();
};

/// A socket for datagrams on a free port of 127.0.0.1.
class datagram_socket {
public:
  datagram_socket() : socket_(checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")) {
    auto where = plain_socket::loopback(0);
    checked(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), "bind");
    socklen_t size = sizeof where;
    checked(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&where), &size), "getsockname");
    port_ = ntohs(where.sin_port);
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  void send(const std::string& datagram, const sockaddr_in& to) const {
    checked(static_cast<int>(::sendto(socket_.get(), datagram.data(), datagram.size(), 0,
                                      reinterpret_cast<const sockaddr*>(&to), sizeof to)),
            "sendto");
  }

  std::string receive(sockaddr_in& from) const {
    pollfd asked{socket_.get(), POLLIN, 0};
    REQUIRE(::poll(&asked, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())) == 1);
    std::string datagram(65'536, '\0');
    socklen_t size = sizeof from;
    const auto length =
        ::recvfrom(socket_.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    datagram.resize(static_cast<std::size_t>(checked(static_cast<int>(length), "recvfrom")));
    return datagram;
  }

private:
  descriptor socket_;
  std::uint16_t port_ = 0;
};

/// Where clients of QUIC are answered, and never get to agree on keys: of what the server says they get the first datagram,
/// and of that what does not need the keys of the handshake.
class half_an_answer {
public:
  [[nodiscard]] std::uint16_t port() const noexcept { return near_.port(); }

  /// Waits for the first word of a client, and carries it and its answer.
  void carry(std::uint16_t server_port) const {
    sockaddr_in client{};
    sockaddr_in server = plain_socket::loopback(server_port);
    far_.send(near_.receive(client), server);
    auto answer = far_.receive(server);
    answer.back() = static_cast<char>(answer.back() ^ 1);
    near_.send(answer, client);
  }

private:
  datagram_socket near_;
  datagram_socket far_;
};

/// One peer for each. A socket of QUIC that nobody has answered stays for three seconds, in which late words are expected:
/// they all do so at the same time.
constexpr std::array modes{close_mode::abort, close_mode::flush, close_mode::drain};

/// All that peers may meet, there before descriptors are counted.
class scene {
public:
  explicit scene(std::string scheme)
    : scheme_(std::move(scheme)),
      here_(options(names_)),
      deaf_(here_.net->listen(to("127.0.0.1", 0), clients_.handle(), listening_config()).value()) {}

  [[nodiscard]] std::uint32_t peers() {
    return me_.must_ask<pool_stats>(here_.net->supervisor(), get_pool_stats{}).peers;
  }
  [[nodiscard]] witness& me() noexcept { return me_; }

  /// Makes the peer of this number, which is like no other, and has it go into this state, in which it stays.
  connection_actor lead_into(connection_state state, std::size_t number) {
    auto options = to_acquire(client_config());
    options.reconnection.base_delay = options.reconnection.max_delay = 1h + std::chrono::milliseconds{number};
    options.reconnection.max_attempts = state == connection_state::failed ? 1 : 0;
    if (state == connection_state::degraded)
      options.transport.flow.degraded_age = 100ms;
    auto peer = here_.net->acquire(where(state, number), options).value();
    const auto found = me_.listen_to(peer, event_mask::state);
    if (state == connection_state::handshaking && scheme_ == "quic")
      half_.at(number).carry(deaf_.port);
    if (state == connection_state::degraded || state == connection_state::draining) {
      me_.must_ask<connection_info>(peer, connect{});
      for (int count = 0; count < 100; ++count)
        anonymous_tell(peer, cast{payload::copy_of(pattern(100'000)), {}});
    }
    if (state == connection_state::draining)
      anonymous_tell(peer, actorwire::close{close_mode::drain, 1h});
    if (found.state != state)
      me_.await<state_changed>([&](const auto& each) { return each.source == found.info.id && each.to == state; });
    return peer;
  }

  /// They may not notice that a connection has ended, as nobody reads there.
  void close_other_ends() {
    while (const auto client = clients_.await_or_nothing<accepted>(0s))
      static_cast<void>(clients_.try_to_ask<close_report>(client->connection, actorwire::close{close_mode::abort, 1s}));
  }

private:
  static network_options options(const hung_names& names) {
    auto all = program::two_shards();
    // At the end of a scene nothing is left to be sent.
    all.drain_timeout = 0ms;
    all.transports = std::make_shared<socket_transport_factory>(names.make_resolver());
    return all;
  }

  [[nodiscard]] transport_config client_config() const {
    auto config = settings();
    config.operation_timeout = 1h;
    config.flow.queue_age = 1h;
    if (scheme_ == "quic")
      config.protocol_settings = quic_config{};
    else
      config.protocol_settings = tcp_config{.send_buffer_size = 4'096};
    return config;
  }

  static listen_config listening_config() {
    auto config = to_listen();
    config.transport.operation_timeout = 1h;
    return config;
  }

  [[nodiscard]] std::string to(const std::string& host, std::uint16_t port) const {
    return scheme_ + "://" + host + ":" + std::to_string(port);
  }

  [[nodiscard]] std::string where(connection_state state, std::size_t number) const {
    switch (state) {
      case connection_state::resolving:
        return to("service.example", 1);
      case connection_state::connecting:
        return to("127.0.0.1", scheme_ == "quic" ? silent_.port() : nobody_.port());
      case connection_state::handshaking:
        return to("127.0.0.1", scheme_ == "quic" ? half_.at(number).port() : mute_.port());
      case connection_state::backoff:
      case connection_state::failed:
        return to("127.0.0.1", gone_);
      case connection_state::idle:
      case connection_state::ready:
      case connection_state::degraded:
      case connection_state::draining:
      case connection_state::closed:
        return to("127.0.0.1", deaf_.port);
    }
    return {};
  }

  std::string scheme_;
  black_hole nobody_;
  plain_listener mute_;
  datagram_socket silent_;
  /// One for each peer: each answers only once.
  std::array<half_an_answer, modes.size()> half_;
  std::uint16_t gone_ = free_port();
  hung_names names_;
  program here_;
  witness me_{here_.system};
  /// Hears of clients, and reads nothing.
  witness clients_{here_.system};
  listening deaf_;
};

} // namespace

TEST_CASE("a peer that is closed in any state gives back each descriptor while its network lives on", "[B10]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  const auto state = GENERATE(connection_state::resolving, connection_state::connecting, connection_state::handshaking,
                              connection_state::ready, connection_state::degraded, connection_state::backoff,
                              connection_state::draining, connection_state::failed);
  // There is no handshake.
  if (scheme == "tcp" && state == connection_state::handshaking)
    return;
  INFO(scheme << ", " << to_string(state));
  scene set{scheme};
  const auto before = open_descriptors();
  std::vector<connection_actor> peers;
  for (std::size_t number = 0; number < modes.size(); ++number)
    peers.push_back(set.lead_into(state, number));
  for (std::size_t number = 0; number < modes.size(); ++number)
    set.me().must_ask<close_report>(peers[number], actorwire::close{modes[number], 100ms});
  wait_until("all descriptors are closed", [&] {
    set.close_other_ends();
    return open_descriptors() <= before;
  });
  CHECK(open_descriptors() == before);
  // Who closes hears of it no later than the pool does.
  wait_until("the pool knows nothing of them any more", [&] { return set.peers() == 0; });
}

} // namespace actorwire::test
