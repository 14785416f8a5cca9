#include "tls_engine.hpp"

#include "tls_error.hpp"
#include "tls_session.hpp"
#include "tls_verification.hpp"
#include "wall_time.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

namespace actorwire {

namespace {

/// A record adds a head, a content type and a tag to what it carries (RFC 8446, 5.2); TLS 1.2 a little more.
constexpr std::size_t record_overhead = 64;

/// Pieces of input that wait to be read. Each keeps a slab that others fill as well, and one of a peer that dribbles holds
/// a byte of it.
constexpr std::size_t input_pieces_max = 16;

/// Warnings in a row that are put up with; nobody honest sends more.
constexpr int warnings_max = 4;

std::size_t size_of(std::span<const outgoing> pieces) noexcept {
  std::size_t sum = 0;
  for (const auto& piece : pieces)
    sum += piece.size;
  return sum;
}

/// A place in bytes that lie in several pieces.
class cursor {
public:
  explicit cursor(std::span<const outgoing> pieces) noexcept : pieces_(pieces) {}

  /// Shows the next `size` bytes in one piece: where they lie, or, if they lie apart, in `shared`.
  [[nodiscard]] const std::byte* together(std::size_t size, std::span<std::byte> shared) const {
    if (pieces_.front().size - offset_ >= size)
      return pieces_.front().data + offset_;
    auto ahead = *this;
    for (std::size_t filled = 0; filled < size;) {
      const auto& piece = ahead.pieces_.front();
      const auto count = std::min(size - filled, piece.size - ahead.offset_);
      std::memcpy(shared.data() + filled, piece.data + ahead.offset_, count);
      filled += count;
      ahead.skip(count);
    }
    return shared.data();
  }

  void skip(std::size_t size) noexcept {
    offset_ += size;
    while (!pieces_.empty() && offset_ >= pieces_.front().size) {
      offset_ -= pieces_.front().size;
      pieces_ = pieces_.subspan(1);
    }
  }

private:
  std::span<const outgoing> pieces_;
  std::size_t offset_ = 0;
};

} // namespace

// -- life ---------------------------------------------------------------------------------------------------------------

tls_engine::tls_engine(std::shared_ptr<const tls_credentials> identity, buffer_pool& buffers, std::string server,
                       std::string session_key)
  : identity_(std::move(identity)), server_(std::move(server)), session_key_(std::move(session_key)), output_(buffers) {
  set_up();
}

tls_engine::~tls_engine() = default;

void tls_engine::set_up() {
  const auto& config = identity_->config();
  // Compression and renegotiation do not exist in the priorities; authentication after the handshake is not asked for.
  auto flags = unsigned{GNUTLS_NONBLOCK} | GNUTLS_NO_SIGNAL;
  flags |= is_server() ? unsigned{GNUTLS_SERVER} : tls_client_flags;
  if (!config.session_resumption)
    flags |= GNUTLS_NO_TICKETS;
  gnutls_session_t session = nullptr;
  require_tls(::gnutls_init(&session, flags));
  session_.reset(session);
  ::gnutls_session_set_ptr(session, this);
  require_tls(::gnutls_priority_set(session, identity_->priorities()));
  require_tls(::gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, identity_->certificates()));
  ::gnutls_transport_set_ptr(session, this);
  ::gnutls_transport_set_pull_function(session, pull);
  ::gnutls_transport_set_vec_push_function(session, push);
  ::gnutls_handshake_set_max_packet_length(session, handshake_bytes_max);
  // Set in any case: GnuTLS would else write the secrets wherever SSLKEYLOGFILE in the environment says.
  ::gnutls_session_set_keylog_function(session, log_key);
  ::gnutls_db_set_cache_expiration(
      session, static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(config.session_lifetime).count()));
  set_protocols();
  if (is_server())
    set_up_server();
  else
    set_up_client();
}

void tls_engine::set_protocols() {
  const auto& config = identity_->config();
  if (!config.alpn.empty())
    offer_protocols(session_.get(), config.alpn, config.alpn_required, is_server());
}

