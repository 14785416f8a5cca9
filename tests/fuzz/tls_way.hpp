#pragma once

#include "engine/tls_engine.hpp"
#include "target.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace actorwire::fuzz {

/// In what pieces bytes arrive: 1 .. 64 bytes, then multiples of 64 up to 12 KiB, so that few cuts make both.
class cuts {
public:
  static cuts from(reader& in);

  std::size_t next() noexcept {
    const std::size_t code = codes_[used_++ % codes_.size()];
    return code < 64 ? code + 1 : (code - 62) * 64;
  }

private:
  std::vector<std::uint8_t> codes_;
  std::size_t used_ = 0;
};

/// What goes wrong on the way: a byte that changes, bytes that come from nowhere, are lost or come twice, or the loss of
/// all that follows.
struct accident {
  enum class kind : std::uint8_t { flip, insert, lose, repeat, cut };

  kind what;
  /// Whose bytes.
  tls_role from;
  std::uint16_t position;
  std::uint8_t detail;

  /// 1 byte for what and whose, 2 for where, 1 for details.
  static accident from_input(reader& in);
};

/// Bytes on their way from one side to the other.
class wire {
public:
  void expect(const accident& coming) { coming_.push_back(coming); }

  /// Takes what was sent. What was to happen to it does.
  void put(std::string bytes);

  /// Has something happen to what is on its way.
  void spoil(const accident& what) {
    if (!waiting_.empty())
      spoil(what, what.position % waiting_.size());
  }

  [[nodiscard]] std::string take(std::size_t size);

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }
  /// What arrives is what was sent.
  [[nodiscard]] bool is_clean() const noexcept { return !is_spoilt_; }
  void cut() {
    is_cut_ = true;
    is_spoilt_ = true;
    waiting_.clear();
  }

private:
  void spoil(const accident& what, std::size_t at);

  std::vector<accident> coming_;
  std::string waiting_;
  std::uint64_t sent_ = 0;
  std::uint64_t delivered_ = 0;
  bool is_spoilt_ = false;
  bool is_cut_ = false;
};

} // namespace actorwire::fuzz
