#include "session/session_receiver.hpp"

#include <actorwire/messages/error.hpp>

#include <algorithm>
#include <cassert>
#include <string>

namespace actorwire {

session_receiver::session_receiver(const session_limits& limits) noexcept
  : ack_messages_(limits.ack_messages), ack_bytes_(limits.ack_bytes), ack_delay_(limits.ack_delay) {
  assert(ack_messages_ > 0 && ack_bytes_ > 0 && ack_delay_ >= duration::zero());
}

result<bool> session_receiver::handle_data(std::uint64_t number, std::size_t size) {
  if (number == 0 || number > received_ + 1)
    return make_error(error_code::malformed, phase::established, origin::remote,
                      "message number = " + std::to_string(number) + ": must be 1 .. " + std::to_string(received_ + 1));
  if (number <= received_) {
    ++duplicates_;
    return false;
  }
  received_ = number;
  bytes_received_ += size;
  return true;
}

void session_receiver::handle_delivered(std::uint64_t number, time_point now) noexcept {
  assert(number <= received_);
  if (number <= delivered_)
    return;
  if (acknowledged_ == delivered_)
    due_ = now + ack_delay_;
  delivered_ = number;
  if (delivered_ - acknowledged_ >= ack_messages_ || bytes_received_ - bytes_at_acknowledgement_ >= ack_bytes_)
    due_ = std::min(due_, now);
}

std::optional<std::uint64_t> session_receiver::poll_acknowledgement(time_point now) noexcept {
  if (acknowledged_ == delivered_ || now < due_)
    return std::nullopt;
  note_acknowledged();
  return delivered_;
}

} // namespace actorwire
