#include "left_out.hpp"
#include "tcp_transport.hpp"
#include "tls_store.hpp"

#include <actorwire/transports/transport_factory.hpp>

#if ACTORWIRE_TLS
#  include "tls_transport.hpp"
#endif
#if ACTORWIRE_QUIC
#  include "quic/quic_transport.hpp"
#endif

#include <utility>

namespace actorwire {

bool is_supported(protocol proto) noexcept {
  return left_out_by(proto).empty();
}

socket_transport_factory::socket_transport_factory(std::shared_ptr<resolver> names,
                                                   std::shared_ptr<tls_store> identities)
  : names_(std::move(names)), identities_(std::move(identities)), is_on_its_own_(!identities_) {
  if (is_on_its_own_)
    identities_ = std::make_shared<tls_store>();
}

void socket_transport_factory::use(const std::shared_ptr<tls_store>& identities) {
  if (std::exchange(is_on_its_own_, false))
    identities_ = identities;
}

result<local_ref<transport>> socket_transport_factory::create_transport(protocol proto, shard& where) {
  if (proto == protocol::tcp)
    return make_tcp_transport(where, names_);
#if ACTORWIRE_TLS
  if (proto == protocol::tls)
    return make_tls_transport(where, make_tcp_transport(where, names_, stream_end::marked_within), identities_);
#endif
#if ACTORWIRE_QUIC
  if (proto == protocol::quic)
    return make_quic_transport(where, names_, identities_);
#endif
  return make_left_out(proto);
}

} // namespace actorwire
