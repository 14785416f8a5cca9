#include "channel/drop_report.hpp"

#include "channel/channel_actor.hpp"

#include <utility>

namespace actorwire {

void drop_report::add(const loss& dropped, const transport_error& why) {
  if (sum_.generation != owner_.generation() || !(sum_.why == why)) {
    tell();
    sum_ = {owner_.source(), owner_.generation(), {}, {}, why};
  }
  sum_.not_sent += dropped.not_sent;
  sum_.maybe_sent += dropped.maybe_sent;
  owner_.where().flush_later(*this);
}

void drop_report::tell() {
  if (sum_.why.code != error_code::none)
    owner_.publish(event_mask::loss, std::exchange(sum_, {}));
}

void drop_report::flush() {
  owner_.in_actor([this] { tell(); });
}

} // namespace actorwire
