// The snippets of docs/guide.md as one program. The parts between marks are quoted there word for word.

#include <actorwire/actors/connection_handler.hpp>
#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/response_promise.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

void check(bool holds, const char* what) {
  if (holds)
    return;
  std::cerr << "guide: " << what << '\n';
  std::exit(1);
}

void store(const actorwire::payload&) {}

caf::behavior echo(caf::event_based_actor* self, const actorwire::connection_actor& client) {
  return {
      [=](actorwire::received& data) {
        tell(self, client, actorwire::cast{std::move(data.body), {}});
      },
      [](const actorwire::opened&) {},
      [](const actorwire::state_changed&) {},
      [](const actorwire::data_lost&) {},
      [](const actorwire::backpressure&) {},
      [](const actorwire::peer_closing&) {},
  };
}

// [subscribe]
caf::behavior watch(caf::event_based_actor* self, const actorwire::connection_actor& peer) {
  using namespace actorwire;
  tell(self, peer, subscribe{event_mask::data | event_mask::state, credit_mode::automatic});
  return {
      [](const connection_status& snapshot) { std::cout << "is " << to_string(snapshot.state) << '\n'; },
      [](const received& data) { std::cout << "got " << data.body.text() << '\n'; },
      [](const opened& event) { std::cout << "generation " << event.info.generation << '\n'; },
      [](const peer_closing&) {},
      [self](const state_changed& event) {
        if (event.to == connection_state::closed)
          self->quit();
      },
  };
}
// [/subscribe]

// [manual]
caf::behavior collect(caf::event_based_actor* self, const actorwire::connection_actor& peer) {
  using namespace actorwire;
  tell(self, peer, subscribe{event_mask::data, credit_mode::manual});
  return {
      [=](const received& data) {
        store(data.body);
        tell(self, peer, grant{data.body.size()});
      },
      [](const passivated&) {},
      [](const peer_closing&) {},
      [](const connection_status&) {},
  };
}
// [/manual]

void show_subscribing(caf::actor_system& system, const actorwire::connection_actor& peer) {
  // [spawn]
  auto beside = spawn_beside(peer, watch, peer); // on the thread of the connection; must not block
  auto anywhere = system.spawn(watch, peer);     // on CAF's scheduler
  // [/spawn]
  auto collector = spawn_beside(peer, collect, peer);
  check(beside && anywhere && collector, "actors are made");
}

void show_sending(caf::actor_system& system, const actorwire::connection_actor& peer) {
  caf::scoped_actor self{system};
  auto outcomes = 0;
  // [send]
  actorwire::send_options options;
  options.policy = actorwire::when_down::queue;
  options.wanted = actorwire::outcome::acked;
  options.ttl = 2s;
  ask(&*self, peer, 5s, actorwire::send{actorwire::payload::copy_of("order 1"), options})
      .receive(
          [&](const actorwire::sent& done) {
            std::cout << "message " << done.sequence << ": " << to_string(done.result) << '\n';
            ++outcomes;
          },
          [](const caf::error& reason) {
            const auto why = actorwire::to_transport_error(reason);
            std::cerr << "not sent: " << to_string(why) << (why.retryable ? ", try again\n" : "\n");
          });
  // [/send]
  check(outcomes == 1, "the message is acked");
}

void show_framing(actorwire::network& net) {
  // [framing]
  actorwire::listen_config serving;
  serving.transport.framing.mode = actorwire::framing_mode::length_prefixed;
  serving.transport.framing.max_frame_size = 64 << 10;
  const auto server = net.listen("tcp://127.0.0.1:0", echo, serving);

  actorwire::acquire_options options;
  options.transport.framing = serving.transport.framing;
  const auto peer = net.acquire("tcp://127.0.0.1:" + std::to_string(server->port), options);
  // [/framing]
  check(peer.has_value(), "a framed peer is acquired");
}

