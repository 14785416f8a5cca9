#pragma once

#include "engine/tls_session_cache.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace actorwire::fuzz {

/// The sessions that the clients of a run may resume. To be cleared at the beginning of each.
class session_memory final : public tls_session_memory {
public:
  void put(const std::string& server, tls_session session) override { sessions_->put(server, std::move(session)); }
  void put_token(const std::string& server, std::uint32_t quic_version, std::string token) override {
    sessions_->put_token(server, quic_version, std::move(token));
  }
  std::optional<tls_session> take(const std::string& server, time_point now) override {
    return sessions_->take(server, now);
  }
  void clear() { sessions_.emplace(4, std::chrono::hours{1}); }

private:
  std::optional<tls_session_cache> sessions_;
};

/// One for the whole program.
inline const std::shared_ptr<session_memory>& sessions() {
  static const auto made = std::make_shared<session_memory>();
  return made;
}

} // namespace actorwire::fuzz
