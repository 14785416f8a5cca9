#include "echo_actor.hpp"
#include "echo_handler.hpp"
#include "quic_rivals.hpp"
#include "tcp_rivals.hpp"
#include "tls_rivals.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/requests.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

namespace actorwire::bench {

namespace {

caf::behavior echo_watched(caf::event_based_actor* self, const connection_actor& connection) {
  tell(self, connection, stream_stats{std::chrono::milliseconds{10}});
  return echo(self, connection);
}

/// Throws away what comes, and counts the datagrams: whoever says "count" on stream 0 is told how many there were.
caf::behavior discard(caf::event_based_actor* self, const connection_actor& connection) {
  const auto datagrams = std::make_shared<std::uint64_t>(0);
  return {
      [self, connection, datagrams](const received& data) {
        if (data.stream == 0 && data.body.text() == "count")
          tell(self, connection, cast{payload::copy_of(std::to_string(*datagrams)), {}});
      },
      [datagrams](const datagram_received&) { ++*datagrams; },
      [](const stream_opened&) {},
      [](const stream_closed&) {},
      [self](const state_changed& change) {
        if (change.to == connection_state::closed)
          self->quit();
      },
      [](const data_lost&) {},
      [](const connection_status&) {},
      [](const opened&) {},
      [](const peer_closing&) {},
      [](const backpressure&) {},
  };
}

caf::behavior echo_on_scheduler(caf::event_based_actor* self, const connection_actor& connection) {
  tell(self, connection, subscribe{event_mask::all, credit_mode::automatic});
  return echo(self, connection);
}

caf::behavior spawn_for_each(caf::event_based_actor* self) {
  return {[self](const accepted& client) { self->spawn(echo_on_scheduler, client.connection); }};
}

caf::behavior echo_to_all(caf::event_based_actor* self) {
  return {
      [self](const accepted& client) {
        tell(self, client.connection, subscribe{event_mask::data, credit_mode::automatic});
      },
      [self](received& data) {
        tell(self, caf::actor_cast<connection_actor>(self->current_sender()), cast{std::move(data.body), {}});
      },
      [](const connection_status&) {},
      [](const peer_closing&) {},
  };
}

struct one_worker : system_config {
  one_worker() { set(std::string{detail::config_prefix} + "scheduler.max-threads", std::size_t{1}); }
};

network_options one_shard() {
  network_options options;
  options.shards = 1;
  return options;
}

class actorwire_server final : public echo_server {
public:
  explicit actorwire_server(rival variant, const std::string& uri = "tcp://127.0.0.1:0",
                            const listen_config& config = {}, bool is_sink = false) {
    auto opened = is_sink ? network_.listen(uri, discard, config) : listen(variant, uri, config);
    if (!opened)
      throw std::runtime_error("actorwire cannot listen: " + to_string(opened.error()));
    port_ = opened->port;
  }

  ~actorwire_server() override { caf::anon_send_exit(receiver_, caf::exit_reason::user_shutdown); }

  [[nodiscard]] std::uint16_t port() const noexcept override { return port_; }

private:
  result<listening> listen(rival variant, const std::string& uri, const listen_config& config) {
    if (variant == rival::actorwire_shard)
      return network_.listen(uri, echo, config);
    if (variant == rival::actorwire_callback)
      return network_.listen(uri, make_echo_handler, config);
    if (variant == rival::actorwire_watched)
      return network_.listen(uri, echo_watched, config);
    receiver_ =
        variant == rival::actorwire_shared ? network_.spawn_on_shard(0, echo_to_all) : system_.spawn(spawn_for_each);
    return network_.listen(uri, receiver_, config);
  }

  one_worker config_;
  caf::actor_system system_{config_};
  network network_{system_, one_shard()};
  caf::actor receiver_;
  std::uint16_t port_ = 0;
};

} // namespace

std::unique_ptr<echo_server> make_actorwire_server(rival variant) {
  return std::make_unique<actorwire_server>(variant);
}

static listen_config listening_as(const tls_identity& identity) {
  listen_config config;
  config.transport.tls.certificate.text = identity.certificate;
  config.transport.tls.key.text = secret{identity.key};
  // All clients come from one address here.
  config.max_handshakes_per_address = config.max_handshakes;
  return config;
}

std::unique_ptr<echo_server> make_actorwire_tls_server(const tls_identity& identity) {
  return std::make_unique<actorwire_server>(rival::actorwire_shard, "tls://127.0.0.1:0", listening_as(identity));
}

std::unique_ptr<echo_server> make_actorwire_server(std::string_view scheme, const tls_identity& identity,
                                                   bool is_sink) {
  return std::make_unique<actorwire_server>(rival::actorwire_shard, std::string{scheme} + "://127.0.0.1:0",
                                            listening_as(identity), is_sink);
}

} // namespace actorwire::bench