// [serve]
caf::behavior serve_prices(caf::event_based_actor* self, const actorwire::connection_actor& client) {
  using namespace actorwire;
  return {
      [=](const called& question) {
        if (question.body.text() == "price of tea")
          tell(self, client, answer_to(question, payload::copy_of("3.20")));
        else
          tell(self, client, refusal_of(question, 4, "nothing of that name"));
      },
      [](const received&) {},
      [](const opened&) {},
      [](const state_changed&) {},
      [](const data_lost&) {},
      [](const backpressure&) {},
      [](const peer_closing&) {},
      [](const session_opened&) {},
      [](const session_lost&) {},
  };
}
// [/serve]

void show_calls(actorwire::network& net, caf::actor_system& system) {
  // [call]
  actorwire::listen_config serving;
  serving.transport.framing.mode = actorwire::framing_mode::numbered;
  const auto server = net.listen("tcp://127.0.0.1:0", serve_prices, serving);

  actorwire::acquire_options options;
  options.transport.framing = serving.transport.framing;
  const auto peer = net.acquire("tcp://127.0.0.1:" + std::to_string(server->port), options).value();

  caf::scoped_actor self{system};
  actorwire::call question{actorwire::payload::copy_of("price of tea"), {}, 2s};
  ask(&*self, peer, 5s, question)
      .receive([](const actorwire::answered& reply) { std::cout << reply.body.text() << '\n'; },
               [](const caf::error& reason) {
                 const auto why = actorwire::to_transport_error(reason);
                 std::cerr << to_string(why)
                           << (actorwire::may_have_been_handled(why) ? "\n" : "; it did not leave, so ask again\n");
               });
  // [/call]
  auto price = std::string{};
  auto code = actorwire::error_code::none;
  ask(&*self, peer, 5s, question)
      .receive([&](const actorwire::answered& reply) { price = reply.body.text(); }, [](const caf::error&) {});
  question.body = actorwire::payload::copy_of("price of stone");
  ask(&*self, peer, 5s, question)
      .receive([](const actorwire::answered&) {},
               [&](const caf::error& reason) { code = actorwire::to_transport_error(reason).code; });
  check(price == "3.20" && code == actorwire::error_code::call_refused, "calls are answered");
}

void show_sessions(actorwire::network& net, caf::actor_system& system) {
  // [session]
  actorwire::listen_config serving;
  serving.transport.framing.mode = actorwire::framing_mode::numbered;
  serving.transport.session.mode = actorwire::session_mode::on;
  const auto server = net.listen("tcp://127.0.0.1:0", serve_prices, serving);

  actorwire::acquire_options options;
  options.transport.framing = serving.transport.framing;
  options.transport.session = serving.transport.session;
  const auto peer = net.acquire("tcp://127.0.0.1:" + std::to_string(server->port), options).value();

  caf::scoped_actor self{system};
  ask(&*self, peer, 5s, actorwire::send{actorwire::payload::copy_of("once"), {}})
      .receive([](const actorwire::sent& told) { std::cout << name_of(told.result) << '\n'; },
               [](const caf::error& reason) { std::cerr << to_string(actorwire::to_transport_error(reason)) << '\n'; });
  // [/session]
  auto known = actorwire::outcome::not_sent;
  ask(&*self, peer, 5s, actorwire::send{actorwire::payload::copy_of("twice"), {}})
      .receive([&](const actorwire::sent& told) { known = told.result; }, [](const caf::error&) {});
  check(known == actorwire::outcome::confirmed, "messages of a session are confirmed");
}

void show_policy(actorwire::network& net, caf::actor_system& system) {
  // [policy]
  actorwire::acquire_options options;
  options.reconnection.base_delay = 100ms;
  options.reconnection.max_delay = 5s;
  options.reconnection.max_attempts = 2;
  const auto peer = net.acquire("tcp://127.0.0.1:1", options).value();
  // [/policy]
  caf::scoped_actor self{system};
  auto code = actorwire::error_code::none;
  // [connect]
  ask(&*self, peer, 10s, actorwire::connect{})
      .receive(
          [](const actorwire::connection_info& info) { std::cout << "connected to " << info.remote_address << '\n'; },
          [&](const caf::error& reason) { code = actorwire::to_transport_error(reason).code; });
  // [/connect]
  check(code == actorwire::error_code::attempts_exhausted, "two attempts are made, then no more");
}

