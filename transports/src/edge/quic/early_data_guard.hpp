#pragma once

#include "shared_anti_replay.hpp"

#include <gnutls/gnutls.h>

#include <chrono>
#include <cstddef>
#include <ctime>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>

namespace actorwire {

/// Keeps listeners from taking early data twice: shows GnuTLS what they remember (RFC 8446, 8.2).
/// *Thread:* any thread; all shards of all listeners with the same ticket key share it.
class early_data_guard {
public:
  /// *Errors:* throws `std::runtime_error` for want of memory.
  explicit early_data_guard(const quic_random& random) : memory_(random) {
    gnutls_anti_replay_t made = nullptr;
    if (::gnutls_anti_replay_init(&made) != 0)
      throw std::runtime_error{"there is no memory to guard early data"};
    handle_.reset(made);
    ::gnutls_anti_replay_set_ptr(made, this);
    ::gnutls_anti_replay_set_add_function(made, add);
  }

  [[nodiscard]] gnutls_anti_replay_t handle() const noexcept { return handle_.get(); }

private:
  struct closer {
    void operator()(gnutls_anti_replay_t used) const noexcept { ::gnutls_anti_replay_deinit(used); }
  };

  static int add(void* self, std::time_t until, const gnutls_datum_t* key, const gnutls_datum_t*) {
    using wall = std::chrono::system_clock;
    try {
      const auto shown = std::as_bytes(std::span{key->data, key->size});
      const auto is_new =
          static_cast<early_data_guard*>(self)->memory_.add(shown, wall::from_time_t(until), wall::now());
      return is_new ? 0 : GNUTLS_E_DB_ENTRY_EXISTS;
    } catch (const std::exception&) {
      return GNUTLS_E_DB_ENTRY_EXISTS;
    }
  }

  shared_anti_replay memory_;
  std::unique_ptr<std::remove_pointer_t<gnutls_anti_replay_t>, closer> handle_;
};

} // namespace actorwire
