#pragma once

#include "pattern.hpp"
#include "program.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace actorwire::test {

/// What `quic_recorder` has written, by the number that each message begins with.
class message_record {
public:
  /// Each message is of one page, so that a server that is killed has written it or not.
  static constexpr std::size_t message_bytes = 4'096;

  explicit message_record(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  void await(std::size_t count) const {
    wait_until("all is written", [&] {
      std::error_code absent;
      return std::filesystem::file_size(path_, absent) == count * message_bytes && !absent;
    });
  }

  [[nodiscard]] std::vector<std::size_t> numbers() const {
    std::vector<std::size_t> all;
    for (const auto& each : messages())
      all.push_back(std::stoul(each));
    return all;
  }

  [[nodiscard]] std::vector<std::string> messages() const {
    std::ifstream file{path_, std::ios::binary};
    std::vector<std::string> all;
    for (std::string each(message_bytes, '\0'); file.read(each.data(), message_bytes);)
      all.push_back(each);
    return all;
  }

private:
  std::string path_;
};

} // namespace actorwire::test
