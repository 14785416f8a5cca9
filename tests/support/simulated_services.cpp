#include "simulated_services.hpp"

#include <deque>
#include <limits>
#include <list>
#include <memory>
#include <utility>

namespace actorwire::test {

namespace {

enum class behaviour : std::uint8_t { echo, sink, deaf };

class session;

/// The sessions of one service. They leave it when their connection ends, and the others end with it.
struct session_list {
  std::list<std::unique_ptr<session>> open;
};

class session final : public transport_observer {
public:
  session(session_list& all, local_ref<transport> wire, behaviour what)
    : all_(all), wire_(std::move(wire)), what_(what) {}
  ~session() { wire_->detach(); }

  session(const session&) = delete;
  session& operator=(const session&) = delete;

  result<void> start(const transport_config& config) {
    auto started = wire_->init(config, *this);
    if (started && what_ != behaviour::deaf)
      wire_->receive(std::numeric_limits<std::size_t>::max());
    return started;
  }

private:
  void on_progress(connection_state) override {}
  void on_connected(const transport_opening&) override {}
  void on_received(payload bytes) override {
    if (what_ != behaviour::echo)
      return;
    unsent_.push_back(std::move(bytes));
    flush();
  }
  void on_peer_finished() override {
    peer_finished_ = true;
    flush();
  }
  void on_writable() override { flush(); }
  void on_closed(const transport_error&) override {
    // The last thing that this object does.
    all_.open.remove_if([this](const auto& each) { return each.get() == this; });
  }

  void flush() {
    while (!unsent_.empty()) {
      auto& next = unsent_.front();
      const outgoing piece{next.data(), next.size(), nullptr};
      const auto taken = wire_->send(std::span{&piece, 1});
      if (!taken)
        return;
      if (*taken < next.size()) {
        next = next.slice(static_cast<std::uint32_t>(*taken), next.size() - static_cast<std::uint32_t>(*taken));
        return;
      }
      unsent_.pop_front();
    }
    if (peer_finished_)
      wire_->finish();
  }

  session_list& all_;
  local_ref<transport> wire_;
  std::deque<payload> unsent_;
  behaviour what_;
  bool peer_finished_ = false;
};

simulated_network::accept_function service(behaviour what, const transport_config& config) {
  return [all = std::make_shared<session_list>(), what, config](local_ref<transport> accepted) {
    auto& made = *all->open.emplace_back(std::make_unique<session>(*all, std::move(accepted), what));
    if (!made.start(config))
      all->open.pop_back();
  };
}

} // namespace

simulated_network::accept_function echo_service(const transport_config& config) {
  return service(behaviour::echo, config);
}

simulated_network::accept_function sink_service(const transport_config& config) {
  return service(behaviour::sink, config);
}

simulated_network::accept_function deaf_service(const transport_config& config) {
  return service(behaviour::deaf, config);
}

} // namespace actorwire::test
