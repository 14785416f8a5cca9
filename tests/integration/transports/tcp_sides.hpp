#pragma once

#include "edge/tcp_transport.hpp"
#include "socket_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace actorwire::test {

inline constexpr auto unlimited = std::numeric_limits<std::size_t>::max();

/// A transport with its observer; what a test forgets is quiet and closed at the end.
class side {
public:
  explicit side(local_ref<transport> made) : wire(std::move(made)) {}
  ~side() {
    if (wire)
      wire->detach();
  }
  side(const side&) = delete;
  side& operator=(const side&) = delete;

  void init(const transport_config& config = {}) { REQUIRE(wire->init(config, seen)); }

  local_ref<transport> wire;
  recording_observer seen;
};

inline std::shared_ptr<resolver> resolver_of(std::vector<std::string> numeric) {
  return std::make_shared<resolver>([numeric = std::move(numeric)](const std::string&) -> resolver::answer {
    std::vector<ip_address> addresses;
    for (const auto& text : numeric)
      addresses.push_back(*parse_ip_address(text));
    return addresses;
  });
}

/// A transport that dialled, and the plain socket that it reached.
class dialled {
public:
  explicit dialled(stepped_shard& here, const transport_config& config = {}, int peer_receive_buffer = 0)
    : listener_(16, peer_receive_buffer), near(make_tcp_transport(here.run, std::make_shared<resolver>())) {
    near.init(config);
    near.wire->connect(listener_.where());
    here.until([&] { return near.seen.connected || near.seen.closed; });
    REQUIRE(near.seen.connected);
    far = listener_.accept();
  }

private:
  plain_listener listener_;

public:
  side near;
  plain_socket far;
};

/// A transport that was accepted, and the plain socket that dialled it.
class adopted {
public:
  explicit adopted(stepped_shard& here) : far(plain_socket::connect_to(listener_.port())), near(adopt(here)) {
    near.init();
    here.until([&] { return near.seen.connected; });
  }

private:
  local_ref<transport> adopt(stepped_shard& here) { return adopt_tcp_socket(here.run, listener_.accept().release()); }

  plain_listener listener_;

public:
  plain_socket far;
  side near;
};

/// Collects what the plain side receives, running the shard meanwhile, until `size` bytes are there or the stream ended.
inline std::string receive_from(stepped_shard& here, plain_socket& far, std::size_t size) {
  std::string text;
  here.until([&] {
    auto got = far.receive_now();
    text.append(got.text);
    return text.size() >= size || got.ended || got.error != 0;
  });
  return text;
}

inline transport_error closed_by_us() {
  return make_error(error_code::closed, phase::close, origin::local, "done");
}

} // namespace actorwire::test
