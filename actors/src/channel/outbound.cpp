#include "channel/outbound.hpp"

#include "channel/channel_actor.hpp"

#include <actorwire/actors/errors.hpp>

#include <string>
#include <utility>

namespace actorwire {

outbound::outbound(channel_actor& owner) : owner_(owner), outbox_(owner.config().flow, owner.config().framing) {}

// -- from senders -------------------------------------------------------------------------------------------------------

result<std::uint64_t> outbound::accept(payload& body, const send_options& options, reply& asker) {
  const auto size = body.size();
  auto& budget = owner_.where().buffers().budget();
  if (!budget.try_take(size))
    return make_error(error_code::would_block, phase::established, origin::local,
                      "the network's memory_limit of " + std::to_string(budget.limit()) + " bytes is used up");
  reserved_bytes_ += size;
  // What leaves with this turn need not know when it came.
  const auto can_expire = !outbox_.is_ready() || options.ttl.count() > 0;
  auto accepted =
      outbox_.accept(std::move(body), options, std::move(asker), can_expire ? owner_.where().now() : time_point::min());
  if (!accepted) {
    release_memory();
    return accepted;
  }
  report_backpressure();
  owner_.flush_later();
  follow_expiry();
  return accepted;
}

std::uint64_t outbound::refuse(std::size_t size, const transport_error& why) {
  const auto sequence = outbox_.drop(size);
  tally refused;
  refused.add(size);
  report_loss({refused, {}}, why);
  return sequence;
}

// -- from the wire ------------------------------------------------------------------------------------------------------

std::size_t outbound::gather(std::span<outgoing> pieces) {
  if (outbox_.next_timeout())
    expire();
  return outbox_.gather(pieces);
}

void outbound::hand_over(std::size_t bytes) {
  outbox_.handed_over(bytes, settler());
  release_memory();
  report_backpressure();
}

void outbound::settle_acknowledged(std::uint64_t stream_offset) {
  if (outbox_.is_ready())
    outbox_.acknowledged(stream_offset, settler());
  release_memory();
}

// -- from the channel ---------------------------------------------------------------------------------------------------

void outbound::connection_ready() {
  report_expired(outbox_.connection_ready(owner_.where().now(), settler()), phase::connect);
}

void outbound::connection_lost(const transport_error& why) {
  report_loss(outbox_.connection_lost(owner_.where().now(), why, settler()), why);
  release_memory();
  follow_expiry();
}

void outbound::abandon(const transport_error& why) {
  report_loss(outbox_.abandon(why, settler()), why);
  release_memory();
}

// -- helpers ------------------------------------------------------------------------------------------------------------

void outbound::settle(reply&& asker, const settled& what) {
  if (!asker.pending())
    return;
  if (what.why == nullptr || what.result == outcome::maybe_sent)
    asker.deliver(sent{what.sequence, owner_.generation(), what.result});
  else
    asker.deliver(to_caf_error(*what.why));
}

void outbound::expire() {
  const auto where = outbox_.is_ready() ? phase::established : phase::connect;
  report_expired(outbox_.expire(owner_.where().now(), settler()), where);
}

void outbound::report_expired(const tally& expired, phase where) {
  if (expired.messages == 0)
    return;
  release_memory();
  report_loss({expired, {}},
              make_error(error_code::expired, where, origin::local, "waited for longer than its ttl, or queue_age"));
}

void outbound::follow_expiry() {
  const auto next = outbox_.next_timeout();
  if (!next || owner_.is_over())
    return;
  if (expiry_ == nullptr)
    expiry_ = std::make_unique<timer>([this] {
      owner_.in_actor([this] {
        expire();
        follow_expiry();
      });
    });
  if (!expiry_->is_armed() || *next < expiry_->deadline())
    owner_.where().arm(*expiry_, *next - owner_.where().now());
}

void outbound::report_loss(const loss& lost, const transport_error& why) {
  if (lost.not_sent.messages == 0 && lost.maybe_sent.messages == 0)
    return;
  owner_.publish(event_mask::loss,
                 data_lost{owner_.source(), owner_.generation(), lost.not_sent, lost.maybe_sent, why});
  // What is lost waits no more: whoever paused because of it may go on.
  report_backpressure();
}

void outbound::report_backpressure() {
  if (const auto change = outbox_.poll_backpressure())
    owner_.publish(event_mask::backpressure, backpressure{owner_.source(), *change, outbox_.unwritten_bytes()});
}

void outbound::release_memory() noexcept {
  // What was accepted counts against the network's memory until its outcome is known.
  const auto pending = outbox_.pending().bytes;
  if (pending < reserved_bytes_)
    owner_.where().buffers().budget().give_back(
        static_cast<std::size_t>(std::exchange(reserved_bytes_, pending) - pending));
}

} // namespace actorwire
