#include "listen_address.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

namespace actorwire {

namespace {

/// Whether a listener's host means every address of the machine.
bool is_any(const std::string& host) {
  return host.empty() || host == "*";
}

std::optional<ip_address> address_to_bind(const std::string& host) {
  if (is_any(host))
    return parse_ip_address("::");
  return parse_ip_address(host == "localhost" ? "127.0.0.1" : host);
}

} // namespace

result<void> bind_to(const endpoint& where, const std::function<result<void>(const ip_address&, std::uint16_t)>& bind) {
  const auto address = address_to_bind(where.host);
  if (!address)
    return make_invalid_value("listen.host", where.host,
                              "a numeric address, localhost, or [::] or 0.0.0.0 for all addresses");
  auto bound = bind(*address, where.port);
  // A kernel without IPv6 has only the other half of "all addresses".
  if (!bound && bound.error().system_code == EAFNOSUPPORT && is_any(where.host))
    bound = bind(*parse_ip_address("0.0.0.0"), where.port);
  return bound;
}

ip_address ip_address_of(const boost::asio::ip::address& from) {
  ip_address address;
  address.is_v6 = from.is_v6();
  if (address.is_v6) {
    address.bytes = from.to_v6().to_bytes();
    address.scope = static_cast<std::uint32_t>(from.to_v6().scope_id());
  } else {
    const auto bytes = from.to_v4().to_bytes();
    std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  }
  return address;
}

endpoint numeric_endpoint(protocol proto, const ip_address& address, std::uint16_t port) {
  return {proto, to_string(address), port};
}

} // namespace actorwire
