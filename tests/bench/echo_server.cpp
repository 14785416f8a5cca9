#include "echo_server.hpp"

#include "posix.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace actorwire::bench {

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

void serve(const serve_options& options, const std::function<std::unique_ptr<echo_server>()>& make) {
  // Before any thread is made: threads inherit it.
  if (options.cpu >= 0)
    pin_to_cpu(options.cpu);
  raise_file_limit();
  const auto server = make();
  set_congestion_control_of_listeners(options.congestion_control);
  std::printf("%u\n", unsigned{server->port()});
  std::fflush(stdout);
  wait_for_end_of_input();
}

} // namespace actorwire::bench
