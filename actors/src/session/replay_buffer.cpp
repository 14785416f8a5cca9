#include "session/replay_buffer.hpp"

#include <actorwire/messages/error.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace actorwire {

namespace {

transport_error refusal(error_code code, std::string_view limit_name, std::uint64_t limit, const std::string& text) {
  return make_error(code, phase::established, origin::local,
                    std::string{limit_name}.append(" = ").append(std::to_string(limit)).append(": ").append(text));
}

} // namespace

result<std::uint64_t> replay_buffer::accept(payload&& body) {
  const std::size_t size = body.size();
  if (size > bytes_max_)
    return refusal(error_code::message_too_large, "replay_bytes", bytes_max_,
                   "message of " + std::to_string(size) + " bytes");
  if (messages_.size() >= messages_max_)
    return refusal(error_code::would_block, "replay_messages", messages_max_,
                   std::to_string(messages_.size()) + " are not acknowledged, 1 more does not fit");
  if (size > bytes_max_ - bytes_)
    return refusal(error_code::would_block, "replay_bytes", bytes_max_,
                   std::to_string(bytes_) + " are not acknowledged, " + std::to_string(size) + " more do not fit");
  messages_.push_back(std::move(body));
  bytes_ += size;
  return last();
}

number_range replay_buffer::acknowledge(std::uint64_t number) noexcept {
  assert(acknowledged_ <= number && number <= last());
  const number_range gone{acknowledged_ + 1, number};
  for (; acknowledged_ < number; ++acknowledged_)
    bytes_ -= messages_.take_front().size();
  return gone;
}

} // namespace actorwire
