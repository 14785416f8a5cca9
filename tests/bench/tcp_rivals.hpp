#pragma once

#include "echo_server.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace actorwire::bench {

/// The first is the floor, the second what CAF's users have today.
enum class rival : std::uint8_t {
  /// Boost.Asio without actors: one io_context, one thread, async_read_some and async_write.
  raw,
  /// CAF's own networking: a broker for each connection.
  caf_io,
  /// An actor for each connection, beside it on the only shard.
  actorwire_shard,
  /// A handler for each connection, in its shard, and no actor that serves it.
  actorwire_callback,
  /// An actor for each connection, on CAF's scheduler with one worker, tuned by `system_config`.
  actorwire_scheduler,
  /// One actor beside the connections serves all of them. Only for the memory that a connection takes by itself.
  actorwire_shared,
  /// Like `actorwire_shard`, and each actor is sent the figures of its connection every 10 ms. Only for what that costs.
  actorwire_watched,
};

struct rival_name {
  rival which;
  std::string_view option;
  std::string_view title;
};

inline constexpr std::array<rival_name, 7> rival_names{{
    {rival::raw, "raw", "raw Boost.Asio"},
    {rival::caf_io, "caf_io", "caf::io broker"},
    {rival::actorwire_shard, "actorwire_shard", "actorwire, actor on its shard"},
    {rival::actorwire_callback, "actorwire_callback", "actorwire, callback"},
    {rival::actorwire_scheduler, "actorwire_scheduler", "actorwire, actor on scheduler"},
    {rival::actorwire_shared, "actorwire_shared", "actorwire, one actor for all"},
    {rival::actorwire_watched, "actorwire_watched", "actorwire, figures every 10 ms"},
}};

/// Whether this build has the rival: caf::io is optional.
[[nodiscard]] bool is_built(rival which) noexcept;

/// The server of a rival that is built. `buffer_size` is what one with a fixed buffer reads at once, in bytes; actorwire
/// chooses for itself.
[[nodiscard]] std::unique_ptr<echo_server> make_tcp_server(rival which, std::size_t buffer_size);

// One for each rival, in a file of its own. `make_caf_io_server` exists if `is_built(rival::caf_io)`.
[[nodiscard]] std::unique_ptr<echo_server> make_raw_server(std::size_t buffer_size);
[[nodiscard]] std::unique_ptr<echo_server> make_caf_io_server(std::size_t buffer_size);
[[nodiscard]] std::unique_ptr<echo_server> make_actorwire_server(rival variant);

} // namespace actorwire::bench
