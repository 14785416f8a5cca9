#include "tcp_rivals.hpp"

#include <stdexcept>

namespace actorwire::bench {

bool is_built(rival which) noexcept {
  return which != rival::caf_io || ACTORWIRE_BENCH_CAF_IO != 0;
}

std::unique_ptr<echo_server> make_tcp_server(rival which, std::size_t buffer_size) {
  switch (which) {
    case rival::raw:
      return make_raw_server(buffer_size);
    case rival::caf_io:
#if ACTORWIRE_BENCH_CAF_IO
      return make_caf_io_server(buffer_size);
#else
      break;
#endif
    case rival::actorwire_shard:
    case rival::actorwire_callback:
    case rival::actorwire_scheduler:
    case rival::actorwire_shared:
    case rival::actorwire_watched:
      return make_actorwire_server(which);
  }
  throw std::invalid_argument("this build does not have that server");
}

} // namespace actorwire::bench
