#pragma once

#include "program.hpp"

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>

#include <chrono>

namespace actorwire::test {

/// The time from a fault until it is told. A test that asserts it does so because the library promises one.
class time_to_notice {
public:
  /// What a machine that is busy with other things may add.
  static constexpr std::chrono::milliseconds slack = 3s;

  void check(std::chrono::milliseconds promised) const {
    static_assert(slack < patience);
    const auto passed =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun_);
    INFO("told after " << passed.count() << " ms, promised within " << promised.count() << " ms");
    CHECK(passed <= promised + slack);
  }

private:
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

} // namespace actorwire::test
