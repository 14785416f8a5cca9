#pragma once

#include <actorwire/export.hpp>
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

/// Returns what makes the acceptors of one QUIC listener: one for each shard that it listens on, all with the same keys.
/// Their connections live on the shard of their acceptor, and share its socket; they go on when it is closed.
/// *Thread:* any thread, and what it returns on the shard that the acceptor is to live on.
/// *Errors:* `memory_limit`; `invalid_value` for more shards than connection IDs can name.
[[nodiscard]] ACTORWIRE_EXPORT result<std::function<local_ref<acceptor>(shard& where)>>
quic_acceptors(const listen_config& config, std::shared_ptr<tls_identity> identity, std::size_t shards);

} // namespace actorwire
