// A listener over real sockets: whom it hands its connections to, when it stops accepting, and how it ends.

#include "program.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>
#include <vector>

namespace actorwire::test {

namespace {

/// Reads until `size` bytes came or the stream ended.
std::string read(plain_socket& from, std::size_t size) {
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto got = ::recv(from.descriptor(), text.data() + done, size - done, 0);
    if (got <= 0)
      break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

/// Whether the stream ends, orderly or not, before another byte.
bool ends(plain_socket& from) {
  char byte = 0;
  return ::recv(from.descriptor(), &byte, 1, 0) == 0 || errno == ECONNRESET;
}

bool can_connect(std::uint16_t port) {
  plain_socket client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto where = plain_socket::loopback(port);
  return ::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
}

std::string echoed(plain_socket& client, std::string_view text) {
  client.send(text);
  return read(client, text.size());
}

/// Answers each message with the number of the thread that it runs on.
caf::behavior tell_thread(caf::event_based_actor* self, const connection_actor& client) {
  return minding([self, client](const received&) {
    const auto thread = std::hash<std::thread::id>{}(std::this_thread::get_id());
    const auto number = std::to_string(thread);
    tell(self, client, cast{payload::copy_of(std::string(20 - number.size(), '0') + number), {}});
  });
}

listening must_listen(network& net, accept_function serve, listen_config config = {}) {
  auto made = net.listen("tcp://127.0.0.1:0", std::move(serve), std::move(config));
  if (!made)
    FAIL(to_string(made.error()));
  return std::move(*made);
}

/// How many sockets of 127.0.0.1 listen on `port`. *Source:* proc(5), /proc/net/tcp; state 0A is TCP_LISTEN.
int sockets_that_listen(std::uint16_t port) {
  std::ostringstream wanted;
  wanted << "0100007F:" << std::hex << std::uppercase << std::setw(4) << std::setfill('0') << port
         << " 00000000:0000 0A";
  std::ifstream table{"/proc/net/tcp"};
  REQUIRE(table);
  int count = 0;
  for (std::string line; std::getline(table, line);)
    count += line.find(wanted.str()) != std::string::npos;
  return count;
}

plain_socket listen_on(std::uint16_t port) {
  plain_socket made{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto where = plain_socket::loopback(port);
  REQUIRE(::bind(made.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  REQUIRE(::listen(made.descriptor(), 1) == 0);
  return made;
}

bool is_alive(const caf::weak_actor_ptr& who) {
  return caf::actor_cast<caf::strong_actor_ptr>(who) != nullptr;
}

template <class Handle>
caf::weak_actor_ptr weak(const Handle& who) {
  return caf::weak_actor_ptr{caf::actor_cast<caf::strong_actor_ptr>(who).get()};
}

listener_stats stats_of(witness& me, const listening& server) {
  return me.must_ask<listener_stats>(server.listener, get_listener_stats{});
}

/// A link-local address of this machine, with the number of its interface; an empty host if it has none.
sockaddr_in6 link_local_address() {
  sockaddr_in6 found{};
  ifaddrs* all = nullptr;
  REQUIRE(::getifaddrs(&all) == 0);
  for (const auto* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET6)
      continue;
    sockaddr_in6 address{};
    std::memcpy(&address, one->ifa_addr, sizeof address);
    if (IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr))
      found = address;
  }
  ::freeifaddrs(all);
  return found;
}

} // namespace

TEST_CASE("a receiver is handed each connection, and its bytes wait until somebody subscribes") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", me.handle());
  REQUIRE(server);
  auto client = plain_socket::connect_to(server->port);
  client.send("early");
  const auto event = me.await<accepted>();
  CHECK(event.info.generation == 1);
  CHECK(event.info.remote_address.starts_with("127.0.0.1:"));
  CHECK(event.info.local_address == "127.0.0.1:" + std::to_string(server->port));
  SECTION("by subscription") {
    me.listen_to(event.connection);
    CHECK(me.await_bytes(5) == "early");
  }
  SECTION("by request") {
    CHECK(me.must_ask<received>(event.connection, receive{}).body.text() == "early");
  }
  CHECK(me.must_ask<sent>(event.connection, actorwire::send{payload::copy_of("reply"), {}}).result == outcome::written);
  CHECK(read(client, 5) == "reply");
}

TEST_CASE("an actor is made for each connection and served all of its events") {
  program here;
  const auto server = must_listen(*here.net, echo);
  auto first = plain_socket::connect_to(server.port);
  auto second = plain_socket::connect_to(server.port);
  CHECK(echoed(first, "one") == "one");
  CHECK(echoed(second, "two") == "two");
  CHECK(echoed(first, "three") == "three");
}

TEST_CASE("a suspended listener refuses clients, keeps its connections, and resumes on the same port", "[P7]") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  const auto server = must_listen(*here.net, echo, config);
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "before") == "before");
  for (int round = 0; round < 3; ++round) {
    me.must_ask<void>(server.listener, suspend{});
    CHECK_FALSE(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
    CHECK_FALSE(can_connect(server.port));
    CHECK(echoed(client, "while suspended") == "while suspended");
    me.must_ask<void>(server.listener, actorwire::resume{});
    CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
    auto newcomer = plain_socket::connect_to(server.port);
    CHECK(echoed(newcomer, "after") == "after");
  }
}

