// Certificates are read anew while connections go on: what the next client sees, what the present ones do, and what happens
// when the files are not as they should be.

#include "certificates.hpp"
#include "program.hpp"
#include "temporary_directory.hpp"

#include <catch2/matchers/catch_matchers_string.hpp>

#include <array>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <vector>

namespace actorwire::test {

namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

/// A certificate and its key in a folder of their own, which a test replaces.
class identity_folder {
public:
  explicit identity_folder(std::string_view name) { hold(name); }

  [[nodiscard]] std::string path() const { return folder_.path(); }
  [[nodiscard]] std::string certificate() const { return folder_.path() + "/site.pem"; }
  [[nodiscard]] std::string key() const { return folder_.path() + "/site.key"; }

  /// Has both files be those of that name.
  void hold(std::string_view name) const {
    write(certificate(), certificate_text(std::string{name} + ".pem"));
    write(key(), certificate_text(std::string{name} + ".key"));
  }

  static void write(const std::string& file, std::string_view text) {
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << text;
    REQUIRE(out.flush());
  }

private:
  temporary_directory folder_;
};

listen_config listener_of(const identity_folder& files) {
  listen_config config;
  config.transport.tls.certificate.file = files.certificate();
  config.transport.tls.key.file = files.key();
  return config;
}

std::string tls_uri(std::uint16_t port) {
  return "tls://127.0.0.1:" + std::to_string(port);
}

tls_config trusting() {
  tls_config config;
  config.trust.text = certificate_text("root.pem");
  config.server_name = "localhost";
  return config;
}

listening must_listen(program& here, accept_function serve, const listen_config& config,
                      std::string_view where = "tls://127.0.0.1:0") {
  auto made = here.net->listen(where, std::move(serve), config);
  if (!made)
    FAIL(to_string(made.error()));
  return std::move(*made);
}

/// Peers to one listener. Each is one of its own: a pool would hand out one for equal options.
class clients {
public:
  clients(program& here, const listening& server, tls_config tls = trusting())
    : here_(here), port_(server.port), tls_(std::move(tls)) {}

  connection_actor next(flow_limits flow = {}) {
    acquire_options options;
    options.transport.tls = tls_;
    options.transport.flow = flow;
    options.reconnection.base_delay = std::chrono::milliseconds{++count_};
    return here_.net->acquire(tls_uri(port_), options).value();
  }

  /// Connects another one; returns what it knows of its connection.
  tls_info look(witness& me) { return me.must_ask<connection_info>(next(), connect{}).tls; }

private:
  program& here_;
  std::uint16_t port_;
  tls_config tls_;
  int count_ = 0;
};

listener_stats stats_of(witness& me, const listening& server) {
  return me.must_ask<listener_stats>(server.listener, get_listener_stats{});
}

std::uint64_t generation_of(witness& me, const connection_actor& peer) {
  return me.must_ask<connection_status>(peer, get_state{}).info.generation;
}

void say(const connection_actor& to, std::string_view text) {
  anonymous_tell(to, cast{payload::copy_of(text), {}});
}

/// Something that threads wait at until it is opened.
class gate {
public:
  void close() {
    const std::lock_guard locked{guard_};
    is_open_ = false;
  }
  void open() {
    const std::lock_guard locked{guard_};
    is_open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock locked{guard_};
    ++arrivals_;
    changed_.notify_all();
    changed_.wait(locked, [this] { return is_open_; });
  }
  /// Waits until that many have come, whether they have passed or not.
  void await(int arrivals) {
    std::unique_lock locked{guard_};
    REQUIRE(changed_.wait_for(locked, patience, [&] { return arrivals_ >= arrivals; }));
  }
  [[nodiscard]] int arrivals() {
    const std::lock_guard locked{guard_};
    return arrivals_;
  }

private:
  std::mutex guard_;
  std::condition_variable changed_;
  bool is_open_ = true;
  int arrivals_ = 0;
};

/// Opens a gate at the end, come what may: a thread that waits there keeps the network from ending.
struct opening {
  gate& what;
  ~opening() { what.open(); }
};

/// What became of requests that an actor of the system sends.
struct answers {
  std::atomic<int> good{0};
  std::atomic<int> refused{0};
  [[nodiscard]] int all() const { return good + refused; }
};

/// Asks `count` times at once.
template <class Handle>
void ask_often(program& here, const Handle& whom, const reload_tls& request, int count,
               const std::shared_ptr<answers>& found) {
  here.system.spawn([=](caf::event_based_actor* self) {
    for (int index = 0; index < count; ++index)
      ask(self, whom, caf::infinite, request)
          .then([found] { ++found->good; }, [found](const caf::error&) { ++found->refused; });
  });
}

} // namespace

