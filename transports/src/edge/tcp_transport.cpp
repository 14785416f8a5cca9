#include "tcp_transport.hpp"

#include "reactor.hpp"
#include "receive_slab.hpp"
#include "socket_address.hpp"
#include "socket_options.hpp"
#include "tcp_info.hpp"

#include <boost/asio/post.hpp>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <limits>
#include <string>
#include <utility>
#include <variant>

namespace actorwire {

namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

/// Reads of one connection before others get their turn.
constexpr int reads_per_event_max = 8;

/// Full reads in a row that show a stream.
constexpr std::uint8_t full_reads_of_a_stream = 2;

/// Pieces of one system call. The kernel takes up to 1,024; past some tens the call's own cost no longer shows.
constexpr std::size_t pieces_per_call_max = 64;

/// How long reading rests at the memory limit. Memory comes back from any thread without a word to us.
constexpr duration memory_pause = 10ms;

/// The peer's last acknowledgement comes after a round trip of unknown length: asked for soon, then ever less often.
constexpr duration first_linger_pause = 1ms;
constexpr duration longest_linger_pause = 256ms;

/// Hands a batch to the kernel; returns as send(2) does.
ssize_t write_batch(int descriptor, std::span<const outgoing> batch) noexcept {
  constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  if (batch.size() == 1)
    return ::send(descriptor, batch.front().data, batch.front().size, flags);
  std::array<iovec, pieces_per_call_max> pieces;
  std::ranges::transform(batch, pieces.begin(), [](const outgoing& piece) {
    return iovec{const_cast<std::byte*>(piece.data), piece.size};
  });
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = batch.size();
  return ::sendmsg(descriptor, &message, flags);
}

std::size_t size_of(std::span<const outgoing> batch) noexcept {
  std::size_t sum = 0;
  for (const auto& piece : batch)
    sum += piece.size;
  return sum;
}

/// Takes the error that the kernel noted for the socket; 0 when there is none.
int take_socket_error(int descriptor) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

bool is_hung_up(int descriptor) noexcept {
  pollfd asked{descriptor, 0, 0};
  return ::poll(&asked, 1, 0) > 0;
}

transport_error closed_in_order(bool by_peer) {
  return make_error(error_code::closed, phase::close, by_peer ? origin::remote : origin::local,
                    by_peer ? "ended by the peer" : "ended by this side");
}

} // namespace

struct tcp_transport::pause {
  pause(tcp_transport& owner, duration wanted) : over([&owner] { owner.handle_end_of_pause(); }), length(wanted) {}

  timer over;
  duration length;
};

// -- life ---------------------------------------------------------------------------------------------------------------

local_ref<transport> make_tcp_transport(shard& where, std::shared_ptr<resolver> names, stream_end meaning) {
  return make_local<tcp_transport>(where, std::move(names), meaning);
}

local_ref<transport> adopt_tcp_socket(shard& where, int connected_descriptor, stream_end meaning) {
  return make_local<tcp_transport>(where, connected_descriptor, meaning);
}

tcp_transport::tcp_transport(shard& where, std::shared_ptr<resolver> names, stream_end meaning)
  : end_meaning_(meaning),
    shard_(where),
    socket_(where.loop().context()),
    dialer_(make_local<tcp_dialer>(where, std::move(names))) {}

tcp_transport::tcp_transport(shard& where, int connected_descriptor, stream_end meaning)
  : end_meaning_(meaning), adopted_descriptor_(connected_descriptor), shard_(where), socket_(where.loop().context()) {}

tcp_transport::~tcp_transport() {
  if (stage_ != stage::ended)
    close_socket(may_end_cleanly());
}

result<void> tcp_transport::init(const transport_config& config, transport_observer& observer) {
  assert(stage_ == stage::created);
  if (auto checked = validate(config); !checked)
    return checked;
  if (!std::holds_alternative<tcp_config>(config.protocol_settings))
    return make_error(error_code::conflicting_values, phase::setup, origin::local,
                      "transport.protocol_settings: must be tcp_config for a TCP connection");
  if (dialer_) {
    dialer_->init(config, *this);
  } else {
    if (auto opened = open_adopted(config); !opened)
      return opened;
    post<&tcp_transport::handle_connected>();
  }
  stage_ = stage::initialized;
  observer_ = &observer;
  return {};
}

result<void> tcp_transport::open_adopted(const transport_config& config) {
  boost::system::error_code failure;
  // The family matters to Asio only where it makes the socket.
  socket_.assign(tcp::v4(), adopted_descriptor_, failure);
  if (failure)
    return make_system_error(failure.value(), phase::setup, "watch a socket");
  return apply_options(std::exchange(adopted_descriptor_, -1), config);
}

