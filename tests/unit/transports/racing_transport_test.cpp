#include "edge/racing_transport.hpp"
#include "seed.hpp"
#include "simulation.hpp"
#include "transport_contract.hpp"
#include "transport_user.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

using event = transport_user::event;

constexpr std::string_view quick = "quic://sim:1";
constexpr std::string_view sure = "tls://sim:1";
constexpr std::string_view plain = "tcp://sim:1";

endpoint at(std::string_view uri) {
  return parse_endpoint(uri).value();
}

/// Somebody else's factory, for as long as that lives.
std::shared_ptr<transport_factory> lent(transport_factory& factory) {
  return {std::shared_ptr<void>{}, &factory};
}

/// The contract's view of a race: its second endpoint is of no use.
class racing_fixture final : public transport_fixture {
public:
  racing_fixture() {
    world_.network().listen(plain, [this](local_ref<transport> arrived) { accepted_.push_back(std::move(arrived)); });
  }

  local_ref<transport> make() override {
    return make_local<racing_transport>(world_.where(), lent(world_.network()), std::vector{at("tls://sim:3")});
  }
  endpoint listening() override { return at(plain); }
  local_ref<transport> accepted() override {
    if (accepted_.empty())
      return nullptr;
    auto next = std::move(accepted_.front());
    accepted_.pop_front();
    return next;
  }
  endpoint refusing() override { return at("tcp://sim:2"); }
  bool wait(const std::function<bool()>& reached) override { return world_.run_until(reached, 1min); }
  void settle() override { world_.run_for(1s); }

private:
  simulation world_;
  std::deque<local_ref<transport>> accepted_;
};

/// A factory with a protocol that it does not know, or that breaks it.
class lame_transports final : public transport_factory {
public:
  enum class defect : std::uint8_t { unknown, throws };

  lame_transports(transport_factory& sound, defect what) : sound_(sound), what_(what) {}

  result<local_ref<transport>> create_transport(protocol proto, shard& where) override {
    if (proto != protocol::quic)
      return sound_.create_transport(proto, where);
    if (what_ == defect::throws)
      throw std::runtime_error{"a defect of the transport"};
    return make_error(error_code::unsupported, phase::setup, origin::local, "no QUIC here");
  }

private:
  transport_factory& sound_;
  defect what_;
};

/// What a program does with the streams of its connections: nothing.
class no_streams final : public multiplexer_observer {
  void on_stream_opened(stream_id, stream_direction) override {}
  void on_stream_received(stream_id, payload) override {}
  void on_stream_finished(stream_id) override {}
  void on_stream_reset(stream_id, stream_half, std::uint64_t) override {}
  void on_stream_writable(stream_id) override {}
  void on_stream_closed(stream_id) override {}
  void on_streams_available(stream_direction) override {}
  void on_datagram(payload) override {}
  void on_datagram_done(std::uint64_t, bool) override {}
  void on_address_changed(const std::string&, const std::string&) override {}
};

/// A server at all three endpoints, and a client that races them.
struct race_course {
  explicit race_course(std::uint64_t seed = 0) : world(seed) {
    for (const auto uri : {quick, sure, plain})
      listen(uri);
  }

  void listen(std::string_view uri) {
    world.network().listen(uri, [this](local_ref<transport> arrived) {
      auto& made = *accepted.emplace_back(std::make_unique<transport_user>(std::move(arrived)));
      made.then = [&made](event kind) {
        if (kind == event::peer_finished)
          made.finish();
      };
      if (made.init())
        made.allow_everything();
    });
  }

  void plan(std::string_view uri, attempt_answer answer) { world.network().plan_next(uri, {.answer = answer}); }

  /// Races QUIC, then TLS.
  void dial(const transport_config& config = {}, std::optional<endpoint> favourite = std::nullopt,
            std::vector<endpoint> alternatives = {at(sure)}) {
    dial_with(lent(world.network()), config, std::move(favourite), std::move(alternatives));
  }

  void dial_with(std::shared_ptr<transport_factory> factory, const transport_config& config = {},
                 std::optional<endpoint> favourite = std::nullopt, std::vector<endpoint> alternatives = {at(sure)}) {
    began = now();
    client.use(
        make_local<racing_transport>(world.where(), std::move(factory), std::move(alternatives), std::move(favourite)));
    REQUIRE(client.init(config));
    client.connect(at(quick));
  }

