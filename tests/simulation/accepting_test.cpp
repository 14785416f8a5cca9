// Clients that take time to become ready, as with TLS: what a listener does about them, and what their actors see.

#include "listener.hpp"
#include "simulated_system.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

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

transport_error cut_by_peer() {
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
  client knock(const std::string& host, std::size_t shard = 0) {
    auto made = std::make_shared<client_record>();
    auto& home = homes_.at(shard)->shard();
    in_turn(home, [&] {
      doors_->at(shard).observer->on_accepted(make_local<scripted_transport>(home, made), {protocol::tls, host, 4'711},
                                              address_proof::proved);
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
    settings.next_id = [next = std::make_shared<connection_id>(100)] { return (*next)++; };
    book_ = settings.handshakes;
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

listen_config with_limits(std::uint32_t in_all, std::uint32_t of_one_address) {
  listen_config config;
  config.max_handshakes = in_all;
  config.max_handshakes_per_address = of_one_address;
  return config;
}

} // namespace

TEST_CASE("the actor of a client is made when it is ready, and hears of that and of all that follows", "[simulation]") {
  diary told;
  entrance at{told.keep()};
  const auto one = at.knock("192.0.2.1");
  at.begin_handshake(one);
  at.world.run_for(std::chrono::seconds{1});
  CHECK(told.words.empty());
  CHECK(one->allowance == 0);
  at.become_ready(one, "hello");
  CHECK(told.words == std::vector<std::string>{"made", "ready", "opened", "hello"});
  REQUIRE(told.info);
  CHECK(told.info->tls == entrance::agreed());
  CHECK(told.info->remote_address == "192.0.2.1:4711");
  at.hang_up(one);
  CHECK(told.words.back() == "closed");
  CHECK(one->is_gone);
}

TEST_CASE("a client that goes before it is ready has never had an actor, and leaves nothing behind", "[simulation]") {
  diary told;
  entrance at{told.keep()};
  const auto actors = at.world.actor_count();
  const auto timers = at.world.timer_count();
  for (int count = 0; count < 10; ++count) {
    const auto one = at.knock("192.0.2.1");
    at.begin_handshake(one);
    CHECK(at.stats().handshaking == 1);
    at.hang_up(one);
    CHECK(one->is_gone);
  }
  CHECK(told.words.empty());
  CHECK(at.stats().handshaking == 0);
  CHECK(at.stats().open == 0);
  CHECK(at.world.actor_count() == actors);
  CHECK(at.world.timer_count() == timers);
}

TEST_CASE("a serving function that fails ends its connection, and no other", "[simulation]") {
  diary told;
  auto clients = 0;
  entrance at{[&, keep = told.keep()](caf::event_based_actor* self, const connection_actor& from) {
    if (++clients == 2)
      throw std::runtime_error{"served badly"};
    return keep(self, from);
  }};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.1");
  const auto third = at.knock("192.0.2.1");
  for (const auto& each : {first, second, third})
    at.become_ready(each, "words");
  CHECK_FALSE(first->is_gone);
  CHECK(second->closed_with == error_code::closed);
  CHECK(second->is_gone);
  CHECK_FALSE(third->is_gone);
  CHECK(told.words == std::vector<std::string>{"made", "ready", "opened", "words", "made", "ready", "opened", "words"});
  CHECK(at.stats().open == 2);
}

TEST_CASE("a receiver hears of a client when it is ready, and not before", "[simulation]") {
  std::vector<accepted> heard;
  entrance at{[&heard](accepted& event) { heard.push_back(std::move(event)); }, listen_config{}};
  const auto slow = at.knock("192.0.2.1");
  const auto quick = at.knock("192.0.2.2");
  CHECK(heard.empty());
  at.become_ready(quick);
  REQUIRE(heard.size() == 1);
  CHECK(heard.front().info.tls == entrance::agreed());
  CHECK(at.stats().handshaking == 1);
  at.hang_up(slow);
  CHECK(heard.size() == 1);
  CHECK(at.stats().handshaking == 0);
  CHECK(at.stats().open == 1);
  heard.clear();
}

TEST_CASE("a client that is ready before its handshake is done is half-open until then, whoever serves it",
          "[simulation]") {
  std::vector<accepted> heard;
  diary told;
  const auto with_receiver = GENERATE(true, false);
  const auto limits = with_limits(8, 2);
  auto at = with_receiver ? entrance{[&heard](accepted& event) { heard.push_back(std::move(event)); }, limits}
                          : entrance{told.keep(), limits};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.1");
  at.become_ready_early(first);
  at.become_ready_early(second);
  CHECK(heard.size() == (with_receiver ? 2U : 0U));
  CHECK(std::ranges::count(told.words, "opened") == (with_receiver ? 0 : 2));
  CHECK(at.stats().handshaking == 2);
  // So one address cannot have more of them than of any others.
  CHECK(at.knock("192.0.2.1")->is_gone);
  CHECK(at.stats().handshakes_refused == 1);
  at.finish_handshake(first);
  CHECK(at.stats().handshaking == 1);
  CHECK_FALSE(at.knock("192.0.2.1")->is_gone);
  at.hang_up(second);
  CHECK(at.stats().handshaking == 1);
  CHECK_FALSE(first->closed_with);
  heard.clear();
}

TEST_CASE("a client that was ready early goes for a newcomer while it has not finished its handshake", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(2, 2)};
  const auto slow = at.knock("192.0.2.1");
  const auto quick = at.knock("192.0.2.2");
  at.become_ready_early(slow);
  at.become_ready_early(quick);
  at.finish_handshake(quick);
  at.knock("192.0.2.3");
  CHECK_FALSE(slow->closed_with);
  at.knock("192.0.2.4");
  CHECK(slow->closed_with == error_code::closed);
  CHECK(slow->is_gone);
  CHECK_FALSE(quick->closed_with);
}

TEST_CASE("at the limit of handshakes a newcomer is let in and the one that has taken longest is ended",
          "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(2, 2)};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.2");
  CHECK_FALSE(first->closed_with);
  const auto third = at.knock("192.0.2.3");
  CHECK(first->closed_with == error_code::closed);
  CHECK(first->is_gone);
  CHECK_FALSE(second->closed_with);
  // Whoever is ready is not ended any more.
  at.become_ready(second);
  at.become_ready(third);
  for (const auto* host : {"192.0.2.4", "192.0.2.5", "192.0.2.6"})
    at.knock(host);
  CHECK_FALSE(second->closed_with);
  CHECK_FALSE(third->closed_with);
  const auto stats = at.stats();
  CHECK(stats.handshaking == 2);
  CHECK(stats.handshakes_evicted == 2);
  CHECK(stats.handshakes_refused == 0);
  CHECK(stats.open == 4);
  CHECK(stats.accepted == 6);
}

TEST_CASE("a flood from a few addresses keeps nobody out who is quick", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(8, 2)};
  for (int round = 0; round < 50; ++round) {
    for (int address = 0; address < 8; ++address)
      at.knock("198.51.100." + std::to_string(address));
    const auto honest = at.knock("192.0.2.1");
    at.become_ready(honest, "x");
    CHECK_FALSE(honest->closed_with);
    CHECK(at.stats().handshaking <= 8);
    CHECK(at.stats().open <= 8U + static_cast<std::uint32_t>(round) + 1U);
  }
}

TEST_CASE("a client that is turned away takes no place among the connections, not even the last", "[simulation]") {
  diary told;
  auto config = with_limits(2, 1);
  config.max_connections = 2;
  entrance at{told.keep(), config, true, 2};
  at.knock("192.0.2.1", 0);
  const auto before = at.times_resumed();
  for (int count = 0; count < 10; ++count)
    CHECK(at.knock("192.0.2.1", 1)->is_gone);
  CHECK(at.stats().handshakes_refused == 10);
  CHECK(at.stats().open == 1);
  // Nor are all shards told of places that nobody could have waited for.
  CHECK(at.times_resumed() == before);
  const auto last = at.knock("192.0.2.2", 1);
  CHECK_FALSE(last->is_gone);
  at.hang_up(last);
  CHECK(at.times_resumed() == before + 2);
}

TEST_CASE("the one that has taken longest is ended on whichever shard it lives", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(2, 2), true, 2};
  const auto first = at.knock("192.0.2.1", 0);
  const auto second = at.knock("192.0.2.2", 1);
  const auto third = at.knock("192.0.2.3", 1);
  CHECK(first->closed_with == error_code::closed);
  CHECK(first->is_gone);
  CHECK_FALSE(second->closed_with);
  const auto fourth = at.knock("192.0.2.4", 0);
  CHECK(second->closed_with == error_code::closed);
  CHECK(second->is_gone);
  CHECK_FALSE(third->closed_with);
  CHECK_FALSE(fourth->closed_with);
  const auto stats = at.stats();
  CHECK(stats.handshaking == 2);
  CHECK(stats.handshakes_evicted == 2);
  CHECK(stats.open == 2);
}

