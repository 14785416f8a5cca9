#include "quic_party.hpp"

#include "target.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <utility>

namespace actorwire::fuzz {

namespace {

/// Chance that is the same in each run.
quic_random chance_from(std::uint64_t seed) {
  return [engine = std::make_shared<std::mt19937_64>(seed)](std::span<std::byte> room) {
    for (auto& each : room)
      each = static_cast<std::byte>((*engine)());
  };
}

} // namespace

quic_party::quic_party(settings chosen, buffer_pool& buffers)
  : settings_(std::move(chosen)),
    limits_(quic_settings(*settings_.config)),
    arena_(buffers),
    endpoint_(setup(), acceptance()) {}

quic_party::~quic_party() = default;

quic_endpoint::setup quic_party::setup() {
  constexpr std::array<std::byte, 16> key{std::byte{7}};
  constexpr std::array<std::byte, quic_secret::size> secret{std::byte{9}};
  return {connection_id_format{key, 1}, 0, std::make_shared<quic_tokens>(quic_secret{secret}, quic_tokens::lifetimes{}),
          chance_from(settings_.seed), arena_};
}

std::optional<quic_endpoint::acceptance> quic_party::acceptance() {
  if (settings_.role == tls_role::client)
    return std::nullopt;
  return quic_endpoint::acceptance{[this](const udp_path& path) {
                                     return is_open_ ? std::optional{connection_on(path)} : std::nullopt;
                                   },
                                   half_open_, limits_.retry_threshold, limits_.versions};
}

quic_connection::settings quic_party::connection_on(const udp_path& path) const {
  if (settings_.role == tls_role::server)
    return {settings_.config, {settings_.identity, {}, {}, limits_.early_data, settings_.guard}, path, {}};
  return {settings_.config, {settings_.identity, "localhost", "quic localhost", limits_.early_data, nullptr}, path, {}};
}

quic_caller& quic_party::dial(const udp_path& path, std::size_t number, const tls_now& now) {
  auto& caller = *callers_.emplace_back(std::make_unique<quic_caller>(endpoint_, settings_.role, limits_, number));
  caller.connection = &endpoint_.dial(connection_on(path), caller, now);
  return caller;
}

void quic_party::take(const quic_parcel& arrived, const tls_now& now) {
  const auto other_shard =
      endpoint_.handle_datagram({arrived.path, arrived.mark, std::as_bytes(std::span{arrived.bytes})}, now);
  check(!other_shard, "an endpoint with one shard hands nothing over");
}

void quic_party::handle_timeout(const tls_now& now) {
  endpoint_.handle_timeout(now);
}

void quic_party::serve(const tls_now& now) {
  // Each round sends something or tells something, which ends when windows are full and nothing more arrives.
  constexpr auto rounds_max = 100;
  constexpr auto trains_max = 1'000;
  auto rounds = 0;
  do {
    check(++rounds < rounds_max, "an endpoint comes to rest");
    endpoint_.dispatch();
    meet_clients();
    auto trains = 0;
    while (const auto train = endpoint_.poll_transmit(room_, now)) {
      check(++trains < trains_max, "what may go at once is bounded");
      send(*train);
    }
  } while (endpoint_.wants_to_dispatch() || endpoint_.wants_to_transmit());
  const auto live = std::ranges::count_if(callers_, [](const auto& each) { return each->connection != nullptr; });
  check(static_cast<std::size_t>(live) == endpoint_.size(), "nothing is kept of a connection after its end");
  check(half_open_->get() <= endpoint_.size(), "only connections that are there are half-open");
}

void quic_party::meet_clients() {
  while (auto* accepted = endpoint_.poll_accepted()) {
    auto& caller = *callers_.emplace_back(std::make_unique<quic_caller>(endpoint_, settings_.role, limits_,
                                                                        settings_.number_of(accepted->path().remote)));
    caller.connection = accepted;
    endpoint_.observe(*accepted, caller);
  }
}

void quic_party::send(const udp_departure& train) {
  check(!train.bytes.empty() && train.bytes.size() <= departure_bytes_max, "a departure has bytes, and not too many");
  check(train.segment_size > 0 && train.segment_size <= train.bytes.size(), "a departure has datagrams");
  check((train.bytes.size() + train.segment_size - 1) / train.segment_size <= departure_segments_max,
        "a departure has no more datagrams than a system takes at once");
  check(train.path.local.is_known() && train.path.remote.is_known(), "a departure knows its way");
  for (auto rest = train.bytes; !rest.empty();) {
    const auto part = rest.first(std::min(train.segment_size, rest.size()));
    rest = rest.subspan(part.size());
    settings_.send(
        {{train.path.remote, train.path.local}, train.mark, {reinterpret_cast<const char*>(part.data()), part.size()}});
  }
}

} // namespace actorwire::fuzz
