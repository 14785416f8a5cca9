#pragma once

#include "listener.hpp"
#include "simulated_system.hpp"

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

/// What became of one client.
struct client_record {
  /// Where it is served.
  shard* home = nullptr;
  transport_observer* observer = nullptr;
  std::size_t allowance = 0;
  /// Why its connection was closed here.
  std::optional<error_code> closed_with;
  bool is_gone = false;
};

/// The accepted end of a client that does what a test says.
class scripted_transport final : public transport {
public:
  scripted_transport(shard& where, std::shared_ptr<client_record> client) : where_(where), client_(std::move(client)) {
    client_->home = &where;
  }
  ~scripted_transport() override { client_->is_gone = true; }

  result<void> init(const transport_config&, transport_observer& observer) override {
    client_->observer = &observer;
    return {};
  }
  void connect(const endpoint&) override {}
  result<std::size_t> send(std::span<const outgoing> pieces) override {
    std::size_t size = 0;
    for (const auto& each : pieces)
      size += each.size;
    taken_ += size;
    return size;
  }
  void receive(std::size_t bytes) override { client_->allowance += bytes; }
  void finish() override {}
  void close(const transport_error& reason) override {
    if (std::exchange(client_->closed_with, reason.code))
      return;
    where_.post([self = local_ref{this}, reason] {
      if (auto* told = std::exchange(self->client_->observer, nullptr))
        told->on_closed(reason);
    });
  }
  void detach() noexcept override { client_->observer = nullptr; }
  [[nodiscard]] transport_stats stats() const override { return {}; }
  [[nodiscard]] std::uint64_t bytes_acked() const override { return taken_; }

private:
  shard& where_;
  std::shared_ptr<client_record> client_;
  std::uint64_t taken_ = 0;
};

/// What a test sees of the listening socket of one shard.
struct door {
  acceptor_observer* observer = nullptr;
  bool is_paused = false;
  int times_resumed = 0;
};

class scripted_acceptor final : public acceptor {
public:
  explicit scripted_acceptor(std::shared_ptr<door> seen) : seen_(std::move(seen)) {}

  result<void> open(const endpoint& where, const listen_config&, acceptor_observer& observer) override {
    local_ = where;
    seen_->observer = &observer;
    return {};
  }
  result<void> share() override { return {}; }
  [[nodiscard]] endpoint local() const override { return local_; }
  void pause() override { seen_->is_paused = true; }
  void resume() override {
    seen_->is_paused = false;
    ++seen_->times_resumed;
  }
  void close() noexcept override { seen_->observer = nullptr; }

private:
  std::shared_ptr<door> seen_;
  endpoint local_;
};

using client = std::shared_ptr<client_record>;

inline transport_error cut_by_peer() {
  return make_error(error_code::reset, phase::handshake, origin::remote, "reset");
}

/// A listener, and the clients that come to it.
class entrance {
public:
  explicit entrance(accept_function serve, listen_config config = {}, bool takes_time = true, std::size_t shards = 1)
    : world(on_shards(shards)) {
    move_in(shards);
    accept_settings settings;
    settings.serve = std::move(serve);
    listen(std::move(settings), std::move(config), takes_time);
  }

  entrance(std::function<void(accepted&)> receive, listen_config config) {
    move_in(1);
    accept_settings settings;
    settings.receiver = world.net().spawn_on_shard(0, [receive = std::move(receive)](caf::event_based_actor*) {
      return caf::behavior{[receive](accepted& event) { receive(event); }};
    });
    listen(std::move(settings), std::move(config), true);
  }

