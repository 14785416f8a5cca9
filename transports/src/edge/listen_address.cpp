#include "listen_address.hpp"

#include <algorithm>

namespace actorwire {

bool is_any(const std::string& host) {
  return host.empty() || host == "*";
}

std::optional<ip_address> address_to_bind(const std::string& host) {
  if (is_any(host))
    return parse_ip_address("::");
  return parse_ip_address(host == "localhost" ? "127.0.0.1" : host);
}

transport_error make_host_error(const std::string& host) {
  return make_invalid_value("listen.host", host, "a numeric address, localhost, or [::] or 0.0.0.0 for all addresses");
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
