#pragma once

#include <actorwire/transports/clock.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace actorwire {

/// What a wire waits for.
enum class wire_deadline : std::uint8_t {
  /// Bytes wait and none has moved for `operation_timeout`. Before the orderly end of the transport they wait to be sent;
  /// behind it, to be passed on.
  progress,
  /// A frame has begun and is not complete for `partial_frame_timeout`.
  partial_frame,
  /// Time to ask the transport for acknowledgements.
  acknowledgement,
  /// The peer has ended its side, and not everyone has handled that for `operation_timeout`.
  peer_finished,
  /// The transport was to let go by then.
  retirement,
  /// What the streams other than 0 wait for.
  streams,
  /// A frame has begun, and there was no memory for it: time to try again.
  memory,
  /// The other side has not greeted.
  greeting,
  /// The session has something to say.
  session,
};

/// When a wire has waited long enough, for each thing that it may wait for. Most connections never wait for any, and take no
/// memory for it.
/// *Thread:* shard only.
class wire_deadlines {
public:
  static constexpr time_point never = time_point::max();

  [[nodiscard]] time_point of(wire_deadline which) const noexcept {
    return all_ != nullptr ? (*all_)[index_of(which)] : never;
  }
  [[nodiscard]] bool is_set(wire_deadline which) const noexcept { return of(which) != never; }
  [[nodiscard]] bool is_due(wire_deadline which, time_point now) const noexcept { return of(which) <= now; }
  /// `never` if there is none.
  [[nodiscard]] time_point earliest() const noexcept {
    return all_ != nullptr ? *std::min_element(all_->begin(), all_->end()) : never;
  }

  void set(wire_deadline which, time_point when) {
    if (all_ == nullptr) {
      if (when == never)
        return;
      all_ = std::make_unique<times>();
      all_->fill(never);
    }
    (*all_)[index_of(which)] = when;
  }
  void clear() noexcept { all_ = nullptr; }

private:
  static constexpr std::size_t index_of(wire_deadline which) noexcept { return static_cast<std::size_t>(which); }
  static constexpr std::size_t count = static_cast<std::size_t>(wire_deadline::session) + 1;

  using times = std::array<time_point, count>;

  /// Null while none was ever set.
  std::unique_ptr<times> all_;
};

} // namespace actorwire