// -- a listener's ---------------------------------------------------------------------------------------------------------

TEST_CASE("after a reload the next client sees the new certificate, and a running connection goes on") {
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files));
  clients all{here, server};
  const auto running = all.next();
  CHECK(me.must_ask<connection_info>(running, connect{}).tls.peer_key == pin_of("server-ec"));
  me.listen_to(running, event_mask::data);

  files.hold("renewed");
  CHECK(all.look(me).peer_key == pin_of("server-ec"));
  me.must_ask<void>(server.listener, reload_tls{});
  // More than one, since the kernel spreads them over the shards.
  for (int count = 0; count < 8; ++count)
    CHECK(all.look(me).peer_key == pin_of("renewed"));

  say(running, "still here");
  CHECK(me.await_bytes(10) == "still here");
  CHECK(generation_of(me, running) == 1);
  CHECK(stats_of(me, server).accept_errors == 0);
}

TEST_CASE("after a reload a client that pins the new key is served, which it was not before") {
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files));
  auto pinning = trusting();
  pinning.pinned_keys = {pin_of("renewed")};
  clients strict{here, server, pinning};
  const auto early = strict.next();
  wait_until("it is refused",
             [&] { return me.must_ask<connection_status>(early, get_state{}).last_error.code != error_code::none; });
  files.hold("renewed");
  me.must_ask<void>(server.listener, reload_tls{});
  CHECK(strict.look(me).peer_key == pin_of("renewed"));
  CHECK(clients{here, server}.look(me).peer_key == pin_of("renewed"));
}

