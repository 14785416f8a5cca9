#include "tcp_sides.hpp"

#include <actorwire/transports/transport_factory.hpp>

#include <catch2/catch_test_macros.hpp>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace actorwire;
using namespace actorwire::test;
using namespace std::chrono_literals;

// -- connecting ---------------------------------------------------------------------------------------------------------

TEST_CASE("a dial tells its progress, then both addresses, and nothing from within the call") {
  stepped_shard here;
  plain_listener listener;
  side near{make_tcp_transport(here.run, std::make_shared<resolver>())};
  near.init();
  near.wire->connect(listener.where("localhost"));
  CHECK(near.seen.progress.empty());
  here.until([&] { return near.seen.connected; });
  CHECK(near.seen.progress == std::vector{connection_state::resolving, connection_state::connecting});
  CHECK(near.seen.addresses.remote == "127.0.0.1:" + std::to_string(listener.port()));
  CHECK(near.seen.addresses.local.starts_with("127.0.0.1:"));
}

TEST_CASE("a refused connection says so, with the address") {
  stepped_shard here;
  plain_listener listener;
  listener.close();
  side near{make_tcp_transport(here.run, std::make_shared<resolver>())};
  near.init();
  near.wire->connect(listener.where());
  here.until([&] { return near.seen.closed.has_value(); });
  CHECK(near.seen.closed->code == error_code::refused);
  CHECK(near.seen.closed->where == phase::connect);
  CHECK(near.seen.closed->who == origin::remote);
  CHECK(near.seen.closed->text.find(":" + std::to_string(listener.port())) != std::string::npos);
  CHECK(near.seen.closed->text.find("(1 address tried)") != std::string::npos);
}

