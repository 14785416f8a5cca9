#include "seed.hpp"
#include "simulated_services.hpp"
#include "simulation.hpp"
#include "transport_contract.hpp"
#include "transport_user.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

namespace {

using event = transport_user::event;

constexpr std::string_view server = "tcp://sim:1";

/// The contract's view of the simulated network.
class simulated_fixture final : public transport_fixture {
public:
  simulated_fixture() {
    world_.network().listen(server, [this](local_ref<transport> arrived) { accepted_.push_back(std::move(arrived)); });
  }

  local_ref<transport> make() override { return *world_.network().create_transport(protocol::tcp, world_.where()); }
  endpoint listening() override { return *parse_endpoint(server); }
  local_ref<transport> accepted() override {
    if (accepted_.empty())
      return nullptr;
    auto next = std::move(accepted_.front());
    accepted_.pop_front();
    return next;
  }
  endpoint refusing() override { return *parse_endpoint("tcp://sim:2"); }
  bool wait(const std::function<bool()>& reached) override { return world_.run_until(reached, 1min); }
  void settle() override { world_.run_for(1s); }

private:
  simulation world_;
  std::deque<local_ref<transport>> accepted_;
};

/// A simulation with one server, and one connection to it.
struct world_with_server {
  explicit world_with_server(std::uint64_t seed = 0) : world(seed) {
    world.network().listen(server, [this](local_ref<transport> arrived) {
      auto& made = *accepted.emplace_back(std::make_unique<transport_user>(std::move(arrived)));
      if (made.init())
        made.allow_everything();
    });
  }

  void dial(const transport_config& config = {}) {
    client.use(*world.network().create_transport(protocol::tcp, world.where()));
    REQUIRE(client.init(config));
    client.connect(*parse_endpoint(server));
  }

  void connect(const transport_config& config = {}) {
    dial(config);
    REQUIRE(world.run_until([&] { return client.is_connected(); }));
    client.allow_everything();
  }

  simulation world;
  std::vector<std::unique_ptr<transport_user>> accepted;
  transport_user client;
};

} // namespace

std::unique_ptr<transport_fixture> actorwire::test::make_transport_fixture() {
  return std::make_unique<simulated_fixture>();
}

TEST_CASE("bytes arrive after the delay and are acknowledged after it once more") {
  world_with_server run;
  run.world.network().set_link({.delay = 50ms});
  run.connect();
  const auto began = run.world.time().now();
  run.client.write("hello");
  REQUIRE(run.world.run_until([&] { return run.accepted.front()->received() == "hello"; }));
  CHECK(run.world.time().now() - began == 50ms);
  CHECK(run.client.wire()->bytes_acked() == 0);
  REQUIRE(run.world.run_until([&] { return run.client.wire()->bytes_acked() == 5; }));
  CHECK(run.world.time().now() - began == 100ms);
}

