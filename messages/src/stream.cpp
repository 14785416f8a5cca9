#include "range_check.hpp"

#include <actorwire/messages/stream.hpp>

namespace actorwire {

result<void> validate(const stream_priority& priority) {
  return range_check{"priority"}.within("urgency", priority.urgency, 0, 7).verdict();
}

} // namespace actorwire
