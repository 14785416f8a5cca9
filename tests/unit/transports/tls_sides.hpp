#pragma once

#include "certificates.hpp"
#include "engine/tls_engine.hpp"
#include "pattern.hpp"

#include <actorwire/transports/memory_budget.hpp>

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

using namespace std::chrono_literals;

/// 2026-01-01, when every good certificate is valid; what the machine's clock says matters to no test.
constexpr std::time_t good_day = 1'767'225'600;
constexpr std::time_t years = 365L * 24 * 3'600;

// -- settings -----------------------------------------------------------------------------------------------------------

/// A server that is who it says to be.
inline tls_config server_named(std::string_view name) {
  const auto mine = identity_in_memory(name);
  tls_config config;
  config.certificate = mine.certificate;
  config.key = mine.key;
  return config;
}

inline tls_config good_server() {
  return server_named("server-ec");
}

/// A server that wants to know its clients.
inline tls_config server_for_clients(client_certificates wanted = client_certificates::require) {
  auto config = good_server();
  config.trust.text = certificate_text("root.pem");
  config.client_certificates = wanted;
  return config;
}

/// A client that believes the test's own authority.
inline tls_config good_client() {
  tls_config config;
  config.trust.text = certificate_text("root.pem");
  return config;
}

inline tls_config client_named(std::string_view name) {
  auto config = good_client();
  const auto mine = identity_in_memory(name);
  config.certificate = mine.certificate;
  config.key = mine.key;
  return config;
}

/// Settings that are texts, and what `revocation_file` is to hold.
inline tls_material material_of(const tls_config& config, std::string revocations = {}) {
  return {config.trust.text, config.certificate.text, config.key.text, std::move(revocations)};
}

/// Credentials made when all certificates of servers and clients were good enough to be used.
inline std::shared_ptr<const tls_credentials> credentials(tls_role role, const tls_config& config,
                                                          tls_services services = {}, std::string revocations = {},
                                                          std::time_t now = good_day) {
  auto made =
      tls_credentials::make(role, config, material_of(config, std::move(revocations)), std::move(services), now);
  if (!made)
    throw std::runtime_error{to_string(made.error())};
  return std::move(*made);
}

// -- sides --------------------------------------------------------------------------------------------------------------

/// One end: an engine, its clock, and what has become of it.
class side {
public:
  explicit side(std::shared_ptr<const tls_credentials> identity, std::string server = {}, std::string session_key = {})
    : engine(std::move(identity), buffers, std::move(server), std::move(session_key)) {}

  static side client(const tls_config& config = good_client(), std::string server = "localhost") {
    return side{credentials(tls_role::client, config), std::move(server)};
  }
  static side server(const tls_config& config = good_server()) { return side{credentials(tls_role::server, config)}; }

  void feed(std::string_view bytes) { engine.feed(payload::copy_of(bytes)); }

  /// Does what can be done with what was fed: shakes hands, then reads.
  void advance() {
    if (!failure && !is_done) {
      const auto agreed = engine.shake_hands(now);
      if (!agreed)
        failure = agreed.error();
      else
        is_done = *agreed;
    }
    std::array<std::byte, 5'000> room;
    while (is_done && !failure) {
      const auto got = engine.read(room, now);
      if (!got)
        failure = got.error();
      if (!got || *got == 0)
        break;
      text.append(reinterpret_cast<const char*>(room.data()), *got);
    }
    encrypt();
  }

  /// Has this sent, as soon as hands are shaken and as there is room.
  void say(std::string_view words) {
    unsent_.append(words);
    encrypt();
  }

  /// The next ciphertext, in the pieces in which the engine shows it.
  std::string take_output() {
    std::string all;
    while (engine.output_size() > 0) {
      // Fewer than there may be.
      std::array<outgoing, 2> pieces;
      const auto count = engine.gather(pieces);
      REQUIRE(count > 0);
      const auto before = all.size();
      for (const auto& each : std::span{pieces}.first(count))
        all.append(reinterpret_cast<const char*>(each.data), each.size);
      engine.consume(all.size() - before);
      encrypt();
    }
    return all;
  }

