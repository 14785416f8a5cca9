#pragma once

#include "simulated_network.hpp"

#include <actorwire/messages/stream.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

/// What a host does with what comes on a stream.
enum class stream_manners : std::uint8_t {
  /// Sends it back, on the same stream, and ends its half when the other is ended.
  echo,
  /// Takes it.
  sink,
  /// Does not read.
  deaf,
};

/// The accepted end of one `quic://` connection to a host. It writes down what it is told, and does what a test asks for.
class stream_end final : private transport_observer, private multiplexer_observer {
public:
  stream_end(local_ref<transport> accepted, stream_manners manners);
  ~stream_end();

  stream_end(const stream_end&) = delete;
  stream_end& operator=(const stream_end&) = delete;

  [[nodiscard]] multiplexer& streams() noexcept { return *streams_; }
  void send(stream_id stream, std::string_view text);
  void finish(stream_id stream);
  void finish_all();

  /// What was told.
  std::vector<stream_id> opened;
  std::map<stream_id, std::string> text;
  std::set<stream_id> finished;
  std::map<stream_id, std::pair<stream_half, std::uint64_t>> reset;
  std::vector<stream_id> closed;
  std::vector<std::string> datagrams;
  bool is_over = false;

private:
  void on_progress(connection_state) override {}
  void on_connected(const transport_opening&) override {}
  void on_received(payload bytes) override;
  void on_peer_finished() override;
  void on_writable() override { flush(0); }
  void on_closed(const transport_error&) override { is_over = true; }

  void on_stream_opened(stream_id stream, stream_direction direction) override;
  void on_stream_received(stream_id stream, payload bytes) override;
  void on_stream_finished(stream_id stream) override;
  void on_stream_reset(stream_id stream, stream_half half, std::uint64_t code) override {
    reset[stream] = {half, code};
  }
  void on_stream_writable(stream_id stream) override { flush(stream); }
  void on_stream_closed(stream_id stream) override { closed.push_back(stream); }
  void on_streams_available(stream_direction) override {}
  void on_datagram(payload body) override;
  void on_datagram_done(std::uint64_t, bool) override {}
  void on_address_changed(const std::string&, const std::string&) override {}

  /// What waits for room, and whether the end of our half waits behind it.
  struct output {
    std::string waiting;
    bool ends = false;
  };

  void flush(stream_id stream);

  local_ref<transport> wire_;
  multiplexer* streams_;
  stream_manners manners_;
  std::map<stream_id, output> outputs_;
};

/// A host of `quic://`, for `simulated_network::listen`.
class stream_host {
public:
  explicit stream_host(stream_manners manners = stream_manners::echo) noexcept : manners_(manners) {}

  /// *Lifetime:* the host must outlive the network.
  [[nodiscard]] simulated_network::accept_function accept();

  /// Of all connections, the first first.
  [[nodiscard]] std::deque<stream_end>& ends() noexcept { return ends_; }
  [[nodiscard]] stream_end& last() { return ends_.back(); }

private:
  stream_manners manners_;
  std::deque<stream_end> ends_;
};

} // namespace actorwire::test
