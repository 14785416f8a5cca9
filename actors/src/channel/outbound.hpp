#pragma once

#include "delivery/outbox.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace actorwire {

class channel_actor;

/// The sending half of a channel: the outbox and what belongs to it in an actor. It answers senders, charges what waits
/// to the network's memory, lets it expire in time, and publishes losses and back-pressure.
/// *Thread:* shard only.
class outbound {
public:
  using reply = caf::typed_response_promise<sent>;

  explicit outbound(channel_actor& owner);

  // -- from senders -----------------------------------------------------------------------------------------------------

  /// Takes a message, and whoever asked for its outcome, into the outbox.
  /// *Errors:* those of `outbox::accept`, and `would_block` when the network's memory is used up; `body` and `asker` are
  /// left as they were then.
  result<std::uint64_t> accept(payload& body, const send_options& options, reply& asker);

  /// Accounts for a message of `size` bytes that could not be accepted, and reports it as lost; returns its sequence
  /// number.
  std::uint64_t refuse(std::size_t size, const transport_error& why);

  // -- from the wire ----------------------------------------------------------------------------------------------------

  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces);
  void hand_over(std::size_t bytes);
  void settle_acknowledged(std::uint64_t stream_offset);
  [[nodiscard]] bool waits_for_acks() const noexcept { return outbox_.waits_for_acks(); }
  /// What is left of a message that has begun to leave.
  [[nodiscard]] std::size_t started_rest() const noexcept { return outbox_.started_rest(); }
  /// Whether nothing waits for a transport to take it.
  [[nodiscard]] bool is_flushed() const noexcept { return outbox_.is_flushed(); }

  // -- from the channel -------------------------------------------------------------------------------------------------

  void connection_ready();
  void connection_lost(const transport_error& why);
  /// Gives up everything that waits.
  void abandon(const transport_error& why);
  /// No timer runs any more.
  void stop() noexcept { expiry_.reset(); }

  [[nodiscard]] const delivery_totals& totals() const noexcept { return outbox_.totals(); }
  [[nodiscard]] std::size_t unwritten_bytes() const noexcept { return outbox_.unwritten_bytes(); }

private:
  void settle(reply&& asker, const settled& what);
  auto settler() {
    return [this](reply&& asker, const settled& what) { settle(std::move(asker), what); };
  }
  /// Settles what has waited too long.
  void expire();
  void report_expired(const tally& expired, phase where);
  void follow_expiry();
  void report_loss(const loss& lost, const transport_error& why);
  void report_backpressure();
  /// Gives back to the network's memory what settled messages had taken.
  void release_memory() noexcept;

  channel_actor& owner_;
  outbox<reply> outbox_;
  std::unique_ptr<timer> expiry_;
  /// Bytes of accepted messages that count against the network's memory.
  std::uint64_t reserved_bytes_ = 0;
};

} // namespace actorwire
