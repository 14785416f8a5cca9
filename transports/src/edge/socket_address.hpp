#pragma once

#include <actorwire/transports/ip_address.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace actorwire {

/// An address and a port in the form that sockets take.
[[nodiscard]] boost::asio::ip::tcp::endpoint socket_address(const ip_address& address, std::uint16_t port);

/// Renders `192.0.2.1:80` or `[2001:db8::1]:80`.
[[nodiscard]] std::string to_text(const boost::asio::ip::tcp::endpoint& where);

/// The two ends of a socket; empty when it has none.
[[nodiscard]] std::optional<boost::asio::ip::tcp::endpoint> local_end(int descriptor);
[[nodiscard]] std::optional<boost::asio::ip::tcp::endpoint> remote_end(int descriptor);

} // namespace actorwire
