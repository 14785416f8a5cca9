#pragma once

#include "tls_party.hpp"
#include "tls_settings.hpp"
#include "tls_way.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace actorwire::fuzz {

/// Two sides, what is on its way between them, and what must hold of both.
class conversation {
public:
  using both_credentials = std::array<std::shared_ptr<const tls_credentials>, 2>;

  conversation(const settings& wanted, const both_credentials& known, buffer_pool& buffers, cuts pieces);

  [[nodiscard]] party& side(tls_role role) noexcept { return *sides_[settings::index_of(role)]; }
  /// Null if that side is none.
  [[nodiscard]] engine_party* engine(tls_role role) noexcept { return engines_[settings::index_of(role)]; }
  [[nodiscard]] stranger* by_hand() noexcept { return stranger_; }
  /// What is on its way from `role`.
  [[nodiscard]] wire& from(tls_role role) noexcept { return wires_[settings::index_of(role)]; }

  /// Has a side say so much as soon as it can.
  void plan(tls_role who, std::size_t bytes) { unsaid_[settings::index_of(who)] = bytes; }
  void plan_to_close() noexcept { closes_ = true; }
  /// From here on the engine may refuse what the stranger sends.
  void note_rudeness() noexcept { is_rude_ = true; }

  /// The next piece of what is on its way to `to` arrives.
  void deliver(tls_role to, std::size_t size);
  /// Goes on until nothing moves any more.
  void settle();
  /// The streams below end, and then everybody knows how the conversation ended.
  void end();

  /// Nothing happened that TLS does not allow for.
  [[nodiscard]] bool is_clean() const noexcept {
    return !is_rude_ && std::ranges::all_of(wires_, [](const auto& each) { return each.is_clean(); });
  }

  /// What `who` has heard and been told is true.
  void check_truth(tls_role who);

private:
  static constexpr std::size_t pieces_max = 4;
  static constexpr std::size_t room = 3'000;

  void advance(tls_role role);
  /// What arrived was heard by now, so whoever said it may believe in what is acknowledged.
  void check_acknowledged(tls_role hearer);
  static void check_agreement(const tls_info& left, const tls_info& right);

  const settings settings_;
  cuts cuts_;
  std::array<std::unique_ptr<party>, 2> sides_;
  std::array<engine_party*, 2> engines_{};
  stranger* stranger_ = nullptr;
  std::array<wire, 2> wires_;
  std::array<std::size_t, 2> unsaid_{};
  bool closes_ = false;
  bool is_rude_ = false;
  bool agreement_seen_ = false;
};

} // namespace actorwire::fuzz
