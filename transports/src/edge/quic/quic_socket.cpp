#include "quic_socket.hpp"

#include "edge/reactor.hpp"
#include "quic_group.hpp"
#include "quic_memory.hpp"
#include "udp_receive_buffers.hpp"

#include <boost/asio/post.hpp>

#include <cerrno>
#include <ctime>
#include <utility>

namespace actorwire {

namespace {

/// Batches of one event before others get their turn.
constexpr int batches_per_event = 2;

/// Quanta of pacing that are sent in one go, when their time has come already by the time that the one before has left.
constexpr int quanta_per_flush = 4;

} // namespace

quic_socket::quic_socket(shard& where, quic_endpoint::setup setup, std::optional<quic_endpoint::acceptance> accepting)
  : shard_(where),
    endpoint_(std::move(setup), gated(std::move(accepting))),
    watch_(where.loop().context()),
    due_([this] { handle_due(); }),
    look_([this] { look_for_address(); }) {}

std::optional<quic_endpoint::acceptance> quic_socket::gated(std::optional<quic_endpoint::acceptance> accepting) {
  if (accepting)
    accepting->admit = [this, admit = std::move(accepting->admit)](const udp_path& path) {
      return takes_clients_ ? admit(path) : std::nullopt;
    };
  return accepting;
}

quic_socket::~quic_socket() {
  close();
}

result<void> quic_socket::open(const udp_address& local, const udp_socket_options& options, listener* told) {
  if (auto opened = socket_.open(local, options); !opened)
    return opened;
  boost::system::error_code failure;
  watch_.assign(socket_.native_handle(), failure);
  if (failure) {
    socket_.close();
    return make_system_error(failure.value(), phase::setup, "watch a socket");
  }
  options_ = options;
  listener_ = told;
  memory_ = &boost::asio::use_service<quic_memory>(shard_.loop().context());
  memory_->add(*this);
  buffers_ = &boost::asio::use_service<udp_receive_buffers>(shard_.loop().context());
  await_datagrams();
  return {};
}

tls_now quic_socket::now() const {
  const auto lived = shard_.lived();
  return {std::time(nullptr), lived, shard_.stalled()};
}

// -- connections --------------------------------------------------------------------------------------------------------

quic_connection& quic_socket::dial(quic_connection::settings settings, quic_observer& observer) {
  auto& made = endpoint_.dial(std::move(settings), observer, now());
  shard_.flush_later(*this);
  return made;
}

void quic_socket::observe(quic_connection& which, quic_observer& observer) {
  endpoint_.observe(which, observer);
  shard_.flush_later(*this);
}

void quic_socket::touch(quic_connection& which) {
  endpoint_.touch(which);
  shard_.flush_later(*this);
}

void quic_socket::let_go(quic_connection& which) {
  endpoint_.release(which);
  shard_.flush_later(*this);
}

void quic_socket::take_over(const udp_arrival& arrived) {
  if (!socket_.is_open())
    return;
  endpoint_.handle_datagram(arrived, now());
  dispatch();
}

// -- receiving ----------------------------------------------------------------------------------------------------------

void quic_socket::await_datagrams() {
  if (!socket_.is_open() || !watch_.is_open() || std::exchange(awaits_datagrams_, true))
    return;
  watch_.async_wait(descriptor::wait_read,
                    [self = local_ref<quic_socket>{this}, move = moves_](const boost::system::error_code&) {
                      const shard::turn here{self->shard_};
                      if (move != self->moves_)
                        return;
                      self->awaits_datagrams_ = false;
                      self->handle_readable();
                    });
}

void quic_socket::handle_readable() {
  for (int batch = 0; batch < batches_per_event && socket_.is_open(); ++batch) {
    const auto got = socket_.receive(*buffers_, *this);
    if (got.system_code == ECONNREFUSED)
      handle_refusal();
    else if (got.system_code != 0 && got.system_code != EMSGSIZE)
      doubt_address();
    if (!got.may_have_more)
      break;
  }
  dispatch();
  await_datagrams();
}

void quic_socket::handle_refusal() {
  if (listener_ != nullptr)
    listener_->on_refused(make_system_error(ECONNREFUSED, phase::connect, "connect to " + to_text(socket_.remote())));
  endpoint_.suspect_all(now());
}

void quic_socket::handle_datagram(const udp_arrival& arrived) {
  look_pause_ = look_pause_min;
  if (const auto shard = endpoint_.handle_datagram(arrived, now()); shard && group_)
    group_->hand_over(*shard, arrived);
}

void quic_socket::dispatch() {
  endpoint_.dispatch();
  while (auto* client = listener_ != nullptr ? endpoint_.poll_accepted() : nullptr)
    listener_->on_client(*client);
  if (endpoint_.wants_to_transmit())
    shard_.flush_later(*this);
  else
    follow_timer();
}

void quic_socket::dispatch_later() {
  if (!endpoint_.wants_to_dispatch() || std::exchange(dispatch_is_posted_, true))
    return;
  boost::asio::post(shard_.loop().context(), [self = local_ref<quic_socket>{this}] {
    const shard::turn here{self->shard_};
    self->dispatch_is_posted_ = false;
    self->dispatch();
  });
}

// -- sending ------------------------------------------------------------------------------------------------------------

void quic_socket::flush() {
  const local_ref<quic_socket> self{this};
  if (!socket_.is_open())
    return;
  const auto room = memory_->departures();
  tls_now at = now();
  auto was_refused = false;
  for (int quantum = 0; quantum < quanta_per_flush && socket_.is_open(); ++quantum) {
    at.steady = shard_.read_lived();
    while (queue_.is_empty()) {
      const auto departure = endpoint_.poll_transmit(room, at);
      if (!departure)
        break;
      const auto status = queue_.send(socket_, *departure);
      // An earlier datagram was refused, and this one dropped to say so.
      if (status == udp_send_status::refused)
        was_refused = true;
      else if (status == udp_send_status::failed)
        doubt_address();
    }
    if (!queue_.is_empty()) {
      await_room();
      break;
    }
    const auto next = endpoint_.next_timeout();
    at.steady = shard_.read_lived();
    if (!next || *next > at.steady)
      break;
    endpoint_.handle_timeout(at);
  }
  // The last quantum was due already: it leaves in the next round, and not when something comes in, which may be never.
  if (queue_.is_empty() && endpoint_.wants_to_transmit())
    shard_.flush_later(*this);
  if (was_refused)
    refuse_later();
  dispatch_later();
  follow_timer();
  close_if_idle();
}

/// Those who are told may not be called at the end of a turn.
void quic_socket::refuse_later() {
  boost::asio::post(shard_.loop().context(), [self = local_ref<quic_socket>{this}] {
    const shard::turn here{self->shard_};
    if (!self->socket_.is_open())
      return;
    self->handle_refusal();
    self->dispatch();
  });
}

void quic_socket::await_room() {
  if (!watch_.is_open() || std::exchange(awaits_room_, true))
    return;
  watch_.async_wait(descriptor::wait_write,
                    [self = local_ref<quic_socket>{this}, move = moves_](const boost::system::error_code&) {
                      const shard::turn here{self->shard_};
                      if (move != self->moves_)
                        return;
                      self->awaits_room_ = false;
                      self->handle_writable();
                    });
}

void quic_socket::handle_writable() {
  if (!socket_.is_open())
    return;
  const auto flushed = queue_.flush(socket_);
  if (flushed.is_empty)
    shard_.flush_later(*this);
  else
    await_room();
  if (flushed.has_failed)
    doubt_address();
  if (flushed.was_refused) {
    handle_refusal();
    dispatch();
  }
}

// -- time ---------------------------------------------------------------------------------------------------------------

void quic_socket::follow_timer() {
  const auto next = endpoint_.next_timeout();
  if (!next || !socket_.is_open())
    due_.cancel();
  else if (!due_.is_armed() || due_.deadline() > *next + shard_.stalled())
    shard_.arm(due_, *next - shard_.lived());
}

void quic_socket::handle_due() {
  const local_ref<quic_socket> self{this};
  endpoint_.handle_timeout(now());
  if (roams_ && endpoint_.is_unanswered(now()))
    doubt_address();
  dispatch();
  close_if_idle();
}

void quic_socket::join(std::shared_ptr<quic_group> group) {
  group_ = std::move(group);
  group_->join(*this);
}

void quic_socket::reopen(listener& told) noexcept {
  listener_ = &told;
  takes_clients_ = true;
  closes_when_idle_ = false;
  endpoint_.refuse_clients(false);
}

void quic_socket::close_when_idle() {
  closes_when_idle_ = true;
  takes_clients_ = false;
  endpoint_.refuse_clients(true);
  listener_ = nullptr;
  shard_.flush_later(*this);
}

/// Late packets are still answered for a while (RFC 9000, 10.2), which has a deadline of its own.
void quic_socket::close_if_idle() {
  if (!closes_when_idle_ || !socket_.is_open() || endpoint_.size() > 0 || endpoint_.next_timeout()
      || endpoint_.wants_to_transmit() || !queue_.is_empty())
    return;
  const local_ref<quic_socket> self{this};
  close();
}

void quic_socket::close_now() {
  const local_ref<quic_socket> self{this};
  flush();
  close();
}

void quic_socket::close() noexcept {
  due_.cancel();
  look_.cancel();
  if (memory_ != nullptr)
    std::exchange(memory_, nullptr)->remove(*this);
  if (group_)
    std::exchange(group_, nullptr)->leave(*this);
  // It would close the descriptor a second time.
  if (watch_.is_open())
    watch_.release();
  socket_.close();
}

} // namespace actorwire
