#pragma once

#include "engine/tls_credentials.hpp"

#include <actorwire/messages/result.hpp>
#include <actorwire/messages/tls_config.hpp>

#include <functional>
#include <string_view>

namespace actorwire {

/// Reads what the settings name, files or texts. *Errors:* `invalid_credentials` naming the setting, and the file only for
/// `detailed_errors`. *Thread:* any but a shard.
[[nodiscard]] result<tls_material> read_tls_material(const tls_config& config);

/// Opens the key log for appending; an empty function if none is set. Its lines may be written by any thread.
[[nodiscard]] result<std::function<void(std::string_view)>> open_key_log(const tls_config& config);

} // namespace actorwire
