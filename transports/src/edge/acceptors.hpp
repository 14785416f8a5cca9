#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/acceptor.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/shard.hpp>

#include <cstddef>
#include <functional>
#include <memory>

namespace actorwire {

class tls_identity;

/// Makes the acceptors of one listener, one for each shard that it listens on. *Thread:* the shard it is made for.
using acceptor_maker = std::function<local_ref<acceptor>(shard& where)>;

/// *Errors:* `unsupported` if this build does not know how to listen for `proto`.
[[nodiscard]] ACTORWIRE_EXPORT result<void> can_listen_for(protocol proto);

/// Returns what makes acceptors for `proto`. Those of QUIC know who the listener is, and share keys; over those of TCP, TLS
/// is spoken by whoever takes the connection. *Thread:* any thread.
/// *Errors:* those of `can_listen_for`; `memory_limit`; `invalid_value` for more shards than QUIC's
/// connection IDs can name.
[[nodiscard]] ACTORWIRE_EXPORT result<acceptor_maker>
acceptors_for(protocol proto, const listen_config& config, std::shared_ptr<tls_identity> identity, std::size_t shards);

} // namespace actorwire
