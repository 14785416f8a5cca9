#include "raw_quic_peer.hpp"

#include "hex.hpp"

namespace actorwire::test {

namespace {

/// CONNECTION_CLOSE of the transport (RFC 9000, 19.19).
constexpr std::uint64_t connection_close = 0x1c;

void append_number(std::string& to, std::uint64_t number) {
  // The two highest bits say how many bytes there are: 1, 2, 4 or 8.
  auto length_code = 0U;
  while (length_code < 3 && number >= std::uint64_t{1} << ((8U << length_code) - 2U))
    ++length_code;
  const auto size = 1U << length_code;
  const auto coded = number | std::uint64_t{length_code} << (8 * size - 2);
  for (auto index = size; index-- > 0;)
    to.push_back(static_cast<char>(coded >> (8 * index) & 0xffU));
}

std::optional<std::uint64_t> take_number(std::string_view& from) {
  if (from.empty())
    return std::nullopt;
  const auto first = static_cast<std::uint8_t>(from.front());
  const std::size_t size = std::size_t{1} << (first >> 6U);
  if (from.size() < size)
    return std::nullopt;
  std::uint64_t number = first & 0x3fU;
  for (std::size_t index = 1; index < size; ++index)
    number = number << 8U | static_cast<std::uint8_t>(from[index]);
  from.remove_prefix(size);
  return number;
}

} // namespace

std::string raw_frame(std::initializer_list<std::uint64_t> numbers, std::string_view bytes) {
  std::string made;
  for (const auto each : numbers)
    append_number(made, each);
  return made.append(bytes);
}

void raw_quic_peer::learn(std::string_view line) {
  if (line.find("_TRAFFIC_SECRET_0 ") == std::string_view::npos)
    return;
  const auto secret = bytes_of_hex(line.substr(line.rfind(' ') + 1));
  for (const auto is_version_2 : {false, true})
    known_.emplace_front(secret, is_version_2);
  while (known_.size() > known_max)
    known_.pop_back();
}

bool raw_quic_peer::impersonate(std::string_view datagram) {
  for (const auto& each : known_)
    if (const auto found = each.open(datagram)) {
      assumed_ = each;
      destination_ = datagram.substr(1, packet_protection::id_size);
      next_number_ = found->number + number_gap;
      return true;
    }
  return false;
}

std::string raw_quic_peer::say(std::string_view frames) {
  return assumed_->seal(destination_, next_number_++, frames);
}

std::optional<std::string> raw_quic_peer::hear(std::string_view datagram) const {
  for (const auto& each : known_)
    if (auto found = each.open(datagram))
      return std::move(found->frames);
  return std::nullopt;
}

std::optional<std::uint64_t> raw_quic_peer::close_code_of(std::string_view datagram) const {
  const auto frames = hear(datagram);
  if (!frames)
    return std::nullopt;
  std::string_view rest{*frames};
  return take_number(rest) == connection_close ? take_number(rest) : std::nullopt;
}

} // namespace actorwire::test
