#include "range_check.hpp"

#include <actorwire/messages/listen_config.hpp>

namespace actorwire {

result<void> validate(const listen_config& config) {
  return range_check{"listen"}
      .within("backlog", config.backlog, 1, 65'535)
      .within("max_connections", config.max_connections, 1, most_connections)
      .nested(validate(config.transport))
      .verdict();
}

} // namespace actorwire
