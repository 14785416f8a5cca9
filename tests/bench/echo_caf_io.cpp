#include "tcp_rivals.hpp"

#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/io/all.hpp>
#include <caf/send.hpp>

#include <future>
#include <stdexcept>

namespace actorwire::bench {

namespace {

caf::behavior serve_connection(caf::io::broker* self, caf::io::connection_handle connection, std::size_t buffer_size) {
  self->configure_read(connection, caf::io::receive_policy::at_most(buffer_size));
  return {
      [self](const caf::io::new_data_msg& data) {
        self->write(data.handle, data.buf.size(), data.buf.data());
        self->flush(data.handle);
      },
      [self](const caf::io::connection_closed_msg&) { self->quit(); },
  };
}

caf::behavior accept_connections(caf::io::broker* self, std::size_t buffer_size, std::promise<std::uint16_t>* port) {
  auto door = self->add_tcp_doorman(0, "127.0.0.1");
  if (!door) {
    port->set_exception(std::make_exception_ptr(std::runtime_error("caf::io cannot listen")));
    self->quit();
    return {};
  }
  port->set_value(door->second);
  return {
      [self, buffer_size](const caf::io::new_connection_msg& accepted) {
        self->fork(serve_connection, accepted.handle, buffer_size);
      },
      [](const caf::io::acceptor_closed_msg&) {},
  };
}

/// Scheduler as for actorwire. Brokers run in the thread of CAF's multiplexer, so it has nothing to do.
struct caf_io_config : system_config {
  caf_io_config() {
#if !ACTORWIRE_CAF_0_17
    caf::io::middleman::init_global_meta_objects();
#endif
    load<caf::io::middleman>();
    set(std::string{detail::config_prefix} + "scheduler.max-threads", std::size_t{1});
  }
};

class caf_io_server final : public echo_server {
public:
  explicit caf_io_server(std::size_t buffer_size) {
    // Clients may still be connected when the server is asked to end.
    system_.await_actors_before_shutdown(false);
    std::promise<std::uint16_t> port;
    acceptor_ = system_.middleman().spawn_broker(accept_connections, buffer_size, &port);
    port_ = port.get_future().get();
  }

  ~caf_io_server() override { caf::anon_send_exit(acceptor_, caf::exit_reason::user_shutdown); }

  [[nodiscard]] std::uint16_t port() const noexcept override { return port_; }

private:
  caf_io_config config_;
  caf::actor_system system_{config_};
  caf::actor acceptor_;
  std::uint16_t port_ = 0;
};

} // namespace

std::unique_ptr<echo_server> make_caf_io_server(std::size_t buffer_size) {
  return std::make_unique<caf_io_server>(buffer_size);
}

} // namespace actorwire::bench
