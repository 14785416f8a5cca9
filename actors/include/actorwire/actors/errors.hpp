#pragma once

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/export.hpp>
#include <actorwire/messages/error.hpp>

#include <caf/error.hpp>

namespace actorwire {

/// Packs `reason` into a CAF error of category `error_code`, as it appears in error responses and exit reasons.
[[nodiscard]] ACTORWIRE_EXPORT caf::error to_caf_error(const transport_error& reason);

/// Says what an error means that came as a response or as the reason for which an actor ended: unpacks what `to_caf_error`
/// packed, and translates CAF's own. `sec::request_timeout` is `request_timeout`; `sec::request_receiver_down`, an orderly
/// end and no error at all are `closed`; a lost CAF node is `unreachable`; `sec::unexpected_message` is `unsupported`.
/// Whatever remains, exceptions and kills among it, is `crashed`, with CAF's text.
[[nodiscard]] ACTORWIRE_EXPORT transport_error to_transport_error(const caf::error& reason);

/// Whether `reason` was made by `to_caf_error`: a failure that the network explains, not a crash.
[[nodiscard]] ACTORWIRE_EXPORT bool is_transport_error(const caf::error& reason);

} // namespace actorwire
