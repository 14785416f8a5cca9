// Where a connection goes, and with which keys.

#include "quic_connection.hpp"
#include "quic_error.hpp"
#include "quic_path.hpp"

#include <utility>

namespace actorwire {

namespace {

/// By then what was sent at the end of the handshake has arrived, or was sent again.
constexpr ngtcp2_duration settling_probe_timeouts = 6;

} // namespace

udp_path quic_connection::path() const {
  return end_ ? last_path_ : path_of(*::ngtcp2_conn_get_path(conn_.get()));
}

/// Whether it comes from an address at which the settings want no client to be. ngtcp2 1.11 drops such by itself, newer ones
/// follow.
bool quic_connection::is_from_elsewhere(const udp_path& way) const {
  return is_server() && is_connected_ && quic_.migration == quic_migration::refuse
      && way.remote.host() != path().remote.host();
}

/// A server (ngtcp2 1.11) that does not have our connection IDs when we move goes on with the old one; when we move again
/// it gives that up, but counts it: the next ID that we send is one too many for it, and it ends the connection.
void quic_connection::handle_confirmed() noexcept {
  is_confirmed_ = true;
  settled_at_ = last_now_ + settling_probe_timeouts * ::ngtcp2_conn_get_pto(conn_.get());
}

/// Limits what is sent to the client that has sent this, as long as it has not proved that it is where it says. Where nobody
/// can know whether it has, ngtcp2's own limit has to do.
void quic_connection::follow_limit(const udp_arrival& arrived) {
  const auto present = path();
  const auto is_new = !limit_ || !(limit_->path() == present);
  if (is_new && !asks_for_proof_)
    handle_path_change(path_for_ngtcp2(present));
  if (present == last_path_) {
    limit_.reset();
    return;
  }
  if (is_new)
    limit_ = std::make_unique<amplification_limit>(present);
  if (is_new || arrived.path == present)
    limit_->note_received(arrived.bytes.size());
}

void quic_connection::handle_path_change(const ngtcp2_path& path) {
  const auto present = path_of(path);
  if (present == last_path_)
    return;
  last_path_ = present;
  paced_until_ = 0;
  ++figures_.path_changes;
  ecn_.begin_anew();
  tell(quic_event::path_changed{present});
}

void quic_connection::handle_peer_id(bool is_in_use, const quic_tokens::stateless_reset_token& token) {
  if (is_in_use) {
    reset_tokens_.push_back(token);
    host_.add_reset_token(token);
  } else if (std::erase(reset_tokens_, token) != 0) {
    host_.remove_reset_token(token);
  }
}

result<void> quic_connection::migrate(const udp_address& local, const tls_now& now) {
  const auto* peer = end_ ? nullptr : ::ngtcp2_conn_get_remote_transport_params(conn_.get());
  if (peer == nullptr || (!is_server() && !is_confirmed_))
    return make_error(error_code::not_connected, where(), origin::local,
                      "the connection is not far enough to change its address");
  if (is_server() || peer->disable_active_migration != 0)
    return make_error(error_code::unsupported, where(), is_server() ? origin::local : origin::remote,
                      is_server() ? "a server keeps its address" : "the other side does not allow it");
  const auto at = stamp(now);
  if (at < settled_at_)
    return make_error(error_code::would_block, where(), origin::local,
                      "the other side may not have the connection IDs yet that it needs to follow");
  const udp_path wanted{local, path().remote};
  const auto as_ngtcp2 = path_for_ngtcp2(wanted);
  const auto failure = ::ngtcp2_conn_initiate_immediate_migration(conn_.get(), &as_ngtcp2, at);
  if (failure == NGTCP2_ERR_CONN_ID_BLOCKED)
    return make_error(error_code::would_block, where(), origin::remote,
                      "the other side has to give more connection IDs before another move");
  if (failure != 0)
    return make_quic_error(failure, where());
  // It was to go where nothing goes any more.
  stray_ = nullptr;
  paced_until_ = 0;
  is_proving_ = true;
  handle_path_change(as_ngtcp2);
  return {};
}

bool quic_connection::update_keys(const tls_now& now) {
  // ngtcp2 aborts when it is asked before the end of the handshake.
  const auto is_far_enough = is_server() ? is_connected_ : is_confirmed_;
  return !end_ && is_far_enough && ::ngtcp2_conn_initiate_key_update(conn_.get(), stamp(now)) == 0;
}

} // namespace actorwire
