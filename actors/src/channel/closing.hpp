#pragma once

#include "channel/channel_actor.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/transports/timer.hpp>

#include <optional>
#include <vector>

namespace actorwire {

inline transport_error closed_error() {
  return make_error(error_code::closed, phase::close, origin::local, "closed by this side");
}

/// A close that is under way: who waits for it, and when it is cut short.
struct channel_actor::closing {
  explicit closing(channel_actor& owner)
    : time_out([&owner] {
        owner.in_actor([&] {
          auto reason =
              make_error(error_code::closed, phase::close, origin::local, "the close took longer than allowed");
          owner.cut_and_end(reason);
        });
      }) {}

  std::vector<caf::typed_response_promise<close_report>> waiting;
  close_mode mode = close_mode::drain;
  /// Why there was no connection when it began; nothing if there was one.
  std::optional<transport_error> obstacle;
  timer time_out;
};

} // namespace actorwire
