// A server for tests of what stalls: accepts whoever comes on 127.0.0.1, and reads nothing.
//
// Usage: deaf_server
//
// Says on which port it listens, and how many open files it may have. Ends when it is killed.

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

namespace {

int run() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  const auto listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // Inherited by what is accepted: little fits, so that senders stall soon and the machine keeps its memory.
  const int little = 4'096;
  ::setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&where), size) != 0 || ::listen(listener, 4'096) != 0
      || ::getsockname(listener, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    std::perror("deaf_server");
    return 1;
  }
  std::printf("listens on %u with %lu files\n", unsigned{ntohs(where.sin_port)},
              static_cast<unsigned long>(files.rlim_cur));
  std::fflush(stdout);
  // Never closed: they are there as long as this process is.
  while (::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) >= 0) {
  }
  std::perror("deaf_server: accept");
  for (;;)
    ::pause();
}

} // namespace

int main() {
  return run();
}
