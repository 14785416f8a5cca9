// What a channel takes to be sent.

#include "channel/closing.hpp"

#include <actorwire/actors/errors.hpp>

#include <cstddef>
#include <cstdint>

namespace actorwire {

bool channel_actor::handle_often(caf::mailbox_element& message) {
  // Whoever asks is answered by CAF.
  if (!message.mid.is_async())
    return false;
  if (auto* told = detail::value_of<cast>(message))
    return handle_directly(message, [this, told] { handle(*told); });
  if (auto* told = detail::value_of<actorwire::send>(message))
    return handle_directly(message, [this, told] { take(told->body, told->options); });
  return false;
}

outbound::reply channel_actor::handle(actorwire::send& message) {
  // A `send` that is not a request has nobody to answer, so it is like a `cast`.
  if (!is_request()) {
    take(message.body, message.options);
    return {};
  }
  const auto size = message.body.size();
  outbound::recipient whom{make_response_promise<sent>(), {}, message.options.tag};
  auto asker = whom.asker;
  if (const auto accepted = accept(message.body, message.options, whom); !accepted) {
    if (is_unwanted_now(message.options)) {
      const auto sequence = sending_.refuse(size, accepted.error(), {});
      asker.deliver(sent{sequence, status_.generation, outcome::not_sent, message.options.tag});
    } else {
      asker.deliver(to_caf_error(accepted.error()));
    }
  }
  return asker;
}

void channel_actor::handle(cast& message) {
  take(message.body, message.options);
}

void channel_actor::take(payload& body, const send_options& options) {
  const auto size = body.size();
  outbound::recipient whom{{},
                           options.report != message_report::none ? current_sender() : caf::strong_actor_ptr{},
                           options.tag};
  if (const auto accepted = accept(body, options, whom); !accepted)
    sending_.refuse(size, accepted.error(), std::move(whom));
}

outbound::batch_reply channel_actor::handle(send_batch& batch) {
  const auto is_asked = is_request();
  auto asker = is_asked ? make_response_promise<batch_sent>() : outbound::batch_reply{};
  const auto reporter =
      !is_asked && batch.options.report != message_report::none ? current_sender() : caf::strong_actor_ptr{};
  const auto valid = validate(batch);
  auto outcome = valid;
  if (outcome)
    outcome = may_accept(batch.options);
  if (outcome)
    outcome = sending_.accept(batch, asker, reporter);
  if (!outcome) {
    if (!is_asked || (valid && is_unwanted_now(batch.options)))
      sending_.refuse(batch, outcome.error(), asker, reporter);
    else
      asker.deliver(to_caf_error(outcome.error()));
  }
  return asker;
}

result<std::uint64_t> channel_actor::accept(payload& body, const send_options& options, outbound::recipient& whom) {
  if (const auto allowed = may_accept(options); !allowed)
    return allowed.error();
  return sending_.accept(body, options, whom);
}

result<void> channel_actor::may_accept(const send_options& options) {
  if (has_ended_)
    return closed_error();
  if (closing_ != nullptr)
    return why_draining();
  if (options.stream != 0)
    return may_accept_on(options.stream);
  if (is_finishing_)
    return make_error(error_code::closed, phase::close, origin::local, "finish_stream has ended our side");
  if (is_down() && (options.policy != when_down::queue || state() == connection_state::failed)) {
    is_wanted();
    return why_not_ready();
  }
  return {};
}

bool channel_actor::is_unwanted_now(const send_options& options) const noexcept {
  return options.policy == when_down::drop && is_down() && !is_over() && closing_ == nullptr
      && (!is_finishing_ || options.stream != 0);
}

} // namespace actorwire