TEST_CASE("a listener at its limit lets clients wait and serves them as others leave", "[P7]") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 2;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, echo, config);
  std::vector<plain_socket> clients;
  for (int count = 0; count < 6; ++count)
    clients.push_back(plain_socket::connect_to(server.port));
  for (auto& client : clients)
    client.send("hello");
  for (auto& client : clients) {
    CHECK(read(client, 5) == "hello");
    const auto stats = me.must_ask<listener_stats>(server.listener, get_listener_stats{});
    CHECK(stats.open <= 2);
    client.close();
  }
  wait_until("all have left",
             [&] { return me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == 0; });
  const auto stats = me.must_ask<listener_stats>(server.listener, get_listener_stats{});
  CHECK(stats.accepted == 6);
  CHECK(stats.accepting);
}

TEST_CASE("the limit of a listener can be raised while clients wait, and lowered while they are served") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 1;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, echo, config);
  auto first = plain_socket::connect_to(server.port);
  CHECK(echoed(first, "one") == "one");
  CHECK_FALSE(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
  auto second = plain_socket::connect_to(server.port);
  second.send("two");
  me.must_ask<void>(server.listener, set_limit{2});
  CHECK(read(second, 3) == "two");
  me.must_ask<void>(server.listener, set_limit{1});
  CHECK(echoed(first, "still") == "still");
  CHECK(echoed(second, "here") == "here");
  // One leaves: still as many as are allowed. The other leaves: there is room.
  first.close();
  wait_until("the first has left",
             [&] { return me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == 1; });
  CHECK_FALSE(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
  auto third = plain_socket::connect_to(server.port);
  third.send("three");
  second.close();
  CHECK(read(third, 5) == "three");
}

TEST_CASE("a listener with a socket on every shard obeys one limit over all of them") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 3;
  const auto server = must_listen(*here.net, echo, config);
  // The kernel decides which shard gets whom, and those beyond the limit are turned away or wait; a client that is
  // turned away comes again. In the end everyone was served, and never more than three at once.
  int served = 0;
  for (int attempt = 0; served < 20 && attempt < 10'000; ++attempt) {
    std::vector<plain_socket> clients;
    for (int count = 0; count < 3; ++count) {
      clients.push_back(plain_socket::connect_to(server.port));
      ::send(clients.back().descriptor(), "x", 1, MSG_NOSIGNAL);
    }
    for (auto& client : clients) {
      served += read(client, 1) == "x";
      CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open <= 3);
      client.close();
    }
  }
  CHECK(served >= 20);
}

