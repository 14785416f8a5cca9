#pragma once

#include "edge/tcp_transport.hpp"
#include "transport_contract.hpp"

#include <actorwire/transports/acceptor.hpp>
#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/shard.hpp>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace actorwire::test {

/// A free port of the loopback interface that nobody listens on, and that nobody else can get.
class taken_port {
public:
  taken_port() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (descriptor_ < 0 || ::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), size) != 0
        || ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::system_error{errno, std::generic_category(), "take a port"};
    port_ = ntohs(address.sin_port);
  }
  ~taken_port() { ::close(descriptor_); }

  taken_port(const taken_port&) = delete;
  taken_port& operator=(const taken_port&) = delete;

  [[nodiscard]] endpoint where() const { return {protocol::tcp, "127.0.0.1", port_}; }

private:
  int descriptor_;
  std::uint16_t port_ = 0;
};

/// The contract's view of what runs on real sockets of the loopback interface, with the real clock, on a shard that the test
/// steps. Descendants open the acceptor, and give it up in their destructors.
class loopback_fixture : public transport_fixture, protected acceptor_observer {
public:
  endpoint listening() override { return acceptor_->local(); }
  local_ref<transport> accepted() override {
    if (accepted_.empty())
      return nullptr;
    auto next = std::move(accepted_.front());
    accepted_.pop_front();
    return next;
  }

  bool wait(const std::function<bool()>& reached) override {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!reached()) {
      if (std::chrono::steady_clock::now() > limit)
        return false;
      if (!shard_.run_ready())
        std::this_thread::yield();
    }
    return true;
  }

  void settle() override {
    for (auto last = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - last < quiet_;)
      if (shard_.run_ready())
        last = std::chrono::steady_clock::now();
  }

protected:
  /// The loopback interface hands bytes over within the system call that sends them. What may come later is the work of
  /// timers: those are shorter than `quiet`.
  explicit loopback_fixture(std::chrono::milliseconds quiet) : quiet_(quiet) { shard_.start(); }

  void open(local_ref<acceptor> made, protocol proto, const listen_config& config) {
    acceptor_ = std::move(made);
    if (auto opened = acceptor_->open({proto, "127.0.0.1", 0}, config, *this); !opened)
      throw std::runtime_error{to_string(opened.error())};
  }
  void give_up() {
    acceptor_->close();
    accepted_.clear();
    shard_.stop();
  }

  [[nodiscard]] shard& where() noexcept { return shard_; }
  [[nodiscard]] const std::shared_ptr<resolver>& names() const noexcept { return names_; }

private:
  void on_accepted(local_ref<transport> arrived, const endpoint&, address_proof) override {
    accepted_.push_back(std::move(arrived));
  }
  void on_accept_error(const transport_error& reason) override { FAIL_CHECK(to_string(reason)); }

  const std::chrono::milliseconds quiet_;
  shard shard_{{.run = shard::mode::stepped, .budget = std::make_shared<memory_budget>(std::size_t{64} << 20U)}};
  std::shared_ptr<resolver> names_ = std::make_shared<resolver>();
  local_ref<acceptor> acceptor_;
  std::deque<local_ref<transport>> accepted_;
};

/// That of TCP, and of what runs on it.
class tcp_fixture : public loopback_fixture {
public:
  explicit tcp_fixture(protocol proto = protocol::tcp) : loopback_fixture(std::chrono::milliseconds{20}) {
    open(make_tcp_acceptor(where()), proto, {});
  }
  ~tcp_fixture() override { give_up(); }

  local_ref<transport> make() override { return make_tcp_transport(where(), names()); }
  endpoint refusing() override { return refusing_.where(); }

private:
  taken_port refusing_;
};

} // namespace actorwire::test