TEST_CASE("clients of one shard that hold every place keep nobody out of another", "[simulation]") {
  constexpr int places = 8;
  constexpr int rounds = 50;
  diary told;
  entrance at{told.keep(), with_limits(places, 2), true, 2};
  const auto attack = [&at](int count) {
    for (int address = 0; address < count; ++address)
      at.knock("198.51.100." + std::to_string(address), 0);
  };
  attack(places);
  for (int round = 0; round < rounds; ++round) {
    const auto honest = at.knock("192.0.2.1", 1);
    // As many as may come while it shakes hands.
    attack(places - 1);
    at.become_ready(honest, "x");
    CHECK_FALSE(honest->closed_with);
    attack(1);
  }
  CHECK(std::ranges::count(told.words, "x") == rounds);
  const auto stats = at.stats();
  CHECK(stats.handshaking == places);
  CHECK(stats.handshakes_refused == 0);
  CHECK(stats.open == places + rounds);
}

TEST_CASE("a client over the share of its address is turned away, and others are let in", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(8, 2)};
  const auto first = at.knock("2001:db8::1");
  const auto second = at.knock("2001:db8::2");
  const auto third = at.knock("2001:db8::3");
  CHECK(third->is_gone);
  CHECK(third->observer == nullptr);
  CHECK_FALSE(at.knock("2001:db8:1::1")->is_gone);
  CHECK_FALSE(first->is_gone);
  const auto stats = at.stats();
  CHECK(stats.handshaking == 3);
  CHECK(stats.handshakes_refused == 1);
  CHECK(stats.handshakes_evicted == 0);
  CHECK(stats.open == 3);
  CHECK(stats.accepted == 3);
  at.become_ready(first);
  CHECK_FALSE(at.knock("2001:db8::3")->is_gone);
}