  void await_connection() {
    REQUIRE(world.run_until([&] { return client.is_connected(); }));
  }
  void await_end() {
    REQUIRE(world.run_until([&] { return client.is_closed(); }));
  }

  [[nodiscard]] time_point now() { return world.time().now(); }
  [[nodiscard]] duration elapsed() { return now() - began; }
  [[nodiscard]] std::size_t attempts(std::string_view uri) { return world.network().attempt_count(uri); }
  [[nodiscard]] std::string winner() { return to_string(client.addresses().carried_by.value()); }

  /// Nothing of those that lost is left, here or at the server.
  void check_only_winner_is_left() {
    const auto has_won = client.wire() && client.is_connected() && !client.is_closed();
    world.run_for(1min);
    CHECK(world.network().open_count() == (has_won ? 1 : 0));
    std::size_t open = 0;
    for (const auto& each : accepted)
      open += each->is_connected() && !each->is_closed() ? 1U : 0U;
    CHECK(open == world.network().open_count());
  }

  simulation world;
  std::vector<std::unique_ptr<transport_user>> accepted;
  transport_user client;
  time_point began;
};

transport_error stopped() {
  return make_error(error_code::closed, phase::close, origin::local, "stopped by the test");
}

} // namespace

std::unique_ptr<transport_fixture> actorwire::test::make_transport_fixture() {
  return std::make_unique<racing_fixture>();
}

TEST_CASE("where QUIC works nothing else is tried") {
  race_course run;
  run.dial();
  run.await_connection();
  CHECK(run.winner() == quick);
  CHECK(run.elapsed() == 4ms);
  run.check_only_winner_is_left();
  CHECK(run.attempts(sure) == 0);
}

TEST_CASE("where QUIC is met by silence, TLS follows after the delay") {
  race_course run;
  run.plan(quick, attempt_answer::ignore);
  run.dial();
  run.world.run_for(249ms);
  CHECK(run.attempts(sure) == 0);
  run.await_connection();
  CHECK(run.winner() == sure);
  CHECK(run.elapsed() == 254ms);
  run.check_only_winner_is_left();
}

