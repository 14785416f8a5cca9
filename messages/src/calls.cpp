#include "range_check.hpp"

#include <actorwire/messages/calls.hpp>

namespace actorwire {

namespace {

constexpr auto any_number = ~std::uint64_t{0};

} // namespace

result<void> validate(const call& request) {
  return range_check{"call"}
      .zero_or_within("timeout", request.timeout, "operation_timeout", shortest_time, longest_time)
      .verdict();
}

result<void> validate(const answer& request) {
  return range_check{"answer"}.within("number", request.number, 1, any_number).verdict();
}

result<void> validate(const refuse& request) {
  return range_check{"refuse"}
      .within("number", request.number, 1, any_number)
      .within("code", request.code, 0, library_refusals - 1)
      .within("text.size()", request.text.size(), 0, refusal_text_max)
      .verdict();
}

bool may_have_been_handled(const transport_error& reason) noexcept {
  switch (reason.code) {
    case error_code::call_refused:
    // What CAF says when it does not know what became of a request.
    case error_code::request_timeout:
    case error_code::crashed:
      return true;
    case error_code::call_unanswered:
      return reason.system_code != 0;
    default:
      return false;
  }
}

} // namespace actorwire
