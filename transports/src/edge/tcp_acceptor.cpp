#include "listen_address.hpp"
#include "reactor.hpp"
#include "socket_address.hpp"
#include "tcp_transport.hpp"

#include <actorwire/transports/acceptor.hpp>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

namespace actorwire {

namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

/// Clients of one event before other sockets of the shard get their turn.
constexpr int accepts_per_event_max = 64;

/// How long accepting rests when descriptors or memory ran out, or so many clients in a row came to nothing that this is
/// hardly their fault. Readiness would call again at once, and in vain.
constexpr duration shortage_pause = 100ms;
constexpr int failures_in_a_row_max = accepts_per_event_max;

enum class verdict { nobody_waits, next_please, shortage };

/// accept(2): what went wrong on the new connection is passed on by accept, and concerns nobody else.
verdict judge(int errno_value) {
  switch (errno_value) {
    case EAGAIN:
#if EAGAIN != EWOULDBLOCK
    case EWOULDBLOCK:
#endif
      return verdict::nobody_waits;
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
      return verdict::next_please;
    default:
      return verdict::shortage;
  }
}

result<void> let_share(int descriptor) {
  const int on = 1;
  if (::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
    return make_system_error(errno, phase::setup, "set SO_REUSEPORT");
  return {};
}

/// Reads errno before the rendering of an address can change it.
transport_error failure_at(const char* doing, const tcp::endpoint& where) {
  const auto error = errno;
  return make_system_error(error, phase::setup, doing + to_text(where));
}

class tcp_acceptor final : public acceptor {
public:
  explicit tcp_acceptor(shard& where)
    : shard_(where), socket_(where.loop().context()), shortage_([this] { handle_end_of_shortage(); }) {}

  result<void> open(const endpoint& where, const listen_config& config, acceptor_observer& observer) override;
  result<void> share() override;
  [[nodiscard]] endpoint local() const override;
  void pause() override;
  void resume() override;
  void close() noexcept override;

private:
  using socket_type = boost::asio::basic_socket_acceptor<tcp, boost::asio::io_context::executor_type>;

  [[nodiscard]] result<void> listen(const ip_address& address, std::uint16_t port, const listen_config& config);
  [[nodiscard]] result<void> prepare(int descriptor, const tcp::endpoint& where, const listen_config& config);
  void arm();
  void handle_readable();
  /// Accepts one client; returns whether there may be more.
  [[nodiscard]] bool accept_one();
  void note_client(int descriptor, const tcp::endpoint& remote);
  /// A client came to nothing; returns whether to go on with the next at once.
  [[nodiscard]] bool note_failure(int errno_value);
  void handle_end_of_shortage();

  shard& shard_;
  acceptor_observer* observer_ = nullptr;
  socket_type socket_;
  timer shortage_;
  endpoint local_;
  bool is_waiting_ = false;
  bool is_paused_ = false;
  /// Descriptors or memory ran out, and no client could be accepted since.
  bool is_short_ = false;
  /// Clients that came to nothing since the last one that did not.
  int failures_in_a_row_ = 0;
};

result<void> tcp_acceptor::open(const endpoint& where, const listen_config& config, acceptor_observer& observer) {
  assert(observer_ == nullptr);
  if (auto checked = validate(config); !checked)
    return checked;
  auto opened =
      bind_to(where, [&](const ip_address& address, std::uint16_t port) { return listen(address, port, config); });
  if (!opened)
    return opened;
  const auto bound = local_end(socket_.native_handle());
  local_ = {where.proto, bound ? bound->address().to_string() : where.host, bound ? bound->port() : where.port};
  observer_ = &observer;
  arm();
  return {};
}

result<void> tcp_acceptor::listen(const ip_address& address, std::uint16_t port, const listen_config& config) {
  const auto where = socket_address(address, port);
  const auto descriptor = ::socket(where.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0)
    return make_system_error(errno, phase::setup, "open a socket");
  if (auto prepared = prepare(descriptor, where, config); !prepared) {
    ::close(descriptor);
    return prepared;
  }
  boost::system::error_code failure;
  socket_.assign(where.protocol(), descriptor, failure);
  if (failure) {
    ::close(descriptor);
    return make_system_error(failure.value(), phase::setup, "watch a socket");
  }
  return {};
}

result<void> tcp_acceptor::prepare(int descriptor, const tcp::endpoint& where, const listen_config& config) {
  const int on = 1;
  const int off = 0;
  // Without it, connections of an earlier run that are still in TIME-WAIT would keep the port (socket(7)).
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (config.share_port)
    if (auto shared = let_share(descriptor); !shared)
      return shared;
  // The address :: means IPv4 as well, whatever the system's default.
  if (where.address().is_v6())
    ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(descriptor, where.data(), static_cast<socklen_t>(where.size())) != 0)
    return failure_at("bind ", where);
  const auto backlog = std::min<std::uint32_t>(config.backlog, std::numeric_limits<int>::max());
  if (::listen(descriptor, static_cast<int>(backlog)) != 0)
    return failure_at("listen on ", where);
  return {};
}

result<void> tcp_acceptor::share() {
  // A socket that is set so before bind would join others that are. One that listens alone is joined by those that come
  // later (Linux makes the group when the second one listens).
  return let_share(socket_.native_handle());
}

endpoint tcp_acceptor::local() const {
  return local_;
}

void tcp_acceptor::pause() {
  is_paused_ = true;
}

void tcp_acceptor::resume() {
  is_paused_ = false;
  arm();
}

void tcp_acceptor::close() noexcept {
  observer_ = nullptr;
  shortage_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void tcp_acceptor::arm() {
  if (observer_ == nullptr || is_waiting_ || is_paused_ || shortage_.is_armed())
    return;
  is_waiting_ = true;
  socket_.async_wait(socket_type::wait_read, [self = local_ref<tcp_acceptor>{this}](const boost::system::error_code&) {
    const shard::turn here{self->shard_};
    self->is_waiting_ = false;
    self->handle_readable();
  });
}

void tcp_acceptor::handle_readable() {
  for (int count = 0; count < accepts_per_event_max; ++count)
    if (observer_ == nullptr || is_paused_ || !accept_one())
      break;
  arm();
}

bool tcp_acceptor::accept_one() {
  tcp::endpoint remote;
  auto size = static_cast<socklen_t>(remote.capacity());
  const auto descriptor = ::accept4(socket_.native_handle(), remote.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0)
    return note_failure(errno);
  remote.resize(size);
  note_client(descriptor, remote);
  return true;
}

void tcp_acceptor::note_client(int descriptor, const tcp::endpoint& remote) {
  is_short_ = false;
  failures_in_a_row_ = 0;
  const auto meaning = local_.proto == protocol::tcp ? stream_end::complete : stream_end::marked_within;
  auto accepted = adopt_tcp_socket(observer_->choose_shard(shard_), descriptor, meaning);
  observer_->on_accepted(std::move(accepted),
                         numeric_endpoint(local_.proto, ip_address_of(remote.address()), remote.port()),
                         address_proof::proved);
}

bool tcp_acceptor::note_failure(int errno_value) {
  const auto what = judge(errno_value);
  if (what == verdict::nobody_waits)
    return false;
  const auto is_clients = what == verdict::next_please;
  const auto goes_on = is_clients && ++failures_in_a_row_ < failures_in_a_row_max;
  if (!goes_on)
    shard_.arm(shortage_, shortage_pause);
  // A shortage is one, however long it lasts.
  if (is_clients || !std::exchange(is_short_, true))
    observer_->on_accept_error(make_system_error(errno_value, phase::setup, "accept"));
  return goes_on;
}

void tcp_acceptor::handle_end_of_shortage() {
  const local_ref<tcp_acceptor> self{this};
  arm();
}

} // namespace

local_ref<acceptor> make_tcp_acceptor(shard& where) {
  return make_local<tcp_acceptor>(where);
}

} // namespace actorwire
