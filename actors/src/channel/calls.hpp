#pragma once

#include "delivery/outbox.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/calls.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/lifetime_stats.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/stream.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/frame_label.hpp>
#include <actorwire/transports/timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace actorwire {

class channel_actor;

/// The calls of a channel that are not answered yet, over all its streams and generations, and what became of the others.
/// The number of a call is the sequence number of its message, so no two of a channel are the same.
///
/// A call is answered once: by what the peer says, when its message is known not to have left, when the connection that
/// took it is lost, or when its time is over. Whoever asked is not monitored: the answer to one that has ended goes nowhere.
/// *Limits:* `flow_limits::open_calls`; each takes `waiting_message_cost` of the network's memory.
/// *Thread:* shard only.
class calls {
public:
  using promise = caf::typed_response_promise<answered>;

  explicit calls(channel_actor& owner);

  calls(const calls&) = delete;
  calls& operator=(const calls&) = delete;

  // -- from who calls ---------------------------------------------------------------------------------------------------

  /// Takes a call whose message is about to be accepted under this number. `expires_before` says that the message may wait
  /// for less than the whole time of the call. *Errors:* `would_block`.
  [[nodiscard]] result<void> add(std::uint64_t number, promise asker, const send_options& options, bool expires_before);
  /// It was accepted: its time runs from now on, if it is not over already.
  void start(std::uint64_t number, std::chrono::milliseconds timeout);
  /// It was not: as if it had not been made. Returns whom to tell.
  [[nodiscard]] promise withdraw(std::uint64_t number);

  // -- from the outbox --------------------------------------------------------------------------------------------------

  /// What became of the message of a call.
  void note_outcome(const settled& what);

  // -- from the peer ----------------------------------------------------------------------------------------------------

  /// An answer or a refusal has come on `stream`. One that nobody waits for is counted and dropped.
  void deliver(stream_id stream, const frame_label& label, payload body);

  /// Nothing more comes on this stream: what has left on it will not be answered.
  void stream_is_over(stream_id stream, const transport_error& why);
  /// The same for all streams, because the connection is gone.
  void connection_lost(const transport_error& why);
  /// No timer runs any more.
  void stop() noexcept { time_out_.cancel(); }

  // -- queries ----------------------------------------------------------------------------------------------------------

  [[nodiscard]] bool is_empty() const noexcept { return by_stream_.empty(); }

  /// Whether an answer may come on this stream.
  [[nodiscard]] bool awaits_answers(stream_id stream) const noexcept { return by_stream_.count(stream) > 0; }

  [[nodiscard]] const call_totals& totals() const noexcept { return totals_; }

private:
  struct open_call {
    promise asker;
    /// The end of time while its time does not run.
    time_point deadline = time_point::max();
    stream_id stream = 0;
    std::uint64_t tag = 0;
    bool expires_before = false;
    /// The present connection has all of it, as far as is known: of one that is to be acknowledged that is known when it is.
    bool has_left = false;
    bool awaits_ack = false;
  };
  using entries = std::map<std::uint64_t, open_call>;

  /// Removes it from all books.
  [[nodiscard]] open_call take(entries::iterator position);
  void fail(entries::iterator position, const transport_error& why);
  template <class Predicate>
  void fail_if(Predicate is_meant, const transport_error& why);
  /// Fails those whose time is over.
  void expire();
  void follow_deadlines();

  channel_actor& owner_;
  entries open_;
  std::set<std::pair<time_point, std::uint64_t>> deadlines_;
  /// How many are open on each stream that has any.
  std::map<stream_id, std::size_t> by_stream_;
  call_totals totals_;
  timer time_out_;
};

} // namespace actorwire
