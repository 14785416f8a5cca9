#pragma once

#include "engine/tls_engine.hpp"
#include "target.hpp"
#include "tls_identities.hpp"

#include <actorwire/messages/tls_config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace actorwire::fuzz {

inline constexpr std::array roles{tls_role::client, tls_role::server};

[[nodiscard]] constexpr tls_role other(tls_role role) noexcept {
  return role == tls_role::client ? tls_role::server : tls_role::client;
}

enum class shown : std::uint8_t { good, other_host, foreign, none };
enum class alpn : std::uint8_t { off, common, server_only, disjoint };

/// What both sides are set to, and whether they can agree.
struct settings {
  actorwire::client_certificates client_certificates{};
  std::array<tls_version, 2> minimum_version{};
  alpn protocols{};
  bool detailed_errors = false;
  bool session_resumption = false;

  /// What they show, by role.
  std::array<shown, 2> certificates{};
  bool client_verifies = true;
  /// Which side is no engine.
  std::optional<tls_role> by_hand;
  bool stranger_speaks_tls1_3 = false;

  /// The network has memory for slabs.
  bool has_memory = true;

  /// Of 3 bytes.
  static settings from(reader& in);

  /// Takes back what two sides could not agree on.
  void make_agreeable();
  [[nodiscard]] bool can_agree() const;

  /// What a side shows; null: nothing.
  [[nodiscard]] const identity* identity_of(tls_role role) const;
  [[nodiscard]] tls_config config_of(tls_role role) const;

  static std::size_t index_of(tls_role role) noexcept { return role == tls_role::client ? 0 : 1; }

private:
  /// Two engines always have TLS 1.3.
  [[nodiscard]] bool has_common_version() const;
  /// Strangers have never heard of ALPN.
  [[nodiscard]] bool has_common_protocol() const;
  [[nodiscard]] bool server_is_believed() const;
  [[nodiscard]] bool client_is_believed() const;
};

/// What a side of these settings is made of. Kept from run to run, because to make them costs as much as to use them. There
/// are some hundred of them.
[[nodiscard]] std::shared_ptr<const tls_credentials> credentials(tls_role role, const settings& wanted);

} // namespace actorwire::fuzz