TEST_CASE("clients that are not ready count as connections, and the next is let in when one goes", "[simulation]") {
  diary told;
  listen_config config;
  config.max_connections = 2;
  entrance at{told.keep(), config};
  const auto first = at.knock("192.0.2.1");
  CHECK_FALSE(at.is_paused());
  const auto second = at.knock("192.0.2.2");
  CHECK(at.is_paused());
  CHECK(at.knock("192.0.2.3")->is_gone);
  at.hang_up(first);
  CHECK_FALSE(at.is_paused());
  CHECK_FALSE(at.knock("192.0.2.3")->is_gone);
}

TEST_CASE("a listener that closes does not wait for clients that are not ready", "[simulation]") {
  diary told;
  entrance at{told.keep(), {}, true, 2};
  const auto one = at.knock("192.0.2.1");
  const auto other = at.knock("192.0.2.2");
  at.begin_handshake(other);
  const auto elsewhere = at.knock("192.0.2.3", 1);
  CHECK(at.close(close_mode::drain).complete);
  for (const auto& each : {one, other, elsewhere})
    CHECK(each->is_gone);
  CHECK(told.words.empty());
  CHECK(at.has_no_book());
}

TEST_CASE("clients that are ready as soon as they are accepted are not counted", "[simulation]") {
  diary told;
  entrance at{told.keep(), with_limits(1, 1), false};
  const auto first = at.knock("192.0.2.1");
  const auto second = at.knock("192.0.2.1");
  CHECK(at.stats().handshaking == 0);
  CHECK_FALSE(first->is_gone);
  CHECK_FALSE(second->is_gone);
}

} // namespace actorwire::test