TEST_CASE("an address that never answers times out after connect_timeout") {
  stepped_shard here;
  const black_hole silent;
  side near{make_tcp_transport(here.run, std::make_shared<resolver>())};
  near.init();
  near.wire->connect(silent.where());
  here.until([&] { return near.seen.progress.size() == 2; });
  here.time.advance(4'999ms);
  here.settle();
  CHECK_FALSE(near.seen.closed);
  here.time.advance(1ms);
  here.until([&] { return near.seen.closed.has_value(); });
  CHECK(near.seen.closed->code == error_code::connect_timeout);
}

TEST_CASE("when the first address refuses, the second is reached") {
  stepped_shard here;
  plain_listener listener;
  // The listener is bound to 127.0.0.1 alone, so 127.0.0.2 refuses.
  side near{make_tcp_transport(here.run, resolver_of({"127.0.0.2", "127.0.0.1"}))};
  near.init();
  near.wire->connect(listener.where("two.example"));
  here.until([&] { return near.seen.connected; });
  CHECK(near.seen.addresses.remote == "127.0.0.1:" + std::to_string(listener.port()));
}

TEST_CASE("when the first address is silent, the second starts beside it after the delay and wins") {
  stepped_shard here;
  const black_hole silent;
  // The same port on another address of loopback answers.
  plain_socket answering{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto where = plain_socket::loopback(silent.port());
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  REQUIRE(::bind(answering.descriptor(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  REQUIRE(::listen(answering.descriptor(), 4) == 0);

  side near{make_tcp_transport(here.run, resolver_of({"127.0.0.1", "127.0.0.2"}))};
  near.init();
  near.wire->connect(silent.where("two.example"));
  here.until([&] { return near.seen.progress.size() == 2; });
  here.time.advance(249ms);
  here.settle();
  CHECK_FALSE(near.seen.connected);
  here.time.advance(1ms);
  here.until([&] { return near.seen.connected; });
  CHECK(near.seen.addresses.remote.starts_with("127.0.0.2:"));
}

TEST_CASE("when every address fails, the reason counts them") {
  stepped_shard here;
  plain_listener listener;
  listener.close();
  side near{make_tcp_transport(here.run, resolver_of({"127.0.0.1", "127.0.0.2", "127.0.0.3"}))};
  near.init();
  near.wire->connect(listener.where("three.example"));
  here.until([&] { return near.seen.closed.has_value(); });
  CHECK(near.seen.closed->code == error_code::refused);
  CHECK(near.seen.closed->text.find("(3 addresses tried)") != std::string::npos);
}

TEST_CASE("closing ends a dial at every step of it, with the reason given") {
  const black_hole silent;
  for (int step = 0; step < 3; ++step) {
    CAPTURE(step);
    stepped_shard here;
    side near{make_tcp_transport(here.run, std::make_shared<resolver>())};
    near.init();
    if (step > 0)
      near.wire->connect(silent.where());
    if (step > 1)
      here.until([&] { return near.seen.progress.size() == 2; });
    near.wire->close(closed_by_us());
    near.wire->close(make_error(error_code::reset, phase::close, origin::local, "second"));
    CHECK_FALSE(near.seen.closed);
    here.until([&] { return near.seen.closed.has_value(); });
    here.time.advance(1h);
    here.settle();
    CHECK(*near.seen.closed == closed_by_us());
    CHECK(near.seen.closed_count == 1);
    CHECK_FALSE(near.seen.connected);
  }
}

// -- bytes --------------------------------------------------------------------------------------------------------------

TEST_CASE("64 MiB arrive unchanged") {
  stepped_shard here;
  plain_listener listener;
  side sender{make_tcp_transport(here.run, std::make_shared<resolver>())};
  sender.init();
  sender.wire->connect(listener.where());
  here.until([&] { return sender.seen.connected; });
  side receiver{adopt_tcp_socket(here.run, listener.accept().release())};
  receiver.init();

  constexpr std::size_t total = std::size_t{64} << 20U;
  const auto block = pattern(1'000'003);
  std::size_t sent = 0;
  const auto send_more = [&] {
    while (sent < total) {
      const auto offset = sent % block.size();
      const auto size = std::min({block.size() - offset, total - sent, std::size_t{200'000}});
      const auto taken = send(*sender.wire, std::string_view{block}.substr(offset, size));
      sent += taken;
      if (taken < size)
        return;
    }
    sender.wire->finish();
  };
  std::size_t received = 0;
  auto is_unchanged = true;
  receiver.seen.then_received = [&] {
    for (std::string_view got = receiver.seen.text; !got.empty();) {
      const auto offset = received % block.size();
      const auto size = std::min(got.size(), block.size() - offset);
      is_unchanged = is_unchanged && got.substr(0, size) == std::string_view{block}.substr(offset, size);
      got.remove_prefix(size);
      received += size;
    }
    receiver.wire->receive(receiver.seen.text.size());
    receiver.seen.text.clear();
  };
  receiver.seen.then_peer_finished = [&] { receiver.wire->finish(); };
  sender.seen.then_writable = send_more;
  here.until([&] { return receiver.seen.connected; });
  receiver.wire->receive(1U << 20U);
  sender.wire->receive(1);
  send_more();
  here.until([&] { return sender.seen.closed && receiver.seen.closed; });
  CHECK(received == total);
  CHECK(is_unchanged);
  CHECK(sender.seen.closed->code == error_code::closed);
  CHECK(sender.seen.closed->who == origin::local);
  CHECK(receiver.seen.closed->code == error_code::closed);
  CHECK(receiver.seen.closed->who == origin::remote);
  CHECK(sender.wire->stats().bytes_sent == total);
  CHECK(sender.wire->bytes_acked() == total);
  CHECK(receiver.wire->stats().bytes_received == total);
}

TEST_CASE("many pieces of one call arrive in order, empty ones included") {
  stepped_shard here;
  dialled both{here};
  const auto bytes = pattern(10'000);
  std::vector<outgoing> pieces;
  for (std::size_t offset = 0, size = 0; offset < bytes.size(); offset += size, size = (size + 1) % 90)
    pieces.push_back(piece(std::string_view{bytes}.substr(offset, std::min(size, bytes.size() - offset))));
  REQUIRE(pieces.size() > 200);
  const auto taken = both.near.wire->send(pieces);
  REQUIRE(taken);
  CHECK(*taken == bytes.size());
  CHECK(receive_from(here, both.far, bytes.size()) == bytes);
}

TEST_CASE("a peer that dribbles single bytes loses none of them") {
  stepped_shard here;
  adopted both{here};
  both.near.wire->receive(unlimited);
  const auto bytes = pattern(500);
  for (const auto byte : bytes) {
    both.far.send({&byte, 1});
    here.run.run_ready();
  }
  here.until([&] { return both.near.seen.text.size() == bytes.size(); });
  CHECK(both.near.seen.text == bytes);
}

TEST_CASE("small messages that are kept share memory and are not overwritten") {
  stepped_shard here;
  adopted both{here};
  both.near.seen.keeps_payloads = true;
  both.near.wire->receive(unlimited);
  std::string sent;
  for (int count = 0; count < 1'000; ++count) {
    const auto message = "message " + std::to_string(count);
    sent.append(message);
    both.far.send(message);
    here.until([&] { return both.near.seen.text.size() == sent.size(); });
  }
  std::string kept;
  for (const auto& bytes : both.near.seen.payloads)
    kept.append(bytes.text());
  CHECK(kept == sent);
  // 1,000 slabs of 16 KiB would be 16 MB.
  CHECK(here.budget->used() <= 256U << 10U);
}

TEST_CASE("a send beyond the kernel's room takes a part and tells when there is room again") {
  stepped_shard here;
  dialled both{here};
  const auto bytes = pattern(std::size_t{32} << 20U);
  const auto first = send(*both.near.wire, bytes);
  REQUIRE(first < bytes.size());
  CHECK(send(*both.near.wire, bytes) == 0);
  CHECK(both.near.seen.writable == 0);

  auto received = receive_from(here, both.far, first);
  here.until([&] { return both.near.seen.writable > 0; });
  CHECK(send(*both.near.wire, "more") == 4);
  received.append(receive_from(here, both.far, first + 4 - received.size()));
  CHECK(received.size() == first + 4);
  CHECK(received.ends_with("more"));
  CHECK(received.starts_with(std::string_view{bytes}.substr(0, first)));
}

TEST_CASE("a send that is not possible says why") {
  stepped_shard here;
  side unconnected{make_tcp_transport(here.run, std::make_shared<resolver>())};
  unconnected.init();
  const auto one = piece("x");
  auto refused = unconnected.wire->send({&one, 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == error_kind::send);

  dialled both{here};
  both.near.wire->finish();
  refused = both.near.wire->send({&one, 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == error_kind::send);
}

// -- figures and settings -----------------------------------------------------------------------------------------------

TEST_CASE("acknowledged bytes are counted exactly, whoever dialled, and without SYN and FIN") {
  stepped_shard here;
  dialled active{here};
  adopted passive{here};
  for (auto* near : {&active.near, &passive.near}) {
    CHECK(near->wire->bytes_acked() == 0);
    send(*near->wire, "12345");
    here.until([&] { return near->wire->bytes_acked() >= 5; });
    CHECK(near->wire->bytes_acked() == 5);
    near->wire->finish();
    here.settle();
    CHECK(near->wire->bytes_acked() == 5);
  }
}

TEST_CASE("bytes that wait for the peer's reader count as acknowledged, and none beyond") {
  stepped_shard here;
  dialled both{here, {}, 4'096};
  send(*both.near.wire, pattern(1'000'000));
  here.settle();
  int queued = 0;
  here.until([&] {
    REQUIRE(::ioctl(both.far.descriptor(), FIONREAD, &queued) == 0);
    return queued > 0 && both.near.wire->bytes_acked() >= static_cast<std::uint64_t>(queued);
  });
  CHECK(both.near.wire->bytes_acked() == static_cast<std::uint64_t>(queued));
}

TEST_CASE("figures are those of the kernel, and stay after the end") {
  stepped_shard here;
  dialled both{here};
  both.near.wire->receive(unlimited);
  send(*both.near.wire, "12345");
  both.far.send("123");
  here.until([&] { return both.near.seen.text.size() == 3 && both.near.wire->bytes_acked() == 5; });
  const auto before = both.near.wire->stats();
  CHECK(before.bytes_sent == 5);
  CHECK(before.bytes_received == 3);
  CHECK(before.latency > 0us);
  const auto& metrics = std::get<tcp_metrics>(before.metrics);
  CHECK(metrics.congestion_window > 0);
  CHECK(metrics.segment_size > 0);
  both.near.wire->close(closed_by_us());
  const auto after = both.near.wire->stats();
  CHECK(after.bytes_sent == 5);
  CHECK(after.bytes_received == 3);
  CHECK(both.near.wire->bytes_acked() == 5);
}

TEST_CASE("mtu limits the segments") {
  stepped_shard here;
  transport_config config;
  config.mtu = 600;
  dialled both{here, config};
  CHECK(std::get<tcp_metrics>(both.near.wire->stats().metrics).segment_size <= 600);
}

TEST_CASE("settings that TCP cannot use are refused by init") {
  stepped_shard here;
  recording_observer seen;
  const auto wire = make_tcp_transport(here.run, std::make_shared<resolver>());
  transport_config config;
  config.protocol_settings = quic_config{};
  auto refused = wire->init(config, seen);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == error_kind::configuration);
  config = {};
  config.mtu = 1;
  refused = wire->init(config, seen);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("mtu") != std::string::npos);
}

TEST_CASE(
    "the factory makes TCP, and TLS and QUIC in a build that has them; else it names the option that left them out") {
  stepped_shard here;
  socket_transport_factory factory{std::make_shared<resolver>()};
  const std::map<protocol, bool> build{{protocol::tcp, true},
                                       {protocol::tls, ACTORWIRE_TLS != 0},
                                       {protocol::quic, ACTORWIRE_QUIC != 0}};
  for (const auto& [proto, is_there] : build) {
    CAPTURE(to_string(proto));
    const auto made = factory.create_transport(proto, here.run);
    CHECK(is_supported(proto) == is_there);
    REQUIRE(bool{made} == is_there);
    if (is_there)
      continue;
    CHECK(made.error().code == error_code::unsupported);
    CHECK(made.error().text.find(to_string(proto)) != std::string::npos);
    CHECK(made.error().text.find(ACTORWIRE_TLS ? "ACTORWIRE_QUIC=OFF" : "ACTORWIRE_TLS=OFF") != std::string::npos);
  }
}

TEST_CASE("an idle connection holds no buffer and little else") {
  // The bound is this build's size; a field more should be a decision.
  CHECK(sizeof(tcp_transport) <= 250);
  stepped_shard here;
  const auto connections = std::make_unique<std::vector<std::unique_ptr<adopted>>>();
  for (int count = 0; count < 100; ++count) {
    connections->push_back(std::make_unique<adopted>(here));
    auto& latest = *connections->back();
    latest.near.wire->receive(unlimited);
    latest.far.send("hello");
    here.until([&] { return latest.near.seen.text == "hello"; });
  }
  // One slab that all connections of the shard share.
  CHECK(here.budget->used() <= buffer_pool::slab_sizes[0] + 1'024);
}

// -- on threads, and with a foreign program -------------------------------------------------------------------------------

TEST_CASE("shards on threads of their own carry a connection from one to the other") {
  const auto budget = std::make_shared<memory_budget>(std::size_t{64} << 20U);
  shard client{{0, shard::mode::threaded, &monotonic_clock(), budget}};
  shard server{{1, shard::mode::threaded, &monotonic_clock(), budget}};
  plain_listener listener;
  const auto bytes = pattern(1'000'000);
  std::promise<std::string> echoed;
  std::promise<void> server_closed;

  server.start();
  client.start();
  side near{nullptr};
  side far{nullptr};
  server.post([&] {
    far.wire = adopt_tcp_socket(server, listener.accept().release());
    auto pending = std::make_shared<std::string>();
    auto flush = [&far, pending] {
      pending->erase(0, send(*far.wire, *pending));
      if (pending->empty() && far.seen.peer_finished > 0)
        far.wire->finish();
    };
    far.seen.then_received = [&far, pending, flush] {
      far.wire->receive(far.seen.text.size());
      pending->append(std::exchange(far.seen.text, {}));
      flush();
    };
    far.seen.then_writable = flush;
    far.seen.then_peer_finished = flush;
    far.seen.then_closed = [&] {
      far.wire = nullptr;
      server_closed.set_value();
    };
    far.init();
    far.wire->receive(1U << 16U);
  });
  client.post([&] {
    near.wire = make_tcp_transport(client, std::make_shared<resolver>());
    auto sent = std::make_shared<std::size_t>(0);
    auto flush = [&near, &bytes, sent] {
      *sent += send(*near.wire, std::string_view{bytes}.substr(*sent));
      if (*sent == bytes.size())
        near.wire->finish();
    };
    near.seen.then_connected = flush;
    near.seen.then_writable = flush;
    near.seen.then_closed = [&] {
      near.wire = nullptr;
      echoed.set_value(near.seen.text);
    };
    near.init();
    near.wire->receive(unlimited);
    near.wire->connect(listener.where());
  });
  auto answer = echoed.get_future();
  auto ended = server_closed.get_future();
  REQUIRE(answer.wait_for(20s) == std::future_status::ready);
  CHECK(answer.get() == bytes);
  REQUIRE(ended.wait_for(20s) == std::future_status::ready);
  client.stop();
  server.stop();
}

TEST_CASE("ncat gets its input back, and both ends close in order") {
  if (std::system("command -v ncat >/dev/null 2>&1") != 0)
    SKIP("ncat is not installed");
  stepped_shard here;
  recording_acceptor_observer clients;
  const auto listening = make_tcp_acceptor(here.run);
  REQUIRE(listening->open({protocol::tcp, "127.0.0.1", 0}, {}, clients));
  const auto command = "printf 'through ncat' | ncat 127.0.0.1 " + std::to_string(listening->local().port);
  auto* output = ::popen(command.c_str(), "re");
  REQUIRE(output != nullptr);
  here.until([&] { return !clients.accepted.empty(); });
  listening->close();
  side near{std::move(clients.accepted.front())};
  near.seen.then_peer_finished = [&] {
    send(*near.wire, near.seen.text);
    near.wire->finish();
  };
  near.init();
  near.wire->receive(unlimited);
  here.until([&] { return near.seen.closed.has_value(); });
  CHECK(near.seen.closed->code == error_code::closed);
  std::array<char, 100> line{};
  const auto size = std::fread(line.data(), 1, line.size(), output);
  CHECK(::pclose(output) == 0);
  CHECK(std::string_view{line.data(), size} == "through ncat");
}
