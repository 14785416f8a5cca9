#include "certificates.hpp"
#include "edge/quic/quic_acceptor.hpp"
#include "edge/quic/quic_transport.hpp"
#include "tcp_fixture.hpp"

#include <deque>
#include <stdexcept>
#include <utility>

namespace actorwire::test {

namespace {

/// The contract's view of QUIC: real UDP sockets on the loopback interface, and the real clock.
class quic_fixture final : public transport_fixture, private acceptor_observer {
public:
  quic_fixture() {
    shard_.start();
    auto make = quic_acceptors(config(), identities_->load(tls_role::server, config().tls).value(), 1);
    acceptor_ = make.value()(shard_);
    listen_config listening;
    listening.transport = config();
    if (auto opened = acceptor_->open({protocol::quic, "127.0.0.1", 0}, listening, *this); !opened)
      throw std::runtime_error{to_string(opened.error())};
  }
  ~quic_fixture() override {
    acceptor_->close();
    accepted_.clear();
    shard_.stop();
  }

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

  local_ref<transport> make() override { return make_quic_transport(shard_, names_, identities_); }
  endpoint listening() override { return acceptor_->local(); }
  endpoint refusing() override {
    auto where = refusing_.where();
    where.proto = protocol::quic;
    return where;
  }
  local_ref<transport> accepted() override {
    if (accepted_.empty())
      return nullptr;
    auto next = std::move(accepted_.front());
    accepted_.pop_front();
    return next;
  }

  bool wait(const std::function<bool()>& reached) override {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!reached()) {
      if (std::chrono::steady_clock::now() > limit)
        return false;
      if (!shard_.run_ready())
        std::this_thread::yield();
    }
    return true;
  }

  void settle() override {
    // Acknowledgements and probes are the work of timers; on the loopback interface they are shorter than this.
    const auto quiet = std::chrono::milliseconds{60};
    for (auto last = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - last < quiet;)
      if (shard_.run_ready())
        last = std::chrono::steady_clock::now();
  }

private:
  void on_accepted(local_ref<transport> arrived, const endpoint&) override { accepted_.push_back(std::move(arrived)); }
  void on_accept_error(const transport_error& reason) override { FAIL_CHECK(to_string(reason)); }

  const identity server_ = identity_in_files("server-ec");
  shard shard_{{.run = shard::mode::stepped, .budget = std::make_shared<memory_budget>(std::size_t{64} << 20U)}};
  std::shared_ptr<resolver> names_ = std::make_shared<resolver>();
  std::shared_ptr<tls_store> identities_ = std::make_shared<tls_store>();
  local_ref<acceptor> acceptor_;
  std::deque<local_ref<transport>> accepted_;
  taken_port refusing_;
};

} // namespace

std::unique_ptr<transport_fixture> make_transport_fixture() {
  return std::make_unique<quic_fixture>();
}

} // namespace actorwire::test
