#include "channel/handler_seat.hpp"

#include "channel/channel_actor.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace actorwire {

namespace {

/// What a message takes of a turn's room beside its bytes, as it does of a subscriber's credit.
constexpr std::size_t message_cost = 128;

void tell(connection_handler& whom, const opened& event) {
  whom.on_opened(event);
}
void tell(connection_handler& whom, const state_changed& event) {
  whom.on_state_changed(event);
}
void tell(connection_handler& whom, const address_changed& event) {
  whom.on_address_changed(event);
}
void tell(connection_handler& whom, const peer_closing& event) {
  whom.on_peer_closing(event);
}
void tell(connection_handler& whom, const data_lost& event) {
  whom.on_data_lost(event);
}
void tell(connection_handler& whom, const backpressure& event) {
  whom.on_backpressure(event);
}
void tell(connection_handler& whom, const stream_opened& event) {
  whom.on_stream_opened(event);
}
void tell(connection_handler& whom, const stream_reset& event) {
  whom.on_stream_reset(event);
}
void tell(connection_handler& whom, const stream_closed& event) {
  whom.on_stream_closed(event);
}
void tell(connection_handler& whom, const streams_available& event) {
  whom.on_streams_available(event);
}
void tell(connection_handler& whom, const health_changed& event) {
  whom.on_health_changed(event);
}
void tell(connection_handler& whom, const session_opened& event) {
  whom.on_session_opened(event);
}
void tell(connection_handler& whom, const session_lost& event) {
  whom.on_session_lost(event);
}

} // namespace

handler_seat::handler_seat(channel_actor& owner) noexcept : owner_(owner), room_(owner.config().flow.read_credit) {}

handler_seat::~handler_seat() = default;

// -- from the channel ---------------------------------------------------------------------------------------------------

void handler_seat::take(const handler_factory& make) {
  is_paused_ = is_leaving_ = is_over_ = false;
  is_making_ = true;
  try {
    handler_ = make(local_connection{*this});
    if (handler_ == nullptr)
      fail("its factory has returned none");
  } catch (const std::exception& thrown) {
    fail(thrown.what());
  } catch (...) {
    fail("what is no std::exception");
  }
  is_making_ = false;
}

template <class Body>
void handler_seat::call(Body&& body) {
  if (failure_ != nullptr || is_leaving_)
    return;
  try {
    body(*handler_);
  } catch (const std::exception& thrown) {
    fail(thrown.what());
  } catch (...) {
    fail("what is no std::exception");
  }
}

void handler_seat::fail(const char* what) {
  failure_ = std::make_unique<const transport_error>(
      make_error(error_code::crashed, phase::established, origin::local,
                 "the handler of the connection has failed: " + std::string{what}));
  flush_soon();
}

void handler_seat::deliver(received&& data) {
  charge(data.body.size());
  call([&data](connection_handler& whom) { whom.on_received(std::move(data)); });
  has_failed_in_data_ = has_failed();
  // What it has led to is told before the next comes: it may want to read no more.
  tell_all();
}

void handler_seat::deliver(called&& question) {
  charge(question.body.size());
  call([&question](connection_handler& whom) { whom.on_called(std::move(question)); });
  tell_all();
}

void handler_seat::deliver(datagram_received&& datagram) {
  tell_all();
  call([&datagram](connection_handler& whom) { whom.on_datagram_received(std::move(datagram)); });
  tell_all();
}

void handler_seat::charge(std::size_t size) {
  const auto limit = owner_.config().flow.read_credit;
  if (const auto turn = owner_.where().now(); std::exchange(charged_at_, turn) != turn)
    room_ = limit;
  room_ -= std::min(room_, size + message_cost);
  if (room_ > 0)
    return;
  if (next_turn_ == nullptr)
    next_turn_ = std::make_unique<timer>([this] {
      owner_.in_actor([this] {
        room_ = owner_.config().flow.read_credit;
        owner_.pump_later();
      });
    });
  owner_.where().arm(*next_turn_, duration{0});
}

void handler_seat::when_told(std::function<void()> then) {
  if (put_off_.empty())
    then();
  else
    then_ = std::move(then);
}

std::optional<transport_error> handler_seat::end(const transport_error& reason) noexcept {
  // Why it had failed before is the reason already.
  const auto had_failed = failure_ != nullptr;
  std::optional<transport_error> failure;
  if (handler_ != nullptr) {
    tell_all();
    is_over_ = true;
    is_leaving_ = false;
    if (failure_ != nullptr)
      failure = *std::exchange(failure_, nullptr);
    call([&reason](connection_handler& whom) { whom.on_ended(reason); });
    if (failure_ != nullptr && !failure)
      failure = *failure_;
    handler_ = nullptr;
  }
  put_off_ = {};
  failure_ = nullptr;
  next_turn_ = nullptr;
  // Whoever destroys this may be on another thread.
  forget_flush();
  if (const auto then = std::exchange(then_, nullptr))
    then();
  return had_failed ? std::nullopt : failure;
}

void handler_seat::flush() {
  owner_.in_actor([this] {
    tell_all();
    if (failure_ != nullptr) {
      const auto reason = *failure_;
      owner_.note_failed_handler(reason);
      return;
    }
    if (!put_off_.empty())
      return;
    if (const auto then = std::exchange(then_, nullptr))
      then();
    owner_.pump_later();
  });
}

void handler_seat::flush_soon() {
  owner_.where().flush_later(*this);
}

void handler_seat::tell_all() {
  if (put_off_.empty())
    return;
  // What comes meanwhile has its turn later.
  for (const auto& each : std::exchange(put_off_, {}))
    if (wants(each.topic))
      call([&each](connection_handler& whom) {
        std::visit([&whom](const auto& event) { tell(whom, event); }, each.event);
      });
}

// -- from the handler ---------------------------------------------------------------------------------------------------

void handler_seat::pause() {
  is_paused_ = true;
}

void handler_seat::resume() {
  if (std::exchange(is_paused_, false))
    owner_.note_reading_again();
}

} // namespace actorwire
