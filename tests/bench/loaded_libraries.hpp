#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace actorwire::bench {

/// Files of the shared libraries that this process has loaded, without folders: those whose names begin with one of
/// `beginnings`, in their order and by name. Links are followed, so that names hold versions: libnettle.so.8.6.
[[nodiscard]] std::vector<std::string> loaded_libraries(const std::vector<std::string_view>& beginnings);

} // namespace actorwire::bench
