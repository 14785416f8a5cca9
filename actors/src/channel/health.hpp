#pragma once

#include "channel/probe_schedule.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/health.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/watchdog.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace actorwire {

class channel_actor;

/// Watches how the connection of a channel is doing: has a prober asked, looks how long messages wait, and tells what follows
/// from it. Only channels have one that somebody wants to know it of.
/// *Thread:* shard only.
class health {
public:
  /// `degraded_age` is that of `flow_limits`.
  health(channel_actor& owner, std::chrono::milliseconds degraded_age);
  ~health();

  health(const health&) = delete;
  health& operator=(const health&) = delete;

  // -- the prober -------------------------------------------------------------------------------------------------------

  /// Has `prober` asked, in place of an earlier one; `policy` was validated. The channel watches it.
  void set_prober(const caf::actor& prober, const probe_policy& policy);
  /// Nobody is asked any more, and what was learned from it is forgotten. Returns who was, if anybody.
  caf::actor_addr dismiss_prober();
  /// The prober has ended.
  void note_end_of_prober(const caf::error& why);
  [[nodiscard]] bool asks(const caf::actor_addr& who) const noexcept;

  // -- the connection ---------------------------------------------------------------------------------------------------

  /// There is a connection, and everyone was told. `may_probe`: it can still be sent on.
  void begin(bool may_probe);
  /// Somebody who could not be sent what came has credit again.
  void note_reading();
  /// Nothing more can be sent on it: nobody is asked.
  void stop_probing();
  /// It takes nothing more, and another comes behind it: nobody is asked, nothing waits for this one, and all causes are gone.
  void let_go();
  /// It is gone, or on its way to its end, and all causes with it.
  void end() noexcept;

  /// Fills in what is known here.
  void describe_in(health_report& report) const;

private:
  struct probing;
  struct queue_watch;

  /// No timer runs any more; the causes stay.
  void rest() noexcept;
  void begin_probing();
  void follow_probing();
  void handle_probe_timeout();
  void ask_prober();
  void note_answer(std::uint64_t number, const caf::error* why);
  void act(probe_schedule::step what);
  void handle_queue_timeout();
  /// Adds or takes a cause, and tells it if that changes anything.
  void set(health_cause cause, bool is_there, const transport_error& reason);
  void tell(health_change what, const transport_error& reason);
  [[nodiscard]] std::vector<health_cause> causes() const;

  channel_actor& owner_;
  /// Null where nobody is asked.
  std::unique_ptr<probing> probing_;
  /// Null where it does not matter how long messages wait.
  std::unique_ptr<queue_watch> queue_watch_;
  /// How many probers there have been.
  std::uint64_t probers_ = 0;
  /// Answers that were not given, by all of them, and to probes of earlier connections too.
  std::uint32_t open_answers_ = 0;
  /// One bit for each cause.
  std::uint8_t causes_ = 0;
  bool may_probe_ = false;
};

} // namespace actorwire
