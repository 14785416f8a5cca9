#pragma once

#include "channel/channel_actor.hpp"
#include "channel/idle_watch.hpp"
#include "supervision/winner_memory.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace actorwire {

/// The stable handle of a remote endpoint, or of several that lead to one service: keeps what is to be sent and who is to be told, while connection actors come
/// and go below it. The supervisor decides when there is to be another; the peer carries that out and tells its
/// subscribers.
class peer final : public channel_actor, private flushable {
public:
  /// `alternatives` are the endpoints behind `remote`; null if there are none. `supervisor` is told when the peer takes no
  /// more messages. `gauge` shows how much it has to do; null where nobody looks. A connection that nobody uses for
  /// `idle_timeout` ends, unless that is 0.
  peer(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
       std::shared_ptr<const std::vector<endpoint>> alternatives, std::shared_ptr<const transport_config> settings,
       caf::strong_actor_ptr supervisor, std::shared_ptr<load_gauge> gauge, std::chrono::milliseconds idle_timeout);

  /// Makes what the next attempt connects with, to `remote()`. *Errors:* those of `transport_factory::create_transport`.
  [[nodiscard]] result<local_ref<transport>> make_bearer(const std::shared_ptr<transport_factory>& transports);

  /// Whether the peer waits for this connection actor, be it for want of a connection or to take the place of the present one.
  [[nodiscard]] bool expects(const caf::strong_actor_ptr& carrier) const noexcept {
    return carrier == carrier_ || expects_as_successor(carrier);
  }
  [[nodiscard]] bool expects_as_successor(const caf::strong_actor_ptr& carrier) const noexcept {
    return successor_ != nullptr && successor_->carrier == carrier;
  }

  /// The successor, which is to stand by, has this wire.
  void note_successor(wire& line) noexcept { successor_->line = &line; }

  /// The successor has none.
  void note_failed_successor(const transport_error& reason);

  void note_successor_ready(wire& line) override;

  void note_arrival(bool is_end) override;
  void note_session_over() override;

private:
  behavior_type make_behavior() override;
  void finishes() override;
  void leaves() override;
  void has_left() override;
  void becomes_ready(const transport_opening& opening) override;
  void is_wanted() override;
  void greets() override;
  [[nodiscard]] result<void> is_greeted(const session_frame& frame) override;
  [[nodiscard]] transport_error lose_session(const transport_error& reason);
  void wire_lost(const transport_error& reason) override;
  [[nodiscard]] bool has_successor() const noexcept override { return successor_ != nullptr && successor_->is_ready; }
  void successor_lost(wire& line, const transport_error& reason) override;
  [[nodiscard]] transport_error why_not_ready() const override;
  [[nodiscard]] bool can_have_streams() const noexcept override;
  [[nodiscard]] bool reads_ahead(stream_id stream) const noexcept override {
    // The end of a connection is not behind what comes on other streams.
    return is_free_ && (stream == 0 || is_used_);
  }
  void obey(peer_directive& directive) override;
  void cut(const transport_error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Ends the actor if a loss, seen by the carrier and so outside this actor's own message handling, was its end; or lets it
  /// close if that is what something which came, and was seen in the same way, is to lead to.
  void flush() override;

  // -- one that is lent
  /// Nobody has the peer any more.
  void become_free(const transport_error& reason);
  /// Somebody has it, and has what its connection brings.
  void become_lent();
  /// Nobody may be given its connection: it closes, and says why.
  void depart(const transport_error& reason);

  /// What is to take the place of the present connection.
  struct successor {
    caf::strong_actor_ptr carrier;
    /// How long the present one may take to end.
    std::chrono::milliseconds limit;
    wire* line = nullptr;
    bool is_ready = false;
  };

  /// `error_code::none` for none.
  void set_obstacle(const transport_error& reason);
  void engage(peer_directive& directive);
  void dismiss_successor() noexcept;
  /// Whether a successor has taken the place of the wire that has ended.
  [[nodiscard]] bool succeed();

  /// Whether a connection that nobody uses ends, and whether it has.
  struct rest {
    rest(std::chrono::milliseconds limit, std::function<void()> look) : watch(limit, std::move(look)) {}

    idle_watch watch;
    /// The supervisor was told, and has not dialled since.
    bool has_begun = false;
    bool is_wanted = false;
  };
  void look_whether_idle();
  [[nodiscard]] bool is_resting() const noexcept override { return rest_ != nullptr && rest_->has_begun; }

  /// What a peer of several endpoints has beside the first.
  struct detours {
    std::shared_ptr<const std::vector<endpoint>> alternatives;
    winner_memory memory;
  };

  /// This actor, until it is torn down. Its connection ends it from outside of its own message handling, and by the time
  /// that it has its turn to be seen off, whoever else knew it may have let go of it, on another thread.
  caf::strong_actor_ptr self_;
  caf::strong_actor_ptr supervisor_;
  /// Null for one endpoint, as most peers have.
  std::unique_ptr<detours> detours_;
  /// The present attempt or connection.
  caf::strong_actor_ptr carrier_;
  /// Null but for the time in which a connection is replaced.
  std::unique_ptr<successor> successor_;
  /// Why a breaker holds the peer back; null unless one does.
  std::unique_ptr<const transport_error> obstacle_;
  /// Null for a peer that stays connected.
  std::unique_ptr<rest> rest_;
  /// Why it leaves the pool though nobody has asked it to; null unless it does, or is about to.
  std::unique_ptr<const transport_error> why_leaving_;
  /// It is there to be lent, and nobody has it.
  bool is_free_ = false;
  /// Somebody has had the present connection: what comes on it now was meant for him.
  bool is_used_ = false;
};

} // namespace actorwire
