#include <actorwire/actors/errors.hpp>

#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>

#include <string>

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
  if (!reason || reason == caf::exit_reason::user_shutdown)
    return make_error(error_code::closed, phase::close, origin::local, "ended by this side");
  if (reason == caf::sec::request_receiver_down)
    return make_error(error_code::closed, phase::close, origin::local,
                      "nobody answers: the actor that was asked has ended, as it does after a close");
  if (reason == caf::sec::request_timeout)
    return make_error(error_code::request_timeout, phase::established, origin::local,
                      "no answer came within the time that the request was given; it may still take effect");
  if (reason == caf::sec::unexpected_message)
    return make_error(error_code::unsupported, phase::established, origin::local,
                      "the actor that was asked does not know this request");
  if (reason == caf::exit_reason::remote_link_unreachable || reason == caf::sec::no_route_to_receiving_node)
    return make_error(error_code::unreachable, phase::established, origin::system,
                      "the connection to the CAF node on which the actor lives was lost");
  if (reason.category() == caf::make_error(error_code::closed).category() && names_a_value<error_code>(reason.code())) {
    const auto code = static_cast<error_code>(reason.code());
    return make_error(code, phase::established, origin::local, "reported as " + std::string{name_of(code)});
  }
  return make_error(error_code::crashed, phase::established, origin::local,
                    "an actor ended, or failed over a message, without being asked to: " + to_string(reason));
}

bool is_transport_error(const caf::error& reason) {
  return description_in(reason) != nullptr;
}

} // namespace actorwire
