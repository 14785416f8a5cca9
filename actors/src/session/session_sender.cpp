#include "session/session_sender.hpp"

#include <actorwire/messages/error.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace actorwire {

namespace {

transport_error impossible(std::string_view what, std::uint64_t seen, std::uint64_t lowest, std::uint64_t highest) {
  return make_error(error_code::malformed, phase::established, origin::remote,
                    std::string{what}
                        .append(" = ")
                        .append(std::to_string(seen))
                        .append(": must be ")
                        .append(std::to_string(lowest))
                        .append(" .. ")
                        .append(std::to_string(highest)));
}

} // namespace

std::optional<session_frame> session_sender::poll_transmit() {
  if (next_ > buffer_.last())
    return std::nullopt;
  session_frame frame{frame_kind::data, next_, buffer_.at(next_)};
  sent_ = std::max(sent_, next_);
  ++next_;
  return frame;
}

result<number_range> session_sender::resume(std::uint64_t delivered) {
  // A peer that was delivered less than it has said before has lost its memory, and what it forgot cannot be sent again.
  if (delivered < buffer_.acknowledged() || delivered > sent_)
    return impossible("delivered", delivered, buffer_.acknowledged(), sent_);
  next_ = delivered + 1;
  return buffer_.acknowledge(delivered);
}

result<number_range> session_sender::acknowledge(std::uint64_t delivered) {
  if (delivered > sent_)
    return impossible("acknowledged number", delivered, 0, sent_);
  if (delivered <= buffer_.acknowledged())
    return number_range{};
  // What arrived by an earlier connection may be handled while it is still to be sent again.
  next_ = std::max(next_, delivered + 1);
  return buffer_.acknowledge(delivered);
}

session_ranges session_sender::end(std::uint64_t received) noexcept {
  const auto delivered = buffer_.acknowledged();
  const auto doubtful = std::clamp(received, delivered, sent_);
  const session_ranges ranges{{1, delivered}, {delivered + 1, doubtful}, {doubtful + 1, buffer_.last()}};
  buffer_.clear();
  return ranges;
}

} // namespace actorwire