  buffer_pool buffers{std::make_shared<memory_budget>(std::size_t{64} << 20U)};
  tls_engine engine;
  tls_now now{good_day, time_point{1h}};
  bool is_done = false;
  /// Why it ended.
  std::optional<transport_error> failure;
  /// What the other side said.
  std::string text;

private:
  void encrypt() {
    while (is_done && !failure && !unsent_.empty()) {
      const outgoing whole{reinterpret_cast<const std::byte*>(unsent_.data()), unsent_.size(), nullptr};
      const auto taken = engine.write({&whole, 1}, now);
      REQUIRE(taken);
      unsent_.erase(0, *taken);
      if (*taken == 0)
        return;
    }
  }

  std::string unsent_;
};

/// A text as GnuTLS takes it; must outlive that.
inline gnutls_datum_t datum_of(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

/// The other end, driven by hand: what no engine of ours would do.
class raw_side {
public:
  /// What GnuTLS takes by default, in these versions.
  static std::string versions(std::string_view names) {
    return std::string{"NORMAL:%UNSAFE_RENEGOTIATION:-VERS-ALL:"}.append(names);
  }

  raw_side(tls_role role, const std::string& priorities) {
    REQUIRE(::gnutls_init(&session_, (role == tls_role::server ? unsigned{GNUTLS_SERVER} : unsigned{GNUTLS_CLIENT})
                                         | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL)
            == 0);
    REQUIRE(::gnutls_priority_set_direct(session_, priorities.c_str(), nullptr) == 0);
    REQUIRE(::gnutls_certificate_allocate_credentials(&certificates_) == 0);
    REQUIRE(::gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, certificates_) == 0);
    ::gnutls_transport_set_ptr(session_, this);
    ::gnutls_transport_set_pull_function(session_, pull);
    ::gnutls_transport_set_push_function(session_, push);
  }
  ~raw_side() {
    ::gnutls_deinit(session_);
    ::gnutls_certificate_free_credentials(certificates_);
  }
  raw_side(const raw_side&) = delete;
  raw_side& operator=(const raw_side&) = delete;

  /// Shows this certificate.
  void be(std::string_view name) {
    const auto mine = identity_in_memory(name);
    const auto chain = datum_of(mine.certificate.text);
    const auto key = datum_of(mine.key.text.reveal());
    REQUIRE(::gnutls_certificate_set_x509_key_mem(certificates_, &chain, &key, GNUTLS_X509_FMT_PEM) == 0);
  }

  void feed(std::string_view bytes) { input_.append(bytes); }

  void advance() {
    if (code != 0)
      return;
    if (!is_done) {
      const auto agreed = ::gnutls_handshake(session_);
      is_done = agreed == 0;
      note(agreed);
      // GnuTLS leaves it to its users to tell the other side.
      if (code != 0 && code != GNUTLS_E_FATAL_ALERT_RECEIVED)
        ::gnutls_alert_send_appropriate(session_, code);
    }
    std::array<char, 20'000> room;
    while (is_done && code == 0) {
      const auto waited = input_.size();
      const auto got = ::gnutls_record_recv(session_, room.data(), room.size());
      if (got > 0)
        text.append(room.data(), static_cast<std::size_t>(got));
      else if (got == 0 || (got == GNUTLS_E_AGAIN && input_.size() == waited)) {
        has_ended = got == 0;
        return;
      }
      note(static_cast<int>(got));
    }
  }

  void say(std::string_view words) {
    REQUIRE(::gnutls_record_send(session_, words.data(), words.size()) == static_cast<ssize_t>(words.size()));
  }

  /// Sends a record of TLS 1.3 that holds nothing but padding.
  void say_nothing() { REQUIRE(::gnutls_record_send2(session_, "", 0, 1, 0) == 0); }

  /// Sends an alert that is none.
  void warn() { REQUIRE(::gnutls_alert_send(session_, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED) == 0); }

  std::string take_output() { return std::exchange(output_, {}); }

  [[nodiscard]] gnutls_session_t session() const noexcept { return session_; }

  bool is_done = false;
  /// The other side has nothing more to say.
  bool has_ended = false;
  /// GnuTLS's reason to give up; 0: none.
  int code = 0;
  /// The last alert that was received, if `code` says so.
  gnutls_alert_description_t alert = GNUTLS_A_CLOSE_NOTIFY;
  std::string text;

private:
  static ssize_t pull(gnutls_transport_ptr_t self, void* into, std::size_t size) {
    auto& here = *static_cast<raw_side*>(self);
    const auto count = here.input_.copy(static_cast<char*>(into), size);
    here.input_.erase(0, count);
    if (count > 0)
      return static_cast<ssize_t>(count);
    ::gnutls_transport_set_errno(here.session_, EAGAIN);
    return -1;
  }
  static ssize_t push(gnutls_transport_ptr_t self, const void* from, std::size_t size) {
    static_cast<raw_side*>(self)->output_.append(static_cast<const char*>(from), size);
    return static_cast<ssize_t>(size);
  }

  void note(int result) {
    if (result >= 0 || ::gnutls_error_is_fatal(result) == 0)
      return;
    code = result;
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
      alert = ::gnutls_alert_get(session_);
  }

  gnutls_session_t session_ = nullptr;
  gnutls_certificate_credentials_t certificates_ = nullptr;
  std::string input_;
  std::string output_;
};

