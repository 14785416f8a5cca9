#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace actorwire::test {

/// What becomes of one direction of a TCP connection, from a byte on.
/// - `carry`: nothing out of order.
/// - `cut`: the receiver gets what comes before, and then the end of the stream; the sender finds the connection gone.
/// - `reset`: both sides get what TCP says when a connection is gone for no good reason (RST).
/// - `swallow`: what follows is taken and thrown away, and nobody is told: the connection is half open.
/// - `stall`: what follows is not taken, and nobody is told.
/// - `corrupt`: one bit of that byte is flipped, the checksum of TCP notwithstanding.
enum class tcp_fate : std::uint8_t { carry, cut, reset, swallow, stall, corrupt };

/// Of one direction of one connection.
struct tcp_lane_faults {
  tcp_fate fate = tcp_fate::carry;
  /// The first byte that meets with `fate`, counted from 0.
  std::uint64_t at = 0;
  /// Bytes that leave at once: 1 .. `piece_max`, drawn for each piece. 1 lets each byte travel alone.
  std::size_t piece_max = 65'536;
  /// Time that what comes in is held back: 0 .. `delay_max`, drawn for each piece that comes; the order stays.
  std::chrono::milliseconds delay_max{0};
};

/// One direction of a connection with faults, as a machine without sockets: bytes go in as they come, and leave as the
/// faults allow. What it does depends on its settings, the random source, and on what it is told. *Thread:* any one thread.
class tcp_fault_lane {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Bytes that are held at most.
  static constexpr std::size_t held_max = 65'536;

  /// How the stream ends, for the receiver.
  enum class ending : std::uint8_t { none, finish, cut, reset };

  tcp_fault_lane(const tcp_lane_faults& faults, std::mt19937_64 chance);

  /// Bytes that it takes now: 0 while it is full, has stalled, or is over.
  [[nodiscard]] std::size_t room() const;
  /// Takes bytes, no more than there is room for.
  void take(std::string_view bytes, time_point now);
  /// The sender has ended its side, or (`reset`) the connection.
  void take_end(ending how);

  /// What may leave now; empty when there is nothing.
  [[nodiscard]] std::string_view piece(time_point now) const;
  /// So many bytes of `piece` have left.
  void left(std::size_t count);
  /// When more may leave of what is held back.
  [[nodiscard]] std::optional<time_point> next_time() const;
  /// What the receiver is to be told now that all before it has left.
  [[nodiscard]] ending end() const;

  /// Whether the fate has befallen a byte, or (`stall`, `cut`, `reset`) the place where one would be.
  [[nodiscard]] bool is_struck() const;
  /// Whether it has reached the point from which it tells nobody anything.
  [[nodiscard]] bool is_silent() const;
  /// Bytes that were taken, and those that have left.
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  [[nodiscard]] std::uint64_t passed() const noexcept { return passed_; }

private:
  struct held_back {
    std::string bytes;
    time_point until;
  };

  void draw_piece();

  const tcp_lane_faults faults_;
  std::mt19937_64 chance_;
  std::deque<held_back> held_;
  std::size_t held_size_ = 0;
  /// Of the first of `held_`, those that have left.
  std::size_t offset_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t passed_ = 0;
  /// The place where the present piece ends.
  std::uint64_t piece_end_ = 0;
  ending told_ = ending::none;
};

} // namespace actorwire::test
