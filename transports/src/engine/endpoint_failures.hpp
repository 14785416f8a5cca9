#pragma once

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/error.hpp>

#include <span>

namespace actorwire {

/// Why one of several endpoints could not be connected to.
struct endpoint_failure {
  endpoint where;
  transport_error reason;
};

/// Returns why none of them could, as one error. The text names each with its reason; the rest is that of the most telling
/// one, in this order: trying again makes sense, so that the whole is permanent only if all are; something is wrong on this
/// machine; it came furthest; its code says more; it is preferred. `all` is in the order of preference and not empty.
[[nodiscard]] transport_error sum_up(std::span<const endpoint_failure> all);

} // namespace actorwire