void tcp_transport::connect(const endpoint& remote) {
  if (stage_ == stage::ended)
    return;
  assert(stage_ == stage::initialized && dialer_);
  stage_ = stage::dialing;
  dialer_->dial(remote);
}

void tcp_transport::on_dial_progress(connection_state where) {
  observer_->on_progress(where);
}

void tcp_transport::on_dial_failed(const transport_error& reason) {
  end(reason);
}

void tcp_transport::on_dialed(tcp_socket connected) {
  const auto is_stale = dialer_->has_stale_addresses();
  dialer_ = nullptr;
  socket_ = std::move(connected);
  stage_ = stage::initialized;
  begin(is_stale);
}

void tcp_transport::handle_connected() {
  if (stage_ == stage::initialized)
    begin(false);
}

void tcp_transport::begin(bool by_stale_addresses) {
  const local_ref<tcp_transport> self{this};
  const auto local = local_end(descriptor());
  const auto remote = remote_end(descriptor());
  // A peer that resets at once leaves a socket without one.
  if (!local || !remote)
    return end(make_system_error(ECONNRESET, phase::connect, "connect"));
  if (const auto seen = read_tcp_info(descriptor()))
    acked_before_ = static_cast<std::uint8_t>(seen->metrics.bytes_acked);
  shared_slab_ = &boost::asio::use_service<receive_slab>(shard_.loop().context());
  stage_ = stage::connected;
  transport_opening opening{to_text(*local), to_text(*remote), {}};
  opening.stale_addresses = by_stale_addresses;
  observer_->on_connected(opening);
  arm();
}

// -- waiting ------------------------------------------------------------------------------------------------------------

template <void (tcp_transport::*Handle)()>
auto tcp_transport::handler() {
  // The error code says only that the wait was cancelled, and then the stage says so too.
  return [self = local_ref<tcp_transport>{this}](const boost::system::error_code& = {}) {
    const shard::turn here{self->shard_};
    (self.get()->*Handle)();
  };
}

template <void (tcp_transport::*Handle)()>
void tcp_transport::post() {
  boost::asio::post(shard_.loop().context(), handler<Handle>());
}

void tcp_transport::arm() {
  if (stage_ != stage::connected || reading_)
    return;
  const auto wants_data = !peer_finished_ && !pause_ && (allowance_ > 0 || !data_waits_);
  if (wants_data) {
    assert(!is_drained_ || allowance_ > 0);
    if (!data_wait_.is_pending())
      data_wait_.start(socket_, is_drained_);
  } else if (!awaits_loss_ && !loss_wait_is_futile_) {
    awaits_loss_ = true;
    socket_.async_wait(tcp_socket::wait_error, handler<&tcp_transport::handle_loss>());
  }
}

void tcp_transport::pause_for(duration delay) {
  pause_ = std::make_unique<pause>(*this, delay);
  shard_.arm(pause_->over, delay);
}

void tcp_transport::handle_end_of_pause() {
  const local_ref<tcp_transport> self{this};
  const auto ended = std::move(pause_);
  if (stage_ == stage::lingering) {
    handle_last_acknowledgement();
    if (stage_ == stage::lingering)
      pause_for(std::min(2 * ended->length, longest_linger_pause));
  } else {
    arm();
  }
}

// -- reading ------------------------------------------------------------------------------------------------------------

void tcp_transport::receive(std::size_t bytes) {
  allowance_ += std::min(bytes, std::numeric_limits<std::size_t>::max() - allowance_);
  data_waits_ = false;
  arm();
}

bool tcp_transport::can_read() const noexcept {
  return stage_ == stage::connected && !peer_finished_ && allowance_ > 0;
}

void tcp_transport::handle_readable() {
  // After a failed send its own event reads what is left.
  if (stage_ != stage::connected || send_failed_)
    return;
  if (can_read())
    read(reads_per_event_max);
  else
    look_for_end();
  arm();
}

