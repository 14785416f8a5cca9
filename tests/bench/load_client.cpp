#include "load_client.hpp"

#include "checksum.hpp"
#include "event_queue.hpp"

#include <poll.h>

#include <algorithm>
#include <span>
#include <stdexcept>

namespace actorwire::bench {

using std::chrono::nanoseconds;

static std::unique_ptr<connection> open(const load& wanted) {
  auto socket = connect_to(wanted.port, wanted.congestion_control);
  return wanted.speak ? wanted.speak(std::move(socket)) : make_plain_connection(std::move(socket));
}

static void write_whole(connection& to, std::span<const std::byte> message) {
  if (to.write_some(message) != message.size() || to.holds_unsent())
    throw std::runtime_error("a short message does not fit into the socket's buffer");
}

namespace {

/// One connection of `measure_round_trips`.
struct session {
  std::unique_ptr<connection> to;
  std::vector<std::byte> message;
  std::vector<std::byte> reply;
  std::size_t reply_size = 0;
  std::uint64_t expected = 0;
  steady_clock::time_point sent_at;
};

class round_trip_load {
public:
  explicit round_trip_load(const load& wanted) : wanted_(wanted), sessions_(wanted.connections) {
    latencies_.reserve(std::size_t{1} << 20U);
    for (std::uint32_t index = 0; auto& one : sessions_) {
      one.to = open(wanted);
      one.message.resize(wanted.message_size);
      one.reply.resize(wanted.message_size);
      fill_pattern(one.message);
      events_.add(one.to->fd(), EPOLLIN, index++);
    }
  }

  round_trip_figures run() {
    const auto warm_at = steady_clock::now() + wanted_.warm_up;
    for (auto& one : sessions_)
      send_next(one);
    auto now = steady_clock::now();
    auto stopped_at = now;
    while (in_flight_ > 0) {
      for (const auto& event : events_.wait())
        if (auto& one = sessions_[event.data.u32]; receive(one)) {
          now = steady_clock::now();
          complete(one, now);
          if (!stopping_)
            send_next(one);
        }
      if (!is_warm_ && now >= warm_at && completed_ >= sessions_.size())
        begin_measuring(now);
      const auto is_over = is_warm_ && now >= start_ + wanted_.duration;
      if (!stopping_ && (is_over || sequence_ >= wanted_.max_messages)) {
        stopping_ = true;
        stopped_at = now;
      }
    }
    return figures(stopped_at);
  }

private:
  void send_next(session& one) {
    stamp(one.message, ++sequence_);
    one.expected = checksum(one.message);
    one.sent_at = steady_clock::now();
    write_whole(*one.to, one.message);
    ++in_flight_;
  }

  void begin_measuring(steady_clock::time_point now) {
    is_warm_ = true;
    start_ = now;
    completed_before_ = completed_;
    if (wanted_.server_cpu_time)
      server_cpu_before_ = wanted_.server_cpu_time();
  }

  /// Returns whether the reply is complete.
  static bool receive(session& one) {
    one.reply_size += one.to->read_some(std::span{one.reply}.subspan(one.reply_size));
    return one.reply_size == one.reply.size();
  }

  void complete(session& one, steady_clock::time_point now) {
    if (checksum(one.reply) != one.expected)
      throw std::runtime_error("a message came back changed");
    one.reply_size = 0;
    --in_flight_;
    ++completed_;
    echoed_.bytes += one.reply.size();
    // Replies of many connections come in any order, so their sums are added.
    echoed_.checksum += one.expected;
    if (!stopping_ && is_warm_)
      latencies_.push_back(nanoseconds{now - one.sent_at}.count());
  }

  round_trip_figures figures(steady_clock::time_point end) {
    const auto seconds = std::chrono::duration<double>(end - start_).count();
    if (latencies_.empty() || seconds <= 0)
      throw std::runtime_error("no round trip was measured; the duration is too short");
    std::ranges::sort(latencies_);
    const auto quantile_us = [this](double share) {
      const auto at = static_cast<std::size_t>(share * static_cast<double>(latencies_.size() - 1));
      return static_cast<double>(latencies_[at]) / 1e3;
    };
    return {static_cast<double>(latencies_.size()) / seconds,
            quantile_us(0.5),
            quantile_us(0.99),
            quantiles_of(latencies_, 1e3),
            echoed_,
            server_cpu_us()};
  }

  /// All that are under way in the end were waited for, and the connections are still open.
  [[nodiscard]] double server_cpu_us() const {
    if (!wanted_.server_cpu_time)
      return 0;
    const auto used = std::chrono::duration<double, std::micro>(wanted_.server_cpu_time() - server_cpu_before_);
    return used.count() / static_cast<double>(completed_ - completed_before_);
  }

  const load& wanted_;
  std::vector<session> sessions_;
  event_queue events_;
  std::vector<std::int64_t> latencies_;
  steady_clock::time_point start_;
  bool is_warm_ = false;
  nanoseconds server_cpu_before_{};
  std::uint64_t sequence_ = 0;
  std::size_t in_flight_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t completed_before_ = 0;
  bool stopping_ = false;
  verified echoed_;
};

class stream_load {
public:
  explicit stream_load(const load& wanted)
    : wanted_(wanted),
      to_(open(wanted)),
      outgoing_(wanted.message_size),
      incoming_(wanted.message_size * std::max(least_messages, read_ahead / wanted.message_size)) {
    fill_pattern(outgoing_);
    events_.add(to_->fd(), interest_, 0);
  }