void tls_engine::set_up_server() {
  const auto& config = identity_->config();
  if (config.session_resumption)
    require_tls(::gnutls_session_ticket_enable_server(session_.get(), &identity_->ticket_key()));
  if (config.client_certificates == client_certificates::off)
    return;
  const auto is_required = config.client_certificates == client_certificates::require;
  ::gnutls_certificate_server_set_request(session_.get(), is_required ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
  ::gnutls_session_set_verify_function(session_.get(), verify);
}

void tls_engine::set_up_client() {
  // An address is not a name that could be asked for (RFC 6066, 3).
  if (!parse_ip_address(server_))
    require_tls(::gnutls_server_name_set(session_.get(), GNUTLS_NAME_DNS, server_.data(), server_.size()));
  if (identity_->verifies())
    ::gnutls_session_set_verify_function(session_.get(), verify);
  if (remembers_sessions())
    ::gnutls_handshake_set_hook_function(session_.get(), GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST,
                                         remember_session);
}

bool tls_engine::remembers_sessions() const noexcept {
  return !is_server() && identity_->config().session_resumption && identity_->services().sessions;
}

/// A client offers what it remembers of an earlier connection, at its first step, when the time is known.
void tls_engine::offer_session() {
  if (!remembers_sessions())
    return;
  const auto session = identity_->services().sessions->take(session_key_, now_.real());
  if (session && ::gnutls_session_set_data(session_.get(), session->data.data(), session->data.size()) == 0)
    verified_at_ = session->since;
}

template <class Body>
auto tls_engine::guarded(decltype(std::declval<Body>()()) failed, Body&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& thrown) {
    failure_ = make_error(error_code::memory_limit, phase::handshake, origin::local, thrown.what());
    return failed;
  }
}

tls_engine& tls_engine::engine_of(gnutls_session_t session) noexcept {
  return *static_cast<tls_engine*>(::gnutls_session_get_ptr(session));
}

// -- ciphertext -----------------------------------------------------------------------------------------------------------

void tls_engine::feed(payload arrived) {
  // What follows the end is to be ignored (RFC 8446, 6.1).
  if (peer_has_closed_ || arrived.empty())
    return;
  input_size_ += arrived.size();
  input_total_ += arrived.size();
  input_.push_back(std::move(arrived));
  if (input_.size() > input_pieces_max)
    join_input();
}

void tls_engine::join_input() {
  auto joined = payload::made_by(input_size_, [this](std::span<std::byte> room) {
    for (const auto& piece : input_) {
      std::memcpy(room.data(), piece.data(), piece.size());
      room = room.subspan(piece.size());
    }
  });
  input_.clear();
  input_.push_back(std::move(joined));
}

ssize_t tls_engine::pull(gnutls_transport_ptr_t self, void* into, std::size_t size) {
  auto& engine = *static_cast<tls_engine*>(self);
  if (engine.input_size_ == 0) {
    if (engine.input_ended_)
      return 0;
    ::gnutls_transport_set_errno(engine.session_.get(), EAGAIN);
    return -1;
  }
  std::size_t taken = 0;
  auto done = engine.input_.begin();
  while (taken < size && done != engine.input_.end()) {
    const auto count = std::min<std::size_t>(size - taken, done->size());
    std::memcpy(static_cast<std::byte*>(into) + taken, done->data(), count);
    taken += count;
    if (count < done->size()) {
      *done = done->slice(static_cast<std::uint32_t>(count), done->size() - static_cast<std::uint32_t>(count));
      break;
    }
    ++done;
  }
  engine.input_size_ -= taken;
  if (engine.input_size_ == 0)
    engine.input_ = {};
  else
    engine.input_.erase(engine.input_.begin(), done);
  return static_cast<ssize_t>(taken);
}

ssize_t tls_engine::push(gnutls_transport_ptr_t self, const giovec_t* pieces, int count) {
  auto& engine = *static_cast<tls_engine*>(self);
  return engine.guarded(ssize_t{-1}, [&] {
    ssize_t sum = 0;
    for (const auto& piece : std::span{pieces, static_cast<std::size_t>(count)}) {
      engine.output_.append({static_cast<const std::byte*>(piece.iov_base), piece.iov_len}, engine.more_follows_);
      sum += static_cast<ssize_t>(piece.iov_len);
    }
    engine.output_total_ += static_cast<std::uint64_t>(sum);
    return sum;
  });
}

// -- handshake ------------------------------------------------------------------------------------------------------------