TEST_CASE("a link with limited bandwidth carries no more than that") {
  world_with_server run;
  run.world.network().set_link({.delay = 1ms, .bandwidth = 100'000, .window = 1U << 20U});
  run.connect();
  const auto began = run.world.time().now();
  run.client.write(std::string(200'000, 'x'));
  REQUIRE(run.world.run_until([&] { return run.accepted.front()->received().size() == 200'000; }));
  CHECK(run.world.time().now() - began == 2s + 1ms);
}

TEST_CASE("an encrypted connection takes one round trip more") {
  world_with_server run;
  run.world.network().listen("tls://sim:1", [](local_ref<transport>) {});
  run.client.use(*run.world.network().create_transport(protocol::tls, run.world.where()));
  REQUIRE(run.client.init());
  const auto began = run.world.time().now();
  run.client.connect(*parse_endpoint("tls://sim:1"));
  REQUIRE(run.world.run_until([&] { return run.client.has(event::handshaking); }));
  CHECK(run.world.time().now() - began == 2ms);
}

TEST_CASE("a silent host lets the attempt run into its time limit") {
  world_with_server run;
  run.world.network().plan_next(server, {.answer = attempt_answer::ignore});
  transport_config config;
  config.connect_timeout = 3s;
  const auto began = run.world.time().now();
  run.dial(config);
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }));
  CHECK(run.world.time().now() - began == 3s);
  CHECK(run.client.reason().code == error_code::connect_timeout);
  CHECK(run.client.reason().where == phase::connect);
}

TEST_CASE("an unknown name fails while resolving") {
  world_with_server run;
  run.world.network().plan_next(server, {.answer = attempt_answer::unknown_name});
  run.dial();
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }));
  CHECK(run.client.reason().code == error_code::resolve_failed);
  CHECK(run.client.reason().where == phase::resolve);
}

TEST_CASE("a plan resets the connection at exactly its byte, in either direction") {
  const auto sender = GENERATE(side::dialler, side::listener);
  for (std::uint64_t after : {0U, 1U, 5U, 20'000U, 39'999U}) {
    CAPTURE(after);
    world_with_server run;
    run.world.network().plan_next(server, {.fault = connection_fault{connection_fault::kind::reset, sender, after}});
    run.connect();
    run.world.run_for(1s);
    auto& accepted = *run.accepted.front();
    auto& writer = sender == side::dialler ? run.client : accepted;
    auto& reader = sender == side::dialler ? accepted : run.client;
    writer.write(std::string(40'000, 'x'));
    REQUIRE(run.world.run_until([&] { return run.client.is_closed() && accepted.is_closed(); }));
    CHECK(run.client.reason().code == error_code::reset);
    CHECK(accepted.reason().code == error_code::reset);
    CHECK(reader.received().size() == after);
    const auto& record = *run.world.network().records().front();
    CHECK((sender == side::dialler ? record.arrived_at_listener : record.arrived_at_dialler).size() == after);
    CHECK(writer.wire()->bytes_acked() <= after);
  }
}

TEST_CASE("connections that are reset end at once, however slowly they carry bytes") {
  world_with_server run;
  run.world.network().plan_next(server, {.send_size_max = 1, .lateness = 3ms});
  run.connect();
  run.world.run_for(1s);
  run.client.write(std::string(10'000, 'x'));
  run.world.run_for(1s);
  run.world.network().reset_connections("sim");
  CHECK(run.world.run_until([&] { return run.client.is_closed() && run.accepted.front()->is_closed(); }, 100ms));
  CHECK(run.client.reason().code == error_code::reset);
}

TEST_CASE("a connection that vanished is given up when its bytes or probes stay unanswered", "[H1]") {
  const auto sends = GENERATE(true, false);
  world_with_server run;
  run.world.network().plan_next(server, {.fault = connection_fault{connection_fault::kind::vanish, side::dialler, 3}});
  transport_config config;
  config.keepalive_interval = 10s;
  config.keepalive_timeout = 4s;
  run.connect(config);
  run.world.run_for(1s);
  const auto began = run.world.time().now();
  if (sends)
    run.client.write("bytes");
  else
    run.world.network().partition("sim");
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }, 5min));
  CHECK(run.client.reason().code == error_code::keepalive_timeout);
  // Without bytes, the next probe is due 10 s after the connection began, of which one has passed.
  CHECK(run.world.time().now() - began == (sends ? 4s : 9s + 4s));
}

TEST_CASE("an idle connection with a peer that answers probes stays open", "[H1]") {
  world_with_server run;
  run.connect();
  run.world.run_for(24h);
  CHECK(!run.client.is_closed());
  CHECK(!run.accepted.front()->is_closed());
}

TEST_CASE("what is sent during a short partition arrives after it in order") {
  world_with_server run;
  run.connect();
  run.client.write("before ");
  run.world.run_for(1s);
  run.world.network().partition("sim");
  run.client.write("during ");
  run.accepted.front()->write("answer");
  run.world.run_for(5s);
  CHECK(run.accepted.front()->received() == "before ");
  CHECK(run.client.received().empty());
  run.world.network().heal("sim");
  run.client.write("after");
  run.world.run_for(1s);
  CHECK(run.accepted.front()->received() == "before during after");
  CHECK(run.client.received() == "answer");
  CHECK(run.client.wire()->bytes_acked() == 19);
}

TEST_CASE("a stalled path moves nothing and ends nothing") {
  world_with_server run;
  run.connect();
  run.world.network().set_path("sim", simulated_network::path_state::stalled);
  run.client.write("waiting");
  run.world.run_for(10min);
  CHECK(run.accepted.front()->received().empty());
  CHECK(!run.client.is_closed());
  run.world.network().heal("sim");
  run.world.run_for(1s);
  CHECK(run.accepted.front()->received() == "waiting");
}

TEST_CASE("a crashed process resets its connections and refuses new ones until it is restarted") {
  world_with_server run;
  run.connect();
  run.world.run_for(1s);
  run.world.network().crash("sim", simulated_network::crash_kind::process);
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }));
  CHECK(run.client.reason().code == error_code::reset);
  CHECK(run.accepted.front()->reason().code == error_code::crashed);
  CHECK(run.world.network().open_count() == 0);

  transport_user again{*run.world.network().create_transport(protocol::tcp, run.world.where())};
  REQUIRE(again.init());
  again.connect(*parse_endpoint(server));
  REQUIRE(run.world.run_until([&] { return again.is_closed(); }));
  CHECK(again.reason().code == error_code::refused);

  run.world.network().restart("sim");
  transport_user last{*run.world.network().create_transport(protocol::tcp, run.world.where())};
  REQUIRE(last.init());
  last.connect(*parse_endpoint(server));
  CHECK(run.world.run_until([&] { return last.is_connected(); }));
}

