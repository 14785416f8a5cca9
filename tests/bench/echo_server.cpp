#include "echo_server.hpp"

#include "posix.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <stdexcept>

namespace actorwire::bench {

bool is_built(rival which) noexcept {
  return which != rival::caf_io || ACTORWIRE_BENCH_CAF_IO != 0;
}

static std::unique_ptr<echo_server> make_server(const serve_options& options) {
  switch (options.which) {
    case rival::raw:
      return make_raw_server(options.buffer_size);
    case rival::caf_io:
#if ACTORWIRE_BENCH_CAF_IO
      return make_caf_io_server(options.buffer_size);
#else
      break;
#endif
    case rival::actorwire_shard:
    case rival::actorwire_scheduler:
    case rival::actorwire_shared:
      return make_actorwire_server(options.which);
  }
  throw std::invalid_argument("this build does not have that server");
}

static void wait_for_end_of_input() {
  char ignored = 0;
  for (;;) {
    const auto count = ::read(STDIN_FILENO, &ignored, 1);
    if (count == 0)
      return;
    if (count < 0 && errno != EINTR)
      throw_errno("read");
  }
}

void serve(const serve_options& options) {
  // Before any thread is made: threads inherit it.
  if (options.cpu >= 0)
    pin_to_cpu(options.cpu);
  raise_file_limit();
  const auto server = make_server(options);
  set_congestion_control_of_listeners(options.congestion_control);
  std::printf("%u\n", unsigned{server->port()});
  std::fflush(stdout);
  wait_for_end_of_input();
}

} // namespace actorwire::bench
