#include "honest_load.hpp"

#include "checksum.hpp"
#include "event_queue.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

/// Thrown for what no honest server would do to bytes.
struct corruption : std::logic_error {
  using std::logic_error::logic_error;
};

double percentile(std::vector<float>& values, double part) {
  if (values.empty())
    return 0;
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * part);
  std::ranges::nth_element(values, place);
  return *place;
}

unique_fd make_timer(std::size_t times_per_second) {
  unique_fd timer{checked(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create")};
  constexpr long billion = 1'000'000'000;
  const auto interval = billion / static_cast<long>(times_per_second);
  const timespec each{interval / billion, interval % billion};
  const itimerspec setting{each, each};
  checked(::timerfd_settime(timer.get(), 0, &setting, nullptr), "timerfd_settime");
  return timer;
}

class honest_run {
public:
  honest_run(const honest_plan& wanted, const tls_client& client, std::vector<std::unique_ptr<tls_connection>> opened)
    : wanted_(wanted.wanted),
      client_(client),
      timer_(make_timer(wanted.connects_per_second)),
      one_way_(wanted_.message_size),
      back_(wanted_.message_size) {
    fill_pattern(one_way_);
    for (auto& each : opened) {
      attempts_.emplace_back();
      attempts_.back().to = std::move(each);
      attempts_.back().goes_on = true;
    }
  }

  honest_figures run() {
    events_.add(timer_.get(), EPOLLIN, from_timer);
    const auto start = steady_clock::now() + wanted_.warm_up;
    const auto end = start + wanted_.duration;
    measured_from_ = start;
    for (std::uint32_t index = 0; index < attempts_.size(); ++index) {
      events_.add(attempts_[index].to->fd(), EPOLLIN, index);
      speak(attempts_[index]);
    }
    auto is_ending = false;
    while (!is_ending || newcomers_ > 0) {
      for (const auto& event : events_.wait())
        if (event.data.u32 != from_timer)
          advance(event.data.u32);
        else if (!is_ending)
          begin_due();
        else
          drop_expirations();
      const auto now = steady_clock::now();
      is_ending = is_ending || now >= end;
      // A newcomer that is not served in the time of a stall is one that was not served.
      if (now >= end + stall_timeout)
        break;
    }
    figures_.failures += newcomers_;
    figures_.round_trips = round_trips_.size();
    figures_.connects = connects_.size();
    figures_.p50_us = percentile(round_trips_, 0.5);
    figures_.p99_us = percentile(round_trips_, 0.99);
    figures_.connect_p50_us = percentile(connects_, 0.5);
    figures_.connect_p99_us = percentile(connects_, 0.99);
    return figures_;
  }

private:
  static constexpr std::uint32_t from_timer = ~0U;

  struct attempt {
    std::unique_ptr<tls_connection> to;
    bool is_open = false;
    bool goes_on = false;
    std::uint64_t expected = 0;
    std::size_t reply_size = 0;
    steady_clock::time_point since;
  };

  std::uint64_t drop_expirations() {
    std::uint64_t count = 0;
    return ::read(timer_.get(), &count, sizeof count) == sizeof count ? count : 0;
  }

  void begin_due() {
    for (auto count = drop_expirations(); count > 0; --count)
      begin();
  }

  void begin() {
    const auto index = free_.empty() ? static_cast<std::uint32_t>(attempts_.size()) : free_.back();
    if (free_.empty())
      attempts_.emplace_back();
    else
      free_.pop_back();
    ++newcomers_;
    auto& one = attempts_[index];
    one = {};
    one.since = steady_clock::now();
    try {
      one.to = client_.begin(connect_to(wanted_.port, wanted_.congestion_control));
      reset_on_close(one.to->fd());
      events_.add(one.to->fd(), EPOLLIN, index);
    } catch (const std::runtime_error&) {
      fail(index);
      return;
    }
    advance(index);
  }

  /// A handshake and a short message always fit into an empty socket, so only reading has to wait.
  void advance(std::uint32_t index) {
    auto& one = attempts_[index];
    if (!one.to)
      return;
    try {
      if (!one.goes_on && !one.is_open) {
        if (!one.to->handshake())
          return;
        one.is_open = true;
        const auto since = one.since;
        speak(one);
        one.since = since;
      }
      one.reply_size += one.to->read_some(std::span{back_}.subspan(one.reply_size));
    } catch (const std::runtime_error&) {
      fail(index);
      return;
    }
    // Each reply comes in one record, and so in one piece.
    if (one.reply_size == 0)
      return;
    if (one.reply_size != back_.size() || checksum(back_) != one.expected)
      throw corruption("a message came back changed");
    figures_.echoed.bytes += back_.size();
    figures_.echoed.checksum += one.expected;
    note(one);
    if (one.goes_on)
      speak(one);
    else
      leave(index);
  }

  void speak(attempt& one) {
    stamp(one_way_, sequence_++);
    one.expected = checksum(one_way_);
    one.reply_size = 0;
    one.since = steady_clock::now();
    one.to->write_some(one_way_);
  }

  void note(const attempt& one) {
    const auto now = steady_clock::now();
    if (now < measured_from_)
      return;
    const auto took = std::chrono::duration<float, std::micro>(now - one.since).count();
    (one.goes_on ? round_trips_ : connects_).push_back(took);
  }

  void fail(std::uint32_t index) {
    ++figures_.failures;
    if (attempts_[index].goes_on)
      attempts_[index].to = nullptr;
    else
      leave(index);
  }

  void leave(std::uint32_t index) {
    attempts_[index].to = nullptr;
    free_.push_back(index);
    --newcomers_;
  }

  const load& wanted_;
  const tls_client& client_;
  unique_fd timer_;
  event_queue events_;
  std::vector<attempt> attempts_;
  std::vector<std::uint32_t> free_;
  /// Those that are on their way.
  std::size_t newcomers_ = 0;
  std::vector<std::byte> one_way_;
  std::vector<std::byte> back_;
  std::uint64_t sequence_ = 0;
  steady_clock::time_point measured_from_;
  std::vector<float> round_trips_;
  std::vector<float> connects_;
  honest_figures figures_;
};

} // namespace

honest_load::honest_load(honest_plan wanted, const tls_client& client) : plan_(std::move(wanted)), client_(client) {
  for (std::size_t count = 0; count < plan_.wanted.connections; ++count)
    opened_.push_back(client_.open(connect_to(plan_.wanted.port, plan_.wanted.congestion_control)));
}

honest_figures honest_load::run() {
  return honest_run{plan_, client_, std::move(opened_)}.run();
}

} // namespace actorwire::bench
