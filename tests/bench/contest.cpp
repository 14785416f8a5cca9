#include "contest.hpp"

#include "posix.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <utility>

namespace actorwire::bench {

static std::vector<std::string> titles_of(const std::vector<contestant>& contestants) {
  std::vector<std::string> titles;
  for (const auto& each : contestants)
    titles.emplace_back(each.title);
  return titles;
}

/// And ours as another build has them, if there is one.
static std::vector<contestant> with_earlier(std::vector<contestant> contestants, const std::string& before) {
  if (!before.empty())
    for (std::size_t index = 0, count = contestants.size(); index < count; ++index)
      if (const auto& now = contestants[index]; now.title.starts_with("actorwire"))
        contestants.push_back({now.option, "before: " + now.title, before});
  return contestants;
}

/// And the first of those that are from before.
static std::vector<std::size_t> with_first_earlier(std::vector<std::size_t> baselines,
                                                   const std::vector<contestant>& contestants) {
  const auto first = std::ranges::find_if(contestants, [](const contestant& one) { return !one.program.empty(); });
  if (first != contestants.end())
    baselines.push_back(static_cast<std::size_t>(first - contestants.begin()));
  return baselines;
}

contest::contest(contest_options options, std::vector<contestant> contestants, std::vector<std::size_t> baselines)
  : options_(std::move(options)),
    cpus_(allowed_cpus()),
    contestants_(with_earlier(std::move(contestants), options_.before)),
    is_left_out_(contestants_.size()),
    report_(titles_of(contestants_), with_first_earlier(std::move(baselines), contestants_)),
    echoed_(contestants_.size()) {}

void contest::run(const std::function<void()>& measure_round) {
  describe();
  const noise_meter noise;
  for (auto round = 1; round <= options_.rounds; ++round) {
    std::cerr << "round " << round << " of " << options_.rounds << '\n';
    measure_round();
  }
  about_.emplace_back("noise", noise.so_far());
  print();
  report_.save(options_.json_file, about_);
}

void contest::with_server(std::size_t index, int client_on, const std::vector<std::string>& arguments,
                          const std::function<void(load, const child_process&)>& body,
                          const std::vector<std::string>& environment) {
  if (is_left_out_[index])
    return;
  std::vector<std::string> words{"--serve",      std::string{contestants_[index].option},
                                 "--cpu",        std::to_string(server_cpu()),
                                 "--congestion", options_.congestion_control};
  words.insert(words.end(), arguments.begin(), arguments.end());
  child_process server{words, environment, contestants_[index].program};
  load wanted;
  try {
    wanted.port = static_cast<std::uint16_t>(std::stoul(server.read_line(std::chrono::seconds{10})));
  } catch (const process_ended&) {
    if (contestants_[index].program.empty())
      throw;
    is_left_out_[index] = true;
    return tell(contestants_[index].title, "not measured, that build does not serve it");
  }
  wanted.congestion_control = options_.congestion_control;
  wanted.message_size = options_.message_size;
  wanted.duration = std::chrono::nanoseconds{static_cast<std::int64_t>(options_.seconds * 1e9)};
  wanted.warm_up = std::min<std::chrono::nanoseconds>(wanted.duration / 3, std::chrono::milliseconds{300});
  pin_to_cpu(client_on);
  try {
    body(wanted, server);
  } catch (const std::exception& failure) {
    throw std::runtime_error(contestants_[index].title + ": " + failure.what());
  }
  server.finish();
}

void contest::tell(const std::string& name, const std::string& value) {
  if (std::ranges::find(about_, name, &facts::value_type::first) != about_.end())
    return;
  about_.emplace_back(name, value);
  bench::print(facts{about_.back()});
}

void contest::add(std::size_t index, const verified& echoed) {
  echoed_[index].bytes += echoed.bytes;
  echoed_[index].checksum += echoed.checksum;
}

void contest::describe() {
  about_ = describe_machine();
  about_.insert(about_.end(), options_.about.begin(), options_.about.end());
  about_.emplace_back("affinity", "client on CPU " + std::to_string(client_cpu()) + ", server on CPU "
                                      + std::to_string(server_cpu()) + (has_two_cpus() ? "" : ": there is no second"));
  about_.emplace_back("congestion control", options_.congestion_control);
  about_.emplace_back("rounds", std::to_string(options_.rounds) + " x " + std::to_string(options_.seconds) + " s");
  bench::print(about_);
}

void contest::print() const {
  report_.print(std::cout);
  std::cout << "\nnoise: " << about_.back().second << "\nechoed bytes, each of them checked:\n";
  for (std::size_t index = 0; index < contestants_.size(); ++index)
    std::printf("  %-32s%16llu, checksum %016llx\n", contestants_[index].title.c_str(),
                static_cast<unsigned long long>(echoed_[index].bytes),
                static_cast<unsigned long long>(echoed_[index].checksum));
}

} // namespace actorwire::bench
