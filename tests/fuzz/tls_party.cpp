#include "tls_party.hpp"

#include "target.hpp"
#include "tls_identities.hpp"

#include <actorwire/messages/payload.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

namespace actorwire::fuzz {

namespace {

/// More than what TLS itself has to say at one time: certificates, session tickets, new keys, an alert.
constexpr std::size_t flight_max = 8'192;

/// Bytes that depend on their place and on who speaks.
char word(tls_role speaker, std::uint64_t offset) noexcept {
  const auto mixed = (offset + (speaker == tls_role::client ? 1U : 0x5DEECE66DU)) * 0x9E3779B97F4A7C15U;
  return static_cast<char>(mixed >> 56U);
}

tls_role other(tls_role role) noexcept {
  return role == tls_role::client ? tls_role::server : tls_role::client;
}

bool is_one_of(error_code code, std::initializer_list<error_code> allowed) {
  return std::ranges::find(allowed, code) != allowed.end();
}

void check_reason(const transport_error& reason, bool is_established) {
  // A client of TLS 1.3 is done before the server has judged it: the server's alert may come after that.
  const auto is_expected = is_one_of(reason.code, {error_code::handshake_failed, error_code::certificate_rejected,
                                                   error_code::no_common_protocol});
  const auto is_of_records =
      is_one_of(reason.code, {error_code::malformed, error_code::peer_error, error_code::truncated_stream});
  check(is_expected || (is_established && is_of_records), "an error has a code that fits what was done");
  check(reason.kind == kind_of(reason.code), "an error has the kind of its code");
  check(reason.where == (is_established ? phase::established : phase::handshake), "an error says when it happened");
  check(reason.who == origin::remote, "what came from the other side is its fault");
  constexpr std::size_t text_max = 300;
  check(!reason.text.empty() && reason.text.size() <= text_max, "an error has a text that can be shown");
  check(std::ranges::all_of(reason.text, [](char each) { return each >= ' ' && each <= '~'; }),
        "the text of an error is made of printable characters");
  check(reason.text.find(unmentionable) == std::string::npos, "the text of an error tells nothing of a certificate");
}

} // namespace

// -- party --------------------------------------------------------------------------------------------------------------

std::string party::words(std::size_t size) const {
  std::string made(size, '\0');
  for (std::size_t index = 0; index < size; ++index)
    made[index] = word(role_, said_ + index);
  return made;
}

void party::note_heard(std::string_view bytes) {
  for (const auto byte : bytes)
    check(byte == word(other(role_), heard_++), "what comes out is what the other side said, in order");
}

// -- engine_party -------------------------------------------------------------------------------------------------------

engine_party::engine_party(std::shared_ptr<const tls_credentials> identity, buffer_pool& buffers)
  : party(identity->role()),
    is_detailed_(identity->config().detailed_errors),
    engine_(identity, buffers, identity->role() == tls_role::client ? "localhost" : "", "session"),
    now_{good_day, time_point{std::chrono::hours{1}}} {}

void engine_party::feed(std::string_view bytes) {
  // Memory of its own, so that reading past the end of the piece is seen.
  engine_.feed(payload::copy_of(bytes));
  fed_ += bytes.size();
}

std::string engine_party::take(std::size_t size, std::size_t pieces) {
  const auto waiting = engine_.output_size();
  std::vector<outgoing> shown(pieces);
  shown.resize(engine_.gather(shown));
  std::string bytes;
  for (const auto& each : shown) {
    check(each.size > 0, "no piece of what is to be sent is empty");
    bytes.append(reinterpret_cast<const char*>(each.data), each.size);
  }
  check(shown.size() == pieces ? bytes.size() <= waiting : bytes.size() == waiting,
        "what is to be sent is as much as it was said to be");
  bytes.resize(std::min(bytes.size(), size));
  engine_.consume(bytes.size());
  taken_ += bytes.size();
  check(engine_.output_size() == waiting - bytes.size(), "what was sent waits no more");
  return bytes;
}

void engine_party::shake_hands() {
  if (is_done() || has_failed())
    return;
  const auto agreed = engine_.shake_hands(now_);
  check(!agreed || fed_ <= tls_engine::handshake_bytes_max, "nobody sends without end before he has proved anything");
  if (!agreed)
    fail(agreed.error());
  else
    is_done_ = *agreed;
  check_bounds();
}

std::size_t engine_party::say(std::size_t size, std::size_t pieces) {
  const auto bytes = words(size);
  std::vector<outgoing> offered;
  for (std::size_t index = 0; index < pieces; ++index) {
    // The last ones may be empty.
    const auto each = (size + pieces - 1) / pieces;
    const auto begin = std::min(index * each, size);
    offered.push_back(
        {reinterpret_cast<const std::byte*>(bytes.data()) + begin, std::min(each, size - begin), nullptr});
  }
  const auto waiting = engine_.output_size();
  const auto taken = engine_.write(offered, now_);
  if (!taken) {
    // What was read last stood before something that is no record, which is told to whoever reads on.
    const auto looked = engine_.look_ahead(now_);
    check(!looked && looked.error() == taken.error() && taken.error().code != error_code::send_failed,
          "whoever may speak can, unless nothing more can be read either");
    fail(taken.error());
    check_bounds();
    return 0;
  }
  check(*taken <= size, "no more is encrypted than was offered");
  check(*taken > 0 || size == 0 || waiting > 0, "there is room where nothing waits");
  said_ += *taken;
  check_bounds();
  return *taken;
}

std::size_t engine_party::hear(std::size_t room) {
  std::vector<std::byte> into(room);
  const auto got = engine_.read(into, now_);
  if (!got) {
    fail(got.error());
    check_bounds();
    return 0;
  }
  check(!has_failed() || room == 0, "an error stays");
  check(*got <= room, "no more is read than there is room");
  note_heard({reinterpret_cast<const char*>(into.data()), *got});
  sees_end_ = engine_.peer_has_closed();
  check(*got == room || *got > 0 || sees_end_ || engine_.input_size() == 0, "what is there is read");
  check_bounds();
  return *got;
}

void engine_party::look_ahead() {
  const auto is_there = engine_.look_ahead(now_);
  if (!is_there) {
    fail(is_there.error());
    return;
  }
  const auto waiting = engine_.input_size();
  const auto again = engine_.look_ahead(now_);
  if (!*is_there) {
    check(again && !*again, "what is not there does not come by looking");
    sees_end_ = engine_.peer_has_closed();
    return;
  }
  check(again && *again && engine_.input_size() == waiting, "no more is decrypted than one record ahead");
  check(!engine_.peer_has_closed(), "the end is known only when all that came before it was read");
}

void engine_party::close() {
  engine_.close_sending();
  has_closed_ = true;
  check_bounds();
}

std::uint64_t engine_party::acknowledge(std::uint64_t bytes) {
  acknowledged_ = std::max(acknowledged_, bytes);
  const auto acked = engine_.plain_acked(acknowledged_);
  check(acked >= plain_acked_, "what is acknowledged stays so");
  check(acked <= said(), "no more is acknowledged than was said");
  check(acknowledged_ < taken_ || engine_.output_size() > 0 || acked == said(), "all is acknowledged when all is");
  plain_acked_ = acked;
  return acked;
}

void engine_party::fail(const transport_error& reason) {
  check(!failure_ || *failure_ == reason, "an error stays as it is");
  check_reason(reason, is_done());
  check(is_detailed_ || reason.text.find('[') == std::string::npos, "details are told only to those who want them");
  failure_ = reason;
  has_failed_ = true;
}

void engine_party::check_bounds() const {
  check(engine_.output_size() <= tls_engine::output_max + flight_max, "what waits to be sent is bounded");
  check(engine_.unacknowledged_marks() <= acked_offsets::marks_max, "marks of acknowledgements are bounded");
}

// -- stranger -----------------------------------------------------------------------------------------------------------

namespace {

void must(int code) {
  check(code >= 0, "GnuTLS can be set up by hand");
}

} // namespace

stranger::stranger(tls_role role, bool speaks_tls1_3, const identity* mine)
  : party(role), speaks_tls1_3_(speaks_tls1_3) {
  const auto which = role == tls_role::server ? unsigned{GNUTLS_SERVER} : unsigned{GNUTLS_CLIENT};
  must(::gnutls_init(&session_, which | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT));
  must(::gnutls_priority_set_direct(session_,
                                    speaks_tls1_3 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
                                                  : "NORMAL:%UNSAFE_RENEGOTIATION:-VERS-ALL:+VERS-TLS1.2",
                                    nullptr));
  must(::gnutls_certificate_allocate_credentials(&certificates_));
  if (mine != nullptr) {
    const auto datum = [](const std::string& text) {
      return gnutls_datum_t{reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
                            static_cast<unsigned>(text.size())};
    };
    const auto certificate = datum(mine->certificate);
    const auto key = datum(mine->key.reveal());
    must(::gnutls_certificate_set_x509_key_mem(certificates_, &certificate, &key, GNUTLS_X509_FMT_PEM));
  }
  must(::gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, certificates_));
  ::gnutls_transport_set_ptr(session_, this);
  ::gnutls_transport_set_pull_function(session_, pull);
  ::gnutls_transport_set_push_function(session_, push);
}