  stream_figures run() {
    const auto start = steady_clock::now() + wanted_.warm_up;
    const auto end = start + wanted_.duration;
    auto measured_from = start;
    std::uint64_t received_before = 0;
    stream_figures figures;
    auto now_in = stage::warming;
    while (now_in != stage::draining || sent_part_ > 0 || received_ < sent_) {
      for (const auto& event : events_.wait()) {
        if ((event.events & EPOLLIN) != 0)
          receive();
        if ((event.events & EPOLLOUT) != 0)
          send(now_in == stage::draining);
      }
      const auto now = steady_clock::now();
      if (now_in == stage::warming && now >= start) {
        now_in = stage::measuring;
        measured_from = now;
        received_before = received_;
      } else if (now_in == stage::measuring && (now >= end || messages_ >= wanted_.max_messages)) {
        now_in = stage::draining;
        const auto seconds = std::chrono::duration<double>(now - measured_from).count();
        figures.megabytes_per_second = static_cast<double>(received_ - received_before) / 1e6 / seconds;
      }
      watch(may_send(now_in == stage::draining) || to_->holds_unsent());
    }
    if (received_sum_ != sent_sum_)
      throw std::runtime_error("the stream came back changed");
    figures.echoed = {received_, received_sum_};
    return figures;
  }

private:
  enum class stage : std::uint8_t { warming, measuring, draining };

  /// Enough to keep two processes busy, and so little that no server needs back-pressure to survive.
  static constexpr std::uint64_t window = 2U << 20U;

  /// What is read at once: so many bytes, but so many messages at least.
  static constexpr std::size_t read_ahead = 262'144;
  static constexpr std::size_t least_messages = 4;

  /// The message that is begun is always finished.
  [[nodiscard]] bool may_send(bool ending) const noexcept {
    return (sent_part_ > 0 || !ending) && sent_ - received_ < window;
  }

  void watch(bool wants_to_send) {
    const std::uint32_t interest = wants_to_send ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (interest != interest_)
      events_.modify(to_->fd(), interest, 0);
    interest_ = interest;
  }

  void send(bool ending) {
    if (!may_send(ending)) {
      if (to_->holds_unsent())
        to_->write_some({});
      return;
    }
    if (sent_part_ == 0) {
      stamp(outgoing_, ++messages_);
      fold(sent_sum_, outgoing_);
    }
    const auto count = to_->write_some(std::span{outgoing_}.subspan(sent_part_));
    sent_ += count;
    sent_part_ = (sent_part_ + count) % outgoing_.size();
  }

  void receive() {
    do
      receive_part();
    while (to_->may_hold_more());
  }

  void receive_part() {
    const auto size = outgoing_.size();
    const auto count = to_->read_some(std::span{incoming_}.subspan(received_part_));
    received_ += count;
    for (received_part_ += count; received_part_ - checked_part_ >= size; checked_part_ += size)
      fold(received_sum_, std::span{incoming_}.subspan(checked_part_, size));
    if (checked_part_ == incoming_.size())
      checked_part_ = received_part_ = 0;
  }

  static void fold(std::uint64_t& sum, std::span<const std::byte> message) noexcept {
    sum = sum * 31 + checksum(message);
  }

  const load& wanted_;
  std::unique_ptr<connection> to_;
  event_queue events_;
  std::uint32_t interest_ = EPOLLIN | EPOLLOUT;
  std::vector<std::byte> outgoing_;
  std::size_t sent_part_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t sent_sum_ = 0;
  std::uint64_t messages_ = 0;
  std::vector<std::byte> incoming_;
  std::size_t received_part_ = 0;
  std::size_t checked_part_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t received_sum_ = 0;
};

} // namespace

round_trip_figures measure_round_trips(const load& wanted) {
  return round_trip_load{wanted}.run();
}

stream_figures measure_stream(const load& wanted) {
  return stream_load{wanted}.run();
}

idle_connections::idle_connections(const load& wanted) {
  connections_.reserve(wanted.connections);
  std::vector<std::byte> message(wanted.message_size);
  std::vector<std::byte> reply(wanted.message_size);
  fill_pattern(message);
  for (std::size_t index = 0; index < wanted.connections; ++index) {
    auto to = open(wanted);
    reset_on_close(to->fd());
    stamp(message, index);
    write_whole(*to, message);
    for (std::size_t size = 0; size < reply.size();) {
      const auto count = to->read_some(std::span{reply}.subspan(size));
      if (count == 0)
        wait_for(to->fd(), POLLIN);
      size += count;
    }
    const auto sum = checksum(reply);
    if (sum != checksum(message))
      throw std::runtime_error("a message came back changed");
    echoed_.bytes += reply.size();
    echoed_.checksum += sum;
    connections_.push_back(std::move(to));
  }
}

} // namespace actorwire::bench