TEST_CASE("closing a listener ends its connections and adds up what became of their messages") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  const auto server = must_listen(*here.net, echo, config);
  std::vector<plain_socket> clients;
  for (int count = 0; count < 8; ++count) {
    clients.push_back(plain_socket::connect_to(server.port));
    CHECK(echoed(clients.back(), "12345") == "12345");
  }
  auto how = close_mode::drain;
  SECTION("drain") {
    how = close_mode::drain;
    for (auto& client : clients)
      client.finish();
  }
  SECTION("flush") {
    how = close_mode::flush;
  }
  SECTION("abort") {
    how = close_mode::abort;
  }
  me.self()->monitor(server.listener);
  const auto report = me.must_ask<close_report>(server.listener, actorwire::close{how, 10s});
  // A client that had finished may be gone before the close; one that is there reports its one message of five bytes.
  CHECK(report.complete);
  CHECK(report.delivery.accepted.bytes == 5 * report.delivery.accepted.messages);
  CHECK(report.delivery.written == report.delivery.accepted);
  if (how != close_mode::drain)
    CHECK(report.delivery.accepted.messages == 8);
  for (auto& client : clients)
    CHECK(ends(client));
  static_cast<void>(me.await<caf::down_msg>());
  CHECK_FALSE(can_connect(server.port));
}

TEST_CASE("an aborted listener reports what its connections could not send") {
  program here;
  witness me{here.system};
  std::atomic<int> full{0};
  constexpr std::size_t size = 1'000'000;
  const auto server = must_listen(*here.net, [&full](caf::event_based_actor* self, const connection_actor& client) {
    return minding(
        [self, client](const opened&) {
          for (int count = 0; count < 4; ++count)
            tell(self, client, cast{payload::copy_of(pattern(size)), {}});
        },
        [&full](const backpressure& change) { full += change.on; });
  });
  auto client = plain_socket::connect_to(server.port);
  wait_until("more waits than fits", [&] { return full >= 1; });
  const auto report = me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 10s});
  const auto& sums = report.delivery;
  CHECK(sums.accepted.messages == 4);
  CHECK(sums.pending.messages == 0);
  CHECK(sums.not_sent.messages + sums.maybe_sent.messages + sums.written.messages + sums.acked.messages == 4);
  CHECK(report.complete == (sums.not_sent.messages + sums.maybe_sent.messages == 0));
}

TEST_CASE("a port in use is refused with the address that is in use") {
  program here;
  plain_listener other;
  for (const auto reuse_port : {true, false}) {
    listen_config config;
    config.reuse_port = reuse_port;
    const auto refused = here.net->listen(uri(other.port()), echo, config);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::address_in_use);
    CHECK(refused.error().kind == error_kind::initialization);
    CHECK(refused.error().text.find("127.0.0.1:" + std::to_string(other.port())) != std::string::npos);
  }
}

TEST_CASE("a listener on every shard is served by every shard") {
  program here;
  const auto server = must_listen(*here.net, tell_thread);
  // The shard that gets a client is a hash of its port. So clients come until both have served one.
  constexpr int clients_max = 20'000;
  std::set<std::string> threads;
  for (int count = 0; count < clients_max && threads.size() < 2; ++count) {
    auto client = plain_socket::connect_to(server.port);
    client.send("?");
    threads.insert(read(client, 20));
  }
  CHECK(threads.size() == 2);
}

TEST_CASE("a listener on one shard deals its connections out in turn") {
  program here;
  listen_config config;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, tell_thread, config);
  std::vector<std::string> threads;
  std::vector<plain_socket> clients;
  for (int count = 0; count < 16; ++count) {
    clients.push_back(plain_socket::connect_to(server.port));
    clients.back().send("?");
    threads.push_back(read(clients.back(), 20));
  }
  for (std::size_t index = 2; index < threads.size(); ++index)
    CHECK(threads[index] == threads[index - 2]);
  CHECK(threads[0] != threads[1]);
}

