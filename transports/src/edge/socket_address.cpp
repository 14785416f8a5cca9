#include "socket_address.hpp"

#include <sys/socket.h>

#include <algorithm>

namespace actorwire {

namespace {

using boost::asio::ip::tcp;

/// `ask` is getsockname or getpeername.
template <class Ask>
std::optional<tcp::endpoint> end_of(Ask ask, int descriptor) {
  tcp::endpoint end;
  auto size = static_cast<socklen_t>(end.capacity());
  if (ask(descriptor, end.data(), &size) != 0)
    return std::nullopt;
  end.resize(size);
  return end;
}

} // namespace

tcp::endpoint socket_address(const ip_address& address, std::uint16_t port) {
  if (address.is_v6)
    return {boost::asio::ip::address_v6{address.bytes, address.scope}, port};
  boost::asio::ip::address_v4::bytes_type bytes;
  std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
  return {boost::asio::ip::address_v4{bytes}, port};
}

std::string to_text(const tcp::endpoint& where) {
  const auto address = where.address().to_string();
  const auto port = std::to_string(where.port());
  return where.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

std::optional<tcp::endpoint> local_end(int descriptor) {
  return end_of(::getsockname, descriptor);
}

std::optional<tcp::endpoint> remote_end(int descriptor) {
  return end_of(::getpeername, descriptor);
}

} // namespace actorwire
