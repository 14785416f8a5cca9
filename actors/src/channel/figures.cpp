#include "channel/figures.hpp"

#include "channel/channel_actor.hpp"

#include <actorwire/transports/timer.hpp>

#include <algorithm>
#include <utility>

namespace actorwire {

namespace {

constexpr std::chrono::milliseconds shortest_interval{10};
constexpr std::chrono::milliseconds longest_interval{std::chrono::hours{24}};

} // namespace

/// The figures of the generations that are over.
struct figures::past {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// Those of the last one.
  transport_stats last;
};

struct figures::stream {
  stream(channel_actor& owner, caf::strong_actor_ptr to, std::chrono::milliseconds every)
    : who(std::move(to)), interval(every), tick([this, &owner] {
        owner.in_actor([&] {
          owner.send_to(who, owner.statistics());
          owner.where().arm(tick, interval);
        });
      }) {
    owner.where().arm(tick, interval);
  }

  caf::strong_actor_ptr who;
  std::chrono::milliseconds interval;
  timer tick;
};

figures::figures(channel_actor& owner) : owner_(owner) {}

figures::~figures() = default;

void figures::end_generation(transport_stats last) {
  if (past_ == nullptr)
    past_ = std::make_unique<past>();
  past_->last = last;
  past_->bytes_sent += last.bytes_sent;
  past_->bytes_received += last.bytes_received;
}

transport_stats figures::over_all(const transport_stats* present, std::uint64_t generation) const {
  transport_stats sum;
  if (present != nullptr) {
    sum = *present;
  } else if (past_ != nullptr) {
    sum = past_->last;
    sum.bytes_sent = sum.bytes_received = 0;
  }
  if (past_ != nullptr) {
    sum.bytes_sent += past_->bytes_sent;
    sum.bytes_received += past_->bytes_received;
  }
  sum.reconnect_count = generation > 1 ? static_cast<std::uint32_t>(generation - 1) : 0;
  return sum;
}

void figures::stream_to(const caf::strong_actor_ptr& who, std::chrono::milliseconds interval) {
  stop_stream_to(caf::actor_cast<caf::actor_addr>(who));
  streams_.push_back(std::make_unique<stream>(owner_, who, std::clamp(interval, shortest_interval, longest_interval)));
}

bool figures::stop_stream_to(const caf::actor_addr& who) {
  return std::erase_if(streams_, [&who](const auto& each) { return each->who == who; }) > 0;
}

bool figures::streams_to(const caf::actor_addr& who) const noexcept {
  return std::any_of(streams_.begin(), streams_.end(), [&who](const auto& each) { return each->who == who; });
}

std::vector<caf::actor_addr> figures::stop_streams() {
  std::vector<caf::actor_addr> receivers;
  for (const auto& each : std::exchange(streams_, {}))
    receivers.push_back(caf::actor_cast<caf::actor_addr>(each->who));
  return receivers;
}

} // namespace actorwire
