// A supervisor reads the certificates of its peers anew: what the next connection shows, and what becomes of the present ones.

#include "secured_schemes.hpp"
#include "tls_reload.hpp"

#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <array>
#include <functional>
#include <thread>
#include <vector>

namespace actorwire::test {

namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

/// A listener that wants to know its clients, and tells the witness of them.
struct knowing_listener {
  knowing_listener(program& here, witness& me, const std::string& scheme = "tls") {
    listen_config config;
    const auto own = identity_in_memory("server-ec");
    config.transport.tls.certificate = own.certificate;
    config.transport.tls.key = own.key;
    config.transport.tls.trust.text = certificate_text("root.pem");
    config.transport.tls.client_certificates = client_certificates::require;
    auto made = here.net->listen(scheme + "://127.0.0.1:0", me.handle(), config);
    REQUIRE(made);
    server = std::move(*made);
  }

  listening server;
};

tls_config showing(const identity_folder& files) {
  auto config = trusting();
  config.certificate.file = files.certificate();
  config.key.file = files.key();
  return config;
}

std::string name_of(const accepted& client) {
  return client.info.tls.peer_names.empty() ? "" : client.info.tls.peer_names.front();
}

/// Sends messages of `size` bytes, a few at a time, until it is told to stop; counts what became of them.
struct steady_sender {
  static constexpr std::size_t size = 1'000;

  steady_sender(program& here, connection_actor to) {
    who = here.system.spawn([to = std::move(to), tallies = tallies](caf::event_based_actor* self) -> caf::behavior {
      const auto go_on = std::make_shared<std::function<void()>>();
      *go_on = [self, to, tallies, again = std::weak_ptr{go_on}] {
        if (tallies->is_stopping)
          return;
        ++tallies->asked;
        ask(self, to, caf::infinite,
            actorwire::send{payload::copy_of(std::string(size, 'x')), {when_down::queue, outcome::acked, {}}})
            .then(
                [tallies, again](const sent& outcome_of_it) {
                  ++(outcome_of_it.result == outcome::acked ? tallies->acked : tallies->lost);
                  if (const auto next = again.lock())
                    (*next)();
                },
                [tallies](const caf::error&) { ++tallies->lost; });
      };
      for (int count = 0; count < 16; ++count)
        (*go_on)();
      // Keeps the function for as long as the actor lives.
      return {[go_on](int) {}};
    });
  }
  ~steady_sender() { caf::anon_send_exit(who, caf::exit_reason::user_shutdown); }
  steady_sender(const steady_sender&) = delete;
  steady_sender& operator=(const steady_sender&) = delete;

  void stop() const {
    tallies->is_stopping = true;
    wait_until("every message has an outcome", [this] { return tallies->asked == tallies->acked + tallies->lost; });
  }

  struct counts {
    std::atomic<bool> is_stopping{false};
    std::atomic<std::size_t> asked{0};
    std::atomic<std::size_t> acked{0};
    std::atomic<std::size_t> lost{0};
  };
  std::shared_ptr<counts> tallies = std::make_shared<counts>();
  caf::actor who;
};

void listen_to_pool(witness& me, const supervisor_actor& of) {
  tell(me.self().operator->(), of, subscribe{event_mask::pool, credit_mode::automatic});
}

pool_event await_tls_event(witness& me) {
  return me.await<pool_event>([](const pool_event& event) {
    return event.change == pool_change::tls_reloaded || event.change == pool_change::tls_kept;
  });
}

} // namespace