void show_lease(actorwire::network& net, caf::actor_system& system, std::uint16_t port) {
  const actorwire::endpoint remote{actorwire::protocol::tcp, "127.0.0.1", port};
  caf::scoped_actor self{system};
  auto was_lent = false;
  // [lease]
  ask(&*self, net.supervisor(), 40s, actorwire::checkout{remote, {}})
      .receive(
          [&](const actorwire::lease& mine) {
            tell(&*self, mine.peer, actorwire::cast{actorwire::payload::copy_of("for this exchange alone"), {}});
            tell(&*self, net.supervisor(), actorwire::release{mine.id});
            was_lent = true;
          },
          [](const caf::error& reason) { std::cerr << to_string(actorwire::to_transport_error(reason)) << '\n'; });
  // [/lease]
  check(was_lent, "a peer is lent");
}

// [receiver]
caf::behavior accept(caf::event_based_actor*) {
  return {
      [](const actorwire::accepted& event) {
        std::cout << event.info.remote_address << " came\n";
        spawn_beside(event.connection, watch, event.connection);
      },
  };
}
// [/receiver]

void show_receiver(actorwire::network& net, caf::actor_system& system) {
  // [listen-receiver]
  const auto front = net.spawn_on_shard(0, accept);
  const auto server = net.listen("tcp://127.0.0.1:0", front);
  // [/listen-receiver]
  const auto peer = net.acquire("tcp://127.0.0.1:" + std::to_string(server->port)).value();
  caf::scoped_actor self{system};
  auto is_connected = false;
  ask(&*self, peer, 5s, actorwire::connect{})
      .receive([&](const actorwire::connection_info&) { is_connected = true; }, [](const caf::error&) {});
  check(is_connected, "the receiver's connection is there");
}

// [handler]
class echo_handler final : public actorwire::connection_handler {
public:
  using connection_handler::connection_handler;

  void on_received(actorwire::received&& data) override {
    // Refused when more waits for the client than `write_limit`, and when the connection ends.
    if (!here().send(std::move(data.body)))
      here().close(actorwire::close_mode::abort);
  }

  // A client that does not read gets no further answers, and so is not read either.
  void on_backpressure(const actorwire::backpressure& event) override {
    if (event.on)
      here().pause_reading();
    else
      here().resume_reading();
  }
};
// [/handler]

/// Says something on each of its connections, and keeps the last word that it hears.
class greeter final : public actorwire::connection_handler {
public:
  explicit greeter(actorwire::local_connection server, std::promise<std::string>& heard)
    : connection_handler(server), heard_(heard) {}

  void on_opened(const actorwire::opened&) override {
    if (!here().send(actorwire::payload::copy_of("hello")))
      here().close();
  }
  void on_received(actorwire::received&& data) override {
    text_ += data.body.text();
    if (text_ == "hello")
      heard_.set_value(text_);
  }

private:
  std::promise<std::string>& heard_;
  std::string text_;
};

void show_handlers(actorwire::network& net) {
  // [listen-handler]
  const auto server = net.listen("tcp://127.0.0.1:0", [](actorwire::local_connection client) {
    return std::make_unique<echo_handler>(client);
  });
  // [/listen-handler]
  const auto uri = "tcp://127.0.0.1:" + std::to_string(server.value().port);
  std::promise<std::string> heard;
  // [acquire-handler]
  const auto peer = net.acquire(uri, {}, [&heard](actorwire::local_connection there) {
    return std::make_unique<greeter>(there, heard);
  });
  // [/acquire-handler]
  auto answer = heard.get_future();
  check(peer && answer.wait_for(5s) == std::future_status::ready && answer.get() == "hello", "handlers talk");
  actorwire::anonymous_tell(*peer, actorwire::close{actorwire::close_mode::abort});
}