void tcp_transport::read(int reads_max) {
  reading_ = true;
  is_drained_ = false;
  const auto received_before = bytes_received_;
  // Until nothing is left: a read that was not filled says that there are no more data, but not whether there is an end behind
  // them, and to ask for that costs less than to wait for what may be there already.
  for (int reads = 0; reads < reads_max && can_read(); ++reads) {
    auto is_shared = false;
    const auto space = find_space(is_shared);
    if (space.memory == nullptr) {
      pause_for(memory_pause);
      break;
    }
    const auto wanted = std::min<std::size_t>(space.size, allowance_);
    const auto got = ::recv(descriptor(), space.data(), wanted, MSG_DONTWAIT);
    const auto error = got < 0 ? errno : 0;
    const auto count = static_cast<std::uint32_t>(std::max<ssize_t>(got, 0));
    auto bytes = count > 0 ? payload{*space.memory, space.offset, count} : payload{};
    if (is_shared)
      shared_slab_->commit(count);
    else
      space.memory->release();
    if (count == 0) {
      is_drained_ = error == EAGAIN || error == EWOULDBLOCK;
      if (is_drained_ || error == EINTR)
        break;
      reading_ = false;
      if (got == 0)
        handle_peer_end();
      else
        lose(error, "receive");
      return;
    }
    allowance_ -= count;
    bytes_received_ += count;
    loss_wait_is_futile_ = false;
    adapt(count == space.size);
    observer_->on_received(std::move(bytes));
  }
  reading_ = false;
  if (bytes_received_ - received_before < buffer_pool::slab_sizes[0])
    large_reads_ = false;
}

slab_space tcp_transport::find_space(bool& is_shared) {
  is_shared = false;
  if (large_reads_)
    if (auto* memory = shard_.buffers().take(buffer_pool::size_class::large))
      return {memory, 0, memory->capacity};
  is_shared = true;
  return shared_slab_->prepare(shard_.buffers());
}

void tcp_transport::adapt(bool was_full) noexcept {
  full_reads_ = was_full ? std::min<std::uint8_t>(full_reads_ + 1, full_reads_of_a_stream) : 0;
  if (full_reads_ == full_reads_of_a_stream)
    large_reads_ = true;
}

void tcp_transport::look_for_end() {
  // A wait for loss that was over at the same time has found it.
  if (peer_finished_)
    return;
  std::byte first;
  const auto got = ::recv(descriptor(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0)
    data_waits_ = true;
  else if (got == 0)
    handle_peer_end();
  else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
    lose(errno, "receive");
}

void tcp_transport::handle_peer_end() {
  // When a failed send has taken the socket's error, the kernel reports a clean end that was none.
  if (send_failed_)
    return;
  peer_finished_ = true;
  peer_finished_first_ = !finished_;
  observer_->on_peer_finished();
  if (stage_ == stage::connected && finished_)
    linger();
}

void tcp_transport::handle_loss() {
  awaits_loss_ = false;
  if (stage_ != stage::connected || send_failed_)
    return;
  // What arrived before a reset comes first; the last read meets the error itself. Urgent data ends this wait too, and behind it
  // there may be no end.
  if (can_read())
    read(is_hung_up(descriptor()) ? std::numeric_limits<int>::max() : reads_per_event_max);
  if (stage_ != stage::connected)
    return;
  if (const auto error = take_socket_error(descriptor()); error != 0)
    return lose(error, "receive");
  // When we have finished too, this is only the peer's end, behind data that there is no allowance for.
  if (!finished_ && is_hung_up(descriptor()))
    return lose(ECONNRESET, "receive");
  loss_wait_is_futile_ = true;
  arm();
}

// -- writing ------------------------------------------------------------------------------------------------------------

result<std::size_t> tcp_transport::send(std::span<const outgoing> pieces) {
  if (stage_ != stage::connected || finished_)
    return make_error(error_code::send_failed, phase::established, origin::local,
                      finished_ ? "the stream's end was sent already" : "not connected");
  std::size_t taken = 0;
  while (!pieces.empty() && !awaits_room_ && !send_failed_) {
    const auto batch = pieces.first(std::min(pieces.size(), pieces_per_call_max));
    const auto wrote = write_batch(descriptor(), batch);
    if (wrote < 0) {
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait_for_room();
      } else {
        send_failed_ = true;
        send_errno_ = errno;
        post<&tcp_transport::handle_failed_send>();
      }
      break;
    }
    taken += static_cast<std::size_t>(wrote);
    if (static_cast<std::size_t>(wrote) < size_of(batch))
      wait_for_room();
    pieces = pieces.subspan(batch.size());
  }
  bytes_sent_ += taken;
  return taken;
}

void tcp_transport::wait_for_room() {
  awaits_room_ = true;
  socket_.async_wait(tcp_socket::wait_write, handler<&tcp_transport::handle_writable>());
}

void tcp_transport::handle_writable() {
  awaits_room_ = false;
  if (stage_ == stage::connected && !finished_ && !send_failed_)
    observer_->on_writable();
}