stranger::~stranger() {
  ::gnutls_deinit(session_);
  ::gnutls_certificate_free_credentials(certificates_);
}

ssize_t stranger::pull(gnutls_transport_ptr_t self, void* into, std::size_t size) {
  auto& here = *static_cast<stranger*>(self);
  if (here.input_.empty() && !here.input_ended_) {
    ::gnutls_transport_set_errno(here.session_, EAGAIN);
    return -1;
  }
  const auto count = here.input_.copy(static_cast<char*>(into), size);
  here.input_.erase(0, count);
  return static_cast<ssize_t>(count);
}

ssize_t stranger::push(gnutls_transport_ptr_t self, const void* from, std::size_t size) {
  static_cast<stranger*>(self)->output_.append(static_cast<const char*>(from), size);
  return static_cast<ssize_t>(size);
}

std::string stranger::take(std::size_t size, std::size_t) {
  auto bytes = output_.substr(0, size);
  output_.erase(0, bytes.size());
  return bytes;
}

void stranger::shake_hands() {
  if (is_done() || has_failed())
    return;
  const auto code = ::gnutls_handshake(session_);
  is_done_ = code == 0;
  has_failed_ = code != 0 && ::gnutls_error_is_fatal(code) != 0;
  // GnuTLS leaves it to its users to tell the other side.
  if (has_failed_ && code != GNUTLS_E_FATAL_ALERT_RECEIVED)
    ::gnutls_alert_send_appropriate(session_, code);
}

