#include "reactor.hpp"

#include <actorwire/transports/shard.hpp>

#include <boost/asio/post.hpp>

#include <cassert>
#include <future>
#include <utility>

namespace actorwire {

namespace {

/// How long buffers beyond the reserve stay after the last time there were any.
constexpr auto trim_delay = std::chrono::seconds{1};

/// The shard whose thread this is.
[[gnu::tls_model("initial-exec")]] thread_local const shard* current_shard = nullptr;

/// Marks the calling thread as the shard's for as long as it lives.
class current_scope {
public:
  explicit current_scope(const shard& now_running) noexcept : previous_(std::exchange(current_shard, &now_running)) {}
  ~current_scope() { current_shard = previous_; }
  current_scope(const current_scope&) = delete;
  current_scope& operator=(const current_scope&) = delete;

private:
  const shard* previous_;
};

} // namespace

shard::shard(options settings)
  : settings_(std::move(settings)),
    buffers_(settings_.budget),
    reactor_(std::make_unique<reactor>()),
    trim_([this] { buffers_.trim(); }) {}

shard::~shard() {
  assert(!reactor_->thread.joinable());
}

void shard::start(std::function<void()> prologue, std::function<void()> epilogue) {
  if (settings_.run == mode::stepped) {
    if (prologue)
      prologue();
    return;
  }
  std::promise<void> end;
  reactor_->ended = end.get_future();
  reactor_->thread = std::thread{
      [this, prologue = std::move(prologue), epilogue = std::move(epilogue), end = std::move(end)]() mutable {
        const current_scope running{*this};
        if (prologue)
          prologue();
        reactor_->context().run();
        if (epilogue)
          epilogue();
        end.set_value();
      }};
}

void shard::stop() {
  begin_to_stop();
  if (settings_.run == mode::stepped) {
    const current_scope running{*this};
    reactor_->context().run();
    return;
  }
  reactor_->thread.join();
}

bool shard::stop_within(duration limit) {
  assert(settings_.run == mode::threaded);
  begin_to_stop();
  return reactor_->ended.wait_for(limit) == std::future_status::ready;
}

void shard::begin_to_stop() noexcept {
  if (!std::exchange(is_stopping_, true))
    give_back(owners_share);
}

shard::lease::lease(shard& owner) : owner_(&owner) {
  owner.leases_.fetch_add(1, std::memory_order_relaxed);
}

void shard::lease::give_back() noexcept {
  std::exchange(owner_, nullptr)->give_back(1);
}

void shard::give_back(std::size_t share) noexcept {
  // Whoever gives back the last of it lets the loop end. That may be any thread, but only one.
  if (leases_.fetch_sub(share, std::memory_order_acq_rel) == share) {
    // A pending wake-up would keep the loop waiting for a deadline that nobody is left to meet.
    boost::asio::post(reactor_->context(), [this] {
      {
        const turn here{*this};
        if (end_work_)
          end_work_();
      }
      reactor_->wake_up.cancel();
    });
    reactor_->work.reset();
  }
}

void shard::post(std::function<void()> task) {
  boost::asio::post(reactor_->context(), [this, task = std::move(task)] {
    const turn here{*this};
    task();
  });
}

bool shard::is_current() const noexcept {
  return current_shard == this;
}

void shard::note_gap() noexcept {
  // A shard that has nothing to do waits for its next deadline. Whatever comes in before that ends the wait, late or not, and
  // then nothing was missed.
  const auto next = timers_.next_timeout();
  if (!next || now_ - *next <= stall_threshold)
    return;
  const auto follows_another = stall_ended_ != time_point::min() && last_alive_ - stall_ended_ < stall_threshold;
  stalled_ += now_ - (follows_another ? std::max(last_alive_, *next) : last_alive_);
  stall_ended_ = now_;
}

void shard::arm(timer& entry, duration delay) {
  timers_.arm(entry, now() + delay);
  if (!in_turn_)
    follow_timers();
}

void shard::flush_later(flushable& task) {
  if (!task.link_.is_alone())
    return;
  task.link_.owner = &task;
  task.link_.insert_before(flushes_);
  if (!in_turn_)
    wake();
}

void shard::wake() {
  if (std::exchange(wake_is_pending_, true))
    return;
  boost::asio::post(reactor_->context(), [this] {
    wake_is_pending_ = false;
    const turn here{*this};
  });
}

void shard::begin_turn() noexcept {
  in_turn_ = true;
  now_is_sampled_ = false;
}

void shard::end_turn() {
  // Work causes flushes and flushes cause work. A turn ends when both are done, or after so many rounds that sockets
  // and timers must have their turn first.
  constexpr int rounds_max = 16;
  auto more_work = false;
  for (int round = 0; round < rounds_max; ++round) {
    more_work = turn_work_ && turn_work_();
    if (flushes_.is_alone())
      break;
    run_flushes();
    if (more_work)
      break;
    more_work = true;
  }
  if (!trim_.is_armed() && leases_.load(std::memory_order_relaxed) > 0 && buffers_.has_excess())
    arm(trim_, trim_delay);
  in_turn_ = false;
  now_is_sampled_ = false;
  if (more_work)
    wake();
  follow_timers();
}

void shard::run_flushes() {
  // The list is moved away first: what asks to be flushed meanwhile waits for the next round.
  flushable::link round;
  round.insert_before(flushes_);
  flushes_.unlink();
  while (!round.is_alone()) {
    auto& task = *round.next->owner;
    task.link_.unlink();
    task.flush();
  }
}

void shard::follow_timers() {
  if (settings_.run == mode::stepped)
    return;
  // Nobody is left to meet a deadline, and waiting for one would keep the loop from its end.
  if (leases_.load(std::memory_order_relaxed) == 0)
    return;
  const auto next = timers_.next_timeout();
  // Waking up too early is harmless; only a deadline before the one waited for makes a system call worth while.
  if (!next || (reactor_->wake_up_at && *reactor_->wake_up_at <= *next))
    return;
  reactor_->wake_up_at = next;
  reactor_->wake_up.expires_after(*next - settings_.time->now());
  reactor_->wake_up.async_wait([this](const boost::system::error_code& failure) {
    // A cancelled wait was replaced by one that is earlier, or the shard is about to end.
    if (failure)
      return;
    reactor_->wake_up_at.reset();
    run_due_timers();
  });
}

void shard::run_due_timers() {
  const turn here{*this};
  timers_.handle_timeout(now());
}

bool shard::run_ready() {
  assert(settings_.run == mode::stepped);
  const current_scope running{*this};
  auto did_something = false;
  for (;;) {
    auto ran = reactor_->context().poll() > 0;
    reactor_->context().restart();
    if (const auto next = timers_.next_timeout(); next && *next <= now()) {
      run_due_timers();
      ran = true;
    }
    if (!ran)
      return did_something;
    did_something = true;
  }
}

const clock& monotonic_clock() noexcept {
  class steady final : public clock {
  public:
    [[nodiscard]] time_point now() const noexcept override { return std::chrono::steady_clock::now(); }
  };
  static const steady instance;
  return instance;
}

} // namespace actorwire