TEST_CASE("a client whose receiver fails over it is turned away, and the failure is counted") {
  program here;
  witness me{here.system};
  const auto receiver = here.system.spawn([](caf::event_based_actor* self) {
    self->set_default_handler(caf::drop);
    return caf::behavior{[](std::int32_t) {}};
  });
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver).value();
  auto client = plain_socket::connect_to(server.port);
  CHECK(ends(client));
  wait_until("its place is free again", [&] { return stats_of(me, server).open == 0; });
  CHECK(stats_of(me, server).accept_errors == 1);
  caf::anon_send_exit(receiver, caf::exit_reason::user_shutdown);
}

TEST_CASE("clients that come and go while their receiver is busy wait for it in no greater number than the limit") {
  constexpr std::uint64_t limit = 3;
  constexpr std::uint64_t clients = 12;
  program here;
  witness busy{here.system};
  witness me{here.system};
  listen_config config;
  config.max_connections = limit;
  config.reuse_port = false;
  const auto server = here.net->listen("tcp://127.0.0.1:0", busy.handle(), config).value();
  for (std::uint64_t count = 0; count < clients; ++count)
    plain_socket::connect_to(server.port).close();
  for (std::uint64_t handled = 0; handled < clients; ++handled) {
    CHECK(stats_of(me, server).accepted <= handled + limit);
    static_cast<void>(busy.await<accepted>());
  }
  wait_until("all places are free again", [&] { return stats_of(me, server).open == 0; });
}

TEST_CASE("a listener needs somebody to hear of its clients") {
  program here;
  const auto without_receiver = here.net->listen("tcp://127.0.0.1:0", caf::actor{});
  REQUIRE_FALSE(without_receiver);
  CHECK(without_receiver.error().code == error_code::invalid_value);
  const auto without_server = here.net->listen("tcp://127.0.0.1:0", accept_function{});
  REQUIRE_FALSE(without_server);
  CHECK(without_server.error().code == error_code::invalid_value);
}

TEST_CASE("the end of a serving actor ends its connection, even when it subscribes to nothing any more") {
  program here;
  const auto server = must_listen(*here.net, [](caf::event_based_actor* self, const connection_actor& client) {
    tell(self, client, unsubscribe{});
    // Its answer comes when the connection has forgotten its subscriber.
    ask(self, client, patience, get_state{}).then([self](const connection_status&) { self->quit(); });
    return minding();
  });
  auto client = plain_socket::connect_to(server.port);
  char byte = 0;
  CHECK(::recv(client.descriptor(), &byte, 1, 0) == 0);
}

