#include "crashing_transports.hpp"

#include <stdexcept>
#include <utility>

namespace actorwire::test {

namespace {

class crashing_transport final : public transport {
public:
  crashing_transport(crashing_transports& plans, local_ref<transport> sound)
    : plans_(plans), sound_(std::move(sound)) {}

  result<void> init(const transport_config& config, transport_observer& observer) override {
    plans_.pass(transport_call::init, host_);
    return sound_->init(config, observer);
  }
  void connect(const endpoint& remote) override {
    host_ = remote.host;
    plans_.pass(transport_call::connect, host_);
    sound_->connect(remote);
  }
  result<std::size_t> send(std::span<const outgoing> pieces) override {
    plans_.pass(transport_call::send, host_);
    return sound_->send(pieces);
  }
  void receive(std::size_t bytes) override {
    plans_.pass(transport_call::receive, host_);
    sound_->receive(bytes);
  }
  void finish() override { sound_->finish(); }
  void close(const transport_error& reason) override { sound_->close(reason); }
  void detach() noexcept override { sound_->detach(); }
  [[nodiscard]] transport_stats stats() const override { return sound_->stats(); }
  [[nodiscard]] std::uint64_t bytes_acked() const override { return sound_->bytes_acked(); }
  [[nodiscard]] multiplexer* multiplex(multiplexer_observer& observer) override { return sound_->multiplex(observer); }

private:
  crashing_transports& plans_;
  local_ref<transport> sound_;
  std::string host_;
};

} // namespace

void crashing_transports::crash_in(transport_call where, unsigned times, std::string_view host) {
  plans_[static_cast<std::size_t>(where)] = {times, std::string{host}};
}

result<local_ref<transport>> crashing_transports::create_transport(protocol proto, shard& where) {
  pass(transport_call::create, {});
  auto made = sound_->create_transport(proto, where);
  if (!made)
    return made;
  return local_ref<transport>{new crashing_transport{*this, *std::move(made)}};
}

void crashing_transports::pass(transport_call where, const std::string& host) {
  auto& [times, wanted] = plans_[static_cast<std::size_t>(where)];
  if (times == 0 || (!wanted.empty() && wanted != host))
    return;
  --times;
  ++crash_count_;
  throw std::runtime_error{"a defect of the transport"};
}

} // namespace actorwire::test
