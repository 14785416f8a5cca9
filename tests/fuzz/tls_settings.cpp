#include "tls_settings.hpp"

#include "fixed_random.hpp"
#include "session_memory.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace actorwire::fuzz {

settings settings::from(reader& in) {
  constexpr std::array wanted{client_certificates::off, client_certificates::request, client_certificates::require,
                              client_certificates::off};
  constexpr std::array by_client{shown::none, shown::good, shown::foreign, shown::good};
  constexpr std::array by_server{shown::good, shown::other_host, shown::foreign, shown::good};
  constexpr std::array<std::optional<tls_role>, 4> strangers{std::nullopt, std::nullopt, tls_role::client,
                                                             tls_role::server};
  const auto bit = [](unsigned byte, unsigned index) { return (byte >> index & 1U) != 0; };
  const auto version = [](bool is_old) { return is_old ? tls_version::tls1_2 : tls_version::tls1_3; };
  settings made;
  const unsigned first = in.byte();
  made.client_certificates = wanted[first & 3U];
  made.minimum_version = {version(bit(first, 2)), version(bit(first, 3))};
  made.protocols = static_cast<alpn>(first >> 4U & 3U);
  made.detailed_errors = bit(first, 6);
  made.session_resumption = bit(first, 7);
  const unsigned second = in.byte();
  made.certificates = {by_client[second & 3U], by_server[second >> 2U & 3U]};
  made.client_verifies = !bit(second, 4);
  made.by_hand = strangers[second >> 5U & 3U];
  made.stranger_speaks_tls1_3 = bit(second, 7);
  made.has_memory = !bit(in.byte(), 0);
  return made;
}

void settings::make_agreeable() {
  certificates = {shown::good, shown::good};
  protocols = by_hand || protocols == alpn::off ? alpn::off : alpn::common;
  if (by_hand && !stranger_speaks_tls1_3)
    minimum_version = {tls_version::tls1_2, tls_version::tls1_2};
}

bool settings::can_agree() const {
  return has_common_version() && has_common_protocol() && server_is_believed() && client_is_believed();
}

const identity* settings::identity_of(tls_role role) const {
  const auto is_server = role == tls_role::server;
  switch (certificates[index_of(role)]) {
    case shown::good:
      return is_server ? &world().server : &world().client;
    case shown::other_host:
      return &world().other_host;
    case shown::foreign:
      return is_server ? &world().foreign_server : &world().foreign_client;
    case shown::none:
      return nullptr;
  }
  return nullptr;
}

tls_config settings::config_of(tls_role role) const {
  tls_config config;
  config.trust.text = world().trust;
  if (const auto* mine = identity_of(role)) {
    config.certificate.text = mine->certificate;
    config.key.text = mine->key;
  }
  config.minimum_version = minimum_version[index_of(role)];
  config.detailed_errors = detailed_errors;
  config.session_resumption = session_resumption;
  if (role == tls_role::server)
    config.client_certificates = client_certificates;
  else if (!client_verifies)
    config.verification = insecure_no_verification{};
  if (protocols == alpn::disjoint)
    config.alpn = {role == tls_role::server ? "left" : "right"};
  else if (protocols == alpn::common)
    config.alpn = {role == tls_role::server ? "left" : "right", "common"};
  else if (protocols == alpn::server_only && role == tls_role::server)
    config.alpn = {"left"};
  return config;
}

bool settings::has_common_version() const {
  return !by_hand || stranger_speaks_tls1_3 || minimum_version[index_of(other(*by_hand))] == tls_version::tls1_2;
}

bool settings::has_common_protocol() const {
  if (by_hand)
    return protocols == alpn::off || (protocols == alpn::server_only && *by_hand == tls_role::server);
  return protocols == alpn::off || protocols == alpn::common;
}

bool settings::server_is_believed() const {
  return by_hand == tls_role::client || !client_verifies || certificates[1] == shown::good;
}

bool settings::client_is_believed() const {
  if (by_hand == tls_role::server || client_certificates == client_certificates::off)
    return true;
  return certificates[0] == shown::good
      || (certificates[0] == shown::none && client_certificates == client_certificates::request);
}

std::shared_ptr<const tls_credentials> credentials(tls_role role, const settings& wanted) {
  static std::vector<std::shared_ptr<const tls_credentials>> known;
  const auto config = wanted.config_of(role);
  const auto found =
      std::ranges::find_if(known, [&](const auto& each) { return each->role() == role && each->config() == config; });
  if (found != known.end())
    return *found;
  tls_services services;
  services.sessions = sessions();
  // Their keys are not to depend on the runs before this one.
  restart_random(2);
  auto made = tls_credentials::make(role, config, {config.trust.text, config.certificate.text, config.key.text, {}},
                                    services, good_day);
  check(made.has_value(), "the settings are good");
  return known.emplace_back(std::move(*made));
}

} // namespace actorwire::fuzz
