#pragma once

#include <string>
#include <utility>
#include <vector>

namespace actorwire::bench {

/// What figures depend on besides the program: name and value.
using facts = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] facts describe_machine();

/// Prints a line for each.
void print(const facts& about);

/// How much of the CPUs' time others took, from construction on: figures are as good as this is low.
class noise_meter {
public:
  noise_meter();

  /// In words: what other processes used, and what the hypervisor took away. Ended children count as ours.
  [[nodiscard]] std::string so_far() const;

private:
  /// Seconds, over all CPUs.
  struct usage {
    double passed = 0;
    double busy = 0;
    double stolen = 0;
    double ours = 0;
  };
  static usage read();

  usage start_;
};

} // namespace actorwire::bench
