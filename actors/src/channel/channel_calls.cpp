// What a channel does about calls: those that it makes, and those that come.

#include "channel/calls.hpp"
#include "channel/channel_actor.hpp"
#include "channel/refusal.hpp"
#include "channel/wire.hpp"

#include <actorwire/actors/errors.hpp>

#include <cassert>
#include <string>
#include <utility>

namespace actorwire {

namespace {

transport_error nobody_asks() {
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    "call: it was told and not asked, so nobody would get the answer");
}

transport_error gone(std::uint64_t generation) {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "the connection on which the call came, generation " + std::to_string(generation) + ", is gone");
}

transport_error no_answers_come() {
  return make_error(error_code::peer_closed, phase::established, origin::remote,
                    "the peer has ended its side, and answers to nothing any more");
}

transport_error no_room_for_refusals(std::uint64_t low_water) {
  return make_error(error_code::queue_overflow, phase::established, origin::local,
                    "a call that nobody takes is not even refused: flow.low_water = " + std::to_string(low_water)
                        + " bytes wait already");
}

transport_error is_ending(std::uint64_t generation) {
  return make_error(error_code::stream_closed, phase::established, origin::local,
                    "the connection on which the call came, generation " + std::to_string(generation)
                        + ", takes no more messages, because it ends");
}

} // namespace

// -- for the wire -------------------------------------------------------------------------------------------------------

void channel_actor::deliver_numbered(stream_id stream, payload body, const frame_label& label) {
  if (label.kind != frame_kind::call)
    all_calls().deliver(stream, label, std::move(body));
  else if (audience_.wants_data(stream))
    audience_.deliver(called{status_.id, status_.generation, stream, label.number, std::move(body)});
  else if (waiting_.want_data(stream))
    refuse_pulled_call(stream, label.number);
}

void channel_actor::refuse_pulled_call(stream_id stream, std::uint64_t number) {
  auto body = encode_refusal(refused_by_pull, "nobody takes calls here: data is pulled, and a call is no data");
  const auto size = body.size();
  // Whoever calls more than it reads is not to take the place of what is sent to it: its callers wait until their time is over.
  auto outcome = sending_.has_room_to_spare(size) ? result<void>{} : no_room_for_refusals(config_->flow.low_water);
  if (outcome)
    outcome = accept_answer(status_.generation, stream, {frame_kind::refusal, number}, std::move(body), {});
  if (!outcome)
    sending_.drop(size, outcome.error());
}

void channel_actor::note_call_outcome(const settled& what) {
  if (calls_ != nullptr)
    calls_->note_outcome(what);
}

void channel_actor::note_call_left(std::uint64_t number) {
  if (calls_ != nullptr)
    calls_->note_left(number);
}

void channel_actor::note_no_answer_awaited() {
  if (wire_ != nullptr && wire_->is_about_to_finish())
    flush_later();
}

result<void> channel_actor::why_no_answer(stream_id stream) const {
  // Where the connection ends with the peer's side, whoever calls again is sent on by the next one when this one has ended.
  if (stream == 0 && has_received_all_)
    return no_answers_come();
  return check_receivable(stream);
}

bool channel_actor::awaits_answers() const noexcept {
  return calls_ != nullptr && calls_->have_left() && (!peer_has_finished_ || has_received_all_);
}

bool channel_actor::awaits_answers(stream_id stream) const noexcept {
  return calls_ != nullptr && calls_->awaits_answers(stream);
}

call_totals channel_actor::totals_of_calls() const noexcept {
  return calls_ != nullptr ? calls_->totals() : call_totals{};
}

void channel_actor::end_answers(const transport_error& why) {
  if (calls_ != nullptr)
    calls_->connection_lost(why);
}

void channel_actor::end_answers(stream_id stream, const transport_error& why) {
  if (calls_ != nullptr)
    calls_->stream_is_over(stream, why);
}

// -- requests -----------------------------------------------------------------------------------------------------------

channel_actor::call_promise channel_actor::handle(call& request) {
  const auto size = request.body.size();
  if (!is_request()) {
    sending_.refuse(size, nobody_asks(), {});
    return {};
  }
  auto asker = make_response_promise<answered>();
  auto possible = validate(request);
  if (possible)
    possible = check_framing("call");
  if (possible)
    possible = check_calls_on(request.options.stream);
  if (!possible) {
    asker.deliver(to_caf_error(possible.error()));
    return asker;
  }
  if (const auto made = make_call(request, asker); !made) {
    if (is_unwanted_now(request.options))
      sending_.refuse(size, made.error(), {});
    asker.deliver(to_caf_error(made.error()));
  }
  return asker;
}

