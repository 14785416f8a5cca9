#include "acceptors.hpp"

#include "left_out.hpp"
#include "tls_store.hpp"

#include <utility>

#if ACTORWIRE_QUIC
#  include "quic/quic_acceptor.hpp"
#endif

namespace actorwire {

result<void> can_listen_for(protocol proto) {
  if (!left_out_by(proto).empty())
    return make_left_out(proto);
  return {};
}

result<acceptor_maker> acceptors_for(protocol proto, [[maybe_unused]] const listen_config& config,
                                     [[maybe_unused]] std::shared_ptr<tls_identity> identity,
                                     [[maybe_unused]] std::size_t shards) {
  if (const auto known = can_listen_for(proto); !known)
    return known.error();
#if ACTORWIRE_QUIC
  if (proto == protocol::quic)
    return quic_acceptors(config, std::move(identity), shards);
#endif
  return acceptor_maker{make_tcp_acceptor};
}

} // namespace actorwire
