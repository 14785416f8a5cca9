// What the sending half of a channel does about a session.

#include "channel/channel_actor.hpp"
#include "channel/outbound.hpp"
#include "channel/outbound_errors.hpp"
#include "session_ids.hpp"

#include <cassert>
#include <cstddef>
#include <utility>

namespace actorwire {

namespace {

/// What a session keeps is given back when the other side has confirmed it, and that has to be read: there has to be memory for
/// it, however many messages wait.
bool try_take(memory_budget& budget, std::size_t bytes) noexcept {
  return budget.used() + bytes <= budget.limit() - budget.limit() / 16 && budget.try_take(bytes);
}

} // namespace

// -- the session --------------------------------------------------------------------------------------------------------

void outbound::begin_session() {
  if (lane_->has_session() && !lane_->is_over())
    return;
  lane_->adopt(std::make_unique<session>(draw_session_id(), limits_of(owner_.config().session)));
}

bool outbound::begins_again(const session_frame& frame) {
  const auto& present = *lane_->subject();
  if (frame.kind != frame_kind::welcome || present.was_welcomed())
    return false;
  const auto welcome = parse_session_welcome(frame.number, frame.body.bytes());
  if (!welcome || welcome->answer != session_answer::not_known || welcome->id != present.id()
      || welcome->epoch != present.epoch())
    return false;
  lane_->begin_again(std::make_unique<session>(draw_session_id(), limits_of(owner_.config().session)));
  return true;
}

void outbound::adopt_session(std::unique_ptr<session> subject) {
  lane_->adopt(std::move(subject));
  // It is there, whether there is room for it or not.
  const auto kept = lane_->inherited();
  const auto size = kept.bytes + kept.messages * waiting_message_cost;
  owner_.where().buffers().budget().take_beyond(static_cast<std::size_t>(size));
  reserved_bytes_ += size;
}

std::unique_ptr<session> outbound::part_with_session(const transport_error& why, bool is_to_end) {
  if (lane_ == nullptr || !lane_->has_session())
    return nullptr;
  if (is_to_end || lane_->is_passing_on())
    lane_->abandon();
  conclude_session(why);
  loss lost;
  auto subject = lane_->part(why, lost, settler());
  report_loss(lost, why);
  release_memory();
  return subject;
}

void outbound::conclude_session(const transport_error& why) {
  if (!lane_->is_over() || lane_->is_concluded())
    return;
  const auto done = lane_->conclude(why, settler());
  report_loss(done.lost, why);
  release_memory();
  if (done.is_loss())
    owner_.publish(event_mask::sessions, session_lost{owner_.source(), owner_.generation(), done.ranges, why});
  owner_.note_session_over();
}

result<session_progress> outbound::take(const session_frame& frame) {
  auto progress = lane_->take(frame, settler());
  release_memory();
  report_backpressure();
  return progress;
}

// -- messages -----------------------------------------------------------------------------------------------------------

result<std::uint64_t> outbound::accept_in_session(payload& body, const send_options& options, recipient& whom) {
  const std::size_t size = body.size();
  auto possible = lane_->check(size, options);
  if (possible)
    possible = lane_->check_room({1, size});
  if (!possible)
    return possible.error();
  auto& budget = owner_.where().buffers().budget();
  if (!try_take(budget, size + waiting_message_cost))
    return memory_used_up(budget.limit());
  reserved_bytes_ += size + waiting_message_cost;
  const auto accepted = lane_->add(std::move(body), std::move(whom), owner_.where().now());
  if (!accepted) {
    release_memory();
    return accepted.error();
  }
  report_backpressure();
  owner_.flush_later();
  return *accepted;
}

result<void> outbound::accept_in_session(send_batch& batch, batch_reply& asker, const caf::strong_actor_ptr& reporter) {
  tally all;
  for (std::size_t index = 0; index < batch.bodies.size(); ++index) {
    if (const auto checked = lane_->check(batch.bodies[index].size(), batch.options); !checked)
      return about_message(index, checked.error());
    all.add(batch.bodies[index].size());
  }
  if (auto fits = lane_->check_room(all); !fits)
    return fits;
  auto& budget = owner_.where().buffers().budget();
  const auto reserved = static_cast<std::size_t>(all.bytes + all.messages * waiting_message_cost);
  if (!try_take(budget, reserved))
    return memory_used_up(budget.limit());
  reserved_bytes_ += reserved;
  open_batch_of(batch, asker);
  for (auto& body : batch.bodies) {
    [[maybe_unused]] const auto accepted =
        lane_->add(std::move(body), {{}, reporter, batch.options.tag}, owner_.where().now());
    assert(accepted);
  }
  report_backpressure();
  owner_.flush_later();
  return {};
}

} // namespace actorwire