// [streams]
caf::behavior ask_on_a_stream(caf::event_based_actor* self, const actorwire::connection_actor& peer) {
  using namespace actorwire;
  tell(self, peer, subscribe{event_mask::streams | event_mask::datagrams});
  ask(self, peer, 5s, open_stream{stream_direction::bidirectional, {.urgency = 1}})
      .then(
          [self, peer](const stream_opened& made) {
            send_options on_it;
            on_it.stream = made.stream;
            tell(self, peer, cast{payload::copy_of("a question"), on_it});
            tell(self, peer, finish_stream{made.stream});
          },
          [self](const caf::error& reason) {
            std::cout << "no stream: " << to_string(to_transport_error(reason)) << '\n';
            self->quit();
          });
  return {
      [](const connection_status&) {},
      [](const stream_opened& event) { std::cout << "the peer has opened " << event.stream << '\n'; },
      [](const received& data) { std::cout << "on " << data.stream << ": " << data.body.text() << '\n'; },
      [](const peer_closing& event) { std::cout << "all of " << event.stream << " has come\n"; },
      [](const stream_reset& event) { std::cout << event.stream << " was cut short: " << event.code << '\n'; },
      [self](const stream_closed&) { self->quit(); },
      [](const datagram_received& datagram) { std::cout << "datagram: " << datagram.body.text() << '\n'; },
  };
}
// [/streams]

/// Returns why the datagram was refused, if it was.
actorwire::error_code show_streams(caf::actor_system& system, const actorwire::connection_actor& peer) {
  const auto asker = system.spawn(ask_on_a_stream, peer);
  caf::scoped_actor self{system};
  self->wait_for(asker);
  auto code = actorwire::error_code::none;
  // [datagram]
  ask(&*self, peer, 5s, actorwire::send_datagram{actorwire::payload::copy_of("position 17")})
      .receive([](const actorwire::datagram_sent& sent) { std::cout << to_string(sent.result) << '\n'; },
               [&](const caf::error& reason) { code = actorwire::to_transport_error(reason).code; });
  // [/datagram]
  return code;
}

#if ACTORWIRE_WITH_QUIC
/// What a server was asked.
struct questions {
  std::promise<std::string> on_a_stream;
  std::promise<std::string> by_datagram;
};

/// Sends back what comes by a stream or as a datagram, and notes the first of each.
caf::behavior answer_each(caf::event_based_actor* self, const actorwire::connection_actor& client,
                          const std::shared_ptr<questions>& asked) {
  using namespace actorwire;
  tell(self, client, subscribe{event_mask::streams | event_mask::datagrams});
  return {
      [](const connection_status&) {},
      [](const stream_opened&) {},
      [=](received& data) {
        asked->on_a_stream.set_value(std::string{data.body.text()});
        send_options on_it;
        on_it.stream = data.stream;
        tell(self, client, cast{std::move(data.body), on_it});
      },
      [=](const peer_closing& end) { tell(self, client, finish_stream{end.stream}); },
      [](const stream_closed&) {},
      [=](datagram_received& datagram) { asked->by_datagram.set_value(std::string{datagram.body.text()}); },
  };
}

void show_quic_streams(actorwire::network& net, caf::actor_system& system, const actorwire::listen_config& config,
                       const actorwire::acquire_options& options) {
  const auto asked = std::make_shared<questions>();
  const auto server = net.listen(
      "quic://127.0.0.1:0",
      [asked](caf::event_based_actor* self, const actorwire::connection_actor& client) {
        return answer_each(self, client, asked);
      },
      config);
  check(server.has_value(), "listens for QUIC");
  const auto peer = net.acquire("quic://localhost:" + std::to_string(server->port), options).value();
  caf::scoped_actor self{system};
  ask(&*self, peer, 5s, actorwire::connect{})
      .receive([](const actorwire::connection_info&) {}, [](const caf::error&) {});
  check(show_streams(system, peer) == actorwire::error_code::none, "a datagram is sent");
  const auto arrives = [](std::promise<std::string>& text, std::string_view wanted) {
    auto arrival = text.get_future();
    return arrival.wait_for(20s) == std::future_status::ready && arrival.get() == wanted;
  };
  check(arrives(asked->on_a_stream, "a question"), "the question arrives on a stream of its own");
  check(arrives(asked->by_datagram, "position 17"), "the datagram arrives");
}
#endif

