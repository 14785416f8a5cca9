#include "tcp_dialer.hpp"

#include "reactor.hpp"
#include "socket_address.hpp"
#include "socket_options.hpp"

#include <boost/asio/post.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <string>
#include <utility>

namespace actorwire {

using boost::asio::ip::tcp;

tcp_dialer::tcp_dialer(shard& where, std::shared_ptr<resolver> names)
  : shard_(where),
    names_(std::move(names)),
    race_timer_([this] { handle_race_timeout(); }),
    deadline_([this] { handle_deadline(); }) {}

void tcp_dialer::init(const transport_config& config, listener& told) {
  config_ = config;
  observer_ = &told;
}

void tcp_dialer::dial(const endpoint& remote) {
  assert(observer_ != nullptr);
  remote_ = remote;
  shard_.arm(deadline_, config_.attempt_timeout);
  boost::asio::post(shard_.loop().context(), [self = local_ref<tcp_dialer>{this}] {
    const shard::turn here{self->shard_};
    self->look_up();
  });
}

void tcp_dialer::cancel() noexcept {
  observer_ = nullptr;
  query_ = {};
  race_timer_.cancel();
  deadline_.cancel();
  sockets_.clear();
}

void tcp_dialer::look_up() {
  if (observer_ == nullptr)
    return;
  observer_->on_dial_progress(connection_state::resolving);
  if (observer_ == nullptr)
    return;
  // The query dies with this object and takes the callback back.
  query_ = names_->resolve(remote_.host, shard_, [this](const resolver::answer& found) { handle_answer(found); });
}

void tcp_dialer::handle_answer(const resolver::answer& found) {
  const local_ref<tcp_dialer> self{this};
  if (!found)
    return fail(found.error());
  race_.emplace(*found, happy_eyeballs::settings{config_.happy_eyeballs_delay, config_.connect_timeout});
  sockets_.resize(race_->addresses().size());
  observer_->on_dial_progress(connection_state::connecting);
  if (observer_ != nullptr)
    follow_orders();
}

void tcp_dialer::handle_connect(std::size_t index, const boost::system::error_code& failure) {
  // An attempt that was given up has no socket any more.
  if (observer_ == nullptr || !sockets_[index])
    return;
  auto code = failure.value();
  // Dialling a local port where nobody listens can meet itself: the kernel may choose that very port for our end, and
  // then both ends of the connection are one socket (simultaneous open, RFC 9293, 3.5).
  const auto descriptor = sockets_[index]->native_handle();
  if (code == 0 && local_end(descriptor) == remote_end(descriptor))
    code = ECONNREFUSED;
  if (code == 0) {
    race_->handle_connected(index);
  } else {
    sockets_[index].reset();
    race_->handle_failure(index, make_system_error(code, phase::connect, "connect to " + to_text(address_of(index))));
  }
  follow_orders();
}

void tcp_dialer::handle_race_timeout() {
  const local_ref<tcp_dialer> self{this};
  race_->handle_timeout(shard_.now());
  follow_orders();
}

void tcp_dialer::handle_deadline() {
  const local_ref<tcp_dialer> self{this};
  const auto limit = std::to_string(config_.attempt_timeout.count()) + " ms";
  if (race_)
    fail(make_error(error_code::connect_timeout, phase::connect, origin::system, "no connection within " + limit));
  else
    fail(make_error(error_code::connect_timeout, phase::resolve, origin::system,
                    "look-up of '" + remote_.host + "': no answer within " + limit));
}

void tcp_dialer::follow_orders() {
  while (const auto order = race_->poll_order(shard_.now())) {
    switch (order->what) {
      case happy_eyeballs::order::kind::connect:
        start_attempt(order->index);
        break;
      case happy_eyeballs::order::kind::give_up:
        sockets_[order->index].reset();
        break;
    }
  }
  if (const auto winner = race_->winner())
    return succeed(*winner);
  if (const auto reason = race_->failure())
    return fail(*reason);
  if (const auto next = race_->next_timeout())
    shard_.arm(race_timer_, *next - shard_.now());
}

void tcp_dialer::start_attempt(std::size_t index) {
  if (const auto opened = open_socket(index); !opened) {
    sockets_[index].reset();
    race_->handle_failure(index, opened.error());
    return;
  }
  sockets_[index]->async_connect(address_of(index),
                                 [self = local_ref<tcp_dialer>{this}, index](const boost::system::error_code& failure) {
                                   const shard::turn here{self->shard_};
                                   self->handle_connect(index, failure);
                                 });
}

result<void> tcp_dialer::open_socket(std::size_t index) {
  // Not by Asio, which lets programs that this process starts inherit its sockets.
  const auto protocol = address_of(index).protocol();
  const auto descriptor = ::socket(protocol.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol.protocol());
  if (descriptor < 0)
    return make_system_error(errno, phase::connect, "open a socket");
  auto& socket = sockets_[index].emplace(shard_.loop().context());
  boost::system::error_code failure;
  socket.assign(protocol, descriptor, failure);
  if (failure) {
    ::close(descriptor);
    return make_system_error(failure.value(), phase::connect, "watch a socket");
  }
  return apply_options(descriptor, config_);
}

tcp::endpoint tcp_dialer::address_of(std::size_t index) const {
  return socket_address(race_->addresses()[index], remote_.port);
}

void tcp_dialer::succeed(std::size_t winner) {
  auto* told = observer_;
  auto connected = std::move(*sockets_[winner]);
  cancel();
  told->on_dialed(std::move(connected));
}

void tcp_dialer::fail(const transport_error& reason) {
  auto* told = observer_;
  cancel();
  told->on_dial_failed(reason);
}

} // namespace actorwire
