#include "frame_error.hpp"

#include <actorwire/transports/frame_label.hpp>

#include <cassert>
#include <string>

namespace actorwire {

namespace {

/// What belongs to calls.
constexpr bool is_of_calls(frame_kind kind) noexcept {
  return kind == frame_kind::call || kind == frame_kind::answer || kind == frame_kind::refusal;
}

} // namespace

frame_label frame_label::read(std::span<const std::byte> bytes) noexcept {
  assert(bytes.size() >= wire_size);
  frame_label label{static_cast<frame_kind>(bytes[0]), 0};
  for (const auto each : bytes.subspan(1, wire_size - 1))
    label.number = label.number << 8U | std::to_integer<std::uint64_t>(each);
  return label;
}

void frame_label::write(std::span<std::byte> bytes) const noexcept {
  assert(bytes.size() >= wire_size);
  bytes[0] = static_cast<std::byte>(kind);
  for (std::size_t index = 1; index < wire_size; ++index)
    bytes[index] = static_cast<std::byte>(number >> (8U * (wire_size - 1 - index)));
}

result<void> check_kind(std::uint8_t kind, session_mode session) {
  if (!names_a_value<frame_kind>(kind))
    return malformed_frame("frame of kind " + std::to_string(kind) + ": there is none above 7");
  const auto known = static_cast<frame_kind>(kind);
  if (session == session_mode::off && known >= frame_kind::hello)
    return malformed_frame(frame_of_kind(known) + ": only sessions have it");
  if (session == session_mode::on && is_of_calls(known))
    return malformed_frame(frame_of_kind(known) + ": a session has none");
  return {};
}

result<void> check_number(const frame_label& label, session_mode session) {
  if (session == session_mode::on) {
    if (label.kind == frame_kind::data && label.number == 0)
      return malformed_frame("data with number 0: a session numbers it from 1");
    return {};
  }
  if (label.kind == frame_kind::data && label.number != 0)
    return malformed_frame("data with number " + std::to_string(label.number) + ": only sessions number it");
  if (label.kind != frame_kind::data && label.number == 0)
    return malformed_frame(frame_of_kind(label.kind) + " with number 0");
  return {};
}

} // namespace actorwire