void show_several_endpoints(actorwire::network& net, caf::actor_system& system, std::uint16_t number,
                            const actorwire::tls_config& tls) {
  caf::scoped_actor self{system};
  actorwire::acquire_options options;
  options.transport.tls = tls;
  const auto port = std::to_string(number);
  auto is_carried_by_tls = false;
  // [several]
  const auto either = net.acquire("quic://localhost:" + port + ", tls://localhost:" + port, options).value();
  ask(&*self, either, 5s, actorwire::connect{})
      .receive(
          [&](const actorwire::connection_info& info) {
            std::cout << "carried by " << to_string(info.carried_by) << '\n';
            is_carried_by_tls = info.carried_by.proto == actorwire::protocol::tls;
          },
          [](const caf::error& reason) { std::cerr << to_string(actorwire::to_transport_error(reason)) << '\n'; });
  // [/several]
  check(is_carried_by_tls, "goes on by TLS where nobody listens for QUIC");
}

void show_tls(actorwire::network& net, caf::actor_system& system) {
  const auto* made = std::getenv("ACTORWIRE_TEST_CERTIFICATES");
  check(made != nullptr, "the tests have certificates");
  const std::string folder = made;
  // [tls-listen]
  actorwire::listen_config config;
  auto& mine = config.transport.tls;
  mine.certificate.file = folder + "/server-ec.pem";
  mine.key.file = folder + "/server-ec.key";
  mine.client_certificates = actorwire::client_certificates::require;
  mine.trust.file = folder + "/root.pem";
  mine.accepted_clients = {"client-a.test"};
  const auto server = net.listen("tls://127.0.0.1:0", echo, config);
  // [/tls-listen]
  check(server.has_value(), "listens for TLS");
  // [tls-dial]
  actorwire::acquire_options options;
  auto& tls = options.transport.tls;
  tls.trust.file = folder + "/root.pem";
  tls.certificate.file = folder + "/client-a.pem";
  tls.key.file = folder + "/client-a.key";
  const auto peer = net.acquire("tls://localhost:" + std::to_string(server->port), options).value();
  // [/tls-dial]
  caf::scoped_actor self{system};
  auto is_told = false;
  // [tls-info]
  ask(&*self, peer, 5s, actorwire::connect{})
      .receive(
          [&](const actorwire::connection_info& info) {
            std::cout << info.tls.version << ", " << info.tls.cipher << '\n';
            is_told = info.tls.version == "TLS1.3";
          },
          [](const caf::error& reason) { std::cerr << to_string(actorwire::to_transport_error(reason)) << '\n'; });
  // [/tls-info]
  check(is_told, "TLS says what was agreed on");
  auto is_reloaded = false;
  // [tls-reload]
  ask(&*self, server->listener, 5s, actorwire::reload_tls{.drain = true})
      .receive([&] { is_reloaded = true; },
               [](const caf::error& reason) { std::cerr << to_string(actorwire::to_transport_error(reason)) << '\n'; });
  // [/tls-reload]
  // What the guide goes on with; a build without QUIC has no use for it.
#if ACTORWIRE_WITH_QUIC
  // [quic]
  actorwire::quic_config quic;
  quic.idle_timeout = 60s;
  quic.congestion_control = actorwire::quic_congestion_control::bbr;
  config.transport.protocol_settings = quic;
  const auto quick = net.listen("quic://127.0.0.1:0", echo, config);
  options.transport.protocol_settings = quic;
  const auto fast = net.acquire("quic://localhost:" + std::to_string(quick->port), options).value();
  // [/quic]
  auto is_quick = false;
  ask(&*self, fast, 5s, actorwire::connect{})
      .receive([&](const actorwire::connection_info& info) { is_quick = info.tls.alpn == "actorwire"; },
               [](const caf::error& reason) { std::cerr << to_string(actorwire::to_transport_error(reason)) << '\n'; });
  check(is_quick, "connects by QUIC");
  show_quic_streams(net, system, config, options);
#endif
  check(is_reloaded, "certificates are read again");
  show_several_endpoints(net, system, server->port, tls);
}

