#pragma once

#include "edge/dialer.hpp"
#include "engine/tls_credentials.hpp"
#include "quic_socket.hpp"

#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace actorwire {

/// Dials by QUIC: the first connection that has agreed on keys, and whose server is verified, wins. Each attempt has a socket
/// of its own, connected to one address: that is faster, and hears when nobody listens there.
class quic_dialer final : public dialer {
public:
  class listener : public dialer::listener {
  public:
    /// An attempt takes early data; comes once.
    virtual void on_dial_early_data() = 0;
    /// Whoever is told observes the connection from now on.
    virtual void on_dialed(local_ref<quic_socket> socket, quic_connection& connection, tls_info agreed) = 0;

  protected:
    ~listener() = default;
  };

  quic_dialer(shard& where, std::shared_ptr<resolver> names);
  ~quic_dialer() override;

  void init(const transport_config& config, listener& told) {
    dialer::init(config, told);
    told_ = &told;
  }

  /// Who one is, before `dial`.
  void use(std::shared_ptr<const tls_credentials> identity) { identity_ = std::move(identity); }

  /// Takes what may be sent before there is a connection, after `on_dial_early_data`, as far as there is room. It goes out
  /// with each attempt that takes it, and with the connection that wins in any case.
  /// *Errors:* `send_failed` before that, and after the race.
  [[nodiscard]] result<std::size_t> send_early(std::span<const outgoing> pieces);

private:
  class attempt;

  /// Kept until there is a winner.
  static constexpr std::size_t early_bytes_max = std::size_t{64} << 10U;

  void expect_attempts(std::size_t count) override;
  [[nodiscard]] result<void> start_attempt(std::size_t index) override;
  void drop_attempt(std::size_t index) noexcept override;
  void drop_all_attempts() noexcept override;
  void hand_over(std::size_t winner) override;

  void note_answer();
  void note_early_data(attempt& which);

  listener* told_ = nullptr;
  std::shared_ptr<const tls_credentials> identity_;
  bool has_answer_ = false;
  bool takes_early_data_ = false;
  std::vector<payload> early_;
  std::size_t early_bytes_ = 0;
  std::vector<std::unique_ptr<attempt>> attempts_;
  /// Those that are over, and may be in the middle of telling so.
  std::vector<std::unique_ptr<attempt>> dropped_;
};

} // namespace actorwire
