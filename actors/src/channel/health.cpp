#include "channel/health.hpp"

#include "channel/channel_actor.hpp"

#include <actorwire/actors/errors.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace actorwire {

namespace {

using namespace std::chrono_literals;

/// Probes of a channel that may stay unanswered, over all its connections and probers; beyond nobody is asked before one is
/// answered. For a prober that owes an answer itself each round counts as a failure. CAF keeps something for each open answer,
/// for ever if it does not come.
constexpr std::uint32_t open_answers_max = 16;

constexpr std::uint8_t bit(health_cause cause) noexcept {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(cause));
}

transport_error probe_failure(std::uint32_t failures, const std::string& last) {
  return make_error(error_code::probe_failed, phase::established, origin::remote,
                    std::to_string(failures) + (failures == 1 ? " probe" : " probes in a row")
                        + " failed, the last with: " + last);
}

} // namespace

struct health::probing {
  probing(health& all, const caf::actor& whom, const probe_policy& policy)
    : prober(whom),
      schedule(policy),
      due(all.owner_.where(), [&all] { all.owner_.in_actor([&all] { all.handle_probe_timeout(); }); }) {}

  caf::actor prober;
  probe_schedule schedule;
  watchdog due;
  /// Those of the channel's that are its own.
  std::uint32_t open_answers = 0;
  std::string last_failure;
};

/// How old the oldest message is by the time that the shard has lived, though only the clock's is known of when it came.
struct health::queue_watch {
  queue_watch(health& all, std::chrono::milliseconds age)
    : bound(age), due([&all] { all.owner_.in_actor([&all] { all.handle_queue_timeout(); }); }) {}

  /// A moment, and how long the shard had stood still by then.
  struct mark {
    time_point when{};
    duration stalled{0};
  };

  /// The connection is there.
  void begin(shard& where) {
    before = last = {where.now(), where.stalled()};
    where.arm(due, bound);
  }
  /// How long the shard has stood still since a message came that is the oldest, or since an earlier look. To be called at
  /// each look.
  [[nodiscard]] duration stalled_since(time_point since, shard& where) noexcept {
    const mark now{where.now(), where.stalled()};
    if (since >= now.when)
      before = last = now;
    else if (last.when <= since)
      before = std::exchange(last, now);
    return now.stalled - before.stalled;
  }

  std::chrono::milliseconds bound;
  timer due;
  mark before;
  mark last;
};

health::health(channel_actor& owner, std::chrono::milliseconds degraded_age) : owner_(owner) {
  if (degraded_age.count() > 0)
    queue_watch_ = std::make_unique<queue_watch>(*this, degraded_age);
}

health::~health() = default;

// -- the prober ---------------------------------------------------------------------------------------------------------

void health::set_prober(const caf::actor& prober, const probe_policy& policy) {
  probing_ = std::make_unique<probing>(*this, prober, policy);
  ++probers_;
  // What the earlier one had found out is not what this one does.
  set(health_cause::probe_failing, false, {});
  begin_probing();
}

caf::actor_addr health::dismiss_prober() {
  const auto gone = std::exchange(probing_, nullptr);
  if (gone == nullptr)
    return {};
  set(health_cause::probe_failing, false, {});
  return gone->prober.address();
}

void health::note_end_of_prober(const caf::error& why) {
  dismiss_prober();
  auto reason = why ? to_transport_error(why)
                    : make_error(error_code::closed, phase::established, origin::local, "the prober has ended");
  tell(health_change::prober_ended, reason);
}

bool health::asks(const caf::actor_addr& who) const noexcept {
  return probing_ != nullptr && probing_->prober == who;
}

void health::begin_probing() {
  if (probing_ == nullptr || !may_probe_)
    return;
  probing_->schedule.begin(owner_.where().lived(), owner_.received_bytes());
  follow_probing();
}

void health::follow_probing() {
  if (const auto next = probing_->schedule.next_timeout())
    probing_->due.start(*next - owner_.where().lived());
  else
    probing_->due.cancel();
}

void health::handle_probe_timeout() {
  auto& schedule = probing_->schedule;
  if (const auto limit = schedule.policy().timeout; schedule.open_probe() != 0)
    probing_->last_failure = "no answer within " + std::to_string(limit.count()) + " ms";
  const auto what = schedule.handle_timeout(owner_.where().lived(), owner_.received_bytes(), owner_.reads_all());
  follow_probing();
  act(what);
}

void health::ask_prober() {
  auto& mine = *probing_;
  if (open_answers_ >= open_answers_max) {
    // What others owe is not held against who was never asked.
    if (mine.open_answers == 0) {
      mine.schedule.withdraw(owner_.where().lived(), owner_.received_bytes());
      follow_probing();
    }
    return;
  }
  ++open_answers_;
  ++mine.open_answers;
  const auto number = mine.schedule.open_probe();
  const auto take = [this, whose = probers_, number](const caf::error* why) {
    --open_answers_;
    // That of an earlier prober.
    if (probing_ == nullptr || whose != probers_)
      return;
    --probing_->open_answers;
    note_answer(number, why);
  };
  ask(&owner_, mine.prober, caf::infinite, health_probe{owner_.source(), owner_.generation(), number})
      .then([take] { take(nullptr); }, [take](caf::error& why) { take(&why); });
}

