#include "quic_memory.hpp"

namespace actorwire {

boost::asio::execution_context::id quic_memory::id;

} // namespace actorwire
