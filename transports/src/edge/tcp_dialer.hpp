#pragma once

#include "engine/happy_eyeballs.hpp"
#include "tcp_socket.hpp"

#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/transport_config.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace actorwire {

/// Makes one connected socket out of an endpoint: looks the name up and lets the addresses race. Everything that only an
/// attempt needs lives here, so that a connection is free of it once it is made.
/// *Thread:* shard only. *Lifetime:* counted, because connects that were given up report late.
class tcp_dialer final : public locally_counted {
public:
  /// Who is to be told. All calls come in turns of their own; the last one is `on_dialed` or `on_dial_failed`.
  class listener {
  public:
    virtual void on_dial_progress(connection_state where) = 0;
    virtual void on_dialed(tcp_socket connected) = 0;
    virtual void on_dial_failed(const transport_error& reason) = 0;

  protected:
    ~listener() = default;
  };

  tcp_dialer(shard& where, std::shared_ptr<resolver> names);

  void init(const transport_config& config, listener& told);

  /// Starts the one attempt that this object makes; `attempt_timeout` counts from here.
  void dial(const endpoint& remote);

  /// Ends the attempt; the observer hears nothing more.
  void cancel() noexcept;

private:
  void look_up();
  void handle_answer(const resolver::answer& found);
  void handle_connect(std::size_t index, const boost::system::error_code& failure);
  void handle_race_timeout();
  void handle_deadline();

  void follow_orders();
  void start_attempt(std::size_t index);
  [[nodiscard]] result<void> open_socket(std::size_t index);
  [[nodiscard]] boost::asio::ip::tcp::endpoint address_of(std::size_t index) const;
  void succeed(std::size_t winner);
  void fail(const transport_error& reason);

  shard& shard_;
  std::shared_ptr<resolver> names_;
  listener* observer_ = nullptr;
  transport_config config_;
  endpoint remote_;
  resolver::query query_;
  std::optional<happy_eyeballs> race_;
  /// One for each address of the race, empty where no attempt is running.
  std::vector<std::optional<tcp_socket>> sockets_;
  timer race_timer_;
  timer deadline_;
};

} // namespace actorwire
