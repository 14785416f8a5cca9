#include "range_check.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/tls_config.hpp>

#include <algorithm>
#include <string>

namespace actorwire {

namespace {

using namespace std::chrono_literals;

// RFC 7301 allows more, GnuTLS does not (MAX_ALPN_PROTOCOLS, ALPN_MAX_PROTOCOL_NAME), and would go on without a protocol.
constexpr std::size_t most_protocols = 8;
constexpr std::size_t longest_protocol = 31;
constexpr std::size_t most_clients = 1'024;
constexpr std::size_t most_pins = 64;
constexpr std::size_t longest_file_name = 4'096; // PATH_MAX of Linux.
constexpr std::size_t most_pem_bytes = std::size_t{4} << 20U;

// A ticket younger than a minute spares next to nothing; RFC 8446, 4.6.1, allows 7 days.
constexpr std::chrono::milliseconds shortest_session = 1min;
constexpr std::chrono::milliseconds longest_session = std::chrono::hours{7 * 24};

/// What is not to be seen: who may connect, and where things lie.
constexpr std::string_view hidden = "(not shown)";

bool is_host(const std::string& name) {
  const auto is_v6 = name.find(':') != std::string::npos;
  const auto parsed = parse_endpoint("tls://" + (is_v6 ? "[" + name + "]" : name) + ":1");
  return parsed && !parsed->host.empty();
}

bool is_name(const std::string& name) {
  // A host that is made of digits and dots is an IPv4 address, and only one of version 6 has colons.
  return is_host(name) && name.find(':') == std::string::npos
      && name.find_first_not_of("0123456789.") != std::string::npos;
}

bool is_pin(const std::string& text) {
  // 32 bytes are 43 characters of base64 and one of padding; the last of the 43 carries 4 bits.
  constexpr std::size_t characters = 43;
  const auto is_base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return text.size() == characters + 1 && text.back() == '='
      && std::all_of(text.begin(), text.begin() + characters, is_base64)
      && std::string_view{"AEIMQUYcgkosw048"}.find(text[characters - 1]) != std::string_view::npos;
}

template <class Source>
void check_source(range_check& checks, const std::string& name, const Source& source, std::string_view text) {
  checks.allowed(name + ".file", hidden,
                 source.file.size() <= longest_file_name && source.file.find('\0') == std::string::npos,
                 "a path of at most 4096 bytes");
  checks.allowed(name + ".text", hidden, text.size() <= most_pem_bytes, "at most 4 MiB of PEM");
  checks.compatible(name, source.file.empty() || text.empty(), "must be a file or text, not both");
}

} // namespace

result<void> validate(const tls_config& config) {
  range_check checks{"tls"};
  check_source(checks, "trust", config.trust, config.trust.text);
  check_source(checks, "certificate", config.certificate, config.certificate.text);
  check_source(checks, "key", config.key, config.key.text.reveal());
  checks.compatible("certificate", config.certificate.empty() == config.key.empty(),
                    "must come with tls.key, and tls.key with it");
  checks.within("alpn.size", config.alpn.size(), 0, most_protocols);
  for (const auto& each : config.alpn)
    checks.within("alpn: size of a name", each.size(), 1, longest_protocol);
  checks.allowed("server_name", "(not a host)", config.server_name.empty() || is_host(config.server_name),
                 "a DNS name, an IP address, or empty for the host of the endpoint");
  checks.named("minimum_version", config.minimum_version).named("client_certificates", config.client_certificates);
  checks.within("accepted_clients.size", config.accepted_clients.size(), 0, most_clients);
  for (const auto& each : config.accepted_clients)
    checks.allowed("accepted_clients", hidden, is_name(each), "DNS names");
  checks.compatible("accepted_clients",
                    config.accepted_clients.empty() || config.client_certificates != client_certificates::off,
                    "has no meaning while tls.client_certificates = off");
  checks.within("session_lifetime", config.session_lifetime, shortest_session, longest_session);
  checks.within("session_cache_size", config.session_cache_size, 1, most_connections);
  checks.within("pinned_keys.size", config.pinned_keys.size(), 0, most_pins);
  for (const auto& each : config.pinned_keys)
    checks.allowed("pinned_keys", "(not a SHA-256)", is_pin(each), "32 bytes in base64, 44 characters");
  const auto verifies = std::holds_alternative<verify_peer>(config.verification);
  checks.compatible("pinned_keys", verifies || config.pinned_keys.empty(),
                    "has no meaning with tls.verification = insecure_no_verification");
  checks.compatible("revocation_file", verifies || config.revocation_file.empty(),
                    "has no meaning with tls.verification = insecure_no_verification");
  for (const auto* each : {&config.revocation_file, &config.key_log_file})
    checks.allowed(each == &config.key_log_file ? "key_log_file" : "revocation_file", hidden,
                   each->size() <= longest_file_name && each->find('\0') == std::string::npos,
                   "a path of at most 4096 bytes");
  return checks.verdict();
}

} // namespace actorwire
