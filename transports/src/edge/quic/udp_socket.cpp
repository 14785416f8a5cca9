#include "udp_socket.hpp"

#include "udp_name.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <utility>

namespace actorwire {

namespace {

/// Reads errno before the rendering of an address can change it.
transport_error failure_at(phase where, const char* doing, const udp_address& address) {
  const auto error = errno;
  return make_system_error(error, where, doing + to_text(address));
}

udp_address local_end(int descriptor) {
  sockaddr_in6 name{};
  socklen_t size = sizeof name;
  auto* any = reinterpret_cast<sockaddr*>(&name);
  return ::getsockname(descriptor, any, &size) == 0 ? udp_address{any, size} : udp_address{};
}

} // namespace

result<void> udp_socket::open(const udp_address& local, const udp_socket_options& options) {
  assert(!is_open() && local.is_known());
  if (options.reuse_port && local.port() == 0)
    return make_invalid_value("port", "0", "the port of the sockets to join");
  descriptor_ = ::socket(local.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (descriptor_ < 0)
    return make_system_error(errno, phase::setup, "open a socket");
  auto bound = bind(local, options);
  if (!bound)
    close();
  return bound;
}

result<void> udp_socket::bind(const udp_address& local, const udp_socket_options& options) {
  if (auto applied = apply_udp_options(descriptor_, local, options); !applied)
    return applied;
  buffer_sizes_ = grow_udp_buffers(descriptor_, options.buffer_size);
  has_gso_ = options.gso && can_cut_trains(descriptor_);
  if (::bind(descriptor_, local.data(), local.size()) != 0)
    return failure_at(phase::setup, "bind ", local);
  family_ = local.family();
  local_ = local_end(descriptor_);
  return {};
}

result<void> udp_socket::connect(const udp_address& remote) {
  assert(is_open());
  const udp_name name{remote, family_};
  if (::connect(descriptor_, name.data(), name.size()) != 0)
    return failure_at(phase::connect, "connect to ", remote);
  forgo_local_addresses(descriptor_);
  is_connected_ = true;
  local_ = local_end(descriptor_);
  remote_ = remote;
  return {};
}

result<void> udp_socket::share() {
  assert(is_open());
  const int on = 1;
  if (::setsockopt(descriptor_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
    return make_system_error(errno, phase::setup, "set SO_REUSEPORT");
  return {};
}

void udp_socket::swap(udp_socket& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(family_, other.family_);
  std::swap(is_connected_, other.is_connected_);
  std::swap(has_gso_, other.has_gso_);
  std::swap(local_, other.local_);
  std::swap(remote_, other.remote_);
  std::swap(buffer_sizes_, other.buffer_sizes_);
}

void udp_socket::close() noexcept {
  if (!is_open())
    return;
  ::close(std::exchange(descriptor_, -1));
  is_connected_ = false;
  local_ = {};
  remote_ = {};
}

} // namespace actorwire