TEST_CASE("a dead machine is silent, and resets old connections when it is back") {
  world_with_server run;
  run.connect();
  run.world.run_for(1s);
  run.world.network().crash("sim", simulated_network::crash_kind::machine);
  run.world.run_for(5s);
  CHECK(!run.client.is_closed());
  run.world.network().restart("sim");
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }));
  CHECK(run.client.reason().code == error_code::reset);
}

TEST_CASE("what was on its way when a machine died is lost, also if the machine is soon back") {
  world_with_server run;
  run.world.network().set_link({.delay = 100ms});
  run.connect();
  run.accepted.front()->write("lost before");
  run.world.run_for(50ms);
  run.accepted.front()->write("lost behind");
  run.world.run_for(10ms);
  run.world.network().crash("sim", simulated_network::crash_kind::machine);
  run.world.run_for(60ms);
  run.world.network().restart("sim");
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }));
  CHECK(run.client.received().empty());
  CHECK(run.client.reason().code == error_code::reset);
}

TEST_CASE("segments that are lost arrive later, and nothing overtakes them") {
  world_with_server run{1};
  run.world.network().set_link({.segment_size_max = 10, .segment_loss = 50, .recovery = 1s});
  run.connect();
  const auto began = run.world.time().now();
  std::string all;
  for (int number = 100; number < 200; ++number) {
    const auto text = std::to_string(number) + "-------";
    run.client.write(text);
    all += text;
  }
  REQUIRE(run.world.run_until([&] { return run.accepted.front()->received().size() == all.size(); }));
  CHECK(run.accepted.front()->received() == all);
  CHECK(run.world.network().records().front()->segments_lost > 20);
  CHECK(run.world.time().now() - began > 1s);
}

TEST_CASE("a way that takes longer and shorter keeps the order") {
  world_with_server run{1};
  run.world.network().set_link({.segment_size_max = 10, .jitter = 100ms});
  run.connect();
  std::string all;
  for (int number = 100; number < 200; ++number) {
    const auto text = std::to_string(number) + "-------";
    run.client.write(text);
    all += text;
    run.world.run_for(1ms);
  }
  REQUIRE(run.world.run_until([&] { return run.accepted.front()->received().size() == all.size(); }));
  CHECK(run.accepted.front()->received() == all);
}

TEST_CASE("when faults end, hosts are back and plans have none, and what is half-open stays so") {
  world_with_server run;
  const auto remote = *parse_endpoint(server);
  run.world.network().plan_next(server, {.fault = connection_fault{connection_fault::kind::vanish, side::dialler, 0}});
  run.connect();
  CHECK(!run.world.network().has_half_open(remote));
  run.client.write("x");
  run.world.run_for(10ms);
  CHECK(run.world.network().has_half_open(remote));
  run.world.network().plan_next(server, {.fault = connection_fault{connection_fault::kind::reset, side::dialler, 3}});
  transport_user second{*run.world.network().create_transport(protocol::tcp, run.world.where())};
  REQUIRE(second.init());
  second.connect(remote);
  REQUIRE(run.world.run_until([&] { return second.is_connected(); }));
  run.world.network().partition("sim");
  run.world.network().end_faults();
  second.write("hello");
  REQUIRE(run.world.run_until([&] { return run.accepted.back()->received() == "hello"; }));
  CHECK(!second.is_closed());
  CHECK(run.world.network().has_half_open(remote));
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }));
  CHECK(!run.world.network().has_half_open(remote));
}

