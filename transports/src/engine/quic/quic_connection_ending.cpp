// How a connection ends: because of a failure, by its peer, or by this side.

#include "quic_connection.hpp"
#include "quic_error.hpp"
#include "quic_path.hpp"

#include <exception>
#include <new>
#include <utility>

namespace actorwire {

void quic_connection::handle_failure(int failure) {
  if (end_)
    return;
  if (failure == NGTCP2_ERR_RECV_VERSION_NEGOTIATION && offered_version_) {
    try {
      return begin_again();
    } catch (const std::exception&) {
      return end_with(make_quic_error(NGTCP2_ERR_NOMEM, where()));
    }
  }
  wants_proof_ = failure == NGTCP2_ERR_RETRY;
  if (failure == NGTCP2_ERR_DRAINING)
    return handle_farewell(*::ngtcp2_conn_get_ccerr(conn_.get()));
  ngtcp2_ccerr told{};
  ::ngtcp2_ccerr_default(&told);
  auto reason = make_quic_error(failure, where());
  if (refusal_) {
    reason = *refusal_;
    ::ngtcp2_ccerr_set_tls_alert(&told, GNUTLS_A_BAD_CERTIFICATE, nullptr, 0);
  } else if (failure == NGTCP2_ERR_CRYPTO) {
    const auto alert = ::ngtcp2_conn_get_tls_alert(conn_.get());
    reason = tls_->failure(alert);
    ::ngtcp2_ccerr_set_tls_alert(&told, alert, nullptr, 0);
  } else {
    ::ngtcp2_ccerr_set_liberr(&told, failure, nullptr, 0);
  }
  if (farewell_for(failure) == quic_farewell::close)
    say_farewell(told);
  end_with(reason);
}

/// The peer has ended the connection.
void quic_connection::handle_farewell(const ngtcp2_ccerr& told) {
  // The acknowledgement of the last bytes may be lost, or was never sent. That the peer has them is believed only where it
  // can be: all of them have left, and so has the peer's own end arrived.
  if (told.type == NGTCP2_CCERR_TYPE_APPLICATION && told.error_code == quic_ended_on_both_sides)
    if (auto* stream = streams_.find(byte_stream);
        stream != nullptr && stream->peer_finished && stream->output.is_fin_sent() && !stream->was_given_up) {
      const auto rest = stream->output.buffered();
      stream->output.acknowledge(stream->output.acked(), rest);
      streams_.take_buffered(rest);
      figures_.bytes_acked += rest;
    }
  const auto* stream = streams_.find(byte_stream);
  const auto has_all = stream != nullptr ? stream->peer_finished : byte_stream_is_over_;
  end_with(make_peer_close_error(told, where(), detailed(), has_all));
}

void quic_connection::close(std::uint64_t code, const transport_error& reason) {
  if (end_)
    return;
  ngtcp2_ccerr told{};
  ::ngtcp2_ccerr_set_application_error(&told, code, nullptr, 0);
  say_farewell(told);
  end_with(reason);
}

void quic_connection::yield_memory() {
  if (!end_ && heap_.counted() >= yielded_min + books_per_byte * in_flight_max_)
    handle_failure(NGTCP2_ERR_NOMEM);
}

void quic_connection::abandon() noexcept {
  if (end_)
    return;
  ngtcp2_ccerr told{};
  if (is_connected_)
    ::ngtcp2_ccerr_set_application_error(&told, is_all_acked() ? quic_ended_in_order : quic_ended_abruptly, nullptr, 0);
  else
    // Before the end of the handshake a server turns its client away; a client has no code for that (RFC 9000, 20.1).
    ::ngtcp2_ccerr_set_transport_error(&told, is_server() ? NGTCP2_CONNECTION_REFUSED : NGTCP2_NO_ERROR, nullptr, 0);
  try {
    say_farewell(told);
  } catch (const std::bad_alloc&) {
    // The peer finds out by its own timeouts.
    farewell_is_due_ = false;
  }
  // Without a text, for which there might be no memory either; nobody reads it.
  end_ = make_error(error_code::closed, phase::close, origin::local, {});
}

/// The packet is written now, since ngtcp2 may not be called for anything else afterwards, and sent by `poll_transmit`.
void quic_connection::say_farewell(const ngtcp2_ccerr& why) {
  ngtcp2_path_storage path;
  ::ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  std::vector<std::byte> packet(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  const auto size = ::ngtcp2_conn_write_connection_close(conn_.get(), &path.path, &info,
                                                         reinterpret_cast<std::uint8_t*>(packet.data()), packet.size(),
                                                         &why, last_now_);
  if (size <= 0)
    return;
  packet.resize(static_cast<std::size_t>(size));
  last_words_ = std::move(packet);
  last_path_ = path_of(path.path);
  farewell_is_due_ = true;
}

void quic_connection::end_with(const transport_error& reason) {
  if (end_)
    return;
  // Whoever is told of the end keeps what was not read.
  settle();
  tell(quic_event::closed{reason});
  end_ = reason;
}

std::vector<quic_cid> quic_connection::ids() const {
  // A second attempt could not even begin.
  if (conn_ == nullptr)
    return {};
  std::vector<ngtcp2_cid> found(::ngtcp2_conn_get_scid(conn_.get(), nullptr));
  ::ngtcp2_conn_get_scid(conn_.get(), found.data());
  std::vector<quic_cid> all{found.begin(), found.end()};
  if (is_server())
    all.push_back(first_destination_);
  return all;
}

} // namespace actorwire
