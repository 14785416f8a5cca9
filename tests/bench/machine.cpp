#include "machine.hpp"

#include "posix.hpp"

#include <actorwire/version.hpp>

#include <boost/version.hpp>
#include <gnu/libc-version.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <string>

namespace actorwire::bench {

static std::string cpu_model() {
  std::ifstream file{"/proc/cpuinfo"};
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "unknown CPU";
}

static std::string compiler() {
#if defined(__clang__)
  return std::string{"clang "} + __clang_version__;
#else
  return std::string{"g++ "} + __VERSION__;
#endif
}

facts describe_machine() {
  utsname system{};
  checked(::uname(&system), "uname");
  std::string cpus;
  for (const auto cpu : allowed_cpus())
    cpus.append(cpus.empty() ? "" : ",").append(std::to_string(cpu));
  const std::string boost = std::to_string(BOOST_VERSION / 100'000) + "." + std::to_string(BOOST_VERSION / 100 % 1'000);
  return {
      {"machine", cpu_model() + ", CPUs " + cpus},
      {"kernel", std::string{system.sysname} + " " + system.release + " " + system.machine},
      {"compiler", compiler() + ", " ACTORWIRE_BENCH_BUILD_TYPE},
      {"actorwire", ACTORWIRE_VERSION_STRING},
      {"versions",
       std::string{"CAF " ACTORWIRE_BENCH_CAF_VERSION ", Boost "} + boost + ", glibc " + ::gnu_get_libc_version()},
  };
}

void print(const facts& about) {
  for (const auto& [name, value] : about)
    std::printf("%s: %s\n", name.c_str(), value.c_str());
}

noise_meter::noise_meter() : start_(read()) {}

std::string noise_meter::so_far() const {
  const auto now = read();
  const auto percent = [passed = std::max(now.passed - start_.passed, 1e-3)](double part) {
    return 100 * std::max(part, 0.0) / passed;
  };
  const auto ours = now.ours - start_.ours;
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(),
                "of the CPUs' time, others used %.1f %%, the hypervisor took %.1f %%, we %.1f %%",
                percent(now.busy - start_.busy - ours), percent(now.stolen - start_.stolen), percent(ours));
  return text.data();
}

noise_meter::usage noise_meter::read() {
  // proc(5), in clock ticks.
  enum field { user, nice, system, idle, iowait, irq, softirq, steal, count };
  std::array<double, count> seconds{};
  std::ifstream file{"/proc/stat"};
  std::string name;
  file >> name;
  const auto tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  for (auto& value : seconds) {
    file >> value;
    value *= tick;
  }
  usage now;
  now.busy = seconds[user] + seconds[nice] + seconds[system] + seconds[irq] + seconds[softirq];
  now.stolen = seconds[steal];
  now.passed = now.busy + now.stolen + seconds[idle] + seconds[iowait];
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    checked(::getrusage(who, &used), "getrusage");
    for (const auto& time : {used.ru_utime, used.ru_stime})
      now.ours += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  }
  return now;
}

} // namespace actorwire::bench