TEST_CASE("after a supervisor's reload the next connection shows the new certificate, and running ones go on", "[H3]") {
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  program here;
  witness me{here.system};
  witness subscriber{here.system};
  const identity_folder files{"client-a"};
  const knowing_listener known{here, me, scheme};
  clients all{here, known.server, showing(files), scheme};
  const auto running = all.next();
  me.must_ask<connection_info>(running, connect{});
  CHECK(name_of(me.await<accepted>()) == "client-a.test");
  listen_to_pool(subscriber, here.net->supervisor());

  files.hold("client-b");
  me.must_ask<void>(here.net->supervisor(), reload_tls{});
  const auto event = await_tls_event(subscriber);
  CHECK(event.change == pool_change::tls_reloaded);
  CHECK(event.source == 0);
  CHECK(event.reason.code == error_code::none);
  all.look(me);
  CHECK(name_of(me.await<accepted>()) == "client-b.test");
  CHECK(generation_of(me, running) == 1);
  CHECK(me.must_ask<sent>(running, actorwire::send{payload::copy_of("still here"), {}}).result == outcome::written);
}

TEST_CASE("a supervisor's reload of files that are no good keeps the old certificate, and tells its subscribers",
          "[H3]") {
  program here;
  witness me{here.system};
  witness subscriber{here.system};
  const identity_folder files{"client-a"};
  const knowing_listener known{here, me};
  clients all{here, known.server, showing(files)};
  const auto running = all.next();
  me.must_ask<connection_info>(running, connect{});
  me.await<accepted>();
  listen_to_pool(subscriber, here.net->supervisor());
  const auto damaged = GENERATE(0, 1, 2);
  CAPTURE(damaged);
  if (damaged == 0)
    std::filesystem::remove(files.certificate());
  else if (damaged == 1)
    files.hold("client-expired");
  else
    identity_folder::write(files.key(), certificate_text("client-b.key"));

  const auto outcome = me.try_to_ask<void>(here.net->supervisor(), reload_tls{true, 5s});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == error_code::invalid_credentials);
  CHECK_THAT(outcome.error().text, StartsWith(damaged == 2 ? "tls.key" : "tls.certificate"));
  CHECK_THAT(outcome.error().text, !ContainsSubstring(files.path()));
  const auto event = await_tls_event(subscriber);
  CHECK(event.change == pool_change::tls_kept);
  CHECK(event.reason == outcome.error());
  all.look(me);
  CHECK(name_of(me.await<accepted>()) == "client-a.test");
  CHECK(generation_of(me, running) == 1);
}

TEST_CASE("a supervisor's draining reload dials its encrypted peers anew without losing a message") {
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  program here;
  witness me{here.system};
  witness owner{here.system};
  const identity_folder files{"client-a"};
  const knowing_listener known{here, me, scheme};
  const auto plain = must_listen(here, echo, {}, "tcp://127.0.0.1:0");
  clients all{here, known.server, showing(files), scheme};
  const auto peer = all.next();
  const auto neighbour = here.net->acquire(uri(plain.port)).value();
  owner.must_ask<connection_info>(peer, connect{});
  owner.must_ask<connection_info>(neighbour, connect{});
  auto first = me.await<accepted>();
  CHECK(name_of(first) == "client-a.test");

  // Counts what arrives, on whatever connection.
  const auto arrived = std::make_shared<std::atomic<std::size_t>>(0);
  const auto count_on = [&](const connection_actor& client) {
    spawn_beside(client, [client, arrived](caf::event_based_actor* self) {
      tell(self, client, subscribe{event_mask::data, credit_mode::automatic});
      return minding([arrived](const received& data) { *arrived += data.body.size(); });
    });
  };
  count_on(first.connection);
  const steady_sender sender{here, peer};
  wait_until("messages flow", [&] { return sender.tallies->acked >= 100; });

  for (std::uint64_t generation = 2; generation <= 6; ++generation) {
    CAPTURE(generation);
    const auto* const name = generation % 2 == 0 ? "client-b" : "client-a";
    files.hold(name);
    owner.must_ask<void>(here.net->supervisor(), reload_tls{true, 20s});
    const auto next = me.await<accepted>();
    CHECK(name_of(next) == std::string{name} + ".test");
    count_on(next.connection);
    wait_until("the peer is ready again", [&] {
      const auto now = owner.must_ask<connection_status>(peer, get_state{});
      return now.state == connection_state::ready && now.info.generation == generation;
    });
    const auto before = sender.tallies->acked.load();
    wait_until("messages flow again", [&] { return sender.tallies->acked >= before + 100; });
  }
  sender.stop();
  CHECK(sender.tallies->lost == 0);
  wait_until("every message arrived, and once",
             [&] { return *arrived == sender.tallies->acked * steady_sender::size; });
  const auto delivery = owner.must_ask<stats>(peer, get_stats{}).delivery;
  CHECK(delivery.maybe_sent.messages == 0);
  CHECK(delivery.not_sent.messages == 0);
  CHECK(generation_of(owner, neighbour) == 1);
  CHECK(owner.must_ask<connection_status>(neighbour, get_state{}).state == connection_state::ready);
}

