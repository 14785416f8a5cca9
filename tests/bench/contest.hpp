#pragma once

#include "child_process.hpp"
#include "load_client.hpp"
#include "machine.hpp"
#include "posix.hpp"
#include "report.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::bench {

/// A server that is measured: what this program is told to `--serve`, and its name in the report.
struct contestant {
  std::string_view option;
  std::string title;
  /// Which program it is served by; empty: this one.
  std::string program{};
};

struct contest_options {
  /// Rounds, in each of which every rival is measured once.
  int rounds = 5;
  /// Time of each measurement, after a warm-up of up to 0.3 s.
  double seconds = 1;
  std::string congestion_control = plain_congestion_control();
  std::size_t message_size = 64;
  /// What figures depend on besides what every benchmark tells.
  facts about;
  /// Where every single value goes too; empty: nowhere.
  std::string json_file;
  /// This benchmark as another build has it, a program: its servers that are ours run beside those of this one, so that a
  /// change is measured against what was before it; empty: none.
  std::string before;
};

/// Rivals side by side: each a process of its own on one core, loaded by this process on another. Rounds go over all of
/// them, so that whatever changes slowly on the machine changes for all.
class contest {
public:
  /// `baselines` are indices of the rivals with which the others are compared.
  contest(contest_options options, std::vector<contestant> contestants, std::vector<std::size_t> baselines);

  /// Describes the machine, runs the rounds, and prints what came out.
  void run(const std::function<void()>& measure_round);

  /// Has a rival serve while `body` loads it from the CPU `client_on`. A new process for each measurement: none inherits
  /// the memory or the threads of another. `arguments` and `environment` are for that process. A rival of another build
  /// that ends before it serves is left out from then on: that build does not have it, or knows less.
  void with_server(std::size_t index, int client_on, const std::vector<std::string>& arguments,
                   const std::function<void(load, const child_process&)>& body,
                   const std::vector<std::string>& environment = {});

  /// Prints a fact that was found out while measuring, and keeps it with the figures; once.
  void tell(const std::string& name, const std::string& value);

  /// Adds to what the rival has echoed.
  void add(std::size_t index, const verified& echoed);

  [[nodiscard]] report& results() noexcept { return report_; }
  [[nodiscard]] const std::vector<contestant>& contestants() const noexcept { return contestants_; }
  [[nodiscard]] int client_cpu() const { return cpus_.front(); }
  [[nodiscard]] int server_cpu() const { return cpus_.back(); }
  [[nodiscard]] bool has_two_cpus() const noexcept { return cpus_.size() > 1; }

private:
  void describe();
  void print() const;

  contest_options options_;
  std::vector<int> cpus_;
  std::vector<contestant> contestants_;
  /// By contestant.
  std::vector<bool> is_left_out_;
  report report_;
  facts about_;
  std::vector<verified> echoed_;
};

} // namespace actorwire::bench