TEST_CASE("the end of a serving actor ends its connection, with all that it had sent") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, [](caf::event_based_actor* self, const connection_actor& client) {
    return minding([self, client](const received& data) {
      tell(self, client, cast{payload::copy_of(pattern(200'000)), {}});
      if (data.body.text() == "throw")
        throw std::runtime_error{"served badly"};
      self->quit();
    });
  });
  for (const std::string_view word : {"quit", "throw"}) {
    auto client = plain_socket::connect_to(server.port);
    client.send(word);
    CHECK(read(client, 200'001) == pattern(200'000));
    CHECK(ends(client));
  }
  wait_until("both places are free again",
             [&] { return me.must_ask<listener_stats>(server.listener, get_listener_stats{}).open == 0; });
}

TEST_CASE("the end of a connection ends its serving actor, after the last event") {
  std::atomic<int> alive{0};
  std::atomic<int> told{0};
  std::atomic<std::size_t> bytes{0};
  program here;
  const auto server = must_listen(*here.net, [&](caf::event_based_actor*, const connection_actor&) {
    return minding([&bytes](const received& data) { bytes += data.body.size(); },
                   [&told, mark = counted{alive}](const state_changed& change) {
                     told += change.to == connection_state::closed;
                   });
  });
  for (int count = 0; count < 10; ++count) {
    auto client = plain_socket::connect_to(server.port);
    client.send(pattern(100'000));
    client.close();
  }
  wait_until("all are served and gone", [&] { return told == 10 && alive == 0; });
  CHECK(bytes == 1'000'000);
}

TEST_CASE("when the receiver of a listener ends, clients are not left waiting for an answer that nobody can give") {
  program here;
  witness me{here.system};
  const auto receiver = here.system.spawn([to = me.handle()](caf::event_based_actor* self) {
    return caf::behavior{[self, to](accepted& event) { tell(self, to, std::move(event)); }};
  });
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver);
  auto known = plain_socket::connect_to(server->port);
  const auto event = me.await<accepted>();
  me.listen_to(event.connection);
  caf::anon_send_exit(receiver, caf::exit_reason::user_shutdown);
  static_cast<void>(me.await_end_of(receiver));
  // Whoever comes now is turned away ...
  wait_until("newcomers are turned away", [&] { return !can_connect(server->port); });
  // ... while a connection that somebody has taken over goes on.
  known.send("still here");
  CHECK(me.await_bytes(10) == "still here");
}

TEST_CASE("when listen returns, every shard listens") {
  program here;
  for (int round = 0; round < 50; ++round) {
    const auto server = must_listen(*here.net, echo);
    REQUIRE(sockets_that_listen(server.port) == 2);
  }
}

TEST_CASE("where one shard cannot listen, none does, and listen says why") {
  if (is_sanitized)
    SKIP("sanitizers need descriptors");
  program here;
  const auto made = must_listen(*here.net, echo);
  witness me{here.system};
  // As many descriptors as the first socket takes: the second finds none.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(next);
  auto lowered = before;
  lowered.rlim_cur = static_cast<rlim_t>(next) + 1;
  ::setrlimit(RLIMIT_NOFILE, &lowered);
  std::uint16_t port = 0;
  {
    plain_socket probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto where = plain_socket::loopback(0);
    REQUIRE(::bind(probe.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
    socklen_t size = sizeof where;
    ::getsockname(probe.descriptor(), reinterpret_cast<sockaddr*>(&where), &size);
    port = ntohs(where.sin_port);
  }
  const auto refused = here.net->listen(uri(port), echo);
  ::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::descriptor_limit);
  CHECK(sockets_that_listen(port) == 0);
  CHECK(here.net->listen(uri(port), echo));
}

TEST_CASE("a listener whose receiver has ended before is refused") {
  program here;
  witness me{here.system};
  const auto receiver = here.system.spawn([](caf::event_based_actor* self) {
    self->quit();
    return caf::behavior{[](const accepted&) {}};
  });
  static_cast<void>(me.await_end_of(receiver));
  // The listener hears of it before its parts answer, so it never gets as far as to be open.
  const auto made = here.net->listen("tcp://127.0.0.1:0", receiver);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == error_code::closed);
}

TEST_CASE("a port that somebody listens on is not shared by accident") {
  program here;
  program elsewhere;
  witness me{here.system};
  const auto [first, second] = GENERATE(table<bool, bool>({{true, true}, {true, false}, {false, true}}));
  listen_config config;
  config.reuse_port = first;
  const auto server = must_listen(*here.net, echo, config);
  config.reuse_port = second;
  for (auto* net : {&*here.net, &*elsewhere.net}) {
    const auto refused = net->listen(uri(server.port), echo, config);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::address_in_use);
    CHECK(refused.error().text.find("127.0.0.1:" + std::to_string(server.port)) != std::string::npos);
    // All addresses of the machine are this one too.
    CHECK_FALSE(net->listen("tcp://[::]:" + std::to_string(server.port), echo, config));
  }
  // Connections that end on this side stay in TIME-WAIT for a minute; they keep nobody from listening again.
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");
  me.must_ask<close_report>(server.listener, actorwire::close{close_mode::flush, 10s});
  CHECK(ends(client));
  CHECK(elsewhere.net->listen(uri(server.port), echo, config));
}

TEST_CASE("listeners that say so share a port, and the kernel deals the clients out to both") {
  program here;
  program elsewhere;
  listen_config config;
  config.share_port = true;
  config.reuse_port = GENERATE(true, false);
  const auto first = must_listen(
      *here.net,
      [](caf::event_based_actor* self, const connection_actor& client) {
        return minding([self, client](const received&) { tell(self, client, cast{payload::copy_of("1"), {}}); });
      },
      config);
  const auto second = elsewhere.net->listen(
      uri(first.port),
      [](caf::event_based_actor* self, const connection_actor& client) {
        return minding([self, client](const received&) { tell(self, client, cast{payload::copy_of("2"), {}}); });
      },
      config);
  REQUIRE(second);
  // Which of them gets a client is a hash of its port.
  std::set<std::string> answers;
  for (int count = 0; count < 20'000 && answers.size() < 2; ++count) {
    auto client = plain_socket::connect_to(first.port);
    answers.insert(echoed(client, "?"));
  }
  CHECK(answers == std::set<std::string>{"1", "2"});
  config.share_port = false;
  CHECK_FALSE(here.net->listen(uri(first.port), echo, config));
}

TEST_CASE("a resume that finds the port taken says so, and a further one tries again") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  const auto server = must_listen(*here.net, echo, config);
  me.must_ask<void>(server.listener, suspend{});
  CHECK(sockets_that_listen(server.port) == 0);
  witness subscriber{here.system};
  subscriber.must_ask<void>(server.listener, actorwire::subscribe{event_mask::listener, credit_mode::automatic});
  {
    const auto thief = listen_on(server.port);
    const auto refused = me.try_to_ask<void>(server.listener, actorwire::resume{});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::address_in_use);
    const auto stats = stats_of(me, server);
    CHECK_FALSE(stats.accepting);
    CHECK(stats.accept_errors == 1);
    CHECK(stats.last_error == refused.error());
    const auto event = subscriber.await<listener_event>();
    CHECK(event.change == listener_change::suspended);
    CHECK(event.reason == refused.error());
    // One that is told and not asked leaves the same traces.
    anonymous_tell(server.listener, actorwire::resume{});
    wait_until("that one has failed too", [&] { return stats_of(me, server).accept_errors == 2; });
    CHECK_FALSE(stats_of(me, server).accepting);
  }
  me.must_ask<void>(server.listener, actorwire::resume{});
  CHECK(stats_of(me, server).accepting);
  CHECK(sockets_that_listen(server.port) == (config.reuse_port ? 2 : 1));
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "again") == "again");
}

