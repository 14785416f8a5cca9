// What listeners for QUIC have in common that have one certificate, and what not.

#include "certificates.hpp"
#include "edge/quic/quic_group.hpp"
#include "edge/quic/quic_socket.hpp"
#include "edge/quic/replay_memory.hpp"
#include "socket_fixture.hpp"
#include "temporary_directory.hpp"
#include "udp_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace actorwire;
using namespace actorwire::test;

namespace {

listen_config with(const std::function<void(listen_config&)>& change = [](auto&) {}) {
  static const auto own = identity_in_files("server-ec");
  listen_config config;
  config.transport.tls.certificate = own.certificate;
  config.transport.tls.key = own.key;
  quic_config quic;
  quic.early_data = true;
  config.transport.protocol_settings = quic;
  change(config);
  return config;
}

udp_address at(std::uint16_t port) {
  return {parse_ip_address("192.0.2.1").value(), port};
}

class listeners {
public:
  /// As a process that was started anew makes them: with the same files, and nothing remembered.
  explicit listeners(stepped_shard& here) : here_(here) {}

  std::shared_ptr<quic_group> listen(const listen_config& config = with()) {
    return quic_group::make(config, identities_.load(tls_role::server, config.transport.tls).value(), 1).value();
  }
  quic_tokens::stateless_reset_token reset_by(quic_group& group, std::uint16_t port) {
    return group.setup_for(here_.run).tokens->make_stateless_reset(quic_cid{std::as_bytes(std::span{"12345678"})},
                                                                   at(port));
  }
  const void* guard_of(quic_group& group) {
    return group.acceptance_for(here_.run).admit({at(443), at(50'000)}).value().tls.guard.get();
  }
  /// Of the certificate that the next client is shown.
  const tls_credentials* shown_by(quic_group& group) {
    return group.acceptance_for(here_.run).admit({at(443), at(50'000)}).value().tls.identity.get();
  }
  void reload(const listen_config& config) {
    std::optional<tls_store::answer> outcome;
    const auto asked = identities_.reload(tls_role::server, config.transport.tls, here_.run,
                                          [&](tls_store::answer done) { outcome.emplace(std::move(done)); });
    here_.until([&] { return outcome.has_value(); });
    REQUIRE(outcome->has_value());
  }
  bool takes_token(quic_group& group, std::string_view token) {
    return group.acceptance_for(here_.run).use_token(std::as_bytes(std::span{token}), {});
  }

private:
  stepped_shard& here_;
  tls_store identities_;
};

} // namespace

TEST_CASE("a listener knows how to reset the connections of the one before it, and none of another port") {
  stepped_shard here;
  listeners before{here};
  listeners after{here};
  const auto known = before.reset_by(*before.listen(), 443);
  CHECK(after.reset_by(*after.listen(), 443) == known);
  CHECK(after.reset_by(*after.listen(), 8'443) != known);
}

TEST_CASE("a listener that shares its port knows how to reset its own connections, and knows every Retry") {
  stepped_shard here;
  listeners both{here};
  const auto sharing = with([](auto& config) { config.share_port = true; });
  const auto alone = both.listen();
  const auto one = both.listen(sharing);
  const auto other = both.listen(sharing);
  CHECK(both.reset_by(*one, 443) == both.reset_by(*one, 443));
  CHECK(both.reset_by(*one, 443) != both.reset_by(*other, 443));
  CHECK(both.reset_by(*one, 443) != both.reset_by(*alone, 443));
  const quic_cid id{std::as_bytes(std::span{"12345678"})};
  const std::chrono::system_clock::time_point noon{std::chrono::hours{1}};
  const auto retry = one->setup_for(here.run).tokens->make_retry(1, at(50'000), id, id, noon);
  for (const auto& each : {alone, other})
    CHECK(each->setup_for(here.run).tokens->check(retry.bytes(), 1, at(50'000), id, noon).what
          == quic_tokens::verdict::retry_good);
}

TEST_CASE("a listener keeps its secrets when its key is replaced, and the next one has those of the new key") {
  stepped_shard here;
  listeners all{here};
  const temporary_directory folder;
  const auto hold = [&](const std::string& name) {
    for (const auto* kind : {".pem", ".key"})
      std::ofstream{folder.path() + "/site" + kind} << certificate_text(name + kind);
  };
  hold("server-ec");
  const auto config = with([&](auto& changed) {
    changed.transport.tls.certificate.file = folder.path() + "/site.pem";
    changed.transport.tls.key.file = folder.path() + "/site.key";
  });
  const auto running = all.listen(config);
  const auto known = all.reset_by(*running, 443);
  const auto old_one = all.shown_by(*running);
  hold("renewed");
  all.reload(config);
  CHECK(all.shown_by(*running) != old_one);
  CHECK(all.reset_by(*running, 443) == known);
  const auto next = all.listen(config);
  CHECK(all.shown_by(*next) == all.shown_by(*running));
  CHECK(all.reset_by(*next, 443) != known);
}

TEST_CASE("listeners with one ticket key remember together what may be used once, and so does the one after them") {
  stepped_shard here;
  listeners all{here};
  auto first = all.listen();
  const auto* guard = all.guard_of(*first);
  REQUIRE(guard != nullptr);
  CHECK(all.takes_token(*first, "token"));
  auto second = all.listen();
  CHECK(all.guard_of(*second) == guard);
  CHECK_FALSE(all.takes_token(*second, "token"));
  first = nullptr;
  second = nullptr;
  auto third = all.listen();
  CHECK(all.guard_of(*third) == guard);
  CHECK_FALSE(all.takes_token(*third, "token"));
  CHECK(all.takes_token(*third, "another"));
}

TEST_CASE("a listener for QUIC is refused more shards than its connection IDs can name") {
  tls_store identities;
  const auto config = with();
  const auto identity = identities.load(tls_role::server, config.transport.tls).value();
  CHECK(quic_group::make(config, identity, 256));
  const auto refused = quic_group::make(config, identity, 257);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == error_code::invalid_value);
  CHECK(refused.error().text == "network_options.shards = 257: must be 1 .. 256 for quic://");
}

TEST_CASE("a shard that does not get round to it is handed over so many datagrams and no more, and later more again") {
  stepped_shard here;
  listeners made{here};
  const auto group = made.listen();
  const local_ref socket{new quic_socket{here.run, group->setup_for(here.run), group->acceptance_for(here.run)}};
  REQUIRE(socket->open(address("127.0.0.1"), {}, nullptr));
  socket->join(group);
  open_udp_socket client{"127.0.0.1"};
  // Of a version that nobody speaks, so that each draws an answer.
  std::string asking{"\xC0\x1A\x2A\x3A\x4A\x08"
                     "12345678"
                     "\x08"
                     "87654321",
                     23};
  asking.resize(1'200);
  const auto hand_over = [&](std::string_view text) {
    group->hand_over(0, {{socket->local(), client.local()}, ecn_mark::not_capable, bytes_of(text)});
  };
  receiver inbox;
  for (std::size_t count = 0; count < quic_group::strays_max - 10; ++count)
    hand_over("neither");
  for (int count = 0; count < 30; ++count)
    hand_over(asking);
  here.settle();
  inbox.receive(client, 10);
  hand_over(asking);
  here.settle();
  inbox.receive(client, 11);
  CHECK(inbox.sink.seen.size() == 11);
  socket->close_now();
  here.settle();
}
