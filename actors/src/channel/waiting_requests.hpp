#pragma once

#include "delivery/ring_queue.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>

#include <cstddef>
#include <memory>

namespace actorwire {

/// Requests that cannot be answered yet: `connect` until the channel is ready, `receive` until data comes. At most 1,024
/// of each may wait; further ones are answered with `would_block`. Without any, it holds no memory.
/// *Thread:* shard only.
class waiting_requests {
public:
  using connect_promise = caf::typed_response_promise<connection_info>;
  using receive_promise = caf::typed_response_promise<received>;

  void add(connect_promise asker);
  void add(receive_promise asker);

  /// Whether somebody waits for data.
  [[nodiscard]] bool want_data() const noexcept { return queues_ != nullptr && !queues_->receives.empty(); }

  /// Answers whoever has waited longest for data; somebody does.
  void deliver(received&& data);

  void answer_connects(const connection_info& ready);
  void fail_connects(const transport_error& why);
  void fail_receives(const transport_error& why);

private:
  struct queues {
    ring_queue<connect_promise> connects;
    ring_queue<receive_promise> receives;
  };

  [[nodiscard]] queues& all();
  void forget_if_empty() noexcept;

  std::unique_ptr<queues> queues_;
};

} // namespace actorwire
