#pragma once

#include "tls_session_cache.hpp"

#include <actorwire/messages/result.hpp>
#include <actorwire/messages/tls_config.hpp>

#include <gnutls/gnutls.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace actorwire {

enum class tls_role : std::uint8_t { client, server };

/// Asked for the password of a private key that is encrypted; gets the name of its file, or nothing for a key in memory.
using key_password_function = std::function<std::string(std::string_view file)>;

/// What `tls_config` says, read and checked: keys, certificates, trust anchors, and what connections that use them share.
/// Made once and used by many connections, for TLS and QUIC alike. A reload makes another one.
/// *Thread:* immutable, but for the remembered sessions, which any thread may use.
class tls_credentials {
public:
  /// Reads files and parses certificates: some milliseconds, not for a shard. `now` is what validity is judged by.
  /// *Errors:* `invalid_credentials` naming the setting.
  [[nodiscard]] static result<std::shared_ptr<const tls_credentials>>
  load(tls_role role, const tls_config& config, const key_password_function& ask_password, std::time_t now);

  tls_credentials(tls_role role, const tls_config& config);
  ~tls_credentials();

  tls_credentials(const tls_credentials&) = delete;
  tls_credentials& operator=(const tls_credentials&) = delete;

  [[nodiscard]] tls_role role() const noexcept { return role_; }
  [[nodiscard]] const tls_config& config() const noexcept { return config_; }
  [[nodiscard]] bool verifies() const noexcept { return std::holds_alternative<verify_peer>(config_.verification); }

  [[nodiscard]] gnutls_certificate_credentials_t certificates() const noexcept { return certificates_.get(); }
  [[nodiscard]] gnutls_priority_t priorities() const noexcept { return priorities_.get(); }
  /// The key that a server's tickets are made with; GnuTLS derives those of each period from it.
  [[nodiscard]] const gnutls_datum_t& ticket_key() const noexcept { return ticket_key_; }
  /// What a client remembers.
  [[nodiscard]] tls_session_cache& sessions() const noexcept { return sessions_; }
  /// Appends a line to the key log.
  void log_key(std::string_view line) const;

private:
  template <auto Function>
  struct call {
    template <class T>
    void operator()(T* used) const noexcept {
      Function(used);
    }
  };
  using certificates_handle = std::unique_ptr<std::remove_pointer_t<gnutls_certificate_credentials_t>,
                                              call<gnutls_certificate_free_credentials>>;
  using priorities_handle = std::unique_ptr<std::remove_pointer_t<gnutls_priority_t>, call<gnutls_priority_deinit>>;

  [[nodiscard]] result<void> load(const key_password_function& ask_password, std::time_t now);
  [[nodiscard]] result<void> load_identity(const key_password_function& ask_password, std::time_t now);
  [[nodiscard]] result<void> load_trust();
  [[nodiscard]] result<void> load_revocations();
  [[nodiscard]] result<void> open_key_log();
  [[nodiscard]] transport_error complaint(std::string_view field, std::string_view text,
                                          const std::string& detail = {}) const;

  const tls_role role_;
  const tls_config config_;
  certificates_handle certificates_;
  priorities_handle priorities_;
  gnutls_datum_t ticket_key_{};
  mutable tls_session_cache sessions_;
  int key_log_ = -1;
};

} // namespace actorwire
