#include "tcp_transport.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <string>
#include <utility>

namespace actorwire {

socket_transport_factory::socket_transport_factory(std::shared_ptr<resolver> names) : names_(std::move(names)) {}

result<local_ref<transport>> socket_transport_factory::create_transport(protocol proto, shard& where) {
  switch (proto) {
    case protocol::tcp:
      return make_tcp_transport(where, names_);
    case protocol::tls:
    case protocol::quic:
      break;
  }
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    "protocol " + to_string(proto) + ": this build has tcp only");
}

} // namespace actorwire
