#pragma once

#include "channel/audience.hpp"
#include "delivery/outbox.hpp"
#include "delivery/ring_queue.hpp"
#include "seam/shard_actor.hpp"
#include "supervision/state_machine.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace actorwire {

class wire;

/// What a connection and a peer have in common: the public interface, the outbox, the audience, the state machine. What
/// differs is where the bytes come from: a connection has one wire for life, a peer a new one with each generation.
/// *Thread:* shard only, apart from CAF's own entry points.
class channel_actor : public shard_actor<channel_interface::base> {
public:
  channel_actor(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id,
                const endpoint& remote, std::shared_ptr<const transport_config> settings);

  ~channel_actor() override;

  behavior_type make_behavior() override;

  // -- for the wire -----------------------------------------------------------------------------------------------------

  [[nodiscard]] const transport_config& config() const noexcept { return *config_; }

  [[nodiscard]] const endpoint& remote() const noexcept { return status_.info.remote; }

  /// The attempt ended before there was a wire.
  void note_failed_attempt(const transport_error& reason);

  /// The attempt has come so far.
  void note_progress(connection_state where);

  /// The wire is connected: what waits can go.
  void attach(wire& carrier, const transport_addresses& addresses);

  /// The wire is gone; comes once for each wire, whether it was ever attached or not.
  void detach(wire& carrier, const transport_error& reason);

  /// The peer's end has come, behind all its data.
  void note_peer_finished();

  /// How much data is wanted now, in bytes.
  [[nodiscard]] std::size_t credit() const noexcept;

  void deliver(payload body);

  [[nodiscard]] std::size_t gather(std::span<outgoing> pieces);
  void hand_over(std::size_t bytes);
  void settle_acknowledged(std::uint64_t stream_offset);
  [[nodiscard]] bool waits_for_acks() const noexcept { return outbox_.waits_for_acks(); }
  [[nodiscard]] bool is_flushed() const noexcept { return outbox_.is_flushed(); }

protected:
  using reply = caf::typed_response_promise<sent>;

  // -- what differs -----------------------------------------------------------------------------------------------------

  /// The user wants it to be ready.
  virtual void dial_wanted() = 0;

  /// The channel begins to close.
  virtual void closing_begins() {}

  /// A wire was attached and everyone was told.
  virtual void became_ready() {}

  /// The wire that was attached is gone, and the state is still what it was. Ends the channel, or waits for another.
  virtual void wire_lost(const transport_error& reason) = 0;

  /// The supervisor has decided something; only peers have one.
  virtual void obey(peer_directive& directive) = 0;

  /// Ends whatever would bring bytes: the wire, or an attempt.
  virtual void cut(const transport_error& reason) = 0;

  // -- state ------------------------------------------------------------------------------------------------------------

  [[nodiscard]] connection_state state() const noexcept { return status_.state; }
  [[nodiscard]] bool is_ready() const noexcept { return wire_ != nullptr; }

  /// Whether the end has come and was told to everyone.
  [[nodiscard]] bool is_over() const noexcept { return has_ended_; }

  [[nodiscard]] const connection_info& info() const noexcept { return status_.info; }

  /// Adds a subscriber as if it had asked itself.
  void add_subscriber(const caf::strong_actor_ptr& who, subscribe request);

  /// Begins to close, or changes how.
  void begin_close(const close& request);

  /// Whether a close, or a finished stream, makes the end of the wire the end of the channel.
  [[nodiscard]] bool wants_to_end() const noexcept { return closing_ != nullptr || is_finishing_; }

  /// Nothing will ever dial again unless the user asks for it: whoever waits for a connection is told so.
  void fail_waiting(const transport_error& reason);

  /// Makes the transition and publishes it; an event that means nothing in the present state changes nothing.
  void transition(state_event event, const transport_error& reason = {}, std::uint32_t attempt = 0,
                  std::chrono::milliseconds next_retry = std::chrono::milliseconds{0});

  /// Gives up everything that waits and reports it, answers everyone, and ends the actor. The first reason counts.
  void end(const transport_error& reason);

  void tear_down(const caf::error& reason) noexcept override;

  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;

  connection_status status_;
  wire* wire_ = nullptr;

private:
  struct statistics_stream;
  struct closing;

  // -- requests
  caf::typed_response_promise<connection_info> handle(connect);
  reply handle(actorwire::send& message);
  void handle(cast& message);
  caf::typed_response_promise<received> handle(receive);
  connection_status handle(subscribe request);
  void handle(const unsubscribe&);
  void handle(const grant& credit);
  void handle(const finish_stream& request);
  [[nodiscard]] stats statistics() const;
  void handle(const stream_stats& request);
  caf::typed_response_promise<close_report> handle(const close& request);

  /// Takes a message into the outbox, or says why not.
  result<std::uint64_t> accept(payload& body, const send_options& options, reply& asker);
  /// Accounts for a message that nobody waits for and that could not be accepted.
  std::uint64_t report_refused(std::size_t size, const transport_error& why);
  /// Whether a message with these options is to be dropped now.
  [[nodiscard]] bool is_unwanted_now(const send_options& options) const noexcept;
  /// Gives back to the network's memory what settled messages had taken.
  void release_memory() noexcept;
  /// Settles what has waited too long, and reports it.
  void expire_waiting();
  void report_loss(const loss& lost, const transport_error& why);
  void settle(reply&& asker, const settled& what);
  auto settler() {
    return [this](reply&& asker, const settled& what) { settle(std::move(asker), what); };
  }
  void report_backpressure();
  void after_outbox_changed();
  void follow_expiry();
  void watch_once(const caf::strong_actor_ptr& who);
  void answer_pulls(const transport_error& failure);
  void answer_connects(const transport_error* failure);
  void finish_closing();
  [[nodiscard]] transport_error why_not_ready() const;
  [[nodiscard]] caf::strong_actor_ptr requester();

  std::shared_ptr<const transport_config> config_;
  outbox<reply> outbox_;
  audience audience_;
  ring_queue<caf::typed_response_promise<received>> pulls_;
  std::vector<caf::typed_response_promise<connection_info>> connects_;
  std::vector<std::unique_ptr<statistics_stream>> streams_;
  std::unique_ptr<closing> closing_;
  std::unique_ptr<timer> expiry_;
  /// Whom this actor watches: whoever subscribed once and still lives.
  std::vector<caf::actor_addr> watched_;
  /// Figures of the generations that are over.
  std::uint64_t past_bytes_sent_ = 0;
  std::uint64_t past_bytes_received_ = 0;
  transport_stats last_stats_;
  /// Bytes of accepted messages that count against the network's memory.
  std::uint64_t reserved_bytes_ = 0;
  bool is_finishing_ = false;
  bool has_ended_ = false;
};

} // namespace actorwire