// -- the way between ----------------------------------------------------------------------------------------------------

/// How many of the bytes that wait arrive next: 1 or more.
using cut_function = std::function<std::size_t(std::size_t waiting)>;

inline std::size_t whole(std::size_t waiting) {
  return waiting;
}
inline std::size_t byte_by_byte(std::size_t) {
  return 1;
}
/// Small pieces often, large ones at times.
inline cut_function at_random(std::mt19937_64& chance) {
  return [&chance](std::size_t waiting) {
    const auto limit = chance() % 4 == 0 ? waiting : std::min<std::size_t>(waiting, 40);
    return 1 + chance() % limit;
  };
}

/// Moves ciphertext between two sides until both have nothing more to say.
template <class Left, class Right>
void exchange(Left& left, Right& right, const cut_function& cut = whole) {
  std::string to_right;
  std::string to_left;
  const auto deliver = [&cut](std::string& waiting, auto& receiver) {
    if (waiting.empty())
      return;
    const auto count = cut(waiting.size());
    receiver.feed(std::string_view{waiting}.substr(0, count));
    waiting.erase(0, count);
    receiver.advance();
  };
  left.advance();
  right.advance();
  for (;;) {
    to_right += left.take_output();
    to_left += right.take_output();
    if (to_right.empty() && to_left.empty())
      return;
    deliver(to_right, right);
    deliver(to_left, left);
  }
}

/// The sizes of what the records of a recording carry, heads not counted.
inline std::vector<std::size_t> record_sizes(std::string_view recorded) {
  constexpr std::size_t head = 5;
  std::vector<std::size_t> sizes;
  while (!recorded.empty()) {
    REQUIRE(recorded.size() >= head);
    const auto size = (std::size_t{static_cast<std::uint8_t>(recorded[3])} << 8U)
                    | std::size_t{static_cast<std::uint8_t>(recorded[4])};
    REQUIRE(recorded.size() >= head + size);
    sizes.push_back(size);
    recorded.remove_prefix(head + size);
  }
  return sizes;
}

/// Checks why a side ended: the code and every letter of the text.
inline void check_failure(const std::optional<transport_error>& failure, error_code code, std::string_view text,
                          phase where = phase::handshake) {
  INFO("expected: " << text);
  REQUIRE(failure);
  CHECK(failure->text == text);
  CHECK(to_string(failure->code) == to_string(code));
  CHECK(to_string(failure->where) == to_string(where));
  CHECK(to_string(failure->who) == to_string(origin::remote));
}

} // namespace actorwire::test
