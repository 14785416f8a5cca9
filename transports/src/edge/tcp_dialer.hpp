#pragma once

#include "dialer.hpp"
#include "tcp_socket.hpp"

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace actorwire {

/// Dials by TCP: the first socket that the kernel connects wins.
class tcp_dialer final : public dialer {
public:
  class listener : public dialer::listener {
  public:
    virtual void on_dialed(tcp_socket connected) = 0;

  protected:
    ~listener() = default;
  };

  tcp_dialer(shard& where, std::shared_ptr<resolver> names) : dialer(where, std::move(names)) {}

  void init(const transport_config& config, listener& told) {
    dialer::init(config, told);
    told_ = &told;
  }

private:
  void expect_attempts(std::size_t count) override { sockets_.resize(count); }
  [[nodiscard]] result<void> start_attempt(std::size_t index) override;
  void drop_attempt(std::size_t index) noexcept override { sockets_[index].reset(); }
  void drop_all_attempts() noexcept override { sockets_.clear(); }
  void hand_over(std::size_t winner) override;

  void handle_connect(std::size_t index, const boost::system::error_code& failure);
  [[nodiscard]] result<void> open_socket(std::size_t index);
  [[nodiscard]] boost::asio::ip::tcp::endpoint address_of(std::size_t index) const;

  listener* told_ = nullptr;
  /// One for each address of the race, empty where no attempt is running.
  std::vector<std::optional<tcp_socket>> sockets_;
};

} // namespace actorwire
