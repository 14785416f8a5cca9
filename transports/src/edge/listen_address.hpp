#pragma once

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/transports/ip_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace actorwire {

/// Whether a listener's host means every address of the machine.
[[nodiscard]] bool is_any(const std::string& host);

/// The address that a listener's host means; empty if it is no numeric one.
[[nodiscard]] std::optional<ip_address> address_to_bind(const std::string& host);

/// Says what a listener's host may be.
[[nodiscard]] transport_error make_host_error(const std::string& host);

[[nodiscard]] ip_address ip_address_of(const boost::asio::ip::address& from);

/// A client's address as `parse_ip_address` reads it back: an interface is told by its number, not by its name.
[[nodiscard]] endpoint numeric_endpoint(protocol proto, const ip_address& address, std::uint16_t port);

} // namespace actorwire