// [lifetime]
void show_life(const actorwire::lifetime_stats& life, const actorwire::lifetime_stats& an_hour_ago) {
  const auto latency = life.send_latency - an_hour_ago.send_latency;
  std::cout << "half of the messages left within " << latency.quantile(0.5).count()
            << " us, all but one in a hundred within " << latency.quantile(0.99).count() << " us\n";
  for (const auto& each : life.failed_attempts)
    std::cout << each.attempts << " attempts failed: " << name_of(each.why) << '\n';
  for (const auto& each : life.drops)
    std::cout << each.not_sent.messages + each.maybe_sent.messages << " messages lost: " << name_of(each.why) << '\n';
  std::cout << life.time_in[actorwire::connection_state::ready].count() / 1'000'000 << " s ready\n";
}
// [/lifetime]

void show_statistics(caf::actor_system& system, const actorwire::connection_actor& peer) {
  caf::scoped_actor self{system};
  auto figures_came = false;
  // [stats]
  ask(&*self, peer, 1s, actorwire::get_stats{})
      .receive(
          [&](const actorwire::stats& now) {
            std::cout << now.transport.bytes_sent << " bytes sent, rtt " << now.transport.latency.count() << " us, "
                      << now.transport.reconnect_count << " reconnects, " << now.delivery.pending.messages
                      << " pending\n";
            if (const auto* tcp = std::get_if<actorwire::tcp_metrics>(&now.transport.metrics))
              std::cout << tcp->retransmits << " segments sent again\n";
            figures_came = true;
          },
          [](const caf::error&) {});
  // [/stats]
  check(figures_came, "figures are answered");
  auto has_life = false;
  ask(&*self, peer, 1s, actorwire::get_stats{})
      .receive(
          [&](const actorwire::stats& now) {
            show_life(now.lifetime, {});
            has_life = now.lifetime.time_in[actorwire::connection_state::ready].count() > 0;
          },
          [](const caf::error&) {});
  check(has_life, "a life is told");
}

void show_supervisor(actorwire::network& net) {
  const auto done = std::make_shared<std::promise<void>>();
  const auto supervisor = net.supervisor();
  const auto where = actorwire::parse_endpoint("tcp://127.0.0.1:1").value();
  auto user = net.spawn_on_shard(0, [=](caf::event_based_actor* self) -> caf::behavior {
    // [acquire]
    ask(self, supervisor, 1s, actorwire::acquire{where, {}})
        .then([=](const actorwire::connection_actor& peer) { tell(self, peer, actorwire::subscribe{}); },
              [=](const caf::error& reason) { self->quit(reason); });
    // [/acquire]
    return {
        [=](const actorwire::connection_status&) {
          done->set_value();
          self->quit();
        },
    };
  });
  done->get_future().wait();
}

void show_errors(actorwire::network& net) {
  // [errors]
  const auto wrong = net.acquire("tcp://example.org:99999");
  if (!wrong)
    std::cout << to_string(wrong.error()) << '\n';
  // configuration/invalid_value (setup, local): endpoint.port = "99999": must be decimal digits ...
  // [/errors]
  check(!wrong && wrong.error().code == actorwire::error_code::invalid_value, "a wrong port is refused");
}

