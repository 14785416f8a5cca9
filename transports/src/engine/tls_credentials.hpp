#pragma once

#include "tls_role.hpp"
#include "tls_session_cache.hpp"

#include <actorwire/messages/quic_config.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/tls_config.hpp>
#include <actorwire/transports/key_password.hpp>

#include <gnutls/gnutls.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace actorwire {

/// What the settings name, as it was read: PEM texts, empty where nothing is set.
struct tls_material {
  std::string trust;
  std::string certificate;
  secret key;
  std::string revocations;
};

/// What connections with the same credentials share, and what they do outside of TLS.
struct tls_services {
  /// Asked for the password of an encrypted key.
  key_password_function ask_password;
  /// Where a client keeps its sessions; null: nowhere.
  std::shared_ptr<tls_session_memory> sessions;
  /// Takes a line of the key log; empty: nobody does.
  std::function<void(std::string_view)> log_key;
};

/// What a list of revocations says of itself.
struct revocation_list {
  /// The name of its authority, in DER.
  std::string issuer;
  std::time_t since = 0;
  /// When the next list is due; without that it never ages.
  std::optional<std::time_t> until;
};

/// What `tls_config` says, parsed and checked: keys, certificates, trust anchors. Made once and used by many connections,
/// for TLS and QUIC alike. A reload makes another one. *Thread:* immutable; any thread.
class tls_credentials {
public:
  /// Parses and checks: some milliseconds, not for a shard. `now` is what validity is judged by.
  /// *Errors:* `invalid_credentials` naming the setting; `conflicting_values` for what has no meaning in this role; those of
  /// `validate`.
  [[nodiscard]] static result<std::shared_ptr<const tls_credentials>>
  make(tls_role role, const tls_config& config, const tls_material& material, tls_services services, std::time_t now);

  tls_credentials(tls_role role, const tls_config& config, tls_services services);
  ~tls_credentials();

  tls_credentials(const tls_credentials&) = delete;
  tls_credentials& operator=(const tls_credentials&) = delete;

  [[nodiscard]] tls_role role() const noexcept { return role_; }
  [[nodiscard]] const tls_config& config() const noexcept { return config_; }
  [[nodiscard]] bool verifies() const noexcept { return std::holds_alternative<verify_peer>(config_.verification); }

  [[nodiscard]] gnutls_certificate_credentials_t certificates() const noexcept { return certificates_.get(); }
  [[nodiscard]] gnutls_priority_t priorities() const noexcept { return priorities_.get(); }
  /// The same for QUIC, which knows TLS 1.3 only and forbids what hides it from old middleboxes (RFC 9001, 4.2 and 8.4).
  [[nodiscard]] gnutls_priority_t quic_priorities() const noexcept { return quic_priorities_.get(); }
  /// The key that a server's tickets are made with; GnuTLS derives those of each period from it. Each version of QUIC has
  /// another than TLS over TCP, so that a ticket is good where it was given and nowhere else (RFC 9369, 5).
  [[nodiscard]] const gnutls_datum_t& ticket_key() const noexcept { return ticket_key_; }
  [[nodiscard]] const gnutls_datum_t& ticket_key(quic_version version) const noexcept {
    return quic_ticket_keys_[static_cast<std::size_t>(version)];
  }
  /// Bytes that follow from the private key and that nobody else knows: the same in each process that has the key, today and
  /// after a restart. *Errors:* empty where there is no key.
  [[nodiscard]] std::optional<std::array<std::byte, 32>> secret_of_key() const;
  [[nodiscard]] const tls_services& services() const noexcept { return services_; }
  [[nodiscard]] const std::vector<revocation_list>& revocations() const noexcept { return revocations_; }

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

  [[nodiscard]] result<void> set_up(const tls_material& material, std::time_t now);
  [[nodiscard]] result<priorities_handle> make_priorities(const std::string& wanted) const;
  [[nodiscard]] result<void> make_ticket_keys();
  [[nodiscard]] result<void> set_identity(const tls_material& material, std::time_t now);
  [[nodiscard]] result<void> set_trust(const tls_material& material);
  [[nodiscard]] result<void> set_revocations(const tls_material& material);
  [[nodiscard]] transport_error complaint(std::string_view field, std::string_view text,
                                          const std::string& detail = {}) const;

  const tls_role role_;
  const tls_config config_;
  const tls_services services_;
  certificates_handle certificates_;
  priorities_handle priorities_;
  priorities_handle quic_priorities_;
  gnutls_datum_t ticket_key_{};
  std::array<gnutls_datum_t, names_of(quic_version{}).size()> quic_ticket_keys_{};
  std::vector<revocation_list> revocations_;
};

} // namespace actorwire
