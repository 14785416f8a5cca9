#include <actorwire/transports/ip_address.hpp>

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace actorwire {

namespace {

/// Reads the part after `%`: an interface's number or name; 0 when there is no such interface.
std::uint32_t parse_scope(const std::string& text) {
  std::uint32_t number = 0;
  const auto* end = text.data() + text.size();
  if (const auto [rest, failure] = std::from_chars(text.data(), end, number); failure == std::errc{} && rest == end)
    return number;
  return ::if_nametoindex(text.c_str());
}

} // namespace

std::optional<ip_address> parse_ip_address(const std::string& host) {
  ip_address parsed;
  if (::inet_pton(AF_INET, host.c_str(), parsed.bytes.data()) == 1)
    return parsed;
  const auto percent = host.find('%');
  if (::inet_pton(AF_INET6, host.substr(0, percent).c_str(), parsed.bytes.data()) != 1)
    return std::nullopt;
  parsed.is_v6 = true;
  if (percent != std::string::npos) {
    parsed.scope = parse_scope(host.substr(percent + 1));
    if (parsed.scope == 0)
      return std::nullopt;
  }
  return parsed;
}

std::string to_string(const ip_address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(address.is_v6 ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof text);
  std::string rendered{text};
  if (address.scope != 0)
    rendered.append("%").append(std::to_string(address.scope));
  return rendered;
}

} // namespace actorwire