namespace {

/// Carries bytes between two sockets, on a thread of its own, until both streams have ended.
class relay {
public:
  relay(plain_socket left, plain_socket right) : left_(std::move(left)), right_(std::move(right)) {
    there_ = std::thread{[this] { carry(left_, right_); }};
    back_ = std::thread{[this] { carry(right_, left_); }};
  }
  ~relay() {
    there_.join();
    back_.join();
  }
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;

private:
  static void carry(const plain_socket& from, const plain_socket& to) {
    std::array<char, 4'096> bytes{};
    for (;;) {
      const auto got = ::recv(from.descriptor(), bytes.data(), bytes.size(), 0);
      if (got <= 0 || ::send(to.descriptor(), bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)
        break;
    }
    ::shutdown(to.descriptor(), SHUT_WR);
  }

  plain_socket left_;
  plain_socket right_;
  std::thread there_;
  std::thread back_;
};

} // namespace

TEST_CASE("a supervisor's draining reload reaches a peer that is still shaking hands") {
  std::vector<std::unique_ptr<relay>> relays;
  plain_listener between;
  program here;
  witness me{here.system};
  const identity_folder files{"client-a"};
  const knowing_listener known{here, me};
  clients all{here, listening{{}, between.port()}, showing(files)};
  const auto peer = all.next();
  // By now it has chosen what to show.
  auto first = between.accept();
  files.hold("client-b");
  me.must_ask<void>(here.net->supervisor(), reload_tls{true, 20s});
  relays.push_back(std::make_unique<relay>(std::move(first), plain_socket::connect_to(known.server.port)));
  CHECK(name_of(me.await<accepted>()) == "client-a.test");
  auto second = between.accept();
  relays.push_back(std::make_unique<relay>(std::move(second), plain_socket::connect_to(known.server.port)));
  CHECK(name_of(me.await<accepted>()) == "client-b.test");
  wait_until("the second carries the peer", [&] { return generation_of(me, peer) == 2; });
}

TEST_CASE("a supervisor without TLS peers has nothing to reload, and says so by success") {
  program here;
  witness me{here.system};
  const auto plain = must_listen(here, echo, {}, "tcp://127.0.0.1:0");
  const auto peer = here.net->acquire(uri(plain.port)).value();
  me.must_ask<connection_info>(peer, connect{});
  me.must_ask<void>(here.net->supervisor(), reload_tls{true, 5s});
  CHECK(generation_of(me, peer) == 1);
}

TEST_CASE("reloads of one supervisor that come at once are all answered") {
  constexpr int count = 40;
  program here;
  witness me{here.system};
  const identity_folder files{"client-a"};
  const knowing_listener known{here, me};
  clients all{here, known.server, showing(files)};
  const auto peer = all.next();
  me.must_ask<connection_info>(peer, connect{});
  const auto found = std::make_shared<answers>();
  ask_often(here, here.net->supervisor(), reload_tls{}, count, found);
  files.hold("mismatched");
  ask_often(here, here.net->supervisor(), reload_tls{true, 5s}, count, found);
  files.hold("client-b");
  ask_often(here, here.net->supervisor(), reload_tls{}, count, found);
  wait_until("all are answered", [&] { return found->all() == 3 * count; });
  me.must_ask<void>(here.net->supervisor(), reload_tls{});
  CHECK(me.must_ask<connection_info>(peer, connect{}).tls.version == "TLS1.3");
}

} // namespace actorwire::test