namespace {

struct damage {
  const char* what;
  const char* setting;
  std::function<void(const identity_folder&)> befall;
};

/// The text up to `part` of the way from the start of `from` on.
std::string cut(const std::string& text, std::size_t from, double part) {
  return text.substr(0, from + static_cast<std::size_t>(static_cast<double>(text.size() - from) * part));
}

std::vector<damage> all_damage() {
  const auto certificate = certificate_text("renewed.pem");
  const auto key = certificate_text("renewed.key");
  const auto leaf_end = certificate.find("-----END CERTIFICATE-----");
  const auto second = certificate.find("-----BEGIN CERTIFICATE-----", leaf_end);
  REQUIRE(second != std::string::npos);
  const auto with_certificate = [](std::string text) {
    return [text = std::move(text)](const identity_folder& files) {
      files.hold("renewed");
      identity_folder::write(files.certificate(), text);
    };
  };
  const auto with_key = [](std::string text) {
    return [text = std::move(text)](const identity_folder& files) {
      files.hold("renewed");
      identity_folder::write(files.key(), text);
    };
  };
  const auto with = [](const char* name) { return [name](const identity_folder& files) { files.hold(name); }; };
  return {
      {"no certificate", "tls.certificate",
       [](const identity_folder& files) { std::filesystem::remove(files.certificate()); }},
      {"no key", "tls.key",
       [](const identity_folder& files) {
         files.hold("renewed");
         std::filesystem::remove(files.key());
       }},
      {"a folder in place of the certificate", "tls.certificate",
       [](const identity_folder& files) {
         std::filesystem::remove(files.certificate());
         std::filesystem::create_directory(files.certificate());
       }},
      {"an empty certificate", "tls.certificate", with_certificate({})},
      {"a certificate cut in its first line", "tls.certificate", with_certificate(certificate.substr(0, 13))},
      {"a certificate cut in the middle", "tls.certificate", with_certificate(certificate.substr(0, leaf_end / 2))},
      {"a certificate cut before its last line", "tls.certificate", with_certificate(certificate.substr(0, leaf_end))},
      {"a chain cut in its second certificate", "tls.certificate", with_certificate(cut(certificate, second, 0.5))},
      {"a chain cut in the last line", "tls.certificate",
       with_certificate(certificate.substr(0, certificate.rfind("-----END CERTIFICATE-----") + 8))},
      {"an empty key", "tls.key", with_key({})},
      {"a key cut in the middle", "tls.key", with_key(cut(key, 0, 0.5))},
      {"a key cut in its last line", "tls.key", with_key(key.substr(0, key.rfind("-----END") + 8))},
      {"noise for a certificate", "tls.certificate", with_certificate(pattern(4'000))},
      {"noise for a key", "tls.key", with_key(pattern(300))},
      {"the key of another", "tls.key", with("mismatched")},
      {"the old certificate with the new key", "tls.key", with_certificate(certificate_text("server-ec.pem"))},
      {"a certificate that has expired", "tls.certificate", with("expired")},
      {"a certificate that is not valid yet", "tls.certificate", with("not-yet-valid")},
  };
}

} // namespace

TEST_CASE("a reload of files that are no good keeps the old certificate, and says which setting is at fault") {
  program here;
  witness me{here.system};
  std::uint64_t errors = 0;
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files));
  clients all{here, server};
  const auto running = all.next();
  me.must_ask<connection_info>(running, connect{});
  me.listen_to(running, event_mask::data);
  for (const auto& each : all_damage()) {
    CAPTURE(each.what);
    each.befall(files);
    const auto outcome = me.try_to_ask<void>(server.listener, reload_tls{true, 5s});
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == error_code::invalid_credentials);
    CHECK_THAT(outcome.error().text, ContainsSubstring(each.setting));
    CHECK_THAT(outcome.error().text, !ContainsSubstring(files.path()) && !ContainsSubstring("site."));
    const auto stats = stats_of(me, server);
    CHECK(stats.accept_errors == ++errors);
    CHECK(stats.last_error == outcome.error());
    CHECK(all.look(me).peer_key == pin_of("server-ec"));
    std::filesystem::remove_all(files.certificate());
  }
  say(running, "all the while");
  CHECK(me.await_bytes(13) == "all the while");
  CHECK(generation_of(me, running) == 1);

  files.hold("renewed");
  me.must_ask<void>(server.listener, reload_tls{});
  CHECK(all.look(me).peer_key == pin_of("renewed"));
  CHECK(stats_of(me, server).accept_errors == errors);
}

TEST_CASE("a half-written list of trusted authorities is refused, and keeps the old one") {
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto trust = files.path() + "/trust.pem";
  const auto both = certificate_text("foreign-root.pem") + certificate_text("root.pem");
  identity_folder::write(trust, both);
  auto config = listener_of(files);
  config.transport.tls.trust.file = trust;
  config.transport.tls.client_certificates = client_certificates::require;
  const auto server = must_listen(here, echo, config);
  auto known = trusting();
  const auto own = identity_in_memory("client-a");
  known.certificate = own.certificate;
  known.key = own.key;
  known.session_resumption = false;
  clients all{here, server, known};
  const auto is_served = [&] {
    const auto peer = all.next();
    me.must_ask<connection_info>(peer, connect{});
    me.listen_to(peer, event_mask::data);
    say(peer, "hello");
    return me.await_bytes(5) == "hello";
  };
  CHECK(is_served());
  for (const auto* lost : {"half of the second", "its last line"}) {
    CAPTURE(lost);
    const auto second = both.rfind("-----BEGIN");
    identity_folder::write(trust, lost == std::string_view{"its last line"} ? both.substr(0, both.rfind("-----END"))
                                                                            : cut(both, second, 0.5));
    const auto outcome = me.try_to_ask<void>(server.listener, reload_tls{});
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == error_code::invalid_credentials);
    CHECK_THAT(outcome.error().text, StartsWith("tls.trust"));
    CHECK(is_served());
  }
}

