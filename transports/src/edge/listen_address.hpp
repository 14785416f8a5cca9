#pragma once

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/ip_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <functional>

namespace actorwire {

/// Has `bind(address, port)` bind to where a listener is to listen. *Errors:* `invalid_value` for a host that is no numeric
/// address; those of `bind`.
[[nodiscard]] result<void> bind_to(const endpoint& where,
                                   const std::function<result<void>(const ip_address&, std::uint16_t)>& bind);

[[nodiscard]] ip_address ip_address_of(const boost::asio::ip::address& from);

/// A client's address as `parse_ip_address` reads it back: an interface is told by its number, not by its name.
[[nodiscard]] endpoint numeric_endpoint(protocol proto, const ip_address& address, std::uint16_t port);

} // namespace actorwire
