#include "quic_memory.hpp"

#include "quic_group.hpp"
#include "quic_socket.hpp"

#include <array>

namespace actorwire {

boost::asio::execution_context::id quic_memory::id;

quic_endpoint::setup quic_memory::client_setup(buffer_pool& buffers) {
  const auto random = secure_random();
  if (!tokens_) {
    std::array<std::byte, quic_secret::size> secret;
    random(secret);
    tokens_ = std::make_shared<const quic_tokens>(quic_secret{secret}, quic_tokens::lifetimes{});
  }
  std::array<std::byte, 16> mask;
  random(mask);
  return {connection_id_format{mask, 1}, 0, tokens_, random, arena(buffers)};
}

void quic_memory::add(quic_socket& open) {
  if (open_.empty())
    open.where().set_end_work([this] { close_all(); });
  open_.insert(&open);
}

void quic_memory::close_all() {
  for (auto* each : std::vector<quic_socket*>(open_.begin(), open_.end()))
    each->close_now();
}

} // namespace actorwire