result<bool> tls_engine::shake_hands(const tls_now& now) {
  if (is_established_)
    return true;
  const wall_time judged_by{now.wall};
  now_ = now;
  const auto& config = identity_->config();
  if (input_total_ > handshake_bytes_max) {
    send_alert(GNUTLS_E_HANDSHAKE_TOO_LARGE);
    return make_error(error_code::handshake_failed, phase::handshake, origin::remote,
                      "the other side sent more than " + std::to_string(handshake_bytes_max)
                          + " bytes before keys were agreed on");
  }
  if (!std::exchange(has_begun_, true))
    offer_session();
  auto failed = ::gnutls_handshake(session_.get());
  while (failed == GNUTLS_E_WARNING_ALERT_RECEIVED && ++warnings_ < warnings_max)
    failed = ::gnutls_handshake(session_.get());
  if (failed == GNUTLS_E_AGAIN && !input_ended_)
    return false;
  if (is_cut(failed))
    failed = GNUTLS_E_PREMATURE_TERMINATION;
  // GnuTLS goes down to a version that is not allowed, and only there finds that it has no cipher for it.
  if (failed == GNUTLS_E_NO_CIPHER_SUITES && config.minimum_version == tls_version::tls1_3
      && ::gnutls_protocol_get_version(session_.get()) != GNUTLS_TLS1_3)
    failed = GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
  if (failed != 0) {
    if (failed != GNUTLS_E_FATAL_ALERT_RECEIVED && failed != GNUTLS_E_PREMATURE_TERMINATION)
      send_alert(failed);
    return failure_ ? *std::exchange(failure_, std::nullopt)
                    : make_handshake_error(session_.get(), failed, config.detailed_errors);
  }
  if (auto agreed = check_agreement(); !agreed)
    return agreed.error();
  is_established_ = true;
  return true;
}

result<void> tls_engine::check_agreement() {
  const auto& config = identity_->config();
  gnutls_datum_t chosen{};
  if (!config.alpn.empty() && config.alpn_required
      && ::gnutls_alpn_get_selected_protocol(session_.get(), &chosen) != 0) {
    send_alert(GNUTLS_E_NO_APPLICATION_PROTOCOL);
    return make_error(error_code::no_common_protocol, phase::handshake, origin::remote,
                      "the other side did not agree on a protocol of tls.alpn; if it need not, turn tls.alpn_required "
                      "off");
  }
  // A session that is resumed brings the certificate that was shown when it began, and that may have ended since.
  if (is_server() && ::gnutls_session_is_resumed(session_.get()) != 0 && asks_for_certificates()) {
    if (auto refused = judge_peer()) {
      send_alert(GNUTLS_E_CERTIFICATE_ERROR);
      return *refused;
    }
  }
  // TLS 1.2 hands tickets out before the handshake is complete, and only now they are of use.
  if (remembers_sessions() && ::gnutls_protocol_get_version(session_.get()) == GNUTLS_TLS1_2)
    remember_session(session_.get(), 0, 0, 0, nullptr);
  return {};
}

int tls_engine::verify(gnutls_session_t session) {
  auto& engine = engine_of(session);
  return engine.guarded(GNUTLS_E_MEMORY_ERROR, [&engine] {
    engine.failure_ = engine.judge_peer();
    return engine.failure_ ? GNUTLS_E_CERTIFICATE_ERROR : 0;
  });
}

std::optional<transport_error> tls_engine::judge_peer() {
  return verify_peer_of(session_.get(), *identity_, server_, now_.wall);
}

int tls_engine::remember_session(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  auto& engine = engine_of(session);
  gnutls_datum_t data{};
  // Without a ticket, GnuTLS would wait for one here.
  if ((::gnutls_session_get_flags(session) & GNUTLS_SFLAGS_SESSION_TICKET) == 0
      || ::gnutls_session_get_data2(session, &data) != 0)
    return 0;
  // A server that hands out new tickets for ever would else never have to prove itself again.
  const auto since = ::gnutls_session_is_resumed(session) != 0 ? engine.verified_at_ : engine.now_.real();
  const auto failed = engine.guarded(GNUTLS_E_MEMORY_ERROR, [&] {
    engine.identity_->services().sessions->put(engine.session_key_,
                                               {{reinterpret_cast<const char*>(data.data), data.size}, since});
    return 0;
  });
  ::gnutls_free(data.data);
  return failed;
}

int tls_engine::log_key(gnutls_session_t session, const char* label, const gnutls_datum_t* value) {
  auto& engine = engine_of(session);
  return engine.guarded(GNUTLS_E_MEMORY_ERROR, [&] {
    log_secret(session, engine.identity_->services(), label, *value);
    return 0;
  });
}

tls_info tls_engine::info() const {
  return agreement_of(session_.get());
}