TEST_CASE("a draining reload closes the old connections after what they have to send, and not the new ones") {
  constexpr std::size_t size = std::size_t{64} << 10U;
  constexpr std::size_t count = 48;
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  // Answers each message with 3 MiB, more than the client takes before it reads on.
  const auto pour = [](caf::event_based_actor* self, const connection_actor& client) {
    return minding([self, client](const received& asked) {
      if (asked.body.text() == "echo")
        tell(self, client, cast{asked.body, {}});
      else
        for (std::size_t index = 0; index < count; ++index)
          tell(self, client, cast{payload::copy_of(std::string(size, static_cast<char>('a' + index % 26))), {}});
    });
  };
  const auto server = must_listen(here, pour, listener_of(files));
  clients all{here, server};
  flow_limits narrow;
  narrow.read_credit = std::size_t{64} << 10U;
  const auto old = all.next(narrow);
  me.must_ask<connection_info>(old, connect{});
  me.listen_to(old, event_mask::data | event_mask::state, credit_mode::manual);
  say(old, "pour");
  auto got = me.await<received>().body.size();
  // All of it has been accepted on the other side; the rest waits there, and for our credit.
  files.hold("renewed");
  me.must_ask<void>(server.listener, reload_tls{true, 20s});

  const auto fresh = all.next();
  CHECK(me.must_ask<connection_info>(fresh, connect{}).tls.peer_key == pin_of("renewed"));
  CHECK(generation_of(me, old) == 1);
  for (auto owed = got; got < size * count;) {
    tell(me.self().operator->(), old, grant{owed});
    owed = me.await<received>().body.size();
    got += owed;
  }
  CHECK(got == size * count);
  const auto again = me.await<opened>([](const opened& event) { return event.info.generation == 2; });
  CHECK(again.info.tls.peer_key == pin_of("renewed"));

  witness other{here.system};
  other.listen_to(fresh, event_mask::data);
  say(fresh, "echo");
  CHECK(other.await_bytes(4) == "echo");
  CHECK(generation_of(me, fresh) == 1);
  wait_until("only the new connections are open", [&] { return stats_of(me, server).open == 2; });
}

TEST_CASE("a draining reload lets nobody stay longer than its drain_timeout") {
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(
      here,
      [](caf::event_based_actor* self, const connection_actor& client) {
        return minding([self, client](const received&) {
          for (int count = 0; count < 48; ++count)
            tell(self, client, cast{payload::copy_of(std::string(std::size_t{64} << 10U, 'x')), {}});
        });
      },
      listener_of(files));
  clients all{here, server};
  flow_limits narrow;
  narrow.read_credit = std::size_t{64} << 10U;
  const auto old = all.next(narrow);
  me.must_ask<connection_info>(old, connect{});
  // It never pays for what it has read, so the rest never arrives.
  me.listen_to(old, event_mask::data | event_mask::state, credit_mode::manual);
  say(old, "pour");
  me.await<received>();
  me.must_ask<void>(server.listener, reload_tls{true, 1ms});
  me.await<opened>([](const opened& event) { return event.info.generation == 2; });
}

TEST_CASE("a reload that was told and not asked does its work, and answers nobody") {
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files));
  clients all{here, server};
  std::filesystem::remove(files.key());
  tell(me.self().operator->(), server.listener, reload_tls{});
  wait_until("the error is counted", [&] { return stats_of(me, server).accept_errors == 1; });
  CHECK(stats_of(me, server).last_error.code == error_code::invalid_credentials);
  CHECK(all.look(me).peer_key == pin_of("server-ec"));

  files.hold("renewed");
  tell(me.self().operator->(), server.listener, reload_tls{});
  wait_until("the new certificate is shown", [&] { return all.look(me).peer_key == pin_of("renewed"); });
  CHECK(stats_of(me, server).accept_errors == 1);
  CHECK(stats_of(me, server).accepting);
  CHECK_FALSE(me.self()->has_next_message());
}