TEST_CASE("suspend and resume in any quick order end as the last of them says") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  for (int round = 0; round < 50; ++round) {
    anonymous_tell(server.listener, suspend{});
    anonymous_tell(server.listener, actorwire::resume{});
    anonymous_tell(server.listener, suspend{});
    anonymous_tell(server.listener, actorwire::resume{});
    anonymous_tell(server.listener, actorwire::resume{});
    me.must_ask<void>(server.listener, suspend{});
    CHECK(sockets_that_listen(server.port) == 0);
    CHECK_FALSE(stats_of(me, server).accepting);
    anonymous_tell(server.listener, suspend{});
    anonymous_tell(server.listener, actorwire::resume{});
    anonymous_tell(server.listener, suspend{});
    me.must_ask<void>(server.listener, actorwire::resume{});
    CHECK(sockets_that_listen(server.port) == 2);
    CHECK(stats_of(me, server).accepting);
  }
  CHECK(stats_of(me, server).accept_errors == 0);
}

TEST_CASE("a limit out of range is refused, and the old one stays") {
  program here;
  witness me{here.system};
  listen_config config;
  config.max_connections = 1;
  const auto server = must_listen(*here.net, echo, config);
  for (const std::uint32_t limit : {0U, 1'000'001U}) {
    const auto refused = me.try_to_ask<void>(server.listener, set_limit{limit});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == error_code::invalid_value);
    CHECK(refused.error().text == "listen.max_connections = " + std::to_string(limit) + ": must be 1..1000000");
  }
  // Where nobody waits for the answer it is kept, and nobody ends over it.
  tell(me.self().operator->(), server.listener, set_limit{0});
  CHECK(stats_of(me, server).last_error.code == error_code::invalid_value);
  CHECK(stats_of(me, server).accept_errors == 1);
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "one") == "one");
  CHECK_FALSE(stats_of(me, server).accepting);
}

