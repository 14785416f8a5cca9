// replay_<target> <file or folder>...: runs the target once with each file.

#include "target.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace actorwire::fuzz {

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& place) {
  if (!fs::is_directory(place))
    return {place};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator{place})
    files.push_back(entry.path());
  std::ranges::sort(files);
  // A corpus that was moved would else pass for ever.
  if (files.empty())
    throw std::runtime_error{"there is no file in " + place.string()};
  return files;
}

void replay(const fs::path& file) {
  // Before the run: it may be the last that is heard.
  std::printf("%s\n", file.c_str());
  std::fflush(stdout);
  std::ifstream in{file, std::ios::binary};
  const std::vector<char> input{std::istreambuf_iterator<char>{in}, {}};
  if (!in.is_open() || in.bad())
    throw std::runtime_error{"cannot read " + file.string()};
  run(std::as_bytes(std::span{input}));
}

} // namespace

} // namespace actorwire::fuzz

int main(int count, char** words) {
  try {
    if (count < 2)
      throw std::runtime_error{"usage: replay <file or folder>..."};
    for (const auto* place : std::span{words, static_cast<std::size_t>(count)}.subspan(1))
      for (const auto& file : actorwire::fuzz::files_of(place))
        actorwire::fuzz::replay(file);
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
