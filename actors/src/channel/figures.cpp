#include "channel/figures.hpp"

#include "channel/channel_actor.hpp"
#include "stats_streams.hpp"

#include <algorithm>
#include <limits>
#include <new>

namespace actorwire {

namespace {

/// Asking the kernel costs more than sending a message does.
constexpr std::chrono::milliseconds shortest_round_trip_interval{100};

/// A turn of this shard may have begun before its actor was made on another one: no time has passed then.
std::chrono::microseconds in_microseconds(duration stay) noexcept {
  return std::max(std::chrono::floor<std::chrono::microseconds>(stay), std::chrono::microseconds{0});
}

} // namespace

/// The figures of the generations that are over.
struct figures::past {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// Those of the last one, and which that was.
  transport_stats last;
  std::uint64_t generation = 0;
  duration lived{0};
};

struct figures::kept {
  /// Made when the first generation ends.
  std::unique_ptr<past> generations;
  /// Made for the first who asks.
  std::unique_ptr<stats_streams<channel_actor, stats>> streams;
  lifetime_stats lifetime;
};

figures::figures(channel_actor& owner) : owner_(owner) {}

figures::~figures() = default;

void figures::end_generation(transport_stats last, std::uint64_t generation, duration lived) {
  auto& generations = more().generations;
  if (generations == nullptr)
    generations = std::make_unique<past>();
  generations->last = last;
  generations->generation = generation;
  generations->lived = lived;
  generations->bytes_sent += last.bytes_sent;
  generations->bytes_received += last.bytes_received;
}

transport_stats figures::over_all(const transport_stats* present, std::uint64_t generation) const {
  const auto* before = kept_ != nullptr ? kept_->generations.get() : nullptr;
  transport_stats sum;
  if (present != nullptr) {
    sum = *present;
  } else if (before != nullptr) {
    sum = before->last;
    sum.bytes_sent = sum.bytes_received = 0;
  }
  if (before != nullptr) {
    sum.bytes_sent += before->bytes_sent;
    sum.bytes_received += before->bytes_received;
  }
  sum.reconnect_count = generation > 1 ? static_cast<std::uint32_t>(generation - 1) : 0;
  return sum;
}

generation_stats figures::last_generation() const {
  if (kept_ == nullptr || kept_->generations == nullptr)
    return {};
  const auto& before = *kept_->generations;
  return of_generation(before.last, before.generation, before.lived);
}

generation_stats figures::of_generation(const transport_stats& carried, std::uint64_t generation,
                                        duration lived) noexcept {
  return {generation, carried.bytes_sent, carried.bytes_received, in_microseconds(lived)};
}

// -- what only grows ----------------------------------------------------------------------------------------------------

void figures::note_departure(time_point accepted_at, departure how) noexcept {
  const auto now = owner_.where().read_clock();
  if (how != departure::completed)
    record(measure::queue_age, now - accepted_at);
  if (how == departure::completed || how == departure::whole)
    record(measure::send_latency, now - accepted_at);
  note_round_trip(now);
}

void figures::note_round_trip(time_point now) noexcept {
  if (now < round_trip_due_)
    return;
  round_trip_due_ = now + shortest_round_trip_interval;
  if (const auto latency = owner_.round_trip(); latency.count() > 0)
    record(measure::round_trip, latency);
}

void figures::record(measure which, duration taken) noexcept {
  const auto index = static_cast<std::size_t>(which);
  if (kept_ == nullptr && !has_first_sample_[index]) {
    first_samples_[index] = static_cast<std::uint32_t>(
        std::clamp(in_microseconds(taken), std::chrono::microseconds{0}, histogram::longest).count());
    has_first_sample_[index] = true;
    return;
  }
  if (kept_ == nullptr) {
    // What looks on must not bring down what it looks at: without memory this sample is left out.
    kept_.reset(new (std::nothrow) kept);
    if (kept_ == nullptr)
      return;
  }
  of(kept_->lifetime, which).record(taken);
}

histogram& figures::of(lifetime_stats& all, measure which) noexcept {
  switch (which) {
    case measure::send_latency:
      return all.send_latency;
    case measure::queue_age:
      return all.queue_age;
    case measure::round_trip:
      break;
  }
  return all.round_trip;
}

void figures::add_first_samples(lifetime_stats& sum) const noexcept {
  for (const auto which : {measure::send_latency, measure::queue_age, measure::round_trip})
    if (const auto index = static_cast<std::size_t>(which); has_first_sample_[index])
      of(sum, which).record(std::chrono::microseconds{first_samples_[index]});
}

void figures::note_stay(connection_state state, duration stay) {
  const auto time = in_microseconds(stay);
  const auto index = static_cast<std::size_t>(state);
  if (index < early_times_.size()) {
    auto& early = early_times_[index];
    if (time.count() <= std::numeric_limits<std::uint32_t>::max() - early) {
      early += static_cast<std::uint32_t>(time.count());
      return;
    }
  }
  more().lifetime.time_in[state] += time;
}

void figures::note_drops(error_code why, const tally& not_sent, const tally& maybe_sent) {
  more().lifetime.add_drops(why, not_sent, maybe_sent);
}

void figures::note_failed_attempt(error_code why) {
  more().lifetime.add_failed_attempts(why, 1);
}

lifetime_stats figures::lifetime(connection_state state, duration stay) const {
  auto sum = kept_ != nullptr ? kept_->lifetime : lifetime_stats{};
  for (std::size_t index = 0; index < early_times_.size(); ++index)
    sum.time_in.all[index] += std::chrono::microseconds{early_times_[index]};
  add_first_samples(sum);
  sum.time_in[state] += in_microseconds(stay);
  return sum;
}

figures::kept& figures::more() {
  if (kept_ == nullptr)
    kept_ = std::make_unique<kept>();
  return *kept_;
}

// -- who is sent them ---------------------------------------------------------------------------------------------------

void figures::stream_to(const caf::strong_actor_ptr& who, std::chrono::milliseconds interval) {
  auto& streams = more().streams;
  if (streams == nullptr)
    streams = std::make_unique<stats_streams<channel_actor, stats>>(owner_, &channel_actor::statistics,
                                                                    [this] { note_round_trip(owner_.where().now()); });
  // Who asks anew is sent some, though it may not have handled the last.
  streams->stop(caf::actor_cast<caf::actor_addr>(who));
  streams->start(who, interval);
}

bool figures::stop_stream_to(const caf::actor_addr& who) {
  return streams_to(who) && kept_->streams->stop(who);
}

bool figures::streams_to(const caf::actor_addr& who) const noexcept {
  return kept_ != nullptr && kept_->streams != nullptr && kept_->streams->includes(who);
}

std::vector<caf::actor_addr> figures::stop_streams() {
  if (kept_ == nullptr || kept_->streams == nullptr)
    return {};
  return kept_->streams->stop_all();
}

} // namespace actorwire
