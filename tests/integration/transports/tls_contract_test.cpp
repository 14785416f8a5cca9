#include "certificates.hpp"
#include "edge/accept_tls.hpp"
#include "edge/tls_transport.hpp"
#include "tcp_fixture.hpp"

#include <utility>

namespace actorwire::test {

namespace {

/// The contract's view of TLS: the same sockets, with records on them.
class tls_fixture final : public tcp_fixture {
public:
  tls_fixture() : tcp_fixture(protocol::tls) {}

  transport_config config() override {
    transport_config settings;
    settings.tls.trust.file = certificate_path("root.pem");
    settings.tls.certificate = server_.certificate;
    settings.tls.key = server_.key;
    settings.tls.server_name = "localhost";
    return settings;
  }
  [[nodiscard]] bool shakes_hands() const override { return true; }

  local_ref<transport> make() override {
    return make_tls_transport(where(), make_tcp_transport(where(), names(), stream_end::marked_within), identities_);
  }
  local_ref<transport> accepted() override {
    auto bearer = tcp_fixture::accepted();
    if (!bearer)
      return nullptr;
    return accept_tls(where(), std::move(bearer), identities_->load(tls_role::server, config().tls).value()->present());
  }

private:
  const identity server_ = identity_in_files("server-ec");
  std::shared_ptr<tls_store> identities_ = std::make_shared<tls_store>();
};

} // namespace

std::unique_ptr<transport_fixture> make_transport_fixture() {
  return std::make_unique<tls_fixture>();
}

} // namespace actorwire::test