result<void> channel_actor::make_call(call& request, const call_promise& asker) {
  if (auto allowed = may_accept(request.options); !allowed)
    return allowed;
  if (auto open = check_receivable(request.options.stream); !open)
    return open;
  // Where it leaves by another connection that is nothing to it.
  if (request.options.stream == 0 && is_ready() && peer_has_finished_ && !is_retiring())
    return no_answers_come();
  const auto timeout = request.timeout.count() > 0 ? request.timeout : config_->operation_timeout;
  auto options = request.options;
  options.report = message_report::none;
  const auto expires_before = options.ttl.count() > 0 && options.ttl < timeout;
  if (options.ttl.count() >= 0 && !expires_before)
    options.ttl = timeout;
  const auto number = sending_.next_sequence();
  auto& all = all_calls();
  // First, because the message may be dropped at once, which is its outcome.
  if (auto added = all.add(number, asker, options, expires_before); !added)
    return added;
  outbound::recipient whom{{}, {}, number};
  const auto accepted = sending_.accept(request.body, options, whom, {frame_kind::call, number});
  if (!accepted) {
    static_cast<void>(all.withdraw(number));
    return accepted.error();
  }
  assert(*accepted == number);
  all.start(number, timeout);
  // The answer is read even where nobody wants data, or has credit left.
  pump_later(options.stream);
  return {};
}

outbound::reply channel_actor::handle(answer& request) {
  return reply_to_call(request, frame_kind::answer, std::move(request.body));
}

outbound::reply channel_actor::handle(const refuse& request) {
  return reply_to_call(request, frame_kind::refusal, encode_refusal(request.code, request.text));
}

template <class Request>
outbound::reply channel_actor::reply_to_call(const Request& request, frame_kind kind, payload body) {
  const auto size = body.size();
  auto asker = is_request() ? make_response_promise<sent>() : outbound::reply{};
  auto outcome = validate(request);
  if (outcome)
    outcome = accept_answer(request.generation, request.stream, {kind, request.number}, std::move(body), asker);
  if (outcome)
    return asker;
  if (asker.pending())
    asker.deliver(to_caf_error(outcome.error()));
  else
    sending_.refuse(size, outcome.error(), {});
  return asker;
}

result<void> channel_actor::accept_answer(std::uint64_t generation, stream_id stream, const frame_label& label,
                                          payload body, const outbound::reply& asker) {
  if (auto numbered = check_framing(to_string(label.kind)); !numbered)
    return numbered;
  if (auto possible = check_calls_on(stream); !possible)
    return possible;
  // An answer that waited for the next connection would be taken for that to another call there.
  if (!is_over() && (!is_ready() || generation != status_.generation))
    return gone(generation);
  if (!is_over() && stream == 0 && is_retiring())
    return is_ending(generation);
  send_options options;
  options.policy = when_down::fail;
  options.stream = stream;
  // The peer may keep its end back for the answers to its calls as we do: whoever waits for each other is to go on.
  const auto is_kept_open = is_ready() && stream == 0 && wire_->waits_for_answers();
  if (auto allowed = is_kept_open ? result<void>{} : may_accept(options); !allowed)
    return allowed;
  outbound::recipient whom{asker, {}, 0};
  const auto accepted = sending_.accept(body, options, whom, label);
  return accepted ? result<void>{} : accepted.error();
}

// -- helpers ------------------------------------------------------------------------------------------------------------

result<void> channel_actor::check_framing(std::string_view what) const {
  if (config_->framing.mode == framing_mode::numbered)
    return {};
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    "framing.mode = " + to_string(config_->framing.mode) + ": a " + std::string{what}
                        + " needs numbered, at both ends");
}

result<void> channel_actor::check_calls_on(stream_id stream) const {
  if (stream != 0 || !has_session())
    return {};
  return make_error(error_code::unsupported, phase::setup, origin::local,
                    "session.mode = on: stream 0 is of the session, and takes no calls");
}

calls& channel_actor::all_calls() {
  if (calls_ == nullptr)
    calls_ = std::make_unique<calls>(*this);
  return *calls_;
}

} // namespace actorwire
