#include "channel/waiting_requests.hpp"

#include <actorwire/actors/errors.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

constexpr std::size_t waiting_max = 1'024;

template <class Promise>
void add_to(ring_queue<Promise>& queue, Promise asker, std::string_view request) {
  if (queue.size() < waiting_max)
    queue.push_back(std::move(asker));
  else
    asker.deliver(
        to_caf_error(make_error(error_code::would_block, phase::established, origin::local,
                                std::string{request} + ": " + std::to_string(waiting_max) + " requests wait already")));
}

template <class Promise, class Answer>
void answer_all(ring_queue<Promise>& queue, const Answer& answer) {
  // Taken first: whoever is answered may come back with another request, which waits for the next occasion.
  auto waiting = std::exchange(queue, {});
  while (!waiting.empty())
    waiting.take_front().deliver(answer);
}

} // namespace

void waiting_requests::add(connect_promise asker) {
  add_to(all().connects, std::move(asker), "connect");
}

void waiting_requests::add(receive_promise asker) {
  add_to(all().receives, std::move(asker), "receive");
}

void waiting_requests::deliver(received&& data) {
  auto asker = all().receives.take_front();
  forget_if_empty();
  asker.deliver(std::move(data));
}

void waiting_requests::answer_connects(const connection_info& ready) {
  if (queues_ == nullptr)
    return;
  answer_all(queues_->connects, ready);
  forget_if_empty();
}

void waiting_requests::fail_connects(const transport_error& why) {
  if (queues_ == nullptr)
    return;
  answer_all(queues_->connects, to_caf_error(why));
  forget_if_empty();
}

void waiting_requests::fail_receives(const transport_error& why) {
  if (queues_ == nullptr)
    return;
  answer_all(queues_->receives, to_caf_error(why));
  forget_if_empty();
}

waiting_requests::queues& waiting_requests::all() {
  if (queues_ == nullptr)
    queues_ = std::make_unique<queues>();
  return *queues_;
}

void waiting_requests::forget_if_empty() noexcept {
  if (queues_->connects.empty() && queues_->receives.empty())
    queues_.reset();
}

} // namespace actorwire
