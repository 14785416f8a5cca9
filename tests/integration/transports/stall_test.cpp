// A program that is stopped for a while, on real sockets and a clock that the test moves: when it goes on it reads before it
// gives anybody up.

#include "certificates.hpp"
#include "edge/quic/quic_acceptor.hpp"
#include "edge/quic/quic_transport.hpp"
#include "edge/tls_transport.hpp"
#include "tcp_sides.hpp"

#include <actorwire/messages/listen_config.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

transport_config quic_settings_of_test() {
  const auto server = identity_in_files("server-ec");
  transport_config settings;
  settings.protocol_settings = quic_config{.idle_timeout = 10s};
  settings.keepalive_interval = 5s;
  settings.keepalive_timeout = 5s;
  settings.tls.trust.file = certificate_path("root.pem");
  settings.tls.certificate = server.certificate;
  settings.tls.key = server.key;
  settings.tls.server_name = "localhost";
  return settings;
}

void say(side& from, std::string_view text) {
  const outgoing piece{reinterpret_cast<const std::byte*>(text.data()), text.size(), nullptr};
  REQUIRE(from.wire->send({&piece, 1}).value() == text.size());
}

/// Clients and a listener of QUIC on one shard, whose time the test moves.
class quic_clients {
public:
  explicit quic_clients(stepped_shard& where) : here(where) {
    auto identity = identities_->load(tls_role::server, config.tls).value();
    listen_config listening;
    listening.transport = config;
    acceptor_ = quic_acceptors(listening, std::move(identity), 1).value()(here.run);
    REQUIRE(acceptor_->open({protocol::quic, "127.0.0.1", 0}, listening, clients_));
  }
  ~quic_clients() {
    clients.clear();
    servers.clear();
    acceptor_->close();
    here.settle();
  }
  quic_clients(const quic_clients&) = delete;
  quic_clients& operator=(const quic_clients&) = delete;

  void connect() {
    auto& client = *clients.emplace_back(
        std::make_unique<side>(make_quic_transport(here.run, std::make_shared<resolver>(), identities_)));
    client.init(config);
    client.wire->connect(acceptor_->local());
    await([&] { return clients_.accepted.size() == clients.size(); });
    auto& server = *servers.emplace_back(std::make_unique<side>(clients_.accepted.back()));
    server.init(config);
    await([&] { return client.seen.connected && server.seen.connected; });
    client.wire->receive(unlimited);
    server.wire->receive(unlimited);
    here.settle();
  }

  /// Packets are paced, which takes a little time.
  void await(const std::function<bool()>& reached) {
    here.until([&] {
      here.advance(1ms);
      return reached();
    });
  }

  stepped_shard& here;
  const transport_config config = quic_settings_of_test();
  std::vector<std::unique_ptr<side>> clients;
  std::vector<std::unique_ptr<side>> servers;

private:
  std::shared_ptr<tls_store> identities_ = std::make_shared<tls_store>();
  recording_acceptor_observer clients_;
  local_ref<acceptor> acceptor_;
};

} // namespace

TEST_CASE("a stop of the program ends no QUIC connection, however long it is and however much has come meanwhile",
          "[H1]") {
  stepped_shard here;
  quic_clients all{here};
  // More than a socket is read of at one go.
  const auto count = GENERATE(1, 40);
  for (int each = 0; each < count; ++each)
    all.connect();
  for (const auto stop : {11s, 3600s}) {
    for (auto& each : all.clients)
      say(*each, "before");
    here.stall(stop);
    here.settle();
    for (auto& each : all.servers)
      say(*each, "after");
    here.settle();
    // Time for what was asked to be said again.
    here.advance(1s);
    here.settle();
    for (const auto& each : all.clients) {
      CHECK_FALSE(each->seen.closed);
      CHECK(std::exchange(each->seen.text, {}) == "after");
    }
    for (const auto& each : all.servers) {
      CHECK_FALSE(each->seen.closed);
      CHECK(std::exchange(each->seen.text, {}) == "before");
    }
  }
}

TEST_CASE("an attempt that a stop of the program interrupts has the time after it that it had before", "[H1]") {
  stepped_shard here;
  // Accepts, and says nothing.
  const plain_listener silent;
  auto config = quic_settings_of_test();
  config.protocol_settings = tcp_config{};
  side near{make_tls_transport(here.run, make_tcp_transport(here.run, std::make_shared<resolver>()),
                               std::make_shared<tls_store>())};
  near.init(config);
  near.wire->connect({protocol::tls, "127.0.0.1", silent.port()});
  here.until([&] { return !near.seen.progress.empty() && near.seen.progress.back() == connection_state::handshaking; });
  here.settle();
  here.advance(5s);
  here.stall(1h);
  here.settle();
  CHECK_FALSE(near.seen.closed);
  here.advance(14s);
  here.settle();
  CHECK_FALSE(near.seen.closed);
  here.advance(20s);
  here.settle();
  REQUIRE(near.seen.closed);
  CHECK(near.seen.closed->code == error_code::connect_timeout);
}

} // namespace actorwire::test
