#include "delivery/outbox_ledger.hpp"

#include "delivery/obstacle.hpp"

#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/error.hpp>

#include <cassert>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

/// What the connection is doing while it refuses a message.
phase phase_of(bool is_ready) {
  return is_ready ? phase::established : phase::connect;
}

transport_error refusal(error_code code, bool is_ready, std::string_view limit_name, std::uint64_t limit,
                        std::string_view text) {
  std::string message{limit_name};
  message.append(" = ").append(std::to_string(limit)).append(": ").append(text);
  return make_error(code, phase_of(is_ready), origin::local, std::move(message));
}

tally& tally_of(delivery_totals& totals, outcome known) noexcept {
  switch (known) {
    case outcome::not_sent:
      return totals.not_sent;
    case outcome::maybe_sent:
      return totals.maybe_sent;
    case outcome::written:
      return totals.written;
    case outcome::acked:
      return totals.acked;
    case outcome::confirmed:
      return totals.confirmed;
  }
  assert(false);
  return totals.maybe_sent;
}

} // namespace

transport_error why_dropped(loss_reason reason, bool is_ready) {
  const auto where = phase_of(is_ready);
  if (reason == loss_reason::superseded)
    return make_error(error_code::superseded, where, origin::local, "a newer message with the same key took its place");
  return make_error(error_code::queue_overflow, where, origin::local,
                    reason == loss_reason::dropped_oldest ? "dropped for a newer message, as flow.overflow says"
                                                          : "dropped for want of room, as flow.overflow says");
}

transport_error why_expired(bool is_ready, const transport_error* obstacle) {
  std::string text = "waited for longer than its ttl, or queue_age";
  if (!is_ready && obstacle != nullptr)
    text += "; not connected" + describe_obstacle(*obstacle);
  return make_error(error_code::expired, phase_of(is_ready), origin::local, std::move(text));
}

/// *Invariant:* where `name` is empty, nothing is exceeded.
struct outbox_ledger::measure {
  std::string_view name{};
  std::uint64_t limit = 0;
  std::uint64_t pending = 0;
  std::uint64_t size = 0;
};

result<void> outbox_ledger::check(std::size_t size, std::size_t wire_size, const send_options& options,
                                  bool is_ready) const {
  if (options.wanted != outcome::written && options.wanted != outcome::acked)
    return make_invalid_value("wanted", name_of(options.wanted), "written or acked");
  if (options.priority >= send_priorities)
    return make_invalid_value("priority", std::to_string(options.priority),
                              "0.." + std::to_string(send_priorities - 1));
  if (!names_a_value<message_report>(static_cast<std::uint8_t>(options.report)))
    return make_invalid_value("report", std::to_string(static_cast<unsigned>(options.report)),
                              "none, written or acked");
  if (options.ttl.count() < 0)
    return make_invalid_value("ttl", std::to_string(options.ttl.count()) + " ms", "0 ms or more");
  if (wire_size == 0)
    return make_invalid_value("message size", "0", "1 byte or more on a stream without framing");
  if (size > limits_.write_limit)
    return refusal(error_code::message_too_large, is_ready, "write_limit", limits_.write_limit,
                   "message of " + std::to_string(size) + " bytes");
  return {};
}

bool outbox_ledger::has_room(const tally& more, bool is_ready, const tally& freed) const noexcept {
  return exceeded(more, is_ready, freed).name.empty();
}

transport_error outbox_ledger::why_full(const tally& more, bool is_ready, const tally& freed) const {
  const auto full = exceeded(more, is_ready, freed);
  return refusal(error_code::would_block, is_ready, full.name, full.limit,
                 std::to_string(full.pending) + " pending, " + std::to_string(full.size) + " more do not fit");
}

std::uint64_t outbox_ledger::accept(std::size_t size, std::size_t wire_size) noexcept {
  totals_.accepted.add(size);
  totals_.pending.add(size);
  unwritten_bytes_ += wire_size;
  ++unwritten_messages_;
  show_load();
  return totals_.accepted.messages;
}

std::uint64_t outbox_ledger::drop(std::size_t size) noexcept {
  totals_.accepted.add(size);
  totals_.not_sent.add(size);
  return totals_.accepted.messages;
}

void outbox_ledger::left_queue(std::size_t wire_size, bool is_last) noexcept {
  assert(wire_size <= unwritten_bytes_ && unwritten_messages_ > 0);
  unwritten_bytes_ -= wire_size;
  unwritten_messages_ -= is_last ? 1 : 0;
}

void outbox_ledger::settle(outcome known, std::size_t size) noexcept {
  assert(totals_.pending.messages > 0 && totals_.pending.bytes >= size);
  totals_.pending.remove(size);
  tally_of(totals_, known).add(size);
  show_load();
}

std::optional<bool> outbox_ledger::poll_backpressure() noexcept {
  // A low-water mark of zero is never undercut; an empty queue is relief in any case.
  const auto load = unwritten_load();
  const auto turn = is_pressed_ ? load < limits_.low_water || load == 0 : load > limits_.high_water;
  if (!turn)
    return std::nullopt;
  is_pressed_ = !is_pressed_;
  return is_pressed_;
}

outbox_ledger::measure outbox_ledger::exceeded(const tally& more, bool is_ready, const tally& freed) const noexcept {
  const auto& before = totals_.pending;
  const tally stay{before.messages - freed.messages, before.bytes - freed.bytes};
  auto all = stay;
  all += more;
  // Survivors of a lost connection may exceed the limits of the queue already. What takes no more than those did that go for
  // it makes that no worse, and none of the others has to go before its time.
  const auto is_beyond = [](std::uint64_t after, std::uint64_t limit, std::uint64_t now) {
    return after > limit && after > now;
  };
  if (!is_ready && is_beyond(all.messages, limits_.queue_messages, before.messages))
    return {"queue_messages", limits_.queue_messages, stay.messages, more.messages};
  const std::uint64_t bytes_max = is_ready ? limits_.write_limit : limits_.queue_bytes;
  if (const auto held = bytes_held_by(all); is_beyond(held, bytes_max, bytes_held_by(before)))
    return {is_ready ? "write_limit" : "queue_bytes", bytes_max, bytes_held_by(stay), held - bytes_held_by(stay)};
  return {};
}

} // namespace actorwire