TEST_CASE("a reload that makes no sense is refused, and counted only if nobody hears of it") {
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto plain = must_listen(here, echo, {}, "tcp://127.0.0.1:0");
  const auto server = must_listen(here, echo, listener_of(files));
  const auto refused = [&me](const auto& whom, const reload_tls& request) {
    const auto outcome = me.try_to_ask<void>(whom, request);
    REQUIRE_FALSE(outcome);
    return outcome.error();
  };
  CHECK(refused(plain.listener, reload_tls{}).code == error_code::unsupported);
  for (const auto limit : {0ms, -1ms, 24h + 1ms}) {
    CAPTURE(limit.count());
    const reload_tls request{true, limit};
    for (const auto& failure : {refused(server.listener, request), refused(here.net->supervisor(), request)}) {
      CHECK(failure.code == error_code::invalid_value);
      CHECK_THAT(failure.text, ContainsSubstring("drain_timeout"));
    }
  }
  CHECK(stats_of(me, plain).accept_errors == 0);
  CHECK(stats_of(me, server).accept_errors == 0);
  anonymous_tell(plain.listener, reload_tls{});
  anonymous_tell(server.listener, reload_tls{true, 0ms});
  CHECK(stats_of(me, plain).accept_errors == 1);
  CHECK(stats_of(me, plain).last_error.code == error_code::unsupported);
  CHECK(stats_of(me, server).accept_errors == 1);
}

TEST_CASE("a session from before a reload is not resumed, and one from after it is") {
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files));
  clients all{here, server};
  const auto look = [&] {
    const auto peer = all.next();
    auto found = me.must_ask<connection_info>(peer, connect{}).tls;
    // Tickets come with or before the first bytes.
    me.listen_to(peer, event_mask::data);
    say(peer, "ticket");
    CHECK(me.await_bytes(6) == "ticket");
    return found;
  };
  CHECK_FALSE(look().resumed);
  CHECK(look().resumed);
  me.must_ask<void>(server.listener, reload_tls{});
  CHECK_FALSE(look().resumed);
  CHECK(look().resumed);
}

TEST_CASE("reloads of one listener that come at once are all answered") {
  constexpr int count = 40;
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files));
  clients all{here, server};
  const auto found = std::make_shared<answers>();
  ask_often(here, server.listener, reload_tls{true, 5s}, count, found);
  files.hold("mismatched");
  ask_often(here, server.listener, reload_tls{}, count, found);
  files.hold("renewed");
  ask_often(here, server.listener, reload_tls{}, count, found);
  wait_until("all are answered", [&] { return found->all() == 3 * count; });
  me.must_ask<void>(server.listener, reload_tls{});
  CHECK(stats_of(me, server).accept_errors == static_cast<std::uint64_t>(found->refused));
  CHECK(all.look(me).peer_key == pin_of("renewed"));
}

// -- the end of who is asked ----------------------------------------------------------------------------------------------

namespace {

/// A network whose encrypted keys are opened when a gate lets them.
network_options asking_at(gate& before_key) {
  auto options = program::two_shards();
  options.key_password = [&before_key](std::string_view) {
    before_key.pass();
    return password_of("encrypted");
  };
  return options;
}

template <class Handle>
void end(const Handle& whom, bool by_force) {
  if (by_force)
    caf::anon_send_exit(whom, caf::exit_reason::kill);
  else
    anonymous_tell(whom, close{close_mode::abort, 5s});
}

/// Asks once, from an actor of its own.
template <class Handle>
std::shared_ptr<answers> begin_reload(program& here, const Handle& whom, const reload_tls& request = {}) {
  auto found = std::make_shared<answers>();
  ask_often(here, whom, request, 1, found);
  return found;
}

} // namespace

TEST_CASE("the end of a listener while its files are read answers who asked") {
  const auto by_force = GENERATE(false, true);
  gate before_key;
  program here{asking_at(before_key)};
  const opening at_last{before_key};
  const identity_folder files{"encrypted"};
  const auto server = must_listen(here, echo, listener_of(files));
  before_key.close();
  const auto asked = before_key.arrivals();
  const auto found = begin_reload(here, server.listener);
  before_key.await(asked + 1);
  end(server.listener, by_force);
  wait_until("who asked is answered", [&] { return found->refused == 1; });
}

