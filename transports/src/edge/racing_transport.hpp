#pragma once

#include "engine/race.hpp"

#include <actorwire/export.hpp>
#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace actorwire {

/// Several endpoints of one peer, tried as a `race` says: the first that is connected, handshake included, is what this
/// transport is from then on, and the others are let go.
///
/// - The next endpoint starts `fallback_delay` after the one before, or at once when that has failed. `attempt_timeout` holds
///   for all together.
/// - Nothing is sent before there is a winner. `on_connected` says which endpoint that is.
/// - `on_progress` tells how far the furthest has come.
/// - When all have failed, `on_closed` names each and its reason. It is permanent only if all are.
/// - Settings of another protocol than an endpoint's are left away for it, instead of refused.
/// - Other streams are there if the winner has such: they are to be asked for within `on_connected`.
class racing_transport final : public transport {
public:
  /// The endpoint that `connect` is given is preferred to `alternatives`, these to those behind them. `favourite`, if it is one
  /// of them, is tried before all.
  ACTORWIRE_EXPORT racing_transport(shard& where, std::shared_ptr<transport_factory> transports,
                                    std::vector<endpoint> alternatives,
                                    std::optional<endpoint> favourite = std::nullopt);
  ACTORWIRE_EXPORT ~racing_transport() override;

  result<void> init(const transport_config& config, transport_observer& observer) override;
  void connect(const endpoint& remote) override;
  result<std::size_t> send(std::span<const outgoing> pieces) override;
  void receive(std::size_t bytes) override;
  void finish() override;
  void close(const transport_error& reason) override;
  void detach() noexcept override;
  [[nodiscard]] transport_stats stats() const override;
  [[nodiscard]] std::uint64_t bytes_acked() const override;
  [[nodiscard]] multiplexer* multiplex(multiplexer_observer& observer) override;

private:
  /// What is needed until one has won.
  struct contest;
  /// The transport to one of the endpoints.
  class runner;

  void handle_wake_up();
  void follow_orders();
  /// *Errors:* there is no such transport, or it does not take the settings.
  [[nodiscard]] result<void> start(std::size_t index);
  /// Gives up whatever has not failed yet.
  void run_out_of_time();
  void fail();
  void note_progress(connection_state where);
  void note_connected(std::size_t index, const transport_opening& opening);
  void note_failure(std::size_t index, const transport_error& reason);
  void tell_closed(const transport_error& reason);

  shard& shard_;
  transport_observer* observer_ = nullptr;
  multiplexer_observer* streams_observer_ = nullptr;
  /// Null when the race is over.
  std::unique_ptr<contest> contest_;
  /// Null before.
  std::unique_ptr<runner> winner_;
  /// Allowed before there was a winner.
  std::size_t allowance_ = 0;
};

} // namespace actorwire