  /// The client comes to the socket of this shard.
  client knock(const std::string& host, std::size_t shard = 0, address_proof proof = address_proof::proved) {
    auto made = std::make_shared<client_record>();
    auto& home = homes_.at(shard)->shard();
    in_turn(home, [&] {
      doors_->at(shard).observer->on_accepted(make_local<scripted_transport>(home, made), {protocol::tls, host, 4'711},
                                              proof);
    });
    return made;
  }

  void begin_handshake(const client& who) {
    in_turn(*who->home, [&] { who->observer->on_progress(connection_state::handshaking); });
  }

  /// The client is ready, and says something right behind.
  void become_ready(const client& who, std::string_view words = {}) {
    who->home->post([=] { who->observer->on_connected({"192.0.2.100:853", "192.0.2.1:4711", agreed()}); });
    who->home->post([=] {
      REQUIRE(who->allowance >= words.size());
      if (!words.empty())
        who->observer->on_received(payload::copy_of(words));
    });
    world.run_now();
  }

  /// An earlier session vouches for the client, whose handshake goes on (0-RTT).
  void become_ready_early(const client& who) {
    in_turn(*who->home, [&] {
      who->observer->on_connected({"192.0.2.100:853", "192.0.2.1:4711", agreed(), std::nullopt, true});
    });
  }
  void finish_handshake(const client& who) {
    in_turn(*who->home, [&] { who->observer->on_handshake_done(); });
  }

  void hang_up(const client& who) {
    in_turn(*who->home, [&] { std::exchange(who->observer, nullptr)->on_closed(cut_by_peer()); });
  }

  listener_stats stats() {
    std::optional<listener_stats> answer;
    users_.front().run([&](caf::event_based_actor* self) {
      ask(self, listener_, caf::infinite, get_listener_stats{}).then([&](const listener_stats& all) { answer = all; });
    });
    world.run_now();
    return answer.value();
  }

  close_report close(close_mode how) {
    std::optional<close_report> answer;
    users_.front().run([&](caf::event_based_actor* self) {
      ask(self, listener_, caf::infinite, actorwire::close{how, std::chrono::seconds{10}})
          .then([&](const close_report& report) { answer = report; });
    });
    world.run_now();
    return answer.value();
  }

  [[nodiscard]] const listener_actor& handle() const noexcept { return listener_; }

  [[nodiscard]] bool is_paused() const { return doors_->front().is_paused; }

  /// The sockets of all shards together.
  [[nodiscard]] int times_resumed() const {
    auto sum = 0;
    for (const auto& each : *doors_)
      sum += each.times_resumed;
    return sum;
  }

  /// Nobody keeps the book of half-open clients any more.
  [[nodiscard]] bool has_no_book() const { return book_.expired(); }

  /// Nobody keeps the connections of each address any more.
  [[nodiscard]] bool has_no_addresses() const { return addresses_.expired(); }

  /// Addresses whose connections are counted.
  [[nodiscard]] std::size_t address_count() const { return addresses_.lock()->size(); }

  static tls_info agreed() {
    tls_info all;
    all.version = "TLS1.3";
    all.alpn = "redis";
    return all;
  }

  simulated_system world;

private:
  static simulated_system_options on_shards(std::size_t count) {
    simulated_system_options options;
    options.shards = count;
    return options;
  }

  void move_in(std::size_t shards) {
    for (std::size_t index = 0; index < shards; ++index) {
      users_.push_back(world.make_probe(index));
      homes_.push_back(
          dynamic_cast<const shard_resident&>(*caf::actor_cast<caf::abstract_actor*>(users_.back().handle())).home());
    }
    doors_->resize(shards);
  }

  void listen(accept_settings settings, listen_config config, bool takes_time) {
    settings.local = {protocol::tls, "192.0.2.100", 853};
    settings.transport = std::make_shared<const transport_config>(config.transport);
    settings.budget = std::make_shared<accept_budget>(config.max_connections);
    if (takes_time)
      settings.handshakes = std::make_shared<handshake_book>(config.max_handshakes, config.max_handshakes_per_address);
    if (config.max_connections_per_address != 0)
      settings.addresses = std::make_shared<address_limit>(config.max_connections_per_address);
    settings.next_id = [next = std::make_shared<connection_id>(100)] { return (*next)++; };
    book_ = settings.handshakes;
    addresses_ = settings.addresses;
    settings.shards = homes_;
    settings.make_acceptor = [seen = doors_](shard& where) {
      return make_local<scripted_acceptor>(std::shared_ptr<door>{seen, &seen->at(where.index())});
    };
    settings.config = std::move(config);
    listener_ =
        spawn_on<listener>(homes_.front(), std::move(settings), [](const result<endpoint>& where) { REQUIRE(where); });
    world.run_now();
  }

  void in_turn(shard& where, std::function<void()> event) {
    where.post(std::move(event));
    world.run_now();
  }

  /// On each shard an actor, where it lives, and a socket.
  std::vector<probe> users_;
  std::vector<std::shared_ptr<shard_context>> homes_;
  std::shared_ptr<std::vector<door>> doors_ = std::make_shared<std::vector<door>>();
  std::weak_ptr<handshake_book> book_;
  std::weak_ptr<address_limit> addresses_;
  listener_actor listener_;
};

/// What the actors that serve clients were told, one word each.
struct diary {
  std::vector<std::string> words;
  std::optional<connection_info> info;

  accept_function keep() {
    return [this](caf::event_based_actor*, const connection_actor&) {
      words.emplace_back("made");
      return caf::behavior{
          [this](const state_changed& change) { words.emplace_back(name_of(change.to)); },
          [this](const opened& event) {
            words.emplace_back("opened");
            info = event.info;
          },
          [this](const received& data) { words.emplace_back(data.body.text()); },
          [](const peer_closing&) {},
          [](const data_lost&) {},
          [](const backpressure&) {},
      };
    };
  }
};

} // namespace actorwire::test
