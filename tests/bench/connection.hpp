#pragma once

#include "posix.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace actorwire::bench {

/// How long a client waits for a server that does nothing.
inline constexpr std::chrono::seconds stall_timeout{5};

/// A client's end of a connection. Nothing blocks.
/// *Errors:* functions throw when the server has closed or broken it.
class connection {
public:
  virtual ~connection() = default;

  [[nodiscard]] virtual int fd() const noexcept = 0;

  /// Goes on with what comes before the first byte, as far as it can; returns whether it is complete.
  virtual bool handshake() { return true; }

  /// Reads what is there, up to the size of `into`; 0 if nothing is.
  virtual std::size_t read_some(std::span<std::byte> into) = 0;
  /// Whether `read_some` would find something, although the socket may not say so.
  [[nodiscard]] virtual bool may_hold_more() const noexcept { return false; }

  /// Takes what there is room for, and returns how much that was.
  virtual std::size_t write_some(std::span<const std::byte> from) = 0;
  /// Whether bytes that were taken wait for the socket to become writable; `write_some`, even of nothing, moves them on.
  [[nodiscard]] virtual bool holds_unsent() const noexcept { return false; }
};

/// A connected, blocking socket without Nagle's delay, whose calls give up after `stall_timeout`.
[[nodiscard]] unique_fd connect_to(std::uint16_t port, const std::string& congestion_control);

void make_nonblocking(int socket);

/// Waits until the socket may be read (POLLIN) or written (POLLOUT). *Errors:* throws after `stall_timeout`.
void wait_for(int socket, short events);

/// Bytes over bare TCP.
[[nodiscard]] std::unique_ptr<connection> make_plain_connection(unique_fd socket);

// Non-blocking calls on a socket; 0 when it cannot now. *Errors:* throw when the connection has ended.
[[nodiscard]] std::size_t receive_some(int socket, std::span<std::byte> into);
[[nodiscard]] std::size_t send_some(int socket, std::span<const std::byte> from);

} // namespace actorwire::bench
