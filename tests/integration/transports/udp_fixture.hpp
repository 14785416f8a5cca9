#pragma once

#include "edge/quic/udp_receive_buffers.hpp"
#include "edge/quic/udp_socket.hpp"
#include "pattern.hpp"

#include <actorwire/transports/ip_address.hpp>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

inline udp_address address(const std::string& host, std::uint16_t port = 0) {
  return {parse_ip_address(host).value(), port};
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

/// A departure of one datagram.
inline udp_departure single(std::string_view text, const udp_address& to) {
  return {{{}, to}, ecn_mark::not_capable, text.size(), bytes_of(text)};
}

/// Cuts a train as the system should.
inline std::vector<std::string> cut(std::string_view text, std::size_t segment_size) {
  std::vector<std::string> pieces;
  for (; !text.empty(); text.remove_prefix(pieces.back().size()))
    pieces.emplace_back(text.substr(0, segment_size));
  return pieces;
}

/// Waits for what poll(2) waits for; fails the test after 20 s.
inline void wait_for(int descriptor, short events) {
  pollfd waiting{descriptor, events, 0};
  REQUIRE(::poll(&waiting, 1, 20'000) == 1);
}

class open_udp_socket : public udp_socket {
public:
  explicit open_udp_socket(const std::string& host, const udp_socket_options& options = {}) {
    REQUIRE(open(address(host), options));
  }
};

/// Writes down what a socket receives.
class recording_sink final : public udp_sink {
public:
  struct datagram {
    udp_path path;
    ecn_mark mark = ecn_mark::not_capable;
    std::string text;
    const std::byte* where = nullptr;
  };

  void handle_datagram(const udp_arrival& arrived) override {
    const auto* text = reinterpret_cast<const char*>(arrived.bytes.data());
    seen.push_back({arrived.path, arrived.mark, {text, arrived.bytes.size()}, arrived.bytes.data()});
    if (then)
      then();
  }

  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const auto& each : seen)
      all.push_back(each.text);
    return all;
  }

  std::vector<datagram> seen;
  std::function<void()> then;
};

/// The receiving side of a shard.
class receiver {
public:
  explicit receiver(std::size_t buffer_size = udp_receive_buffers::default_size) : buffers{context, buffer_size} {}

  /// Receives by `socket` until `count` datagrams have come by it and those before.
  const recording_sink::datagram& receive(udp_socket& socket, std::size_t count) {
    while (sink.seen.size() < count) {
      wait_for(socket.native_handle(), POLLIN);
      last = socket.receive(buffers, sink);
      REQUIRE(last.system_code == 0);
      messages += last.messages;
      truncated += last.truncated;
    }
    return sink.seen.back();
  }

  boost::asio::io_context context;
  udp_receive_buffers buffers;
  recording_sink sink;
  udp_reception last;
  std::size_t messages = 0;
  std::size_t truncated = 0;
};

/// A connected UDP socket in whose place the kernel has another one, of the local kind: loopback hands datagrams over as
/// soon as they are sent and so never blocks, whereas local sockets block while their buffer is full of what waits to be
/// read.
class blocking_socket : public open_udp_socket {
public:
  blocking_socket() : open_udp_socket("127.0.0.1", {.gso = false}) {
    REQUIRE(connect(local()));
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const int room_for_ten = 16'384;
    REQUIRE(::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room_for_ten, sizeof room_for_ten) == 0);
    REQUIRE(::dup3(ends[0], native_handle(), O_CLOEXEC) >= 0);
    ::close(ends[0]);
    other_ = ends[1];
  }
  ~blocking_socket() { close_other_end(); }
  blocking_socket(const blocking_socket&) = delete;
  blocking_socket& operator=(const blocking_socket&) = delete;

  /// Reads what has arrived at the other end.
  void read_into(std::vector<std::string>& arrived) const {
    std::array<char, 65'536> space;
    for (;;) {
      const auto size = ::recv(other_, space.data(), space.size(), 0);
      if (size < 0)
        break;
      arrived.emplace_back(space.data(), static_cast<std::size_t>(size));
    }
  }

  void close_other_end() {
    if (other_ >= 0)
      ::close(other_);
    other_ = -1;
  }

private:
  int other_ = -1;
};

} // namespace actorwire::test
