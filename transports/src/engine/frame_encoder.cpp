#include <actorwire/transports/frame_encoder.hpp>

#include <algorithm>
#include <string>

namespace actorwire {

namespace {

constexpr std::byte line_feed{'\n'};
constexpr std::size_t length_size = 4;

} // namespace

result<frame_envelope> frame_encoder::frame(std::span<const std::byte> message, const frame_label& label) const {
  frame_envelope made;
  if (mode_ != framing_mode::numbered && label != frame_label{})
    return make_error(error_code::unsupported, phase::setup, origin::local,
                      "framing.mode = " + to_string(mode_) + ": only numbered carries a " + to_string(label.kind));
  if (mode_ == framing_mode::none)
    return made;
  if (message.size() > frame_size_max_)
    return make_error(error_code::message_too_large, phase::established, origin::local,
                      "message of " + std::to_string(message.size())
                          + " bytes is larger than max_frame_size = " + std::to_string(frame_size_max_));
  if (mode_ == framing_mode::line) {
    const auto found = std::find(message.begin(), message.end(), line_feed);
    if (found != message.end())
      return make_error(error_code::invalid_value, phase::established, origin::local,
                        "message holds a line feed at offset " + std::to_string(found - message.begin())
                            + ": a line cannot contain one");
    made.tail_bytes[0] = line_feed;
    made.tail_size = 1;
    return made;
  }
  const auto label_size = mode_ == framing_mode::numbered ? frame_label::wire_size : 0;
  const auto size = static_cast<std::uint32_t>(label_size + message.size());
  for (std::size_t index = 0; index < length_size; ++index)
    made.head_bytes[index] = static_cast<std::byte>(size >> (24U - 8U * index));
  if (label_size > 0)
    label.write(std::span{made.head_bytes}.subspan(length_size));
  made.head_size = static_cast<std::uint8_t>(length_size + label_size);
  return made;
}

} // namespace actorwire
