#pragma once

#include "delivery/ring_queue.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/transports/clock.hpp>

#include <chrono>
#include <memory>

namespace actorwire {

class channel_actor;

/// Requests that cannot be answered yet: `connect` until the channel is ready, `receive` until data comes or its time is
/// over. At most 1,024 of each may wait; further ones are answered with `would_block`. Without any, it holds no memory.
///
/// Askers that have ended are passed over. They are not monitored, which would cost memory and two locks for each
/// request, and tell of an end too late: it is looked at whether they live when data comes, or when a place is needed.
/// *Thread:* shard only.
class waiting_requests {
public:
  using connect_promise = caf::typed_response_promise<connection_info>;
  using receive_promise = caf::typed_response_promise<received>;

  explicit waiting_requests(channel_actor& owner) noexcept;
  ~waiting_requests();

  void add(connect_promise asker);
  /// A `timeout` of 0 is none.
  void add(receive_promise asker, std::chrono::milliseconds timeout, stream_id stream);

  [[nodiscard]] bool is_empty() const noexcept { return queues_ == nullptr; }

  /// Whether somebody waits for data of this stream.
  [[nodiscard]] bool want_data(stream_id stream) const noexcept;

  /// Answers whoever has waited longest for data of its stream; somebody does.
  void deliver(received&& data);

  void answer_connects(const connection_info& ready);
  void fail_connects(const transport_error& why);
  /// Fails those that wait for data of one stream, of all but stream 0, or of any.
  void fail_receives(stream_id stream, const transport_error& why);
  void fail_receives_of_streams(const transport_error& why);
  void fail_receives(const transport_error& why);

private:
  struct pull {
    receive_promise asker;
    time_point deadline;
    stream_id stream = 0;
  };
  struct queues;

  [[nodiscard]] queues& all();
  void forget_if_empty() noexcept;
  template <class Predicate>
  void fail_receives_if(Predicate is_meant, const transport_error& why);
  /// Answers those whose time is over.
  void expire();
  /// Sees to it that `expire` is called at `next`, if not before.
  void follow_deadlines(time_point next);

  channel_actor& owner_;
  std::unique_ptr<queues> queues_;
};

} // namespace actorwire
