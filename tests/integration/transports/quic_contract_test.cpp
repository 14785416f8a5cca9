#include "certificates.hpp"
#include "edge/quic/quic_acceptor.hpp"
#include "edge/quic/quic_transport.hpp"
#include "tcp_fixture.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace actorwire::test {

namespace {

/// The contract's view of QUIC: real UDP sockets.
class quic_fixture final : public loopback_fixture {
public:
  // Acknowledgements and probes take a little longer than those of the kernel.
  quic_fixture() : loopback_fixture(std::chrono::milliseconds{60}) {
    auto identity = identities_->load(tls_role::server, config().tls).value();
    listen_config listening;
    listening.transport = config();
    open(quic_acceptors(listening, std::move(identity), 1).value()(where()), protocol::quic, listening);
  }
  ~quic_fixture() override { give_up(); }

  transport_config config() override {
    transport_config settings;
    settings.protocol_settings = quic_config{};
    settings.tls.trust.file = certificate_path("root.pem");
    settings.tls.certificate = server_.certificate;
    settings.tls.key = server_.key;
    settings.tls.server_name = "localhost";
    return settings;
  }
  [[nodiscard]] bool shakes_hands() const override { return true; }

  local_ref<transport> make() override { return make_quic_transport(where(), names(), identities_); }
  endpoint refusing() override {
    auto nobody = refusing_.where();
    nobody.proto = protocol::quic;
    return nobody;
  }

private:
  const identity server_ = identity_in_files("server-ec");
  std::shared_ptr<tls_store> identities_ = std::make_shared<tls_store>();
  taken_port refusing_;
};

} // namespace

std::unique_ptr<transport_fixture> make_transport_fixture() {
  return std::make_unique<quic_fixture>();
}

} // namespace actorwire::test