TEST_CASE("a listener of which one part crashes ends with that reason") {
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = GENERATE(true, false);
  constexpr auto crash = caf::exit_reason::unreachable;
  // The part on the shard of a client is the one that asks the receiver.
  const auto receiver = here.system.spawn([](caf::event_based_actor* self) {
    return caf::behavior{
        [self](const accepted&) { caf::anon_send_exit(caf::actor_cast<caf::actor>(self->current_sender()), crash); }};
  });
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver, config);
  REQUIRE(server);
  auto client = plain_socket::connect_to(server->port);
  CHECK(me.await_end_of(server->listener) == crash);
  CHECK(ends(client));
  wait_until("no shard listens", [&] { return sockets_that_listen(server->port) == 0; });
}

TEST_CASE("whoever told a listener or a supervisor to close survives that it ends before it has closed") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  plain_listener remote;
  const auto peer = here.net->acquire(uri(remote.port())).value();
  const auto far_end = remote.accept();
  me.must_ask<connection_info>(peer, connect{});
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");
  const auto survives = [&](const auto& closing) {
    const auto teller = here.system.spawn([closing](caf::event_based_actor* self) {
      return caf::behavior{[self, closing](caf::ok_atom) {
                             tell(self, closing, actorwire::close{close_mode::drain, 1h});
                           },
                           [](int number) { return number + 1; }};
    });
    me.must_ask<void>(teller, caf::ok_atom_v);
    // Neither of the other ends ever finishes.
    caf::anon_send_exit(closing, caf::exit_reason::user_shutdown);
    static_cast<void>(me.await_end_of(closing));
    CHECK(me.must_ask<int>(teller, 1) == 2);
  };
  SECTION("a listener") {
    survives(server.listener);
  }
  SECTION("a supervisor") {
    survives(here.net->supervisor());
  }
}

TEST_CASE("an error of accepting is counted and kept", "[P7]") {
  if (is_sanitized)
    SKIP("sanitizers need descriptors");
  program here;
  witness me{here.system};
  listen_config config;
  config.reuse_port = false;
  const auto server = must_listen(*here.net, echo, config);
  CHECK(stats_of(me, server).last_error.code == error_code::none);
  plain_socket client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(next);
  auto lowered = before;
  lowered.rlim_cur = static_cast<rlim_t>(next);
  ::setrlimit(RLIMIT_NOFILE, &lowered);
  const auto where = plain_socket::loopback(server.port);
  const auto connected = ::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where);
  wait_until("the shortage is noticed", [&] { return stats_of(me, server).accept_errors > 0; });
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(connected == 0);
  const auto stats = stats_of(me, server);
  CHECK(stats.last_error.code == error_code::descriptor_limit);
  CHECK(stats.accepting);
  CHECK(echoed(client, "late") == "late");
}

