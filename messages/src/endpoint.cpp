#include <actorwire/messages/endpoint.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

namespace actorwire {

namespace {

// The longest valid form, a name of 253 bytes, needs 267; anything much longer is an attack or an accident.
constexpr std::size_t longest_uri = 512;
constexpr std::size_t longest_name = 253; // RFC 1035, 2.3.4, without the length bytes
constexpr std::size_t longest_label = 63;
constexpr std::size_t longest_echo = 80;

constexpr std::string_view form = "protocol://host:port";

// std::isalpha and its kind depend on the locale; host names do not.
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr bool is_hex(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}
constexpr bool is_visible(char c) {
  return c > ' ' && c < '\x7f';
}
constexpr bool is_name_character(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_';
}

std::string lower_case(std::string_view text) {
  std::string lowered{text};
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
  return lowered;
}

// -- what an error may show of the input ------------------------------------------------------------------------------

/// Input comes from anywhere: it may be long, and it may hold what moves a terminal's cursor or forges a line of a log.
std::string quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string shown = "\"";
  for (const char c : text.substr(0, longest_echo)) {
    if (c == '"' || c == '\\') {
      shown.append({'\\', c});
    } else if (is_visible(c) || c == ' ') {
      shown.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      shown.append({'\\', 'x', digits[byte >> 4U], digits[byte & 15U]});
    }
  }
  return shown.append(text.size() > longest_echo ? "\"..." : "\"");
}

/// Error texts are public, and user information, queries and fragments are where passwords and tokens are put.
std::string without_secrets(std::string_view uri) {
  constexpr std::string_view hidden = "***";
  std::string shown;
  if (const auto at = uri.rfind('@'); at != std::string_view::npos) {
    // All before the last "@", the protocol too: where a password begins is a guess when the input is malformed.
    shown.append(hidden);
    uri.remove_prefix(at);
  }
  const auto extra = uri.find_first_of("?#");
  shown.append(uri.substr(0, extra));
  if (extra != std::string_view::npos)
    shown.append({uri[extra]}).append(hidden);
  return quoted(shown);
}

// -- hosts ------------------------------------------------------------------------------------------------------------

/// Whether a resolver would take a name that ends in this label for a number. Resolvers read `127.1`, `2130706433` and
/// `0x7f.1` as 127.0.0.1, which whoever wrote them seldom meant. No top-level domain is a number.
bool is_number(std::string_view label) {
  if (label.starts_with("0x"))
    return std::all_of(label.begin() + 2, label.end(), is_hex);
  return !label.empty() && std::all_of(label.begin(), label.end(), is_digit);
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= longest_label && label.front() != '-' && label.back() != '-'
      && std::all_of(label.begin(), label.end(), is_name_character);
}

bool is_name(std::string_view name) {
  if (name.size() > longest_name)
    return false;
  for (;;) {
    const auto dot = name.find('.');
    if (!is_label(name.substr(0, dot)))
      return false;
    if (dot == std::string_view::npos)
      return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

/// Returns the shortest form (RFC 5952), so that one address is one endpoint however it was written.
std::optional<std::string> canonical_ipv6(const std::string& text) {
  in6_addr address{};
  if (inet_pton(AF_INET6, text.c_str(), &address) != 1)
    return std::nullopt;
  char canonical[INET6_ADDRSTRLEN];
  if (inet_ntop(AF_INET6, &address, canonical, sizeof canonical) == nullptr)
    return std::nullopt;
  return canonical;
}

result<std::string> parse_name_or_ipv4(std::string_view text) {
  auto host = lower_case(text);
  if (host.ends_with('.'))
    return make_invalid_value("endpoint.host", quoted(text), "a name or an address without a dot at its end");
  if (is_number(host.substr(host.rfind('.') + 1))) {
    if (!is_ipv4(host))
      return make_invalid_value("endpoint.host", quoted(text),
                                "a name that does not end in a number, or an IPv4 address of four numbers 0..255");
  } else if (!is_name(host)) {
    return make_invalid_value("endpoint.host", quoted(text),
                              "labels of 1..63 letters, digits, hyphens (inside) or underscores, joined by dots to at "
                              "most 253 bytes (international names in their xn-- form)");
  }
  return host;
}

result<std::string> parse_ipv6(std::string_view text) {
  // An embedded IPv4 address makes the longest form; a longer text is not worth a copy.
  if (text.size() < INET6_ADDRSTRLEN)
    if (auto address = canonical_ipv6(std::string{text}))
      return std::move(*address);
  return make_invalid_value("endpoint.host", quoted(text), "an IPv6 address between the brackets");
}

// -- the parts of a URI -----------------------------------------------------------------------------------------------

result<protocol> parse_scheme(std::string_view text) {
  const auto scheme = lower_case(text);
  const auto names = names_of(protocol{});
  const auto found = std::find(names.begin(), names.end(), scheme);
  if (found == names.end())
    return make_invalid_value("endpoint.proto", quoted(text), "tcp, tls or quic");
  return static_cast<protocol>(found - names.begin());
}

result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool has_leading_zero = text.size() > 1 && text.front() == '0';
  if (failure != std::errc{} || end != text.data() + text.size() || has_leading_zero)
    return make_invalid_value("endpoint.port", quoted(text), "decimal digits without leading zeros, 0..65535");
  return port;
}

/// Refuses what no part of an endpoint may hold, with the reason; names the first kind of it.
result<void> check_characters(std::string_view uri) {
  const auto refuse = [&](std::string_view reason) {
    return make_invalid_value("endpoint", without_secrets(uri), std::string{form}.append(reason));
  };
  if (uri.size() > longest_uri)
    return refuse(" of at most 512 bytes");
  if (!std::all_of(uri.begin(), uri.end(), is_visible))
    return refuse(" without spaces, control characters or bytes beyond ASCII");
  if (uri.find('%') != std::string_view::npos)
    return refuse(" without percent-encoding (a host needs none, and IPv6 zones are not supported)");
  return {};
}

/// Refuses the parts that URIs have and endpoints do not.
result<void> check_parts(std::string_view uri, std::string_view authority) {
  const auto refuse = [&](std::string_view part) {
    return make_invalid_value("endpoint", without_secrets(uri), std::string{form}.append(" without ").append(part));
  };
  if (uri.find('@') != std::string_view::npos)
    return refuse("a user name (a transport does not log in)");
  const auto extra = authority.find_first_of("/?#");
  if (extra == std::string_view::npos)
    return {};
  switch (authority[extra]) {
    case '?':
      return refuse("a query");
    case '#':
      return refuse("a fragment");
    default:
      return refuse("a path, not even \"/\"");
  }
}

struct host_and_port {
  std::string_view host;
  std::string_view port;
  bool bracketed = false;
};

std::optional<host_and_port> split(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto end = authority.find("]:");
    if (end == std::string_view::npos)
      return std::nullopt;
    return host_and_port{authority.substr(1, end - 1), authority.substr(end + 2), true};
  }
  const auto colon = authority.find(':');
  // A second colon is an IPv6 address whose end cannot be told from its port.
  if (colon == std::string_view::npos || authority.find(':', colon + 1) != std::string_view::npos)
    return std::nullopt;
  return host_and_port{authority.substr(0, colon), authority.substr(colon + 1), false};
}

std::string_view without_spaces(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

} // namespace

result<endpoint> parse_endpoint(std::string_view uri) {
  if (const auto checked = check_characters(uri); !checked)
    return checked.error();
  const auto scheme_end = uri.find("://");
  if (scheme_end == std::string_view::npos)
    return make_invalid_value("endpoint", without_secrets(uri), form);
  const auto authority = uri.substr(scheme_end + 3);
  if (const auto checked = check_parts(uri, authority); !checked)
    return checked.error();
  const auto proto = parse_scheme(uri.substr(0, scheme_end));
  if (!proto)
    return proto.error();
  const auto parts = split(authority);
  if (!parts)
    return make_invalid_value("endpoint", without_secrets(uri),
                              std::string{form}.append(", with an IPv6 address in brackets"));
  auto host = parts->bracketed ? parse_ipv6(parts->host) : parse_name_or_ipv4(parts->host);
  if (!host)
    return host.error();
  const auto port = parse_port(parts->port);
  if (!port)
    return port.error();
  return endpoint{*proto, *std::move(host), *port};
}

result<std::vector<endpoint>> parse_endpoints(std::string_view uris) {
  const auto count = static_cast<std::size_t>(std::ranges::count(uris, ',')) + 1;
  if (count > endpoints_per_peer_max)
    return make_invalid_value("endpoints", std::to_string(count),
                              "1.." + std::to_string(endpoints_per_peer_max) + " endpoints, with a comma between two");
  // As a whole: a comma within a password would make its first half look like a port, and be shown.
  if (count == 1 || uris.find('@') != std::string_view::npos) {
    auto only = parse_endpoint(uris);
    return only ? result{std::vector{*std::move(only)}} : only.error();
  }
  std::vector<endpoint> all;
  for (auto rest = uris; all.size() < count;) {
    const auto comma = rest.find(',');
    auto parsed = parse_endpoint(without_spaces(rest.substr(0, comma)));
    if (!parsed) {
      auto reason = parsed.error();
      reason.text.append(" (endpoint " + std::to_string(all.size() + 1) + " of " + std::to_string(count) + ")");
      return reason;
    }
    if (std::ranges::find(all, *parsed) != all.end())
      return make_invalid_value("endpoints", quoted(to_string(*parsed)), "named once");
    all.push_back(*std::move(parsed));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  return all;
}

std::string to_string(const std::vector<endpoint>& all) {
  std::string uris;
  for (const auto& each : all)
    uris.append(uris.empty() ? "" : ", ").append(to_string(each));
  return uris;
}

std::string to_string(const endpoint& where) {
  const bool is_ipv6 = where.host.find(':') != std::string::npos;
  std::string uri{name_of(where.proto)};
  uri.append(is_ipv6 ? "://[" : "://").append(where.host).append(is_ipv6 ? "]:" : ":");
  return uri.append(std::to_string(where.port));
}

} // namespace actorwire