void tcp_transport::handle_failed_send() {
  if (stage_ != stage::connected)
    return;
  // The peer's last words, often the reason why it hung up, are still to be had.
  read(std::numeric_limits<int>::max());
  if (stage_ == stage::connected)
    lose(send_errno_, "send");
}

void tcp_transport::finish() {
  if (stage_ != stage::connected || finished_)
    return;
  finished_ = true;
  // It fails only on a connection that is lost, and the pending wait reports that.
  ::shutdown(descriptor(), SHUT_WR);
  if (peer_finished_)
    linger();
}

// -- the end ------------------------------------------------------------------------------------------------------------

void tcp_transport::linger() {
  stage_ = stage::lingering;
  pause_for(first_linger_pause);
  post<&tcp_transport::handle_last_acknowledgement>();
}

void tcp_transport::handle_last_acknowledgement() {
  if (stage_ != stage::lingering)
    return;
  if (const auto error = take_socket_error(descriptor()); error != 0)
    return lose(error, "close");
  const auto seen = read_tcp_info(descriptor());
  if (!seen || seen->all_is_acked)
    end(closed_in_order(peer_finished_first_));
}

void tcp_transport::close(const transport_error& reason) {
  if (stage_ == stage::ended)
    return;
  shut_down(reason.code == error_code::closed && may_end_cleanly());
  boost::asio::post(shard_.loop().context(), [self = local_ref<tcp_transport>{this}, reason] {
    const shard::turn here{self->shard_};
    self->tell_closed(reason);
  });
}

void tcp_transport::detach() noexcept {
  observer_ = nullptr;
  if (stage_ != stage::ended)
    shut_down(may_end_cleanly());
}

void tcp_transport::lose(int errno_value, std::string_view doing) {
  end(make_system_error(errno_value, phase::established, doing));
}

void tcp_transport::end(const transport_error& reason) {
  shut_down(reason.code == error_code::closed);
  tell_closed(reason);
}

void tcp_transport::tell_closed(const transport_error& reason) {
  if (auto* told = std::exchange(observer_, nullptr))
    told->on_closed(reason);
}

bool tcp_transport::may_end_cleanly() const noexcept {
  int unacknowledged = 0;
  if (end_meaning_ == stream_end::marked_within || !socket_.is_open()
      || ::ioctl(descriptor(), SIOCOUTQ, &unacknowledged) != 0)
    return true;
  // Our FIN counts like a byte.
  return unacknowledged <= (finished_ ? 1 : 0);
}

void tcp_transport::shut_down(bool orderly) noexcept {
  if (socket_.is_open())
    last_stats_ = std::make_unique<transport_stats>(stats());
  stage_ = stage::ended;
  pause_.reset();
  close_socket(orderly);
}

void tcp_transport::close_socket(bool orderly) noexcept {
  if (dialer_)
    dialer_->cancel();
  dialer_ = nullptr;
  if (!orderly && socket_.is_open()) {
    const ::linger reset{1, 0};
    ::setsockopt(descriptor(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (adopted_descriptor_ >= 0)
    ::close(std::exchange(adopted_descriptor_, -1));
}

int tcp_transport::descriptor() const noexcept {
  // Asio's getter changes nothing, but is not const.
  return const_cast<tcp_socket&>(socket_).native_handle();
}

// -- figures ------------------------------------------------------------------------------------------------------------

std::uint64_t tcp_transport::acked_of(std::uint64_t kernel_count) const noexcept {
  // The kernel counts our FIN too, hence the second bound.
  return std::min<std::uint64_t>(kernel_count - std::min<std::uint64_t>(kernel_count, acked_before_), bytes_sent_);
}

transport_stats tcp_transport::stats() const {
  if (last_stats_)
    return *last_stats_;
  transport_stats figures;
  figures.bytes_sent = bytes_sent_;
  figures.bytes_received = bytes_received_;
  auto metrics = tcp_metrics{};
  if (socket_.is_open())
    if (const auto seen = read_tcp_info(descriptor())) {
      metrics = seen->metrics;
      metrics.bytes_acked = acked_of(metrics.bytes_acked);
    }
  figures.latency = metrics.rtt;
  figures.metrics = metrics;
  return figures;
}

std::uint64_t tcp_transport::bytes_acked() const {
  if (last_stats_)
    return std::get<tcp_metrics>(last_stats_->metrics).bytes_acked;
  return std::get<tcp_metrics>(stats().metrics).bytes_acked;
}

} // namespace actorwire
