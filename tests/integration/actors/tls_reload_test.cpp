// A listener reads its certificates anew while connections go on: what the next client sees, what the present ones do, and
// what happens when the files are not as they should be.

#include "secured_schemes.hpp"
#include "tls_reload.hpp"

#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <array>
#include <filesystem>
#include <functional>
#include <vector>

namespace actorwire::test {

namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

} // namespace

TEST_CASE("after a reload the next client sees the new certificate, and a running connection goes on", "[H3]") {
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files), scheme + "://127.0.0.1:0");
  clients all{here, server, trusting(), scheme};
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
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files), scheme + "://127.0.0.1:0");
  auto pinning = trusting();
  pinning.pinned_keys = {pin_of("renewed")};
  clients strict{here, server, pinning, scheme};
  const auto early = strict.next();
  wait_until("it is refused",
             [&] { return me.must_ask<connection_status>(early, get_state{}).last_error.code != error_code::none; });
  files.hold("renewed");
  me.must_ask<void>(server.listener, reload_tls{});
  CHECK(strict.look(me).peer_key == pin_of("renewed"));
  CHECK(clients{here, server, trusting(), scheme}.look(me).peer_key == pin_of("renewed"));
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

TEST_CASE("a reload of files that are no good keeps the old certificate, and says which setting is at fault", "[H3]") {
  program here;
  witness me{here.system};
  std::uint64_t errors = 0;
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files));
  witness subscriber{here.system};
  subscriber.must_ask<void>(server.listener, actorwire::subscribe{event_mask::listener, credit_mode::automatic});
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
    const auto event = subscriber.await<listener_event>();
    CHECK(event.change == listener_change::tls_kept);
    CHECK(event.reason == outcome.error());
    CHECK(all.look(me).peer_key == pin_of("server-ec"));
    std::filesystem::remove_all(files.certificate());
  }
  say(running, "all the while");
  CHECK(me.await_bytes(13) == "all the while");
  CHECK(generation_of(me, running) == 1);

  files.hold("renewed");
  me.must_ask<void>(server.listener, reload_tls{});
  CHECK(subscriber.await<listener_event>().change == listener_change::tls_reloaded);
  CHECK(all.look(me).peer_key == pin_of("renewed"));
  CHECK(stats_of(me, server).accept_errors == errors);
}

TEST_CASE("a half-written list of trusted authorities is refused, and keeps the old one", "[H3]") {
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto trust = files.path() + "/trust.pem";
  const auto both = certificate_text("foreign-root.pem") + certificate_text("root.pem");
  identity_folder::write(trust, both);
  auto config = listener_of(files);
  config.transport.tls.trust.file = trust;
  config.transport.tls.client_certificates = client_certificates::require;
  const auto server = must_listen(here, echo, config, scheme + "://127.0.0.1:0");
  auto known = trusting();
  const auto own = identity_in_memory("client-a");
  known.certificate = own.certificate;
  known.key = own.key;
  known.session_resumption = false;
  clients all{here, server, known, scheme};
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
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
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
  const auto server = must_listen(here, pour, listener_of(files), scheme + "://127.0.0.1:0");
  clients all{here, server, trusting(), scheme};
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
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
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
      listener_of(files), scheme + "://127.0.0.1:0");
  clients all{here, server, trusting(), scheme};
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
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files), scheme + "://127.0.0.1:0");
  clients all{here, server, trusting(), scheme};
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
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  program here;
  witness me{here.system};
  const identity_folder files{"server-ec"};
  const auto server = must_listen(here, echo, listener_of(files), scheme + "://127.0.0.1:0");
  clients all{here, server, trusting(), scheme};
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

} // namespace actorwire::test
