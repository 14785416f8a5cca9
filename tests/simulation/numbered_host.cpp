#include "numbered_host.hpp"

#include <catch2/catch_test_macros.hpp>

#include <limits>
#include <span>
#include <utility>

namespace actorwire::test {

std::string encoded(const plain_frame& frame) {
  std::string bytes;
  const auto append = [&bytes](std::uint64_t number, unsigned size) {
    while (size-- > 0)
      bytes.push_back(static_cast<char>(number >> (8 * size) & 0xffU));
  };
  append(9 + frame.body.size(), 4);
  append(static_cast<std::uint64_t>(frame.kind), 1);
  append(frame.number, 8);
  return bytes + frame.body;
}

std::vector<plain_frame> take_frames(std::string& bytes) {
  std::vector<plain_frame> frames;
  const auto number_at = [&bytes](std::size_t begin, std::size_t size) {
    std::uint64_t number = 0;
    for (auto index = begin; index < begin + size; ++index)
      number = number << 8U | static_cast<unsigned char>(bytes[index]);
    return number;
  };
  while (bytes.size() >= 4) {
    const auto size = 4 + number_at(0, 4);
    if (bytes.size() < size)
      break;
    REQUIRE(size >= 13);
    frames.push_back({static_cast<frame_kind>(number_at(4, 1)), number_at(5, 8), bytes.substr(13, size - 13)});
    bytes.erase(0, size);
  }
  return frames;
}

class numbered_host::end final : public transport_observer {
public:
  end(numbered_host& host, local_ref<transport> accepted) : host_(host), wire_(std::move(accepted)) {
    if (wire_->init({}, *this))
      wire_->receive(std::numeric_limits<std::size_t>::max());
  }
  ~end() { wire_->detach(); }

  end(const end&) = delete;
  end& operator=(const end&) = delete;

  void send(std::string_view bytes) {
    unsent_ += bytes;
    on_writable();
  }
  void finish() { wire_->finish(); }

private:
  void on_progress(connection_state) override {}
  void on_connected(const transport_opening&) override {}
  void on_received(payload bytes) override {
    unread_ += bytes.text();
    for (auto& frame : take_frames(unread_)) {
      host_.frames.push_back(frame);
      if (host_.on_frame)
        host_.on_frame(frame);
    }
  }
  void on_peer_finished() override {
    host_.peer_finished = true;
    wire_->finish();
  }
  void on_writable() override {
    while (!unsent_.empty() && !is_over_) {
      const outgoing piece{reinterpret_cast<const std::byte*>(unsent_.data()), unsent_.size(), nullptr};
      const auto taken = wire_->send(std::span{&piece, 1});
      if (!taken || *taken == 0)
        return;
      unsent_.erase(0, *taken);
    }
  }
  void on_closed(const transport_error&) override { is_over_ = true; }

  numbered_host& host_;
  local_ref<transport> wire_;
  std::string unread_;
  std::string unsent_;
  bool is_over_ = false;
};

simulated_network::accept_function numbered_host::accept() {
  return [this](local_ref<transport> accepted) {
    ++clients;
    ends_.push_back(std::make_shared<end>(*this, std::move(accepted)));
  };
}

void numbered_host::send_bytes(std::string_view bytes) {
  REQUIRE_FALSE(ends_.empty());
  ends_.back()->send(bytes);
}

void numbered_host::send_to(std::size_t client, const plain_frame& frame) {
  ends_.at(client)->send(encoded(frame));
}

void numbered_host::finish() {
  ends_.back()->finish();
}

} // namespace actorwire::test
