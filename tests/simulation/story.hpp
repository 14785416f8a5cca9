#pragma once

#include "probe.hpp"

#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/requests.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// Messages in frames, and the policy of most tests: delays of 100 ms, doubled up to 1 s.
[[nodiscard]] acquire_options framed();
[[nodiscard]] reconnection_policy quick_policy();

/// Whether the account adds up, in messages and in bytes.
[[nodiscard]] bool adds_up(const delivery_totals& totals);

/// Whether what was lost is the same by reasons as it is in the account.
[[nodiscard]] bool drops_add_up(const stats& told);

/// Whether nothing that only grows is less in `later` than in `earlier`.
[[nodiscard]] bool has_grown(const stats& earlier, const stats& later);

/// Checks what one probe was told of one peer since its subscription was answered with `snapshot`: each state follows
/// from the one before by the table, none is missing, nothing follows `closed`; generations grow one by one and nothing
/// of an older one comes later; each failure says why.
void check_story(const std::vector<note>& told, const connection_status& snapshot);

/// All lines of a trace.
[[nodiscard]] std::string to_string(const std::vector<note>& told);

/// A byte stream cut into the length-prefixed messages that it holds, and what is left at its end.
struct cut_stream {
  std::vector<std::string> messages;
  std::string rest;
};
[[nodiscard]] cut_stream cut_frames(std::string_view bytes);

} // namespace actorwire::test
