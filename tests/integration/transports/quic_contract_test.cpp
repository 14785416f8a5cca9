#include "certificates.hpp"
#include "edge/quic/quic_acceptor.hpp"
#include "edge/quic/quic_transport.hpp"
#include "tcp_fixture.hpp"
#include "transport_user.hpp"

#include <actorwire/transports/multiplexer.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire::test {

namespace {

/// The contract's view of QUIC: real UDP sockets.
class quic_fixture final : public loopback_fixture {
public:
  // Acknowledgements and probes take a little longer than those of the kernel.
  quic_fixture() : loopback_fixture(std::chrono::milliseconds{60}) {
    auto identity = identities_->load(tls_role::server, config().tls).value();
    listen_config listening;
    listening.transport = config();
    open(quic_acceptors(listening, std::move(identity), 1).value()(where()), protocol::quic, listening);
  }
  ~quic_fixture() override { give_up(); }

  transport_config config() override {
    transport_config settings;
    settings.protocol_settings = quic_config{};
    settings.tls.trust.file = certificate_path("root.pem");
    settings.tls.certificate = server_.certificate;
    settings.tls.key = server_.key;
    settings.tls.server_name = "localhost";
    return settings;
  }
  [[nodiscard]] bool shakes_hands() const override { return true; }

  local_ref<transport> make() override { return make_quic_transport(where(), names(), identities_); }
  endpoint refusing() override {
    auto nobody = refusing_.where();
    nobody.proto = protocol::quic;
    return nobody;
  }

private:
  const identity server_ = identity_in_files("server-ec");
  std::shared_ptr<tls_store> identities_ = std::make_shared<tls_store>();
  taken_port refusing_;
};

} // namespace

std::unique_ptr<transport_fixture> make_transport_fixture() {
  return std::make_unique<quic_fixture>();
}

// -- beyond the contract: the end of a connection with several streams ---------------------------------------------------

namespace {

using event = transport_user::event;

transport_error closed_by_test() {
  return make_error(error_code::closed, phase::close, origin::local, "closed by the test");
}

/// Writes down what is told of the streams other than 0, and reads as much of them as it is set to.
class streams_user final : public multiplexer_observer {
public:
  void use(transport& carrier) { streams_ = carrier.multiplex(*this); }
  [[nodiscard]] multiplexer& streams() noexcept { return *streams_; }

  result<std::size_t> send(stream_id stream, std::string_view bytes) {
    const outgoing piece{reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), nullptr};
    return streams_->send(stream, std::span{&piece, 1});
  }

  /// How much of each new stream is read.
  std::size_t allowance = 0;
  std::set<stream_id> opened;
  std::map<stream_id, std::string> text;
  std::set<stream_id> finished;
  std::set<stream_id> closed;

private:
  void on_stream_opened(stream_id stream, stream_direction) override {
    opened.insert(stream);
    if (allowance > 0)
      streams_->receive(stream, allowance);
  }
  void on_stream_received(stream_id stream, payload bytes) override { text[stream] += bytes.text(); }
  void on_stream_finished(stream_id stream) override { finished.insert(stream); }
  void on_stream_reset(stream_id, stream_half, std::uint64_t) override {}
  void on_stream_writable(stream_id) override {}
  void on_stream_closed(stream_id stream) override { closed.insert(stream); }
  void on_streams_available(stream_direction) override {}
  void on_datagram(payload) override {}
  void on_datagram_done(std::uint64_t, bool) override {}
  void on_address_changed(const std::string&, const std::string&) override {}

  multiplexer* streams_ = nullptr;
};

/// Two ends that use other streams.
struct two_ends {
  two_ends() {
    dialler.use(fixture.make());
    REQUIRE(dialler.init(fixture.config()));
    dialler_streams.use(*dialler.wire());
    dialler.connect(fixture.listening());
    REQUIRE(fixture.wait([this] {
      acceptor.use(fixture.accepted());
      return static_cast<bool>(acceptor.wire());
    }));
    REQUIRE(acceptor.init(fixture.config()));
    acceptor_streams.use(*acceptor.wire());
    REQUIRE(fixture.wait([this] { return dialler.is_connected() && acceptor.is_connected(); }));
  }

  quic_fixture fixture;
  streams_user dialler_streams;
  streams_user acceptor_streams;
  transport_user dialler;
  transport_user acceptor;
};

} // namespace