TEST_CASE("the end of a listener whose parts have yet to take the new certificate answers who asked") {
  const auto by_force = GENERATE(false, true);
  gate before_key;
  gate on_other_shard;
  program here{asking_at(before_key)};
  const opening at_last{before_key};
  const opening at_last_too{on_other_shard};
  witness me{here.system};
  const identity_folder files{"encrypted"};
  const auto server = must_listen(here, echo, listener_of(files));
  // The listener lives on the first shard, and has a part on the second, which does nothing from now on.
  on_other_shard.close();
  const auto blocking = here.net->spawn_on_shard(1, [&](caf::event_based_actor*) -> caf::behavior {
    on_other_shard.pass();
    return {[](int) {}};
  });
  on_other_shard.await(1);
  const auto asked = before_key.arrivals();
  const auto found = begin_reload(here, server.listener);
  before_key.await(asked + 1);
  before_key.close();
  const auto next = begin_reload(here, server.listener);
  // The files of the second are read after those of the first are, so the listener knows of these.
  before_key.await(asked + 2);
  stats_of(me, server);
  CHECK(found->all() == 0);
  end(server.listener, by_force);
  if (by_force)
    wait_until("both are refused", [&] { return found->refused == 1 && next->refused == 1; });
  on_other_shard.open();
  wait_until("both are answered", [&] { return found->all() == 1 && next->all() == 1; });
  caf::anon_send_exit(blocking, caf::exit_reason::user_shutdown);
}

TEST_CASE("the end of a supervisor while files are read answers who asked") {
  const auto by_force = GENERATE(false, true);
  gate before_key;
  program here{asking_at(before_key)};
  const opening at_last{before_key};
  witness me{here.system};
  const identity_folder files{"encrypted"};
  listen_config config;
  const auto own = identity_in_memory("server-ec");
  config.transport.tls.certificate = own.certificate;
  config.transport.tls.key = own.key;
  const auto server = must_listen(here, echo, config);
  auto shown = trusting();
  shown.certificate.file = files.certificate();
  shown.key.file = files.key();
  clients all{here, server, shown};
  all.look(me);
  before_key.close();
  const auto asked = before_key.arrivals();
  const auto found = begin_reload(here, here.net->supervisor());
  before_key.await(asked + 1);
  end(here.net->supervisor(), by_force);
  wait_until("who asked is answered", [&] { return found->refused == 1; });
}

// -- a supervisor's -------------------------------------------------------------------------------------------------------

namespace {

/// A listener that wants to know its clients, and tells the witness of them.
struct knowing_listener {
  knowing_listener(program& here, witness& me) {
    listen_config config;
    const auto own = identity_in_memory("server-ec");
    config.transport.tls.certificate = own.certificate;
    config.transport.tls.key = own.key;
    config.transport.tls.trust.text = certificate_text("root.pem");
    config.transport.tls.client_certificates = client_certificates::require;
    auto made = here.net->listen("tls://127.0.0.1:0", me.handle(), config);
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

TEST_CASE("after a supervisor's reload the next connection shows the new certificate, and running ones go on") {
  program here;
  witness me{here.system};
  witness subscriber{here.system};
  const identity_folder files{"client-a"};
  const knowing_listener known{here, me};
  clients all{here, known.server, showing(files)};
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

TEST_CASE("a supervisor's reload of files that are no good keeps the old certificate, and tells its subscribers") {
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

TEST_CASE("a supervisor's draining reload dials its TLS peers anew without losing a message") {
  program here;
  witness me{here.system};
  witness owner{here.system};
  const identity_folder files{"client-a"};
  const knowing_listener known{here, me};
  const auto plain = must_listen(here, echo, {}, "tcp://127.0.0.1:0");
  clients all{here, known.server, showing(files)};
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
  CHECK(me.must_ask<connection_info>(peer, connect{}).generation == 2);
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
