#include "quic_connection.hpp"

#include "../wall_time.hpp"
#include "quic_callbacks.hpp"
#include "quic_path.hpp"
#include "quic_setup.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace actorwire {

namespace {

/// What a first packet is sent to, of at least 8 random bytes (RFC 9000, 7.2).
constexpr std::size_t first_destination_size = 16;

/// How long late packets are answered, in probe timeouts (RFC 9000, 10.2).
constexpr int linger_probe_timeouts = 3;

/// What is on its way for so many probe timeouts, and not answered, may have got lost by more than chance.
constexpr int unanswered_probe_timeouts = 3;

constexpr std::size_t early_parameters_max = 512;

/// Keep-alives in the time that an idle connection has, and a blocked one; and how far apart they are at least, whatever
/// timeout a peer makes up: as far as those for the shortest that may be set.
constexpr ngtcp2_duration idle_share = 3;
constexpr ngtcp2_duration stalled_share = 3;
constexpr ngtcp2_duration keep_alive_min = 33 * NGTCP2_MILLISECONDS;

void require_ngtcp2(int failure) {
  if (failure != 0)
    throw std::runtime_error{std::string{"a QUIC connection cannot be set up: "}.append(::ngtcp2_strerror(failure))};
}

ngtcp2_duration nanoseconds(std::chrono::milliseconds time) noexcept {
  return static_cast<ngtcp2_duration>(std::chrono::nanoseconds{time}.count());
}

const std::uint8_t* bytes_of(const std::string& text) noexcept {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

} // namespace

// -- life ---------------------------------------------------------------------------------------------------------------

quic_connection::quic_connection(settings chosen, quic_host& host, const tls_now& now)
  : settings_(std::move(chosen)),
    quic_(quic_settings(*settings_.config)),
    host_(host),
    heap_(host.arena().tally()),
    tls_(std::in_place, settings_.tls),
    datagrams_(quic_.datagram_send_buffer_size) {
  static_cast<void>(stamp(now));
  std::vector<std::uint32_t> versions;
  for (const auto each : quic_.versions)
    versions.push_back(wire_version(each));
  begin_with(versions);
}

/// Begins as a client: by the version of the session that it goes on with, because neither a ticket nor a token is good for
/// another (RFC 9369, 5); without one by the first of these.
void quic_connection::begin_with(std::span<const std::uint32_t> versions) {
  quic_setup made{*settings_.config, quic_, last_now_};
  made.settings.rand_ctx.native_handle = &host_;
  made.settings.qlog_write = settings_.qlog ? quic_qlog_writer : nullptr;
  tls_->set_now(now_);
  const auto known = tls_->offer_session(versions);
  const auto version = known ? known->quic_version : versions.front();
  if (!original_version_)
    original_version_ = version;
  // Says that it is a second attempt, if it is one, so that nobody between can talk us into a version (RFC 9368, 4).
  made.settings.original_version = *original_version_;
  if (known) {
    made.settings.token = bytes_of(known->quic_token);
    made.settings.tokenlen = known->quic_token.size();
  }
  ngtcp2_cid destination{};
  destination.datalen = first_destination_size;
  host_.fill_random({destination.data, first_destination_size});
  const auto source = host_.make_id().to_ngtcp2();
  const auto path = path_for_ngtcp2(settings_.path);
  ngtcp2_conn* conn = nullptr;
  require_ngtcp2(::ngtcp2_conn_client_new(&conn, &destination, &source, &path, version, &quic_callbacks_for(false),
                                          &made.settings, &made.params, heap_.get(), this));
  conn_.reset(conn);
  set_up_conn();
  if (known && settings_.tls.early_data && !known->quic_parameters.empty()
      && ::ngtcp2_conn_decode_and_set_0rtt_transport_params(conn, bytes_of(known->quic_parameters),
                                                            known->quic_parameters.size())
             == 0) {
    takes_early_data_ = true;
    open_byte_stream();
  }
}

/// The server speaks none of the version that was tried, but another that we do: begins anew (RFC 9000, 6.2).
void quic_connection::begin_again() {
  for (const auto& each : ids())
    host_.remove_id(each);
  take_early_streams_back();
  // ngtcp2 first: it holds on to the session of TLS.
  conn_.reset();
  tls_.emplace(settings_.tls);
  expiry_ = UINT64_MAX;
  unanswered_since_ = UINT64_MAX;
  unwatched_pacing_ = UINT64_MAX;
  paced_until_ = 0;
  is_flushing_ = false;
  stray_ = nullptr;
  begin_with({&*offered_version_, 1});
  for (const auto& each : ids())
    host_.add_id(each);
}

/// What went out early counts as not sent, since the server has taken none of it.
void quic_connection::take_early_streams_back() {
  takes_early_data_ = false;
  streams_.for_each([this](quic_stream& each) {
    streams_.make_idle(each);
    each.is_open = false;
    each.output.rewind();
  });
}

quic_connection::quic_connection(settings chosen, const first_packet& first, quic_host& host, const tls_now& now)
  : settings_(std::move(chosen)),
    quic_(quic_settings(*settings_.config)),
    host_(host),
    heap_(host.arena().tally()),
    tls_(std::in_place, settings_.tls),
    datagrams_(quic_.datagram_send_buffer_size),
    first_destination_(first.destination),
    knew_address_(!first.token.empty()) {
  quic_setup made{*settings_.config, quic_, stamp(now)};
  tls_->take_tickets(version_of(first.version));
  made.settings.rand_ctx.native_handle = &host_;
  made.settings.qlog_write = settings_.qlog ? quic_qlog_writer : nullptr;
  made.settings.handshake_timeout = nanoseconds(settings_.config->attempt_timeout);
  if (!first.token.empty()) {
    made.settings.token = first.token.data();
    made.settings.tokenlen = first.token.size();
    made.settings.token_type = first.was_retried ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  made.params.original_dcid = first.original.to_ngtcp2();
  made.params.original_dcid_present = 1;
  if (first.was_retried) {
    made.params.retry_scid = first.destination.to_ngtcp2();
    made.params.retry_scid_present = 1;
  }
  const auto source = host_.make_id();
  const auto reset = host_.reset_token_for(source, settings_.path.local);
  std::copy(reset.begin(), reset.end(), made.params.stateless_reset_token);
  made.params.stateless_reset_token_present = 1;
  const auto source_for_ngtcp2 = source.to_ngtcp2();
  const auto destination = first.source.to_ngtcp2();
  const auto path = path_for_ngtcp2(settings_.path);
  ngtcp2_conn* conn = nullptr;
  require_ngtcp2(::ngtcp2_conn_server_new(&conn, &destination, &source_for_ngtcp2, &path, first.version,
                                          &quic_callbacks_for(true), &made.settings, &made.params, heap_.get(), this));
  conn_.reset(conn);
  set_up_conn();
}

quic_connection::~quic_connection() {
  // ngtcp2 points at what the streams have not got acknowledged.
  conn_.reset();
}

void quic_connection::set_up_conn() {
  tls_->attach(conn_.get());
  ::ngtcp2_conn_set_tls_native_handle(conn_.get(), tls_->session());
  last_path_ = settings_.path;
}

/// ngtcp2 aborts if time goes back.
ngtcp2_tstamp quic_connection::stamp(const tls_now& now) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(now.steady.time_since_epoch()).count();
  last_now_ = std::max(last_now_, static_cast<ngtcp2_tstamp>(since_epoch));
  // Otherwise ngtcp2 takes the time since then for a delay that is to be made up for: after a pause all that the window
  // allows would leave at once (RFC 9002, 7.7).
  if (last_now_ >= unwatched_pacing_) {
    const auto paced = std::exchange(unwatched_pacing_, UINT64_MAX);
    // Not if something else has become due before it, as when the socket has taken nothing meanwhile.
    if (::ngtcp2_conn_get_expiry(conn_.get()) == paced)
      static_cast<void>(::ngtcp2_conn_handle_expiry(conn_.get(), paced));
  }
  now_ = now;
  tls_->set_now(now);
  return last_now_;
}

// -- driving ------------------------------------------------------------------------------------------------------------

void quic_connection::handle_datagram(const udp_arrival& arrived, const tls_now& now) {
  assert(!arrived.bytes.empty());
  if (end_ || is_from_elsewhere(arrived.path))
    return;
  const auto at = stamp(now);
  const auto in_flight = bytes_in_flight();
  asks_for_proof_ = proof_knowledge_here() == proof_knowledge::is_always_asked;
  const auto path = path_for_ngtcp2(arrived.path);
  ngtcp2_pkt_info info{};
  info.ecn = static_cast<std::uint8_t>(arrived.mark);
  const auto read = [&] {
    const proof_watch watch{limit_.get()};
    return ::ngtcp2_conn_read_pkt(conn_.get(), &path, &info,
                                  reinterpret_cast<const std::uint8_t*>(arrived.bytes.data()), arrived.bytes.size(),
                                  at);
  };
  auto failure = 0;
  if (is_connected_) {
    failure = read();
  } else {
    const wall_time judged_by{now.wall};
    failure = read();
  }
  figures_.packets_received += 1;
  if (failure != 0)
    return handle_failure(failure);
  if (is_server() && is_connected_)
    follow_limit(arrived);
  // Anyone on the way can send a datagram by the right ID, or one a second time. An acknowledgement is the peer's, and new.
  if (bytes_in_flight() < in_flight) {
    unanswered_since_ = suspected_until_ = UINT64_MAX;
    probes_.note_acknowledged();
    if (!std::exchange(has_answered_, true))
      tell(quic_event::answered{});
  }
  if (tls_->has_ticket() || (!token_.empty() && session_is_kept_))
    remember_session();
  if (is_server() && is_connected_ && tls_->has_session()) {
    tls_->release_session();
    ::ngtcp2_conn_set_tls_native_handle(conn_.get(), nullptr);
  }
}

void quic_connection::handle_timeout(const tls_now& now) {
  if (end_)
    return;
  const auto at = stamp(now);
  if (at >= suspected_until_) {
    end_with(make_error(error_code::reset, where(), origin::system,
                        "nobody listens at the other side's address any more, and it does not answer"));
    return;
  }
  if (at >= unanswered_deadline()) {
    end_with(make_error(error_code::keepalive_timeout, where(), origin::remote,
                        "the other side acknowledged nothing within keepalive_timeout"));
    return;
  }
  if (at < expiry_ || ::ngtcp2_conn_get_expiry(conn_.get()) > at)
    return;
  const auto in_flight = bytes_in_flight();
  if (const auto failure = ::ngtcp2_conn_handle_expiry(conn_.get(), at); failure != 0)
    return handle_failure(failure);
  was_timer_due_ = true;
  // A client probes with nothing on its way as well, until it knows that the server may answer (RFC 9002, 6.2.2.1).
  const auto waits = in_flight > 0 || (!is_server() && !is_confirmed_);
  probes_.note_timer(at, ::ngtcp2_conn_get_pto(conn_.get()), waits && bytes_in_flight() == in_flight);
}

void quic_connection::suspect(const tls_now& now) {
  if (end_ || !is_connected_ || unanswered_since_ == UINT64_MAX || suspected_until_ != UINT64_MAX)
    return;
  suspected_until_ = stamp(now) + linger_probe_timeouts * ::ngtcp2_conn_get_pto(conn_.get());
}

bool quic_connection::is_unanswered(const tls_now& now) {
  if (end_ || unanswered_since_ == UINT64_MAX)
    return false;
  return stamp(now) >= unanswered_since_ + unanswered_probe_timeouts * ::ngtcp2_conn_get_pto(conn_.get());
}

ngtcp2_tstamp quic_connection::unanswered_deadline() const noexcept {
  // Before the handshake is done, the limit of the attempt holds.
  if (unanswered_since_ == UINT64_MAX || !is_connected_)
    return UINT64_MAX;
  return unanswered_since_ + nanoseconds(settings_.config->keepalive_timeout);
}

std::optional<time_point> quic_connection::next_timeout() const noexcept {
  if (end_)
    return std::nullopt;
  const auto next = std::min({expiry_, unanswered_deadline(), suspected_until_});
  if (next == UINT64_MAX)
    return std::nullopt;
  return time_point{std::chrono::nanoseconds{static_cast<std::int64_t>(next)}};
}

duration quic_connection::linger() const {
  if (conn_ == nullptr)
    return duration::zero();
  return linger_probe_timeouts
       * std::chrono::nanoseconds{static_cast<std::int64_t>(::ngtcp2_conn_get_pto(conn_.get()))};
}

std::optional<quic_event::any> quic_connection::poll_event() {
  if (events_.empty())
    return std::nullopt;
  auto first = std::move(events_.front());
  events_.pop_front();
  if (std::holds_alternative<quic_event::datagram_received>(first))
    --waiting_datagrams_;
  else if (const auto* more = std::get_if<quic_event::streams_available>(&first))
    has_told_of_streams_[static_cast<std::size_t>(more->direction)] = false;
  return first;
}

// -- the handshake ------------------------------------------------------------------------------------------------------

void quic_connection::handle_connected() {
  if (auto refused = tls_->judge_agreement()) {
    refusal_ = std::move(refused);
    throw std::runtime_error{"the peer is refused"};
  }
  is_connected_ = true;
  keep_alive();
  figures_.early_data_accepted = tls_->early_data_was_accepted();
  if (is_server()) {
    const auto version = ::ngtcp2_conn_get_negotiated_version(conn_.get());
    tls_->send_ticket(version_of(version));
    const auto token = host_.make_token_for(version, last_path_.remote, now_.wall);
    if (!token.empty())
      ::ngtcp2_conn_submit_new_token(conn_.get(), token.data(), token.size());
  } else {
    // GnuTLS does not tell when a server refuses; ngtcp2 then forgets the streams that were opened, and has to be told.
    if (takes_early_data_ && !figures_.early_data_accepted) {
      ::ngtcp2_conn_tls_early_data_rejected(conn_.get());
      take_early_streams_back();
      tell(quic_event::early_data_rejected{});
    }
    takes_early_data_ = false;
    open_byte_stream();
  }
  if (is_announced_)
    tell(quic_event::handshake_done{});
  else
    announce();
}

/// Says something in time before either side forgets the connection, which for the peer is known only now: a third of the
/// shorter idle timeout leaves room for what is lost (RFC 9000, 10.1.2). And a client that
/// the server's windows keep silent, before that counts as stalled: they may be open again, and the server have lost sight
/// of the client (4.1).
void quic_connection::keep_alive() {
  auto interval = ngtcp2_duration{UINT64_MAX};
  if (settings_.config->keepalive_interval.count() != 0) {
    interval = nanoseconds(settings_.config->keepalive_interval);
    const auto peers_timeout = ::ngtcp2_conn_get_remote_transport_params(conn_.get())->max_idle_timeout;
    for (const auto idle_timeout : {nanoseconds(quic_.idle_timeout), peers_timeout})
      if (idle_timeout != 0)
        interval = std::min(interval, std::max(idle_timeout / idle_share, keep_alive_min));
  }
  if (is_blocked_)
    interval =
        std::min(interval, std::max(nanoseconds(settings_.config->operation_timeout) / stalled_share, keep_alive_min));
  ::ngtcp2_conn_set_keep_alive_timeout(conn_.get(), interval);
}

void quic_connection::announce() {
  if (std::exchange(is_announced_, true))
    return;
  tell(quic_event::connected{tls_->info(), !is_connected_});
  for (auto& each : std::exchange(early_events_, {}))
    tell(std::move(each));
}

void quic_connection::tell(quic_event::any event) {
  if (end_)
    return;
  // Before `connected` nobody is there who could do anything with a stream.
  const auto is_early = is_server() && !is_announced_ && !std::holds_alternative<quic_event::answered>(event)
                     && !std::holds_alternative<quic_event::closed>(event);
  if (is_early)
    early_events_.push_back(std::move(event));
  else
    events_.push_back(std::move(event));
}

void quic_connection::open_byte_stream() {
  const auto* known = streams_.find(byte_stream);
  if (byte_stream_is_over_ || (known != nullptr && known->is_open))
    return;
  // The peer's settings may allow no stream at all; then there is no byte stream until they do.
  std::int64_t id = -1;
  if (::ngtcp2_conn_open_bidi_stream(conn_.get(), &id, nullptr) != 0)
    return;
  assert(id == static_cast<std::int64_t>(byte_stream));
  auto& stream = streams_.get(byte_stream);
  stream.is_open = true;
  // A server that speaks first cannot before it knows of the stream.
  stream.is_to_be_announced = true;
  streams_.make_ready(stream);
}

/// What a server of other versions offers instead.
void quic_connection::handle_versions(std::span<const std::uint32_t> offered) noexcept {
  for (const auto each : quic_.versions)
    if (!offered_version_ && std::ranges::find(offered, wire_version(each)) != offered.end())
      offered_version_ = wire_version(each);
}

void quic_connection::remember_session() {
  if (!is_connected_)
    return;
  const auto version = ::ngtcp2_conn_get_negotiated_version(conn_.get());
  // NEW_TOKEN may come in a later packet than the ticket.
  if (!tls_->has_ticket())
    return tls_->remember_token(version, std::exchange(token_, {}));
  std::string parameters(early_parameters_max, '\0');
  const auto size =
      ::ngtcp2_conn_encode_0rtt_transport_params(conn_.get(), reinterpret_cast<std::uint8_t*>(parameters.data()),
                                                 parameters.size());
  parameters.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  tls_->remember_session(version, std::move(parameters), std::exchange(token_, {}));
  session_is_kept_ = true;
}

// -- figures ------------------------------------------------------------------------------------------------------------

quic_metrics quic_connection::metrics() const {
  auto figures = figures_;
  if (conn_ == nullptr)
    return figures;
  ngtcp2_conn_info info{};
  ::ngtcp2_conn_get_conn_info(conn_.get(), &info);
  const auto micros = [](ngtcp2_duration time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::nanoseconds{static_cast<std::int64_t>(time)});
  };
  // Before the first answer it is an assumption, not a measurement.
  if (info.latest_rtt != 0) {
    figures.rtt = micros(info.smoothed_rtt);
    figures.rtt_variance = micros(info.rttvar);
  }
  figures.pto_count = probes_.count();
  figures.congestion_window = info.cwnd;
  figures.bytes_in_flight = info.bytes_in_flight;
#if NGTCP2_VERSION_NUM >= 0x011000 // 1.16; an older one that is found at run time leaves the 0
  figures.packets_lost = info.pkt_lost;
#endif
  figures.ecn = ecn_.state();
  figures.own_streams = static_cast<std::uint32_t>(streams_.opened_by(is_server()));
  figures.peer_streams = static_cast<std::uint32_t>(streams_.opened_by(!is_server()));
  figures.bidirectional_streams_left = ::ngtcp2_conn_get_streams_bidi_left(conn_.get());
  figures.unidirectional_streams_left = ::ngtcp2_conn_get_streams_uni_left(conn_.get());
  figures.version = version_of(::ngtcp2_conn_get_negotiated_version(conn_.get()));
  figures.mtu = static_cast<std::uint32_t>(::ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_.get()));
  return figures;
}

} // namespace actorwire