void health::note_answer(std::uint64_t number, const caf::error* why) {
  auto& mine = *probing_;
  if (why != nullptr && number == mine.schedule.open_probe())
    mine.last_failure = to_string(to_transport_error(*why));
  const auto what = mine.schedule.note_answer(number, why == nullptr, owner_.where().lived(), owner_.received_bytes(),
                                              owner_.reads_all());
  follow_probing();
  act(what);
}

void health::act(probe_schedule::step what) {
  switch (what) {
    case probe_schedule::step::nothing:
      break;
    case probe_schedule::step::ask:
      ask_prober();
      break;
    case probe_schedule::step::recover:
      set(health_cause::probe_failing, false, {});
      break;
    case probe_schedule::step::degrade:
      set(health_cause::probe_failing, true,
          probe_failure(probing_->schedule.failures_in_a_row(), probing_->last_failure));
      break;
    case probe_schedule::step::fail: {
      const auto reason = probe_failure(probing_->schedule.failures_in_a_row(), probing_->last_failure);
      // Once is enough: the connection ends with this turn.
      rest();
      owner_.abort_later(reason);
      break;
    }
  }
}

// -- the connection -----------------------------------------------------------------------------------------------------

void health::begin(bool may_probe) {
  may_probe_ = may_probe;
  begin_probing();
  // What has waited for the connection has not waited on it.
  if (queue_watch_ != nullptr)
    queue_watch_->begin(owner_.where());
}

void health::note_reading() {
  if (probing_ == nullptr)
    return;
  probing_->schedule.note_reading(owner_.where().lived());
  follow_probing();
}

void health::stop_probing() {
  may_probe_ = false;
  if (probing_ == nullptr)
    return;
  probing_->schedule.end();
  probing_->due.cancel();
  set(health_cause::probe_failing, false, {});
}

void health::let_go() {
  rest();
  set(health_cause::probe_failing, false, {});
  set(health_cause::queue_too_old, false, {});
}

void health::end() noexcept {
  rest();
  causes_ = 0;
}

void health::rest() noexcept {
  may_probe_ = false;
  if (probing_ != nullptr) {
    probing_->schedule.end();
    probing_->due.cancel();
  }
  if (queue_watch_ != nullptr)
    queue_watch_->due.cancel();
}

void health::handle_queue_timeout() {
  const auto now = owner_.where().now();
  const auto since = owner_.sending().oldest_waiting().value_or(now);
  const auto bound = queue_watch_->bound;
  // What the peer could have taken, and was not seen to take, while this side stood still does not count.
  const auto left = since + bound + queue_watch_->stalled_since(since, owner_.where()) - now;
  const auto is_too_old = left <= duration{0};
  // Before that age nothing can be too old.
  const duration next = is_too_old ? std::clamp<duration>(bound / 8, 10ms, 1s) : left;
  owner_.where().arm(queue_watch_->due, next);
  if (!is_too_old) {
    set(health_cause::queue_too_old, false, {});
    return;
  }
  set(health_cause::queue_too_old, true,
      make_error(error_code::stalled, phase::established, origin::remote,
                 "a message has waited for longer than flow.degraded_age = " + std::to_string(bound.count()) + " ms"));
}

void health::set(health_cause cause, bool is_there, const transport_error& reason) {
  const auto before =
      std::exchange(causes_, static_cast<std::uint8_t>(is_there ? causes_ | bit(cause) : causes_ & ~bit(cause)));
  if (before == causes_)
    return;
  if (before == 0)
    owner_.note_degraded(reason);
  else if (causes_ == 0)
    owner_.note_recovered();
  tell(is_there ? health_change::cause_came : health_change::cause_went, reason);
}

void health::tell(health_change what, const transport_error& reason) {
  owner_.publish(event_mask::health, health_changed{owner_.source(), owner_.generation(), what, causes(), reason});
}

std::vector<health_cause> health::causes() const {
  std::vector<health_cause> found;
  for (const auto each : {health_cause::probe_failing, health_cause::queue_too_old})
    if ((causes_ & bit(each)) != 0)
      found.push_back(each);
  return found;
}

void health::describe_in(health_report& report) const {
  report.causes = causes();
  if (probing_ == nullptr)
    return;
  const auto& known = probing_->schedule;
  report.probe_successes = known.successes();
  report.probe_failures = known.failures();
  report.probe_failures_in_a_row = known.failures_in_a_row();
  report.probe_round_trip = std::chrono::floor<std::chrono::microseconds>(known.round_trip());
}

} // namespace actorwire
