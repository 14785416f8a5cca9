#include "udp_address.hpp"

#include <algorithm>
#include <array>

namespace actorwire {

namespace {

constexpr std::array<std::uint8_t, 12> v4_mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

} // namespace

udp_address::udp_address(const ip_address& host, std::uint16_t port) noexcept : storage_{} {
  const auto is_v4_mapped =
      host.is_v6 && std::equal(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), host.bytes.begin());
  if (host.is_v6 && !is_v4_mapped) {
    storage_.v6.sin6_family = AF_INET6;
    storage_.v6.sin6_port = htons(port);
    storage_.v6.sin6_scope_id = host.scope;
    std::memcpy(&storage_.v6.sin6_addr, host.bytes.data(), sizeof storage_.v6.sin6_addr);
  } else {
    const auto* bytes = host.bytes.data() + (is_v4_mapped ? v4_mapped_prefix.size() : 0);
    storage_.v4.sin_family = AF_INET;
    storage_.v4.sin_port = htons(port);
    std::memcpy(&storage_.v4.sin_addr, bytes, sizeof storage_.v4.sin_addr);
  }
}

udp_address::udp_address(const sockaddr* from, socklen_t size) noexcept : storage_{} {
  if (from->sa_family == AF_INET && size >= sizeof storage_.v4) {
    std::memcpy(&storage_.v4, from, sizeof storage_.v4);
  } else if (from->sa_family == AF_INET6 && size >= sizeof storage_.v6) {
    std::memcpy(&storage_.v6, from, sizeof storage_.v6);
    *this = udp_address{host(), port()};
  }
}

bool udp_address::is_wildcard() const noexcept {
  const auto any = host();
  return is_known() && std::all_of(any.bytes.begin(), any.bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

socklen_t udp_address::size() const noexcept {
  switch (family()) {
    case AF_INET:
      return sizeof storage_.v4;
    case AF_INET6:
      return sizeof storage_.v6;
    default:
      return 0;
  }
}

ip_address udp_address::host() const noexcept {
  ip_address made;
  made.is_v6 = family() == AF_INET6;
  if (made.is_v6) {
    std::memcpy(made.bytes.data(), &storage_.v6.sin6_addr, sizeof storage_.v6.sin6_addr);
    made.scope = storage_.v6.sin6_scope_id;
  } else if (family() == AF_INET) {
    std::memcpy(made.bytes.data(), &storage_.v4.sin_addr, sizeof storage_.v4.sin_addr);
  }
  return made;
}

std::uint16_t udp_address::port() const noexcept {
  switch (family()) {
    case AF_INET:
      return ntohs(storage_.v4.sin_port);
    case AF_INET6:
      return ntohs(storage_.v6.sin6_port);
    default:
      return 0;
  }
}

bool operator==(const udp_address& left, const udp_address& right) noexcept {
  if (left.family() != right.family() || left.port() != right.port())
    return false;
  return left.host() == right.host();
}

std::string to_text(const udp_address& where) {
  const auto host = to_string(where.host());
  const auto port = std::to_string(where.port());
  return where.family() == AF_INET6 ? "[" + host + "]:" + port : host + ":" + port;
}

} // namespace actorwire
