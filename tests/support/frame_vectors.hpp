#pragma once

#include <actorwire/transports/frame_label.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace actorwire::test {

/// Frames of `framing_mode::numbered` as docs/framing.md shows them.
struct frame_vector {
  frame_label label;
  std::string_view body;
  /// All bytes of the frame.
  std::string_view hex;
};

inline constexpr std::array frame_vectors{
    frame_vector{{frame_kind::data, 0}, "hello", "00 00 00 0e 00 00 00 00 00 00 00 00 00 68 65 6c 6c 6f"},
    frame_vector{{frame_kind::data, 0}, "", "00 00 00 09 00 00 00 00 00 00 00 00 00"},
    frame_vector{{frame_kind::call, 1}, "ping", "00 00 00 0d 01 00 00 00 00 00 00 00 01 70 69 6e 67"},
    frame_vector{{frame_kind::answer, 1}, "pong", "00 00 00 0d 02 00 00 00 00 00 00 00 01 70 6f 6e 67"},
    frame_vector{{frame_kind::refusal, 1},
                 "\x07"
                 "busy",
                 "00 00 00 0e 03 00 00 00 00 00 00 00 01 07 62 75 73 79"},
    frame_vector{{frame_kind::call, 0x0102030405060708}, "", "00 00 00 09 01 01 02 03 04 05 06 07 08"},
};

/// Streams that end the connection with `malformed`, as docs/framing.md shows them, and what the error says.
struct malformed_vector {
  std::string_view hex;
  std::string_view text;
};

inline constexpr std::array malformed_vectors{
    malformed_vector{"00 00 00 08", "frame of length 8: kind and number alone are 9 bytes"},
    malformed_vector{"00 00 00 09 04", "frame of kind 4 (hello): only sessions have it"},
    malformed_vector{"00 00 00 09 08", "frame of kind 8: there is none above 7"},
    malformed_vector{"00 00 00 09 00 00 00 00 00 00 00 00 02", "data with number 2: only sessions number it"},
    malformed_vector{"00 00 00 09 01 00 00 00 00 00 00 00 00", "frame of kind 1 (call) with number 0"},
    malformed_vector{"00 00 00 09 03 00 00 00 00 00 00 00 01", "frame of kind 3 (refusal) without a code"},
};

} // namespace actorwire::test
