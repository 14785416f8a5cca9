#pragma once

#include "simulated_network.hpp"

#include <actorwire/transports/frame_label.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// One frame of `framing_mode::numbered`.
struct plain_frame {
  frame_kind kind = frame_kind::data;
  std::uint64_t number = 0;
  std::string body;

  friend bool operator==(const plain_frame&, const plain_frame&) = default;
};

/// Its bytes, and the frames that bytes are; made by hand, from docs/framing.md.
[[nodiscard]] std::string encoded(const plain_frame& frame);
/// What is left of the bytes stays.
[[nodiscard]] std::vector<plain_frame> take_frames(std::string& bytes);

/// A host that takes what comes at once and says what a test tells it to, to the client that connected last.
class numbered_host {
public:
  /// *Lifetime:* the host must outlive the network.
  [[nodiscard]] simulated_network::accept_function accept();

  void send(const plain_frame& frame) { send_bytes(encoded(frame)); }
  /// The same to the client that connected as number `client`, from 0.
  void send_to(std::size_t client, const plain_frame& frame);
  void send_bytes(std::string_view bytes);
  void finish();

  /// Answers each call at once with the same body.
  void echo() {
    on_frame = [this](const plain_frame& frame) {
      if (frame.kind == frame_kind::call)
        send({frame_kind::answer, frame.number, frame.body});
    };
  }

  /// From all clients.
  std::vector<plain_frame> frames;
  std::function<void(const plain_frame&)> on_frame;
  std::size_t clients = 0;
  bool peer_finished = false;

private:
  class end;
  std::vector<std::shared_ptr<end>> ends_;
};

} // namespace actorwire::test
