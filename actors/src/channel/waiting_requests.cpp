#include "channel/waiting_requests.hpp"

#include "channel/channel_actor.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/transports/timer.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

constexpr std::size_t waiting_max = 1'024;
constexpr auto never = time_point::max();

transport_error too_many(std::string_view request) {
  return make_error(error_code::would_block, phase::established, origin::local,
                    std::string{request} + ": " + std::to_string(waiting_max) + " requests wait already");
}

transport_error no_data_in_time() {
  return make_error(error_code::request_timeout, phase::established, origin::local,
                    "receive: no data came within its timeout");
}

/// Takes those out that `is_meant` holds of, and passes them to `take`. The others keep their order.
template <class Request, class Predicate, class Take>
void take_if(ring_queue<Request>& queue, Predicate is_meant, Take take) {
  for (auto unseen = queue.size(); unseen > 0; --unseen) {
    auto next = queue.take_front();
    if (is_meant(next))
      take(std::move(next));
    else
      queue.push_back(std::move(next));
  }
}

/// Takes out the first that `is_meant` holds of, and passes it to `take`. The others keep their order.
template <class Request, class Predicate, class Take>
void take_first_if(ring_queue<Request>& queue, Predicate is_meant, Take take) {
  // Mostly it is the very first; the others are turned round once.
  if (!queue.empty() && is_meant(queue.front())) {
    take(queue.take_front());
    return;
  }
  auto is_taken = false;
  take_if(
      queue, [&](Request& each) { return !is_taken && (is_taken = is_meant(each)); },
      [&take](Request&& first) { take(std::move(first)); });
}

/// Lets those go that nobody waits for any more. All of them only when there is no place otherwise: mostly it is the
/// oldest ones whose askers have ended.
template <class Request, class Predicate>
void make_room(ring_queue<Request>& queue, Predicate is_orphaned) {
  while (!queue.empty() && is_orphaned(queue.front()))
    queue.pop_front();
  if (queue.size() == waiting_max)
    take_if(queue, is_orphaned, [](const Request&) {});
}

} // namespace

struct waiting_requests::queues {
  explicit queues(waiting_requests& all) : time_out([&all] { all.owner_.in_actor([&all] { all.expire(); }); }) {}

  ring_queue<connect_promise> connects;
  ring_queue<pull> receives;
  /// Not later than the earliest deadline of a `receive`.
  timer time_out;
};

waiting_requests::waiting_requests(channel_actor& owner) noexcept : owner_(owner) {}

waiting_requests::~waiting_requests() = default;

void waiting_requests::add(connect_promise asker) {
  auto& connects = all().connects;
  make_room(connects, [](connect_promise& waiting) { return detail::is_orphaned(waiting); });
  if (connects.size() == waiting_max)
    asker.deliver(to_caf_error(too_many("connect")));
  else
    connects.push_back(std::move(asker));
}

void waiting_requests::add(receive_promise asker, std::chrono::milliseconds timeout, stream_id stream) {
  auto& receives = all().receives;
  make_room(receives, [](pull& waiting) { return detail::is_orphaned(waiting.asker); });
  if (receives.size() == waiting_max) {
    asker.deliver(to_caf_error(too_many("receive")));
    return;
  }
  receives.push_back({std::move(asker), timeout.count() > 0 ? owner_.where().now() + timeout : never, stream});
  follow_deadlines(receives.back().deadline);
}

bool waiting_requests::want_data(stream_id stream) const noexcept {
  if (queues_ == nullptr)
    return false;
  auto& receives = queues_->receives;
  for (std::size_t index = 0; index < receives.size(); ++index)
    if (receives[index].stream == stream && !detail::is_orphaned(receives[index].asker))
      return true;
  return false;
}

void waiting_requests::deliver(received&& data) {
  auto& receives = all().receives;
  while (detail::is_orphaned(receives.front().asker))
    receives.pop_front();
  std::optional<receive_promise> next;
  take_first_if(
      receives, [&data](pull& waiting) { return waiting.stream == data.stream && !detail::is_orphaned(waiting.asker); },
      [&next](pull&& first) { next = std::move(first.asker); });
  forget_if_empty();
  next->deliver(std::move(data));
}

void waiting_requests::answer_connects(const connection_info& ready) {
  if (queues_ == nullptr)
    return;
  // Taken first: whoever is answered may come back with another request, which waits for the next occasion.
  auto waiting = std::exchange(queues_->connects, {});
  forget_if_empty();
  while (!waiting.empty())
    waiting.take_front().deliver(ready);
}

void waiting_requests::fail_connects(const transport_error& why) {
  if (queues_ == nullptr)
    return;
  auto waiting = std::exchange(queues_->connects, {});
  forget_if_empty();
  while (!waiting.empty())
    waiting.take_front().deliver(to_caf_error(why));
}

void waiting_requests::fail_receives(const transport_error& why) {
  if (queues_ == nullptr)
    return;
  auto waiting = std::exchange(queues_->receives, {});
  forget_if_empty();
  while (!waiting.empty())
    waiting.take_front().asker.deliver(to_caf_error(why));
}

void waiting_requests::fail_receives(stream_id stream, const transport_error& why) {
  fail_receives_if([stream](const pull& waiting) { return waiting.stream == stream; }, why);
}

void waiting_requests::fail_receives_of_streams(const transport_error& why) {
  fail_receives_if([](const pull& waiting) { return waiting.stream != 0; }, why);
}

template <class Predicate>
void waiting_requests::fail_receives_if(Predicate is_meant, const transport_error& why) {
  if (queues_ == nullptr)
    return;
  take_if(queues_->receives, is_meant, [&why](pull&& gone) { gone.asker.deliver(to_caf_error(why)); });
  forget_if_empty();
}

void waiting_requests::expire() {
  const auto now = owner_.where().now();
  auto next = never;
  take_if(
      queues_->receives,
      [now, &next](const pull& waiting) {
        if (waiting.deadline <= now)
          return true;
        next = std::min(next, waiting.deadline);
        return false;
      },
      [](pull&& late) { late.asker.deliver(to_caf_error(no_data_in_time())); });
  follow_deadlines(next);
  forget_if_empty();
  owner_.pump_later();
}

void waiting_requests::follow_deadlines(time_point next) {
  auto& time_out = queues_->time_out;
  if (next != never && (!time_out.is_armed() || next < time_out.deadline()))
    owner_.where().arm(time_out, next - owner_.where().now());
}

waiting_requests::queues& waiting_requests::all() {
  if (queues_ == nullptr)
    queues_ = std::make_unique<queues>(*this);
  return *queues_;
}

void waiting_requests::forget_if_empty() noexcept {
  if (queues_->connects.empty() && queues_->receives.empty())
    queues_.reset();
}

} // namespace actorwire