std::size_t stranger::say(std::size_t size, std::size_t) {
  constexpr std::size_t record_max = 16'384;
  const auto bytes = words(std::min(size, record_max));
  if (bytes.empty())
    return 0;
  const auto sent = ::gnutls_record_send(session_, bytes.data(), bytes.size());
  if (sent < 0) {
    has_failed_ = true;
    return 0;
  }
  said_ += static_cast<std::uint64_t>(sent);
  return static_cast<std::size_t>(sent);
}

std::size_t stranger::hear(std::size_t room) {
  if (room == 0)
    return 0;
  std::string into(room, '\0');
  for (;;) {
    const auto waited = input_.size();
    const auto got = ::gnutls_record_recv(session_, into.data(), into.size());
    if (got > 0) {
      note_heard({into.data(), static_cast<std::size_t>(got)});
      return static_cast<std::size_t>(got);
    }
    sees_end_ = got == 0;
    has_failed_ = got < 0 && ::gnutls_error_is_fatal(static_cast<int>(got)) != 0;
    if (sees_end_ || has_failed_ || input_.size() == waited)
      return 0;
  }
}

void stranger::close() {
  ::gnutls_bye(session_, GNUTLS_SHUT_WR);
  has_closed_ = true;
}

bool stranger::follow(whim what) {
  // Of more in one second, GnuTLS says that it is too much.
  constexpr auto key_changes_max = 4;
  switch (what) {
    case whim::empty_record:
      if (speaks_tls1_3_)
        ::gnutls_record_send2(session_, "", 0, 1, 0);
      return true;
    case whim::new_keys:
      if (speaks_tls1_3_ && key_changes_++ < key_changes_max)
        ::gnutls_session_key_update(session_, GNUTLS_KU_PEER);
      return true;
    case whim::warning:
      ::gnutls_alert_send(session_, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED);
      return false;
    case whim::renegotiation:
      if (speaks_tls1_3_)
        return true;
      if (role() == tls_role::server)
        ::gnutls_rehandshake(session_);
      else
        ::gnutls_handshake(session_);
      // It does not go on with it.
      has_failed_ = true;
      return false;
    case whim::fatal_alert:
      ::gnutls_alert_send(session_, GNUTLS_AL_FATAL, GNUTLS_A_INTERNAL_ERROR);
      has_failed_ = true;
      return false;
  }
  return true;
}

} // namespace actorwire::fuzz
