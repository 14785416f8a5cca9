#include "tls_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace actorwire::bench {

static bool must_wait(ssize_t outcome) {
  return outcome == GNUTLS_E_AGAIN || outcome == GNUTLS_E_INTERRUPTED;
}

tls_connection::tls_connection(unique_fd socket, gnutls_handle<gnutls_session_t> session)
  : socket_(std::move(socket)), incoming_(new std::byte[read_ahead]), session_(std::move(session)) {
  make_nonblocking(socket_.get());
  gnutls_transport_set_ptr(session_.get(), this);
  gnutls_transport_set_pull_function(session_.get(), pull);
  gnutls_transport_set_pull_timeout_function(session_.get(), pull_timeout);
  gnutls_transport_set_push_function(session_.get(), push);
}

bool tls_connection::handshake() {
  const auto outcome = gnutls_handshake(session_.get());
  flush();
  if (must_wait(outcome))
    return false;
  checked_gnutls(outcome, "handshake");
  if (gnutls_protocol_get_version(session_.get()) != GNUTLS_TLS1_3
      || gnutls_cipher_get(session_.get()) != GNUTLS_CIPHER_AES_128_GCM)
    throw std::runtime_error("the server agreed on something else than TLS 1.3 with AES-128-GCM");
  return true;
}

bool tls_connection::is_resumed() const {
  return gnutls_session_is_resumed(session_.get()) != 0;
}

tls_ticket tls_connection::ticket() const {
  if ((gnutls_session_get_flags(session_.get()) & GNUTLS_SFLAGS_SESSION_TICKET) == 0)
    throw std::runtime_error("the server gave no ticket");
  gnutls_datum_t data{};
  checked_gnutls(gnutls_session_get_data2(session_.get(), &data), "ticket");
  const auto bytes = std::as_bytes(std::span{data.data, data.size});
  tls_ticket copy{bytes.begin(), bytes.end()};
  gnutls_free(data.data);
  return copy;
}

std::size_t tls_connection::read_some(std::span<std::byte> into) {
  std::size_t size = 0;
  while (size < into.size()) {
    const auto count = gnutls_record_recv(session_.get(), into.data() + size, into.size() - size);
    if (must_wait(count)) {
      // It also says so after a ticket, for which the socket would not call again.
      if (may_hold_more())
        continue;
      break;
    }
    if (count == 0)
      throw std::runtime_error("the server closed a connection");
    if (count < 0)
      checked_gnutls(static_cast<int>(count), "receiving");
    size += static_cast<std::size_t>(count);
  }
  return size;
}

bool tls_connection::may_hold_more() const noexcept {
  // GnuTLS takes over part of a record, too, so what was read ahead is used up before it asks to wait.
  return incoming_begin_ < incoming_end_ || gnutls_record_check_pending(session_.get()) > 0;
}

std::size_t tls_connection::write_some(std::span<const std::byte> from) {
  flush();
  if (holds_unsent())
    return 0;
  std::size_t taken = 0;
  while (taken < from.size())
    // Never has to wait: `push` takes everything.
    taken += static_cast<std::size_t>(
        checked_gnutls(static_cast<int>(gnutls_record_send(session_.get(), from.data() + taken, from.size() - taken)),
                       "sending"));
  flush();
  return taken;
}

void tls_connection::flush() {
  if (!holds_unsent())
    return;
  sent_ += send_some(socket_.get(), std::span{outgoing_}.subspan(sent_));
  if (holds_unsent())
    return;
  outgoing_.clear();
  sent_ = 0;
}

ssize_t tls_connection::pull(gnutls_transport_ptr_t self, void* into, std::size_t size) {
  auto& one = *static_cast<tls_connection*>(self);
  if (one.incoming_begin_ == one.incoming_end_) {
    const auto count = ::recv(one.socket_.get(), one.incoming_.get(), read_ahead, 0);
    if (count <= 0) {
      gnutls_transport_set_errno(one.session_.get(), count < 0 ? errno : 0);
      return count;
    }
    one.incoming_begin_ = 0;
    one.incoming_end_ = static_cast<std::size_t>(count);
  }
  const auto taken = std::min(size, one.incoming_end_ - one.incoming_begin_);
  std::memcpy(into, one.incoming_.get() + one.incoming_begin_, taken);
  one.incoming_begin_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t tls_connection::push(gnutls_transport_ptr_t self, const void* from, std::size_t size) {
  auto& outgoing = static_cast<tls_connection*>(self)->outgoing_;
  const auto* const bytes = static_cast<const std::byte*>(from);
  outgoing.insert(outgoing.end(), bytes, bytes + size);
  return static_cast<ssize_t>(size);
}

int tls_connection::pull_timeout(gnutls_transport_ptr_t, unsigned) {
  return 1;
}

std::unique_ptr<tls_connection> tls_client::begin(unique_fd socket, std::span<const std::byte> ticket) const {
  auto session = make_gnutls_session(GNUTLS_CLIENT, credentials_.get(), priorities_.get());
  if (!ticket.empty())
    checked_gnutls(gnutls_session_set_data(session.get(), ticket.data(), ticket.size()), "ticket");
  return std::make_unique<tls_connection>(std::move(socket), std::move(session));
}

std::unique_ptr<tls_connection> tls_client::open(unique_fd socket) const {
  auto opened = begin(std::move(socket));
  while (!opened->handshake())
    wait_for(opened->fd(), static_cast<short>(opened->holds_unsent() ? POLLIN | POLLOUT : POLLIN));
  return opened;
}

} // namespace actorwire::bench
