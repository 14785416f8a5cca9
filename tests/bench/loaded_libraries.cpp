#include "loaded_libraries.hpp"

#include <link.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <system_error>

namespace actorwire::bench {

static int add_library(dl_phdr_info* library, std::size_t, void* names) {
  std::error_code failure;
  const auto file = std::filesystem::canonical(library->dlpi_name, failure);
  if (!failure)
    static_cast<std::vector<std::string>*>(names)->push_back(file.filename().string());
  return 0;
}

std::vector<std::string> loaded_libraries(const std::vector<std::string_view>& beginnings) {
  std::vector<std::string> all;
  ::dl_iterate_phdr(add_library, &all);
  std::ranges::sort(all);
  std::vector<std::string> wanted;
  for (const auto beginning : beginnings)
    for (const auto& name : all)
      if (name.starts_with(beginning))
        wanted.push_back(name);
  return wanted;
}

} // namespace actorwire::bench
