#include <actorwire/actors/errors.hpp>

#include <caf/exit_reason.hpp>

namespace actorwire {

namespace {

/// Returns the description that travels within `reason`, or null.
const transport_error* description_in(const caf::error& reason) {
  if (!reason)
    return nullptr;
  const auto& context = reason.context();
  return context.match_elements<transport_error>() ? &context.get_as<transport_error>(0) : nullptr;
}

} // namespace

caf::error to_caf_error(const transport_error& reason) {
  return caf::make_error(reason.code, reason);
}

transport_error to_transport_error(const caf::error& reason) {
  if (const auto* description = description_in(reason))
    return *description;
  if (reason == caf::exit_reason::user_shutdown || reason == caf::exit_reason::normal)
    return make_error(error_code::closed, phase::close, origin::local, "ended by this side");
  return make_error(error_code::crashed, phase::established, origin::local, to_string(reason));
}

bool is_transport_error(const caf::error& reason) {
  return description_in(reason) != nullptr;
}

} // namespace actorwire