TEST_CASE("the delay is the one that was set") {
  race_course run;
  run.plan(quick, attempt_answer::ignore);
  transport_config config;
  config.fallback_delay = 2s;
  run.dial(config);
  run.await_connection();
  CHECK(run.elapsed() == 2'004ms);
}

TEST_CASE("where QUIC is refused, TLS follows at once") {
  race_course run;
  run.plan(quick, attempt_answer::refuse);
  run.dial();
  run.await_connection();
  CHECK(run.winner() == sure);
  CHECK(run.elapsed() == 6ms);
  run.check_only_winner_is_left();
}

TEST_CASE("QUIC that is late, but before TLS is connected, wins, and TLS leaves no connection behind") {
  race_course run;
  run.world.network().set_link({.delay = 100ms});
  run.dial();
  run.await_connection();
  CHECK(run.winner() == quick);
  CHECK(run.elapsed() == 400ms);
  CHECK(run.attempts(sure) == 1);
  run.check_only_winner_is_left();
  CHECK(run.client.count(event::connected) == 1);
}

TEST_CASE("QUIC that answers when TLS is connected already leaves no connection behind") {
  race_course run;
  run.world.network().set_link({.delay = 200ms});
  run.dial();
  run.world.run_for(100ms);
  run.world.network().set_link({.delay = 1ms});
  run.await_connection();
  CHECK(run.winner() == sure);
  CHECK(run.elapsed() == 254ms);
  // The server has heard of both.
  CHECK(run.accepted.size() == 2);
  run.check_only_winner_is_left();
}

TEST_CASE("each further endpoint has its head start too") {
  race_course run;
  run.plan(quick, attempt_answer::ignore);
  run.plan(sure, attempt_answer::ignore);
  run.dial({}, std::nullopt, {at(sure), at(plain)});
  run.await_connection();
  CHECK(run.winner() == plain);
  CHECK(run.elapsed() == 502ms);
  run.check_only_winner_is_left();
}

TEST_CASE("a favourite is tried first, and the others follow in the order of preference") {
  race_course run;
  const auto fails = GENERATE(false, true);
  if (fails)
    run.plan(plain, attempt_answer::refuse);
  run.dial({}, at(plain), {at(sure), at(plain)});
  run.await_connection();
  CHECK(run.attempts(plain) == 1);
  CHECK(run.attempts(sure) == 0);
  CHECK(run.attempts(quick) == (fails ? 1 : 0));
  CHECK(run.winner() == (fails ? quick : plain));
  CHECK(run.elapsed() == (fails ? 6ms : 2ms));
}

TEST_CASE("a favourite that is silent lets the preferred endpoint follow after the delay") {
  race_course run;
  run.plan(sure, attempt_answer::ignore);
  run.dial({}, at(sure));
  run.await_connection();
  CHECK(run.winner() == quick);
  CHECK(run.elapsed() == 254ms);
}

TEST_CASE("when all endpoints fail, each is named with its reason, in the order of preference") {
  race_course run;
  run.plan(quick, attempt_answer::refuse);
  run.plan(sure, attempt_answer::unknown_name);
  run.dial({}, at(sure));
  run.await_end();
  CHECK(run.client.reason().code == error_code::refused);
  CHECK(run.client.reason().where == phase::connect);
  CHECK(run.client.reason().text
        == "none of 2 endpoints could be connected to: quic://sim:1: connection refused; tls://sim:1: name or service "
           "not known");
  run.check_only_winner_is_left();
}

TEST_CASE("attempt_timeout holds for all endpoints together") {
  race_course run;
  run.plan(quick, attempt_answer::ignore);
  run.plan(sure, attempt_answer::ignore);
  transport_config config;
  config.attempt_timeout = 5s;
  run.dial(config);
  run.await_end();
  CHECK(run.elapsed() == 5s);
  CHECK(run.client.reason().code == error_code::connect_timeout);
  CHECK(run.client.reason().text.find("tls://sim:1: not connected within attempt_timeout = 5000 ms")
        != std::string::npos);
  run.check_only_winner_is_left();
}

TEST_CASE("an endpoint whose turn never came is told apart") {
  race_course run;
  // It would fail by itself at that very moment.
  run.world.network().plan_next(quick, {.answer = attempt_answer::ignore, .lateness = 10ms});
  transport_config config;
  config.connect_timeout = config.attempt_timeout = 100ms;
  run.dial(config);
  run.await_end();
  CHECK(run.elapsed() == 100ms);
  CHECK(run.attempts(sure) == 0);
  CHECK(run.client.reason().text.find("tls://sim:1: not tried") != std::string::npos);
}

TEST_CASE("a race that is closed ends with that reason, whenever that is") {
  const auto when = GENERATE(0ms, 1ms, 100ms, 250ms, 251ms);
  race_course run;
  run.plan(quick, attempt_answer::ignore);
  run.dial();
  run.world.run_for(when);
  run.client.close(stopped());
  CHECK_FALSE(run.client.is_closed());
  run.client.close(stopped());
  run.await_end();
  CHECK(run.client.reason() == stopped());
  CHECK(run.elapsed() == when);
  run.check_only_winner_is_left();
  CHECK(run.attempts(quick) + run.attempts(sure) <= 2);
}

TEST_CASE("a race that is let go tells nothing more, and leaves nothing behind") {
  const auto when = GENERATE(0ms, 1ms, 100ms, 250ms, 253ms, 1s);
  race_course run;
  run.plan(quick, attempt_answer::ignore);
  run.dial();
  run.world.run_for(when);
  const auto told = run.client.events().size();
  run.client.drop();
  run.check_only_winner_is_left();
  CHECK(run.client.events().size() == told);
  CHECK(run.world.where().timers().size() == 0);
}

TEST_CASE("a race may be closed or let go from within any call to its user") {
  const auto lets_go = GENERATE(false, true);
  const auto at_event = GENERATE(event::resolving, event::connecting, event::handshaking, event::connected);
  race_course run;
  run.client.then = [&](event kind) {
    if (kind != at_event)
      return;
    if (lets_go)
      run.client.drop();
    else
      run.client.close(stopped());
  };
  run.dial();
  run.world.run_for(1min);
  CHECK(run.client.is_closed() == !lets_go);
  CHECK(run.world.network().open_count() == 0);
  CHECK(run.attempts(sure) == 0);
}

TEST_CASE("nothing is taken for sending before there is a winner, and what may be received is not forgotten") {
  race_course run;
  run.dial();
  const auto refused = run.client.send("too early");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == error_kind::send);
  run.client.allow(5);
  run.await_connection();
  run.accepted.front()->write("hello, world");
  run.world.run_for(1s);
  CHECK(run.client.received() == "hello");
  run.client.write("and back");
  run.world.run_for(1s);
  CHECK(run.accepted.front()->received() == "and back");
  CHECK(run.client.wire()->bytes_acked() == 8);
}

