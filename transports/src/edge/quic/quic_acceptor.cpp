#include "quic_acceptor.hpp"

#include "edge/listen_address.hpp"
#include "qlog_file.hpp"
#include "quic_group.hpp"
#include "quic_socket.hpp"
#include "quic_transport.hpp"

#include <cassert>
#include <utility>

namespace actorwire {

namespace {

class quic_acceptor final : public acceptor, private quic_socket::listener {
public:
  quic_acceptor(shard& where, std::shared_ptr<quic_group> group) : shard_(where), group_(std::move(group)) {}
  ~quic_acceptor() override { close(); }

  result<void> open(const endpoint& where, const listen_config& config, acceptor_observer& observer) override;
  result<void> share() override { return socket_->share(); }
  [[nodiscard]] endpoint local() const override { return local_; }
  void pause() override { socket_->take_clients(false); }
  void resume() override { socket_->take_clients(true); }
  void close() noexcept override;

private:
  void on_client(quic_connection& client) override;

  [[nodiscard]] result<void> bind(const ip_address& address, std::uint16_t port, const listen_config& config);

  shard& shard_;
  std::shared_ptr<quic_group> group_;
  acceptor_observer* observer_ = nullptr;
  local_ref<quic_socket> socket_;
  endpoint local_;
};

result<void> quic_acceptor::open(const endpoint& where, const listen_config& config, acceptor_observer& observer) {
  assert(observer_ == nullptr);
  if (auto checked = validate(config); !checked)
    return checked;
  auto opened =
      bind_to(where, [&](const ip_address& address, std::uint16_t port) { return bind(address, port, config); });
  if (!opened)
    return opened;
  local_ = numeric_endpoint(where.proto, socket_->local().host(), socket_->local().port());
  observer_ = &observer;
  return {};
}

result<void> quic_acceptor::bind(const ip_address& address, std::uint16_t port, const listen_config& config) {
  // Connections of an acceptor that was closed go on by its socket, which has the port.
  if (auto known = group_->socket_of(shard_); known && known->local() == udp_address{address, port}) {
    socket_ = std::move(known);
    socket_->reopen(*this);
    return {};
  }
  const auto quic = quic_settings(config.transport);
  udp_socket_options options;
  // Those of other shards may still be there, with connections of before.
  options.reuse_port = config.share_port || group_->is_bound_to({address, port});
  options.buffer_size = quic.socket_buffer_size;
  auto made = make_local<quic_socket>(shard_, group_->setup_for(shard_), group_->acceptance_for(shard_));
  if (auto opened = made->open({address, port}, options, this); !opened)
    return opened;
  made->join(group_);
  socket_ = std::move(made);
  return {};
}

void quic_acceptor::close() noexcept {
  observer_ = nullptr;
  if (socket_)
    std::exchange(socket_, nullptr)->close_when_idle();
}

void quic_acceptor::on_client(quic_connection& client) {
  const local_ref<quic_acceptor> self{this};
  const auto remote = client.path().remote;
  const auto proof = client.knew_address() ? address_proof::proved : address_proof::claimed;
  auto made = accept_quic(socket_, client);
  if (observer_ != nullptr)
    observer_->on_accepted(std::move(made), numeric_endpoint(local_.proto, remote.host(), remote.port()), proof);
}

} // namespace

result<std::function<local_ref<acceptor>(shard& where)>>
quic_acceptors(const listen_config& config, std::shared_ptr<tls_identity> identity, std::size_t shards) {
  if (const auto checked = check_qlog_folder(quic_settings(config.transport)); !checked)
    return checked.error();
  auto group = quic_group::make(config, std::move(identity), shards);
  if (!group)
    return group.error();
  return std::function<local_ref<acceptor>(shard&)>{[group = std::move(*group)](shard& where) {
    return local_ref<acceptor>{make_local<quic_acceptor>(where, group)};
  }};
}

} // namespace actorwire
