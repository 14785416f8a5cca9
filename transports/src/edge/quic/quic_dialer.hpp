#pragma once

#include "edge/dialer.hpp"
#include "engine/tls_credentials.hpp"
#include "quic_socket.hpp"

#include <actorwire/messages/events.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace actorwire {

/// Dials by QUIC: the first connection that has agreed on keys, and whose server is verified, wins. Each attempt has a socket
/// of its own, connected to one address: that is faster, and hears when nobody listens there.
class quic_dialer final : public dialer {
public:
  class listener : public dialer::listener {
  public:
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

private:
  class attempt;

  void expect_attempts(std::size_t count) override;
  [[nodiscard]] result<void> start_attempt(std::size_t index) override;
  void drop_attempt(std::size_t index) noexcept override;
  void drop_all_attempts() noexcept override;
  void hand_over(std::size_t winner) override;

  void note_answer();

  listener* told_ = nullptr;
  std::shared_ptr<const tls_credentials> identity_;
  bool has_answer_ = false;
  std::vector<std::unique_ptr<attempt>> attempts_;
  /// Those that are over, and may be in the middle of telling so.
  std::vector<std::unique_ptr<attempt>> dropped_;
};

} // namespace actorwire