TEST_CASE("how far an attempt has come is told once, of the furthest") {
  race_course run;
  run.plan(quick, attempt_answer::refuse);
  run.dial({}, std::nullopt, {at(sure)});
  run.await_connection();
  CHECK(run.client.events() == std::vector{event::resolving, event::connecting, event::handshaking, event::connected});
}

TEST_CASE("settings of QUIC do not keep TLS out, nor those of TCP QUIC") {
  race_course run;
  run.plan(quick, GENERATE(attempt_answer::accept, attempt_answer::refuse));
  transport_config config;
  if (GENERATE(false, true)) {
    config.protocol_settings = quic_config{};
    config.mtu = 60'000;
  }
  run.dial(config);
  run.await_connection();
}

TEST_CASE("a protocol that the factory does not know, or that breaks, lets the others go at once") {
  const auto what = GENERATE(lame_transports::defect::unknown, lame_transports::defect::throws);
  race_course run;
  lame_transports lame{run.world.network(), what};
  SECTION("and one of them wins") {
    run.dial_with(lent(lame));
    run.await_connection();
    CHECK(run.winner() == sure);
    CHECK(run.elapsed() == 4ms);
  }
  SECTION("and when none wins, the reason says so") {
    run.plan(sure, attempt_answer::refuse);
    run.dial_with(lent(lame));
    run.await_end();
    CHECK(run.client.reason().retryable);
    const auto reason = what == lame_transports::defect::throws ? "a defect of the transport" : "no QUIC here";
    CHECK(run.client.reason().text.find(reason) != std::string::npos);
  }
}

TEST_CASE("other streams are there if the winner has such, and not before it is known") {
  const auto is_quick = GENERATE(true, false);
  race_course run;
  if (!is_quick)
    run.plan(quick, attempt_answer::refuse);
  no_streams none;
  multiplexer* within = nullptr;
  run.client.then = [&](event kind) {
    if (kind == event::connected)
      within = run.client.wire()->multiplex(none);
  };
  run.client.use(make_local<racing_transport>(run.world.where(), lent(run.world.network()), std::vector{at(sure)}));
  REQUIRE(run.client.init(transport_config{}));
  CHECK(run.client.wire()->multiplex(none) == nullptr);
  run.client.connect(at(quick));
  run.await_connection();
  CHECK((within != nullptr) == is_quick);
  if (within != nullptr)
    CHECK(within->open(stream_direction::bidirectional, {}));
}

TEST_CASE("the figures are those of the winner") {
  race_course run;
  run.plan(quick, attempt_answer::refuse);
  run.dial();
  CHECK(run.client.wire()->stats() == transport_stats{});
  run.await_connection();
  run.client.write("four");
  run.world.run_for(1s);
  CHECK(run.client.wire()->stats().bytes_sent == 4);
  CHECK(std::holds_alternative<tcp_metrics>(run.client.wire()->stats().metrics));
}

TEST_CASE("whatever the endpoints do, a race ends once, and only what won is left") {
  const test_seed seed;
  auto chance = seed.engine();
  for (int round = 0; round < 300; ++round) {
    race_course run{chance()};
    run.world.network().plan_by_chance({.refuse = static_cast<unsigned>(chance() % 60),
                                        .ignore = static_cast<unsigned>(chance() % 40),
                                        .lateness_max = std::chrono::milliseconds{chance() % 300}});
    run.world.network().set_link({.delay = std::chrono::milliseconds{1 + chance() % 200}});
    transport_config config;
    config.fallback_delay = std::chrono::milliseconds{10 + chance() % 500};
    config.attempt_timeout = config.connect_timeout + std::chrono::milliseconds{chance() % 2'000};
    const auto favourites = std::vector<std::optional<endpoint>>{std::nullopt, at(quick), at(sure), at(plain)};
    run.dial(config, favourites[chance() % favourites.size()], {at(sure), at(plain)});
    run.world.run_for(config.attempt_timeout + 1s);
    REQUIRE(run.client.is_connected() != run.client.is_closed());
    run.check_only_winner_is_left();
  }
}