TEST_CASE("an abort overtakes a drain of a listener and of a supervisor") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  plain_listener remote;
  const auto peer = here.net->acquire(uri(remote.port())).value();
  const auto far_end = remote.accept();
  me.must_ask<connection_info>(peer, connect{});
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");
  // Neither of the other ends ever finishes, so both drains would take their hour.
  auto* self = me.self().operator->();
  auto slow_listener = ask(self, server.listener, patience, actorwire::close{close_mode::drain, 1h});
  auto slow_supervisor = ask(self, here.net->supervisor(), patience, actorwire::close{close_mode::drain, 1h});
  const auto quick_listener = me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 1h});
  const auto quick_supervisor =
      me.must_ask<close_report>(here.net->supervisor(), actorwire::close{close_mode::abort, 1h});
  CHECK(ends(client));
  // Each of the two hears the same, and nothing is counted twice.
  const auto same_as = [](const close_report& other) {
    return [other](const close_report& it) { CHECK(it == other); };
  };
  const auto unanswered = [](const caf::error& reason) { FAIL_CHECK(caf::to_string(reason)); };
  std::move(slow_listener).receive(same_as(quick_listener), unanswered);
  std::move(slow_supervisor).receive(same_as(quick_supervisor), unanswered);
  CHECK(quick_listener.delivery.accepted.messages == 1);
}

TEST_CASE("an ended listener keeps neither its receiver nor its serve function") {
  program here;
  witness me{here.system};
  const auto token = std::make_shared<int>();
  const auto server = must_listen(*here.net, [token](caf::event_based_actor* self, const connection_actor& client) {
    return echo(self, client);
  });
  auto client = plain_socket::connect_to(server.port);
  CHECK(echoed(client, "hello") == "hello");

  std::optional<caf::actor> receiver = here.system.spawn([to = me.handle()](caf::event_based_actor* self) {
    return caf::behavior{[self, to](accepted& event) { tell(self, to, std::move(event)); }};
  });
  const auto front = here.net->listen("tcp://127.0.0.1:0", *receiver).value();
  auto visitor = plain_socket::connect_to(front.port);
  const auto known = me.await<accepted>();
  const auto weak_receiver = weak(*receiver);
  me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 10s});
  me.must_ask<close_report>(front.listener, actorwire::close{close_mode::abort, 10s});
  caf::anon_send_exit(*receiver, caf::exit_reason::user_shutdown);
  static_cast<void>(me.await_end_of(*receiver));
  receiver.reset();
  // The handles of both listeners, and that of a connection, are still held.
  wait_until("the serve function is gone", [&] { return token.use_count() == 1; });
  wait_until("the receiver is gone", [&] { return !is_alive(weak_receiver); });
}

TEST_CASE("a network forgets the listeners and supervisors that have ended") {
  program here;
  witness me{here.system};
  std::vector<caf::weak_actor_ptr> ended;
  for (int round = 0; round < 10; ++round) {
    auto server = must_listen(*here.net, echo);
    me.must_ask<close_report>(server.listener, actorwire::close{close_mode::abort, 10s});
    ended.push_back(weak(server.listener));
    auto pool = here.net->make_supervisor({}).value();
    me.must_ask<close_report>(pool, actorwire::close{close_mode::abort, 10s});
    ended.push_back(weak(pool));
  }
  wait_until("all are gone", [&] { return std::none_of(ended.begin(), ended.end(), is_alive); });
}

TEST_CASE("a client from a link-local address is known by that address and its interface") {
  auto here_is = link_local_address();
  if (here_is.sin6_scope_id == 0)
    SKIP("this machine has no link-local address");
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://[::]:0", me.handle());
  REQUIRE(server);
  here_is.sin6_port = htons(server->port);
  plain_socket client{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (::connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&here_is), sizeof here_is) != 0)
    SKIP("this machine does not reach its own link-local address");
  sockaddr_in6 local{};
  socklen_t size = sizeof local;
  REQUIRE(::getsockname(client.descriptor(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
  char text[INET6_ADDRSTRLEN] = "";
  REQUIRE(::inet_ntop(AF_INET6, &local.sin6_addr, text, sizeof text) != nullptr);
  const auto event = me.await<accepted>();
  CHECK(event.info.remote.proto == protocol::tcp);
  CHECK(event.info.remote.host == text + ("%" + std::to_string(here_is.sin6_scope_id)));
  CHECK(event.info.remote.port == ntohs(local.sin6_port));
}

} // namespace actorwire::test
