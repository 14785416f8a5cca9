#include "tcp_transport.hpp"
#include "tls_transport.hpp"

#include <actorwire/transports/transport_factory.hpp>

#if ACTORWIRE_QUIC
#  include "quic/quic_transport.hpp"
#endif

#include <string>
#include <utility>

namespace actorwire {

bool is_supported(protocol proto) noexcept {
  return proto != protocol::quic || ACTORWIRE_QUIC;
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
  switch (proto) {
    case protocol::tcp:
      return make_tcp_transport(where, names_);
    case protocol::tls:
      return make_tls_transport(where, make_tcp_transport(where, names_, stream_end::marked_within), identities_);
    case protocol::quic:
#if ACTORWIRE_QUIC
      return make_quic_transport(where, names_, identities_);
#else
      break;
#endif
  }
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    "protocol " + to_string(proto) + ": this build has tcp and tls only");
}

} // namespace actorwire
