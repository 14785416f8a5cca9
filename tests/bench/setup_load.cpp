#include "setup_load.hpp"

#include "checksum.hpp"
#include "event_queue.hpp"

#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <vector>

namespace actorwire::bench {

namespace {

class setup_load {
public:
  setup_load(const load& wanted, const setup& how)
    : wanted_(wanted),
      how_(how),
      attempts_(wanted.connections),
      message_(wanted.message_size),
      reply_(wanted.message_size) {
    fill_pattern(message_);
  }

  setup_figures run() {
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
      } else if (is_warm && !is_ending_ && now >= end) {
        figures_.per_second =
            static_cast<double>(figures_.count - before) / std::chrono::duration<double>(now - measured_from).count();
        is_ending_ = true;
      }
      if (is_ending_ && under_way_ == 0)
        return figures_;
    }
  }

private:
  struct attempt {
    std::unique_ptr<connection> to;
    bool is_open = false;
    std::uint64_t expected = 0;
    std::size_t reply_size = 0;
  };

  void begin(std::uint32_t index) {
    auto& one = attempts_[index];
    ++under_way_;
    one.to = how_.begin(connect_to(wanted_.port, wanted_.congestion_control));
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
      how_.check(*one.to);
      one.is_open = true;
      stamp(message_, figures_.count);
      one.expected = checksum(message_);
      one.to->write_some(message_);
    }
    // Each attempt's reply is so short that it comes in one piece.
    one.reply_size += one.to->read_some(std::span{reply_}.subspan(one.reply_size));
    if (one.reply_size == 0)
      return;
    if (one.reply_size != reply_.size() || checksum(reply_) != one.expected)
      throw std::runtime_error("a message came back changed");
    figures_.echoed.bytes += reply_.size();
    figures_.echoed.checksum += one.expected;
    ++figures_.count;
    one = {};
    --under_way_;
    // What is under way in the end is waited for: a server is not to complain.
    if (!is_ending_)
      begin(index);
  }

  const load& wanted_;
  const setup& how_;
  std::vector<attempt> attempts_;
  std::size_t under_way_ = 0;
  bool is_ending_ = false;
  std::vector<std::byte> message_;
  std::vector<std::byte> reply_;
  event_queue events_;
  setup_figures figures_;
};

} // namespace

setup_figures measure_setups(const load& wanted, const setup& how) {
  return setup_load{wanted, how}.run();
}

} // namespace actorwire::bench
