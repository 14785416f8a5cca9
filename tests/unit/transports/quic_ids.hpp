#pragma once

#include "engine/quic/quic_cid.hpp"

#include <span>
#include <string_view>

namespace actorwire::test {

/// The connection ID whose bytes are those of `text`.
inline quic_cid id_of(std::string_view text) {
  return quic_cid{std::as_bytes(std::span{text})};
}

} // namespace actorwire::test
