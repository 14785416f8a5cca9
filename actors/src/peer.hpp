#pragma once

#include "channel/channel_actor.hpp"
#include "supervision/winner_memory.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <chrono>
#include <memory>
#include <vector>

namespace actorwire {

/// The stable handle of a remote endpoint, or of several that lead to one service: keeps what is to be sent and who is to be told, while connection actors come
/// and go below it. The supervisor decides when there is to be another; the peer carries that out and tells its
/// subscribers.
class peer final : public channel_actor, private flushable {
public:
  /// `alternatives` are the endpoints behind `remote`; null if there are none. `supervisor` is told when the peer takes no
  /// more messages. `gauge` shows how much it has to do; null where nobody looks.
  peer(caf::actor_config& config, std::shared_ptr<shard_context> home, connection_id id, const endpoint& remote,
       std::shared_ptr<const std::vector<endpoint>> alternatives, std::shared_ptr<const transport_config> settings,
       caf::strong_actor_ptr supervisor, std::shared_ptr<load_gauge> gauge);

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

  void note_session_over() override;

private:
  void finishes() override;
  void leaves() override;
  void has_left() override;
  void becomes_ready(const transport_opening& opening) override;
  void greets() override;
  [[nodiscard]] result<void> is_greeted(const session_frame& frame) override;
  [[nodiscard]] transport_error lose_session(const transport_error& reason);
  void wire_lost(const transport_error& reason) override;
  [[nodiscard]] bool has_successor() const noexcept override { return successor_ != nullptr && successor_->is_ready; }
  void successor_lost(wire& line) override;
  [[nodiscard]] transport_error why_not_ready() const override;
  [[nodiscard]] bool can_have_streams() const noexcept override;
  void obey(peer_directive& directive) override;
  void cut(const transport_error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  /// Ends the actor if a loss, seen by the carrier and so outside this actor's own message handling, was its end.
  void flush() override;

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

  /// What a peer of several endpoints has beside the first.
  struct detours {
    std::shared_ptr<const std::vector<endpoint>> alternatives;
    winner_memory memory;
  };

  caf::strong_actor_ptr supervisor_;
  /// Null for one endpoint, as most peers have.
  std::unique_ptr<detours> detours_;
  /// The present attempt or connection.
  caf::strong_actor_ptr carrier_;
  /// Null but for the time in which a connection is replaced.
  std::unique_ptr<successor> successor_;
  /// Why a breaker holds the peer back; null unless one does.
  std::unique_ptr<const transport_error> obstacle_;
};

} // namespace actorwire
