#include "quic_group.hpp"

#include "edge/reactor.hpp"
#include "engine/tls_credentials.hpp"
#include "quic_memory.hpp"
#include "quic_socket.hpp"
#include "replay_memory.hpp"

#include <gnutls/crypto.h>

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <string>
#include <utility>

namespace actorwire {

namespace {

std::span<const std::byte, 16> half_of(const quic_secret& secret) {
  return secret.bytes().first<16>();
}

quic_secret random_secret() {
  std::array<std::byte, quic_secret::size> bytes{};
  secure_random()(bytes);
  return quic_secret{bytes};
}

std::shared_ptr<const quic_tokens> tokens_of(const quic_secret& secret, bool shares_port) {
  const auto master = secret.derive("tokens");
  if (shares_port)
    return std::make_shared<const quic_tokens>(master, random_secret(), quic_tokens::lifetimes{});
  return std::make_shared<const quic_tokens>(master, quic_tokens::lifetimes{});
}

} // namespace

quic_random secure_random() {
  return [](std::span<std::byte> room) {
    // It fails only where the machine has no source of chance at all, and nothing is safe then.
    if (::gnutls_rnd(GNUTLS_RND_NONCE, room.data(), room.size()) != 0)
      std::terminate();
  };
}

result<std::shared_ptr<quic_group>> quic_group::make(const listen_config& config,
                                                     std::shared_ptr<tls_identity> identity, std::size_t shards) {
  if (shards > connection_id_format::shards_max)
    return make_invalid_value("network_options.shards", std::to_string(shards),
                              "1 .. " + std::to_string(connection_id_format::shards_max) + " for quic://");
  try {
    const auto seed = identity->present()->secret_of_key();
    return std::make_shared<quic_group>(config, std::move(identity), shards,
                                        seed ? quic_secret{*seed} : random_secret());
  } catch (const std::exception& thrown) {
    return make_error(error_code::memory_limit, phase::setup, origin::local, thrown.what());
  }
}

quic_group::quic_group(const listen_config& config, std::shared_ptr<tls_identity> identity, std::size_t shards,
                       const quic_secret& secret)
  : config_(std::make_shared<const transport_config>(config.transport)),
    quic_(quic_settings(*config_)),
    identity_(std::move(identity)),
    ids_(half_of(secret.derive("connection ids")), static_cast<unsigned>(shards)),
    tokens_(tokens_of(secret, config.share_port)),
    replays_(identity_->replays([] { return std::make_shared<replay_memory>(secure_random()); })),
    members_(shards) {}

quic_endpoint::setup quic_group::setup_for(shard& where) const {
  auto& memory = boost::asio::use_service<quic_memory>(where.loop().context());
  return {ids_, static_cast<unsigned>(where.index()), tokens_, secure_random(), memory.arena(where.buffers())};
}

quic_endpoint::acceptance quic_group::acceptance_for(shard& where) const {
  auto& logs = boost::asio::use_service<quic_memory>(where.loop().context()).logs();
  auto admit = [&logs, config = config_, identity = identity_, replays = replays_,
                takes_early_data = quic_.early_data](const udp_path& path) -> std::optional<quic_connection::settings> {
    quic_connection::settings made{config, {identity->present()}, path};
    made.tls.early_data = takes_early_data;
    made.qlog = logs.begin(quic_settings(*config), true);
    if (takes_early_data)
      made.tls.guard = {replays, replays->early_data.handle()};
    return made;
  };
  const auto lifetime = tokens_->new_token_lifetime();
  auto is_new_token = [replays = replays_, lifetime](std::span<const std::byte> token, auto now) {
    return replays->tokens.is_new(token, now + lifetime, now);
  };
  auto use_token = [replays = replays_, lifetime](std::span<const std::byte> token, auto now) {
    return replays->tokens.add(token, now + lifetime, now);
  };
  return {std::move(admit),        half_open_,          quic_.retry_threshold, quic_.versions,
          std::move(is_new_token), std::move(use_token)};
}

void quic_group::join(quic_socket& socket) {
  const std::lock_guard locked{mutex_};
  members_[socket.where().index()] = {&socket.where(), &socket, ++sockets_joined_, 0};
}

void quic_group::leave(quic_socket& socket) noexcept {
  const std::lock_guard locked{mutex_};
  auto& mine = members_[socket.where().index()];
  if (mine.socket == &socket)
    mine = {};
}

local_ref<quic_socket> quic_group::socket_of(shard& where) const {
  const std::lock_guard locked{mutex_};
  return local_ref<quic_socket>{members_[where.index()].socket};
}

bool quic_group::is_bound_to(const udp_address& local) const {
  const std::lock_guard locked{mutex_};
  // What a socket is bound to does not change while it is in the list.
  return std::ranges::any_of(members_, [&](const member& each) {
    return each.socket != nullptr && each.socket->local() == local;
  });
}

void quic_group::hand_over(unsigned index, const udp_arrival& stray) {
  const std::lock_guard locked{mutex_};
  if (index >= members_.size() || members_[index].socket == nullptr || members_[index].strays >= strays_max)
    return;
  auto& target = members_[index];
  // While the socket is in the list its shard lives, and nobody else takes it out.
  target.where->post([group = shared_from_this(), index, path = stray.path, mark = stray.mark,
                      bytes = payload::copy_of(stray.bytes), number = target.number] {
    quic_socket* socket = nullptr;
    {
      const std::lock_guard again{group->mutex_};
      auto& mine = group->members_[index];
      if (mine.number != number)
        return;
      --mine.strays;
      socket = mine.socket;
    }
    socket->take_over({path, mark, bytes.bytes()});
  });
  ++target.strays;
}

} // namespace actorwire
