#pragma once

#include "engine/happy_eyeballs.hpp"

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/watchdog.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace actorwire {

/// Makes one connection out of an endpoint: looks the name up and lets the addresses race (RFC 8305). The look-up takes at
/// most `resolver::lookup_timeout` and half of `attempt_timeout`, so that there is time left to connect, and then the
/// addresses of an earlier one are dialled, if there are any. What an attempt at one
/// address is, its descendants know. Everything that only dialling needs lives here, so that a connection is free of it once
/// it is made.
/// *Thread:* shard only. *Lifetime:* counted, because attempts that were given up report late.
class dialer : public locally_counted {
public:
  /// Who is to be told. All calls come in turns of their own; the last one is that of success, which descendants add, or
  /// `on_dial_failed`.
  class listener {
  public:
    virtual void on_dial_progress(connection_state where) = 0;
    virtual void on_dial_failed(const transport_error& reason) = 0;

  protected:
    ~listener() = default;
  };

  /// Starts the one race that this object runs; `attempt_timeout` counts from here.
  void dial(const endpoint& remote);

  /// Ends it; the listener hears nothing more.
  void cancel() noexcept;

  /// Whether the look-up failed, and addresses of an earlier one were dialled.
  [[nodiscard]] bool has_stale_addresses() const noexcept { return lookup_failure_.has_value(); }

protected:
  dialer(shard& where, std::shared_ptr<resolver> names);

  void init(const transport_config& config, listener& told);

  /// Attempts are numbered from 0; there will be so many.
  virtual void expect_attempts(std::size_t count) = 0;
  /// Starts an attempt, which ends with `note_success` or `note_failure` in another turn. *Errors:* it cannot even start.
  [[nodiscard]] virtual result<void> start_attempt(std::size_t index) = 0;
  /// An attempt has failed, or does not matter any more.
  virtual void drop_attempt(std::size_t index) noexcept = 0;
  virtual void drop_all_attempts() noexcept = 0;
  /// Hands an attempt that has succeeded to the listener. The race is over, and the others were dropped.
  virtual void hand_over(std::size_t winner) = 0;

  void note_success(std::size_t index);
  void note_failure(std::size_t index, const transport_error& reason);

  [[nodiscard]] bool is_over() const noexcept { return observer_ == nullptr; }
  [[nodiscard]] shard& where() const noexcept { return shard_; }
  [[nodiscard]] const transport_config& config() const noexcept { return config_; }
  [[nodiscard]] const endpoint& remote() const noexcept { return remote_; }
  [[nodiscard]] const ip_address& address(std::size_t index) const { return race_->addresses()[index]; }

private:
  void look_up();
  void handle_answer(const resolver::resolved& found);
  void handle_race_timeout();
  void handle_deadline();
  void follow_orders();
  void end_race() noexcept;
  void fail(const transport_error& reason);

  shard& shard_;
  std::shared_ptr<resolver> names_;
  listener* observer_ = nullptr;
  transport_config config_;
  endpoint remote_;
  resolver::query query_;
  /// Why the look-up failed, where the addresses are those of an earlier one.
  std::optional<std::string> lookup_failure_;
  std::optional<happy_eyeballs> race_;
  timer race_timer_;
  watchdog deadline_;
};

} // namespace actorwire
