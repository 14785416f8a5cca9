#include "dialer.hpp"

#include "reactor.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace actorwire {

dialer::dialer(shard& where, std::shared_ptr<resolver> names)
  : shard_(where),
    names_(std::move(names)),
    race_timer_([this] { handle_race_timeout(); }),
    deadline_(where, [this] { handle_deadline(); }) {}

void dialer::init(const transport_config& config, listener& told) {
  config_ = config;
  observer_ = &told;
}

void dialer::dial(const endpoint& remote) {
  assert(observer_ != nullptr);
  remote_ = remote;
  deadline_.start(config_.attempt_timeout);
  boost::asio::post(shard_.loop().context(), [self = local_ref<dialer>{this}] {
    const shard::turn here{self->shard_};
    self->look_up();
  });
}

void dialer::cancel() noexcept {
  end_race();
  drop_all_attempts();
}

void dialer::end_race() noexcept {
  observer_ = nullptr;
  query_ = {};
  race_timer_.cancel();
  deadline_.cancel();
}

void dialer::look_up() {
  if (is_over())
    return;
  observer_->on_dial_progress(connection_state::resolving);
  if (is_over())
    return;
  // The query dies with this object and takes the callback back.
  query_ = names_->resolve(
      remote_.host, shard_, [this](const resolver::resolved& found) { handle_answer(found); },
      std::min<duration>(resolver::lookup_timeout, duration{config_.attempt_timeout} / 2));
}

void dialer::handle_answer(const resolver::resolved& found) {
  const local_ref<dialer> self{this};
  if (!found)
    return fail(found.error());
  if (found->stale_because)
    lookup_failure_ = found->stale_because->text;
  race_.emplace(found->addresses, happy_eyeballs::settings{config_.happy_eyeballs_delay, config_.connect_timeout});
  expect_attempts(race_->addresses().size());
  observer_->on_dial_progress(connection_state::connecting);
  if (!is_over())
    follow_orders();
}

void dialer::note_success(std::size_t index) {
  race_->handle_connected(index);
  follow_orders();
}

void dialer::note_failure(std::size_t index, const transport_error& reason) {
  drop_attempt(index);
  race_->handle_failure(index, reason);
  follow_orders();
}

void dialer::handle_race_timeout() {
  const local_ref<dialer> self{this};
  race_->handle_timeout(shard_.lived());
  follow_orders();
}

void dialer::handle_deadline() {
  const local_ref<dialer> self{this};
  const auto limit = std::to_string(config_.attempt_timeout.count()) + " ms";
  if (race_)
    fail(make_error(error_code::connect_timeout, phase::connect, origin::system, "no connection within " + limit));
  else
    fail(make_error(error_code::connect_timeout, phase::resolve, origin::system,
                    "look-up of '" + remote_.host + "': no answer within " + limit));
}

void dialer::follow_orders() {
  // Whoever is told of an attempt may cancel them all.
  while (!is_over()) {
    const auto order = race_->poll_order(shard_.lived());
    if (!order)
      break;
    switch (order->what) {
      case happy_eyeballs::order::kind::connect:
        if (const auto started = start_attempt(order->index); !started) {
          drop_attempt(order->index);
          race_->handle_failure(order->index, started.error());
        }
        break;
      case happy_eyeballs::order::kind::give_up:
        drop_attempt(order->index);
        break;
    }
  }
  if (is_over())
    return;
  if (const auto winner = race_->winner()) {
    end_race();
    hand_over(*winner);
  } else if (const auto reason = race_->failure()) {
    fail(*reason);
  } else if (const auto next = race_->next_timeout()) {
    shard_.arm(race_timer_, *next - shard_.lived());
  }
}

void dialer::fail(const transport_error& reason) {
  auto* told = observer_;
  cancel();
  auto full = reason;
  if (lookup_failure_)
    full.text.append("; the addresses are of an earlier look-up, since the last one failed: ").append(*lookup_failure_);
  told->on_dial_failed(full);
}

} // namespace actorwire