TEST_CASE("a plan lets send take few bytes at a time, and every byte arrives") {
  world_with_server run;
  run.world.network().plan_next(server, {.send_size_max = 7});
  run.connect();
  const auto taken = run.client.send("0123456789");
  REQUIRE((taken && *taken == 7));
  REQUIRE(run.world.run_until([&] { return run.client.has(event::writable); }));
  run.client.write(std::string(1'000, 'x'));
  REQUIRE(run.world.run_until([&] { return run.accepted.front()->received().size() == 1'007; }));
}

TEST_CASE("late events keep their order") {
  world_with_server run;
  run.world.network().plan_next(server, {.lateness = 30ms});
  run.connect();
  run.accepted.front()->write("words");
  run.accepted.front()->finish();
  REQUIRE(run.world.run_until([&] { return run.client.has(event::peer_finished); }));
  CHECK(run.client.received() == "words");
}

TEST_CASE("dropping an accepted connection unseen resets it") {
  simulation world;
  world.network().listen(server, [](local_ref<transport>) {});
  transport_user client{*world.network().create_transport(protocol::tcp, world.where())};
  REQUIRE(client.init());
  client.connect(*parse_endpoint(server));
  REQUIRE(world.run_until([&] { return client.is_closed(); }));
  CHECK(client.reason().code == error_code::reset);
}

TEST_CASE("an echo service sends back everything and finishes after its client") {
  world_with_server run;
  run.world.network().listen(server, echo_service());
  run.connect();
  const std::string text(300'000, 'e');
  run.client.write(text);
  REQUIRE(run.world.run_until([&] { return run.client.received().size() == text.size(); }));
  run.client.finish();
  REQUIRE(run.world.run_until([&] { return run.client.is_closed(); }));
  CHECK(run.client.reason().code == error_code::closed);
  CHECK((run.client.received() == text));
  CHECK((run.world.network().arrived_at(server) == text));
  run.world.run_for(1s);
  CHECK(run.world.network().open_count() == 0);
}

TEST_CASE("a deaf service holds its clients up at the window, and a sink takes everything") {
  world_with_server run;
  run.world.network().listen(server, deaf_service());
  run.connect();
  run.client.write(std::string(200'000, 'd'));
  run.world.run_for(1min);
  CHECK(run.client.wire()->stats().bytes_sent == link_settings{}.window);
  run.client.drop();

  run.world.network().listen(server, sink_service());
  transport_user another{*run.world.network().create_transport(protocol::tcp, run.world.where())};
  REQUIRE(another.init());
  another.connect(*parse_endpoint(server));
  REQUIRE(run.world.run_until([&] { return another.is_connected(); }));
  another.write(std::string(200'000, 's'));
  CHECK(run.world.run_until([&] { return another.wire()->bytes_acked() == 200'000; }));
}

TEST_CASE("the same seed gives the same run", "[C4]") {
  test_seed seed;
  const auto run_once = [&] {
    simulation world{seed.value()};
    world.network().plan_by_chance({.refuse = 20,
                                    .ignore = 10,
                                    .reset = 30,
                                    .vanish = 10,
                                    .fault_after_max = 5'000,
                                    .send_size_max = 500,
                                    .lateness_max = 5ms});
    std::vector<std::unique_ptr<transport_user>> accepted;
    world.network().listen(server, [&](local_ref<transport> arrived) {
      auto& made = *accepted.emplace_back(std::make_unique<transport_user>(std::move(arrived)));
      if (made.init())
        made.allow_everything();
    });
    std::vector<std::string> story;
    for (int count = 0; count < 40; ++count) {
      transport_user client{*world.network().create_transport(protocol::tcp, world.where())};
      REQUIRE(client.init());
      client.then = [&](event kind) {
        story.push_back(std::to_string(static_cast<int>(kind)) + " at "
                        + std::to_string(world.time().now().time_since_epoch().count()));
        if (kind == event::connected)
          client.write(std::string(4'000, 'x'));
      };
      client.connect(*parse_endpoint(server));
      world.run_for(1min);
      story.push_back(std::to_string(client.wire()->bytes_acked()));
    }
    story.push_back(std::to_string(world.network().arrived_at(server).size()));
    CHECK(world.network().attempt_count(server) == 40);
    return story;
  };
  CHECK(run_once() == run_once());
}
