#include <actorwire/transports/frame_label.hpp>

#include <cassert>
#include <string>

namespace actorwire {

namespace {

transport_error malformed(std::string text) {
  return make_error(error_code::malformed, phase::established, origin::remote, std::move(text));
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

result<void> check_kind(std::uint8_t kind) {
  if (!names_a_value<frame_kind>(kind))
    return malformed("frame of kind " + std::to_string(kind) + ": there is none above 7");
  if (kind >= static_cast<std::uint8_t>(frame_kind::hello))
    return malformed("frame of kind " + std::to_string(kind) + " (" + to_string(static_cast<frame_kind>(kind))
                     + "): only sessions have it");
  return {};
}

result<void> check_number(const frame_label& label) {
  if (label.kind == frame_kind::data && label.number != 0)
    return malformed("data with number " + std::to_string(label.number) + ": only sessions number it");
  if (label.kind != frame_kind::data && label.number == 0)
    return malformed("frame of kind " + std::to_string(static_cast<unsigned>(label.kind)) + " (" + to_string(label.kind)
                     + ") with number 0");
  return {};
}

} // namespace actorwire