TEST_CASE(
    "quic: what arrived on stream 0 is handed over when the peer ends in order, whether it was asked for or not") {
  two_ends both;
  const std::string text(100'000, 'a');
  both.dialler.write(text);
  REQUIRE(both.fixture.wait([&] { return both.dialler.wire()->bytes_acked() == text.size(); }));
  both.dialler.close(closed_by_test());
  REQUIRE(both.fixture.wait([&] { return both.acceptor.is_closed(); }));
  CHECK(both.acceptor.reason().code == error_code::closed);
  CHECK((both.acceptor.received() == text));
  CHECK(both.acceptor.has(event::peer_finished));
}

TEST_CASE("quic: what arrived on every other stream is handed over when the peer ends in order, and so are its ends") {
  two_ends both;
  both.acceptor_streams.allowance = GENERATE(std::size_t{0}, std::size_t{30'000});
  auto& sender = both.dialler_streams;
  const std::string text(100'000, 'b');
  const auto ended = sender.streams().open(stream_direction::unidirectional, {}).value();
  const auto open = sender.streams().open(stream_direction::bidirectional, {}).value();
  for (const auto stream : {ended, open})
    REQUIRE(sender.send(stream, text).value() == text.size());
  sender.streams().finish(ended);
  REQUIRE(both.fixture.wait(
      [&] { return sender.closed.contains(ended) && sender.streams().bytes_acked(open) == text.size(); }));
  both.dialler.close(closed_by_test());
  REQUIRE(both.fixture.wait([&] { return both.acceptor.is_closed(); }));
  CHECK(both.acceptor.reason().code == error_code::closed);
  for (const auto stream : {ended, open})
    CHECK((both.acceptor_streams.text[stream] == text));
  CHECK(both.acceptor_streams.finished == std::set{ended});
  CHECK(both.acceptor_streams.closed == std::set{ended});
}

TEST_CASE("quic: what arrived before a loss is handed over as far as it was asked for, on every stream") {
  two_ends both;
  both.acceptor_streams.allowance = 1'000;
  both.acceptor.allow(500);
  const auto stream = both.dialler_streams.streams().open(stream_direction::unidirectional, {}).value();
  both.dialler.write(std::string(2'000, 'c'));
  REQUIRE(both.dialler_streams.send(stream, std::string(2'000, 'c')));
  REQUIRE(both.fixture.wait([&] { return both.dialler_streams.streams().bytes_acked(stream) == 2'000U; }));
  both.dialler.close(make_error(error_code::crashed, phase::established, origin::local, "ended by the test"));
  REQUIRE(both.fixture.wait([&] { return both.acceptor.is_closed(); }));
  CHECK(both.acceptor.reason().code == error_code::reset);
  CHECK(both.acceptor.received().size() == 500);
  CHECK(both.acceptor_streams.text[stream].size() == 1'000);
}

TEST_CASE("quic: the figures count the bytes of all streams together") {
  two_ends both;
  both.acceptor.allow(1'000);
  both.acceptor_streams.allowance = 5'000;
  auto& sender = both.dialler_streams;
  const auto stream = sender.streams().open(stream_direction::unidirectional, {}).value();
  both.dialler.write(std::string(300, 'e'));
  REQUIRE(sender.send(stream, std::string(7'000, 'e')).value() == 7'000);
  CHECK(both.dialler.wire()->stats().bytes_sent == 7'300);
  const auto received = [&] { return both.acceptor.wire()->stats().bytes_received; };
  REQUIRE(both.fixture.wait([&] { return received() == 5'300; }));
  // The rest comes with the orderly end.
  REQUIRE(both.fixture.wait([&] { return sender.streams().bytes_acked(stream) == 7'000U; }));
  both.dialler.close(closed_by_test());
  REQUIRE(both.fixture.wait([&] { return both.acceptor.is_closed(); }));
  CHECK(received() == 7'300);
}

TEST_CASE("quic: what each stream got acknowledged is known when the connection has ended") {
  two_ends both;
  auto& sender = both.dialler_streams;
  const auto stream = sender.streams().open(stream_direction::bidirectional, {}).value();
  REQUIRE(sender.send(stream, std::string(1'000, 'd')));
  REQUIRE(both.fixture.wait([&] { return sender.streams().bytes_acked(stream) == 1'000U; }));
  SECTION("by the peer") {
    both.acceptor.close(closed_by_test());
  }
  SECTION("by this side") {
    both.dialler.close(closed_by_test());
  }
  SECTION("without a word") {
    both.dialler.detach();
    CHECK(sender.streams().bytes_acked(stream) == 1'000U);
    return;
  }
  REQUIRE(both.fixture.wait([&] { return both.dialler.is_closed(); }));
  CHECK(sender.streams().bytes_acked(stream) == 1'000U);
}

TEST_CASE("quic: a peer that was too slow is told so") {
  two_ends both;
  both.dialler.close(make_error(error_code::queue_overflow, phase::established, origin::local, "ended by the test"));
  REQUIRE(both.fixture.wait([&] { return both.acceptor.is_closed() && both.dialler.is_closed(); }));
  CHECK(both.acceptor.reason().code == error_code::reset);
  CHECK(both.acceptor.reason().system_code == 0x6177'0003);
  CHECK(both.acceptor.reason().text
        == "the other side gave the connection up, because this one did not read what it had to send");
  CHECK(both.dialler.reason().code == error_code::queue_overflow);
}

TEST_CASE("quic: a peer opens no more streams than it may, empty ones too, before somebody reads them") {
  two_ends both;
  auto& sender = both.dialler_streams;
  std::set<stream_id> opened;
  const auto open_all = [&] {
    for (;;) {
      const auto next = sender.streams().open(stream_direction::unidirectional, {});
      if (!next) {
        CHECK(next.error().code == error_code::stream_limit);
        return;
      }
      opened.insert(*next);
      sender.streams().finish(*next);
    }
  };
  open_all();
  const auto limit = opened.size();
  CHECK(limit == quic_config{}.max_streams);
  REQUIRE(both.fixture.wait([&] { return both.acceptor_streams.opened == opened; }));
  both.dialler.write("behind them");
  both.acceptor.allow(100);
  REQUIRE(both.fixture.wait([&] { return both.acceptor.received() == "behind them"; }));
  open_all();
  CHECK(opened.size() == limit);
  CHECK(both.acceptor_streams.finished.empty());
  for (const auto stream : opened)
    both.acceptor_streams.streams().receive(stream, 1);
  REQUIRE(both.fixture.wait([&] { return both.acceptor_streams.finished == opened && sender.closed == opened; }));
  REQUIRE(both.fixture.wait([&] {
    open_all();
    return opened.size() == 2 * limit;
  }));
}

} // namespace actorwire::test
