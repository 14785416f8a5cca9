#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace actorwire {

/// The names of the two ends of a connection, in one block of memory: each connection keeps them for as long as it lives.
class socket_names {
public:
  socket_names() = default;
  socket_names(std::string_view local, std::string_view remote)
    : local_size_(static_cast<std::uint32_t>(local.size())) {
    both_.reserve(local.size() + remote.size());
    both_.append(local).append(remote);
  }

  [[nodiscard]] std::string local() const { return both_.substr(0, local_size_); }
  [[nodiscard]] std::string remote() const { return both_.substr(local_size_); }

private:
  std::string both_;
  std::uint32_t local_size_ = 0;
};

} // namespace actorwire
