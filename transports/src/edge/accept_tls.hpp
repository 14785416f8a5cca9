#pragma once

#include <actorwire/export.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport.hpp>

#include <memory>

namespace actorwire {

class tls_credentials;

/// Makes a server of TLS over a bearer that was accepted. Another thread may do so, and move the one reference over.
[[nodiscard]] ACTORWIRE_EXPORT local_ref<transport> accept_tls(shard& where, local_ref<transport> bearer,
                                                               std::shared_ptr<const tls_credentials> identity);

} // namespace actorwire
