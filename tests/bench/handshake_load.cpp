#include "handshake_load.hpp"

#include "checksum.hpp"
#include "event_queue.hpp"

#include <poll.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

namespace actorwire::bench {

namespace {

class handshake_load {
public:
  handshake_load(const load& wanted, const tls_client& client, handshake_kind kind)
    : wanted_(wanted),
      client_(client),
      kind_(kind),
      attempts_(wanted.connections),
      message_(wanted.message_size),
      reply_(wanted.message_size) {
    fill_pattern(message_);
    if (kind_ == handshake_kind::resumed)
      ticket_ = fetch_ticket();
  }

  handshake_figures run() {
    const auto start = steady_clock::now() + wanted_.warm_up;
    const auto end = start + wanted_.duration;
    for (std::uint32_t index = 0; index < attempts_.size(); ++index)
      begin(index);
    auto measured_from = start;
    std::uint64_t before = 0;
    auto is_warm = false;
    for (;;) {
      for (const auto& event : events_.wait())
        advance(event.data.u32);
      const auto now = steady_clock::now();
      if (!is_warm && now >= start) {
        is_warm = true;
        measured_from = now;
        before = figures_.count;
      } else if (is_warm && now >= end) {
        figures_.per_second =
            static_cast<double>(figures_.count - before) / std::chrono::duration<double>(now - measured_from).count();
        return figures_;
      }
    }
  }

private:
  struct attempt {
    std::unique_ptr<tls_connection> to;
    bool is_open = false;
    std::uint64_t expected = 0;
    std::size_t reply_size = 0;
  };

  void begin(std::uint32_t index) {
    auto& one = attempts_[index];
    one = {};
    one.to = client_.begin(connect_to(wanted_.port, wanted_.congestion_control), ticket_);
    reset_on_close(one.to->fd());
    events_.add(one.to->fd(), EPOLLIN, index);
    advance(index);
  }

  /// A handshake and a short message always fit into an empty socket, so only reading has to wait.
  void advance(std::uint32_t index) {
    auto& one = attempts_[index];
    if (!one.is_open) {
      if (!one.to->handshake())
        return;
      if (one.to->is_resumed() != (kind_ == handshake_kind::resumed))
        throw std::runtime_error(one.to->is_resumed() ? "a session was resumed" : "a session was not resumed");
      one.is_open = true;
      stamp(message_, figures_.count);
      one.expected = checksum(message_);
      one.to->write_some(message_);
    }
    // Each attempt's reply comes in one record, and so in one piece.
    one.reply_size += one.to->read_some(std::span{reply_}.subspan(one.reply_size));
    if (one.reply_size == 0)
      return;
    if (one.reply_size != reply_.size() || checksum(reply_) != one.expected)
      throw std::runtime_error("a message came back changed");
    figures_.echoed.bytes += reply_.size();
    figures_.echoed.checksum += one.expected;
    ++figures_.count;
    begin(index);
  }

  tls_ticket fetch_ticket() {
    const auto to = client_.open(connect_to(wanted_.port, wanted_.congestion_control));
    to->write_some(message_);
    while (to->read_some(reply_) == 0)
      wait_for(to->fd(), POLLIN);
    return to->ticket();
  }

  const load& wanted_;
  const tls_client& client_;
  handshake_kind kind_;
  std::vector<attempt> attempts_;
  std::vector<std::byte> message_;
  std::vector<std::byte> reply_;
  tls_ticket ticket_;
  event_queue events_;
  handshake_figures figures_;
};

} // namespace

handshake_figures measure_handshakes(const load& wanted, const tls_client& client, handshake_kind kind) {
  return handshake_load{wanted, client, kind}.run();
}

} // namespace actorwire::bench