// -- plaintext ------------------------------------------------------------------------------------------------------------

result<bool> tls_engine::look_ahead(const tls_now& now) {
  if (packet_)
    return true;
  if (failure_)
    return *failure_;
  now_ = now;
  while (!peer_has_closed_) {
    const auto waited = input_size_;
    gnutls_packet_t packet = nullptr;
    const auto got = static_cast<int>(::gnutls_record_recv_packet(session_.get(), &packet));
    packet_.reset(packet);
    packet_offset_ = 0;
    if (got > 0) {
      warnings_ = 0;
      return true;
    }
    packet_.reset();
    if (got == 0) {
      // A record may be empty, as a way to hide when there is something to say.
      peer_has_closed_ = packet == nullptr;
      if (peer_has_closed_) {
        input_ = {};
        input_size_ = 0;
      }
      continue;
    }
    if (got == GNUTLS_E_AGAIN) {
      // After a message of TLS's own, such as a session ticket, GnuTLS wants to be asked again for what follows it.
      if (0 < input_size_ && input_size_ < waited)
        continue;
      if (!input_ended_)
        return false;
    }
    if (got == GNUTLS_E_WARNING_ALERT_RECEIVED && ++warnings_ < warnings_max)
      continue;
    const auto why = is_cut(got) ? GNUTLS_E_PREMATURE_TERMINATION : got;
    if (why != GNUTLS_E_FATAL_ALERT_RECEIVED && why != GNUTLS_E_PREMATURE_TERMINATION)
      send_alert(why);
    failure_ = make_record_error(session_.get(), why, identity_->config().detailed_errors);
    return *failure_;
  }
  return false;
}

result<std::size_t> tls_engine::read(std::span<std::byte> room, const tls_now& now) {
  std::size_t moved = 0;
  while (moved < room.size()) {
    const auto is_there = look_ahead(now);
    if (!is_there) {
      // What came before the error is read first.
      if (moved > 0)
        break;
      return is_there.error();
    }
    if (!*is_there)
      break;
    gnutls_datum_t plain{};
    ::gnutls_packet_get(packet_.get(), &plain, nullptr);
    const auto count = std::min<std::size_t>(room.size() - moved, plain.size - packet_offset_);
    std::memcpy(room.data() + moved, plain.data + packet_offset_, count);
    moved += count;
    packet_offset_ += count;
    if (packet_offset_ == plain.size)
      packet_.reset();
  }
  return moved;
}

result<std::size_t> tls_engine::write(std::span<const outgoing> pieces, const tls_now& now) {
  assert(is_established_);
  if (failure_)
    return *failure_;
  // Small pieces share a record. No connection needs its own place for that.
  thread_local std::array<std::byte, record_sizer::large> shared;
  const auto offered = size_of(pieces);
  std::size_t written = 0;
  cursor place{pieces};
  while (written < offered) {
    const auto wanted = std::min(sizer_.next(now.steady), offered - written);
    if (output_.size() > 0 && output_.size() + wanted + record_overhead > output_max)
      break;
    const auto* start = place.together(wanted, shared);
    more_follows_ = offered - written - wanted;
    const auto sent = ::gnutls_record_send(session_.get(), start, wanted);
    more_follows_ = 0;
    if (sent <= 0) {
      failure_ = make_error(error_code::send_failed, phase::established, origin::local, "TLS cannot encrypt any more");
      return *failure_;
    }
    // Fewer than wanted, where the other side asked for short records (RFC 8449; RFC 6066, 4).
    place.skip(static_cast<std::size_t>(sent));
    written += static_cast<std::size_t>(sent);
    plain_total_ += static_cast<std::uint64_t>(sent);
    sizer_.note_sent(static_cast<std::size_t>(sent));
    acked_.mark(plain_total_, output_total_);
  }
  return written;
}

bool tls_engine::is_cut(int code) const noexcept {
  // GnuTLS waits for the rest of a record that was cut, or finds it too short.
  return input_ended_ && input_size_ == 0 && (code == GNUTLS_E_AGAIN || code == GNUTLS_E_UNEXPECTED_PACKET_LENGTH);
}

void tls_engine::close_sending() {
  ::gnutls_bye(session_.get(), GNUTLS_SHUT_WR);
}

void tls_engine::send_alert(int code) {
  ::gnutls_alert_send_appropriate(session_.get(), code);
}

} // namespace actorwire