// [probe]
caf::behavior redis_client(caf::event_based_actor* self, const actorwire::connection_actor& redis,
                           std::chrono::milliseconds interval) {
  using namespace actorwire;
  tell(self, redis, subscribe{event_mask::data | event_mask::health});
  tell(self, redis, set_probe{caf::actor{self}, {.interval = interval, .timeout = 1s, .failures_to_fail = 3}});
  auto unanswered = std::make_shared<std::vector<caf::response_promise>>();
  return {
      [=](const health_probe&) {
        tell(self, redis, cast{payload::copy_of("PING\r\n"), {when_down::drop}});
        unanswered->push_back(self->make_response_promise());
      },
      [=](const received& data) {
        // "+PONG", or another answer: it works.
        for (auto& probe : std::exchange(*unanswered, {}))
          probe.deliver(caf::unit);
        store(data.body);
      },
      [](const health_changed& event) { std::cout << to_string(event.change) << ", " << event.reason.text << '\n'; },
      [](const connection_status&) {},
      [](const peer_closing&) {},
  };
}
// [/probe]

void show_health(caf::actor_system& system, const actorwire::connection_actor& peer) {
  const auto client = system.spawn(redis_client, peer, 10ms);
  caf::scoped_actor self{system};
  std::uint64_t answers = 0;
  const auto give_up_at = std::chrono::steady_clock::now() + 20s;
  while (answers == 0 && std::chrono::steady_clock::now() < give_up_at) {
    // [health]
    ask(&*self, peer, 1s, actorwire::get_health{})
        .receive(
            [&](const actorwire::health_report& now) {
              answers = now.probe_successes;
              std::cout << to_string(now.state) << " for " << now.time_in_state.count() << " ms, silent for "
                        << now.silence.count() << " ms, " << now.probe_successes << " probes answered\n";
            },
            [](const caf::error&) {});
    // [/health]
  }
  check(answers > 0, "a probe is answered");
  caf::anon_send_exit(client, caf::exit_reason::user_shutdown);
}

void show_closing(caf::actor_system& system, const actorwire::connection_actor& peer) {
  caf::scoped_actor self{system};
  auto is_complete = false;
  // [close]
  ask(&*self, peer, 10s, actorwire::close{actorwire::close_mode::drain, 5s})
      .receive(
          [&](const actorwire::close_report& report) {
            is_complete = report.complete;
            std::cout << report.delivery.accepted.messages << " accepted, " << report.delivery.not_sent.messages
                      << " not sent\n";
          },
          [](const caf::error&) {});
  // [/close]
  check(is_complete, "everything was written before the end");
}

void show_shutting_down(actorwire::network& net) {
  // [drain]
  const auto report = net.drain(5s);
  const auto& fates = report.delivery;
  std::cout << fates.written.messages + fates.acked.messages << " messages delivered, " << fates.not_sent.messages
            << " not sent, " << fates.maybe_sent.messages << " maybe\n";
  // [/drain]
  check(net.acquire("tcp://127.0.0.1:1").error().code == actorwire::error_code::closed, "nothing is acquired any more");
}

} // namespace

int main() {
  actorwire::system_config config;
  caf::actor_system system{config};
  // [network]
  actorwire::network_options options;
  options.shards = 2;
  options.memory_limit = std::size_t{64} << 20;
  options.pool.max_connecting = 32;
  actorwire::network net{system, options};
  // [/network]
  const auto server = net.listen("tcp://127.0.0.1:0", echo);
  check(server.has_value(), "listens");
  const auto peer = net.acquire("tcp://127.0.0.1:" + std::to_string(server->port)).value();
  show_subscribing(system, peer);
  show_sending(system, peer);
  show_framing(net);
  show_calls(net, system);
  show_sessions(net, system);
  show_policy(net, system);
  show_lease(net, system, server->port);
  show_receiver(net, system);
  show_handlers(net);
  show_tls(net, system);
  show_statistics(system, peer);
  show_health(system, peer);
  show_supervisor(net);
  show_errors(net);
  check(show_streams(system, peer) == actorwire::error_code::unsupported, "TCP has no streams and no datagrams");
  show_closing(system, peer);
  show_shutting_down(net);
}
