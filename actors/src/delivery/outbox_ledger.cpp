#include "delivery/outbox_ledger.hpp"

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

result<void> fits(std::uint64_t pending, std::uint64_t size, std::string_view limit_name, std::uint64_t limit,
                  bool is_ready) {
  // Survivors of a lost connection may exceed the limits of the queue; the subtraction must not wrap then.
  if (size <= limit && pending <= limit - size)
    return {};
  return refusal(error_code::would_block, is_ready, limit_name, limit,
                 std::to_string(pending) + " pending, " + std::to_string(size) + " more do not fit");
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
  }
  assert(false);
  return totals.maybe_sent;
}

} // namespace

result<void> outbox_ledger::admit(std::size_t size, std::size_t wire_size, const send_options& options,
                                  bool is_ready) const {
  if (options.wanted != outcome::written && options.wanted != outcome::acked)
    return make_invalid_value("wanted", name_of(options.wanted), "written or acked");
  if (options.ttl.count() < 0)
    return make_invalid_value("ttl", std::to_string(options.ttl.count()) + " ms", "0 ms or more");
  if (wire_size == 0)
    return make_invalid_value("message size", "0", "1 byte or more on a stream without framing");
  if (size > limits_.write_limit)
    return refusal(error_code::message_too_large, is_ready, "write_limit", limits_.write_limit,
                   "message of " + std::to_string(size) + " bytes");
  return check_room(size, is_ready);
}

std::uint64_t outbox_ledger::accept(std::size_t size, std::size_t wire_size) noexcept {
  totals_.accepted.add(size);
  totals_.pending.add(size);
  unwritten_bytes_ += wire_size;
  return totals_.accepted.messages;
}

std::uint64_t outbox_ledger::drop(std::size_t size) noexcept {
  totals_.accepted.add(size);
  totals_.not_sent.add(size);
  return totals_.accepted.messages;
}

void outbox_ledger::left_queue(std::size_t wire_size) noexcept {
  assert(wire_size <= unwritten_bytes_);
  unwritten_bytes_ -= wire_size;
}

void outbox_ledger::settle(outcome known, std::size_t size) noexcept {
  assert(totals_.pending.messages > 0 && totals_.pending.bytes >= size);
  totals_.pending.remove(size);
  tally_of(totals_, known).add(size);
}

std::optional<bool> outbox_ledger::poll_backpressure() noexcept {
  // A low-water mark of zero is never undercut; an empty queue is relief in any case.
  const auto turn = is_pressed_ ? unwritten_bytes_ < limits_.low_water || unwritten_bytes_ == 0
                                : unwritten_bytes_ > limits_.high_water;
  if (!turn)
    return std::nullopt;
  is_pressed_ = !is_pressed_;
  return is_pressed_;
}

result<void> outbox_ledger::check_room(std::size_t size, bool is_ready) const {
  const auto& pending = totals_.pending;
  if (!is_ready) {
    if (auto room = fits(pending.messages, 1, "queue_messages", limits_.queue_messages, is_ready); !room)
      return room;
    return fits(pending.bytes, size, "queue_bytes", limits_.queue_bytes, is_ready);
  }
  // Counting messages like bytes bounds those that have none: an empty frame still costs memory.
  if (auto room = fits(pending.messages, 1, "write_limit", limits_.write_limit, is_ready); !room)
    return room;
  return fits(pending.bytes, size, "write_limit", limits_.write_limit, is_ready);
}

} // namespace actorwire
