#include "session/session_handshake.hpp"

#include <actorwire/messages/error.hpp>

#include <algorithm>
#include <cassert>
#include <optional>
#include <string>

namespace actorwire {

namespace {

constexpr std::uint8_t flag_resumes = 1;

/// Fills a body from its front.
template <std::size_t Size>
class body_writer {
public:
  body_writer& byte(std::uint8_t value) noexcept {
    assert(used_ < Size);
    bytes_[used_++] = std::byte{value};
    return *this;
  }

  body_writer& number(std::uint64_t value) noexcept {
    for (unsigned shift = 64; shift > 0; shift -= 8)
      byte(static_cast<std::uint8_t>(value >> (shift - 8)));
    return *this;
  }

  body_writer& id(const session_id& value) noexcept {
    assert(used_ + session_id::size <= Size);
    std::ranges::copy(value.bytes(), bytes_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ += session_id::size;
    return *this;
  }

  body_writer& position(const session_position& value) noexcept {
    return number(value.delivered).number(value.replays_from).number(value.sent);
  }

  [[nodiscard]] const std::array<std::byte, Size>& whole() const noexcept {
    assert(used_ == Size);
    return bytes_;
  }

private:
  std::array<std::byte, Size> bytes_{};
  std::size_t used_ = 0;
};

/// Takes a body apart from its front, after its length was checked, and remembers the first thing that is wrong with it.
class body_reader {
public:
  body_reader(std::string_view name, std::span<const std::byte> body, std::size_t size) : name_(name) {
    if (body.size() != size)
      refuse("length", body.size(), std::to_string(size));
    else
      left_ = body;
  }

  std::uint8_t byte() noexcept {
    if (left_.empty())
      return 0;
    const auto taken = std::to_integer<std::uint8_t>(left_.front());
    left_ = left_.subspan(1);
    return taken;
  }

  std::uint64_t number() noexcept {
    std::uint64_t value = 0;
    for (auto count = 0; count < 8; ++count)
      value = value << 8U | byte();
    return value;
  }

  /// The frame has a number that means nothing.
  void no_number(std::uint64_t number) {
    if (number != 0)
      refuse("number of the frame", number, "0");
  }

  void version() {
    if (const auto seen = byte(); seen != session_version)
      refuse("version", seen, std::to_string(session_version));
  }

  session_id id() {
    std::array<std::byte, session_id::size> bytes{};
    for (auto& each : bytes)
      each = std::byte{byte()};
    const session_id taken{bytes};
    if (taken == session_id{})
      refuse("id", 0, "any other");
    return taken;
  }

  std::uint64_t epoch() {
    const auto taken = number();
    if (taken == 0)
      refuse("epoch", taken, "1 or more");
    return taken;
  }

  /// `is_first`: where nothing was sent or delivered yet.
  session_position position(bool is_first) {
    const session_position taken{number(), number(), number()};
    if (taken.replays_from == 0)
      refuse("replays_from", taken.replays_from, "1 or more");
    if (taken.replays_from - 1 > taken.sent)
      refuse("replays_from", taken.replays_from, "at most one beyond sent = " + std::to_string(taken.sent));
    if (is_first && taken.delivered != 0)
      refuse("delivered", taken.delivered, "0 where no session was resumed");
    if (is_first && taken.sent != 0)
      refuse("sent", taken.sent, "0 where no session was resumed");
    return taken;
  }

  void refuse(std::string_view field, std::uint64_t seen, std::string_view allowed) {
    if (failure_)
      return;
    failure_ = make_error(error_code::malformed, phase::established, origin::remote,
                          std::string{name_}
                              .append(": ")
                              .append(field)
                              .append(" = ")
                              .append(std::to_string(seen))
                              .append(": must be ")
                              .append(allowed));
  }

  /// What was read, if nothing was wrong with it.
  template <class T>
  [[nodiscard]] result<T> judge(const T& taken) const {
    if (failure_)
      return *failure_;
    assert(left_.empty());
    return taken;
  }

private:
  std::string_view name_;
  std::span<const std::byte> left_;
  std::optional<transport_error> failure_;
};

} // namespace

std::array<std::byte, session_hello_size> encode(const session_hello& hello) noexcept {
  return body_writer<session_hello_size>{}
      .byte(session_version)
      .byte(hello.resumes ? flag_resumes : 0)
      .id(hello.id)
      .number(hello.epoch)
      .position(hello.position)
      .whole();
}

std::array<std::byte, session_welcome_size> encode(const session_welcome& welcome) noexcept {
  return body_writer<session_welcome_size>{}
      .byte(session_version)
      .byte(static_cast<std::uint8_t>(welcome.answer))
      .id(welcome.id)
      .number(welcome.epoch)
      .position(welcome.position)
      .whole();
}

std::array<std::byte, session_goodbye_size> encode(const session_goodbye& goodbye) noexcept {
  return body_writer<session_goodbye_size>{}.byte(session_version).number(goodbye.received).whole();
}

result<session_hello> parse_session_hello(std::uint64_t number, std::span<const std::byte> body) {
  body_reader in{"session hello", body, session_hello_size};
  in.no_number(number);
  in.version();
  session_hello hello;
  const auto flags = in.byte();
  if (flags > flag_resumes)
    in.refuse("flags", flags, "0 or 1");
  hello.resumes = flags == flag_resumes;
  hello.id = in.id();
  hello.epoch = in.epoch();
  hello.position = in.position(!hello.resumes);
  return in.judge(hello);
}

result<session_welcome> parse_session_welcome(std::uint64_t number, std::span<const std::byte> body) {
  body_reader in{"session welcome", body, session_welcome_size};
  in.no_number(number);
  in.version();
  session_welcome welcome;
  const auto answer = in.byte();
  if (names_a_value<session_answer>(answer))
    welcome.answer = static_cast<session_answer>(answer);
  else
    in.refuse("answer", answer, "0 .. " + std::to_string(names_of(session_answer{}).size() - 1));
  welcome.id = in.id();
  welcome.epoch = in.epoch();
  welcome.position = in.position(welcome.answer != session_answer::resumed);
  return in.judge(welcome);
}

result<session_goodbye> parse_session_goodbye(std::uint64_t number, std::span<const std::byte> body) {
  body_reader in{"session goodbye", body, session_goodbye_size};
  in.version();
  const session_goodbye goodbye{in.number()};
  if (goodbye.received < number)
    in.refuse("received", goodbye.received, "not below the number of the frame, " + std::to_string(number));
  return in.judge(goodbye);
}

} // namespace actorwire
