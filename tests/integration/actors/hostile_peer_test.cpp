// Peers that send nonsense, break off anywhere, or dribble. Each of them ends its own connection with an error that says
// what happened, while a bystander on the same listener goes on undisturbed, and leaves nothing behind.

#include "listener_program.hpp"
#include "seed.hpp"

#include <vector>

namespace actorwire::test {

namespace {

constexpr std::size_t cap = 1'000;

transport_config framed(framing_mode mode) {
  transport_config config;
  config.framing.mode = mode;
  config.framing.max_frame_size = cap;
  return config;
}

std::string frame(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  std::string bytes;
  for (const auto shift : {24U, 16U, 8U, 0U})
    bytes.push_back(static_cast<char>(size >> shift & 0xffU));
  return bytes.append(text);
}

/// A server that echoes frames and tells the test why each connection ended, and a client that behaves.
class besieged {
public:
  explicit besieged(framing_mode mode, std::chrono::milliseconds partial_frame_timeout = 30s) : mode_(mode) {
    listen_config config;
    // One socket listens: that of another shard would open some time later, and spoil the count of descriptors.
    config.reuse_port = false;
    config.transport = framed(mode);
    config.transport.framing.partial_frame_timeout = partial_frame_timeout;
    auto made = here_.net->listen(
        "tcp://127.0.0.1:0",
        [to = me_.handle()](caf::event_based_actor* self, const connection_actor& client) {
          return minding(
              [self, client](received& data) {
                // Slices of a slab go back as they came; nothing is copied.
                tell(self, client, cast{std::move(data.body), {}});
              },
              [self, to](state_changed& change) {
                if (change.to == connection_state::closed)
                  tell(self, to, std::move(change));
              });
        },
        config);
    REQUIRE(made);
    server_ = std::move(*made);
    bystander_.emplace(plain_socket::connect_to(server_.port));
    check_bystander();
    descriptors_ = open_descriptors();
  }

  /// The bystander is still served, the others are gone with all they had.
  ~besieged() {
    bystander_.reset();
    here_.net.reset();
  }

  besieged(const besieged&) = delete;
  besieged& operator=(const besieged&) = delete;

  plain_socket attack() {
    auto socket = plain_socket::connect_to(server_.port);
    const int on = 1;
    ::setsockopt(socket.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
  }

  /// Why the next connection ended.
  transport_error await_end() { return me_.await<state_changed>().reason; }

  void check_bystander() {
    const auto whole = mode_ == framing_mode::line ? std::string{"I am fine\n"} : frame("I am fine");
    bystander_->send(whole);
    CHECK(read(*bystander_, whole.size()) == whole);
  }

  /// Nothing is left but the bystander.
  void check_nothing_left() {
    check_bystander();
    wait_until("all other connections are gone",
               [&] { return me_.must_ask<listener_stats>(server_.listener, get_listener_stats{}).open == 1; });
    wait_until("their descriptors are closed", [&] { return open_descriptors() <= descriptors_; });
    // What a shard keeps in reserve is bounded, whatever came: 128 KiB in each of two sizes on each of two shards.
    wait_until("their memory is back", [&] { return here_.net->memory_used() <= 4 * (128U << 10U); });
  }

  network& net() { return *here_.net; }
  caf::actor_system& system() { return here_.system; }

private:
  framing_mode mode_;
  program here_;
  witness me_{here_.system};
  listening server_;
  std::optional<plain_socket> bystander_;
  std::size_t descriptors_ = 0;
};

bool names(const transport_error& reason, std::string_view what) {
  return reason.text.find(what) != std::string::npos;
}

} // namespace

TEST_CASE("a peer that speaks another protocol is cut off for the frame that it seems to announce") {
  besieged server{framing_mode::length_prefixed};
  for (const std::string_view words :
       {"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "\x16\x03\x01\x02\x01 and more", "*1\r\n$4\r\nPING\r\n"}) {
    auto client = server.attack();
    client.send(words);
    const auto reason = server.await_end();
    CHECK(reason.code == error_code::frame_too_large);
    CHECK(reason.kind == error_kind::receive);
    CHECK(reason.who == origin::remote);
    CHECK(names(reason, "max_frame_size = 1000"));
    server.check_bystander();
  }
  server.check_nothing_left();
}

TEST_CASE("random bytes end a connection with one of the errors that bytes can cause") {
  const test_seed seed;
  auto random = seed.engine();
  const auto mode = GENERATE(framing_mode::length_prefixed, framing_mode::line);
  besieged server{mode};
  for (int count = 0; count < 100; ++count) {
    auto client = server.attack();
    std::string bytes(1 + random() % 5'000, '\0');
    for (auto& byte : bytes)
      byte = static_cast<char>(random());
    // Every other one looks like a frame at first.
    if (count % 2 == 0)
      bytes.insert(0, frame(std::string(random() % cap, 'x')));
    ::send(client.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::shutdown(client.descriptor(), SHUT_WR);
    const auto reason = server.await_end();
    CAPTURE(to_string(reason));
    CHECK((reason.code == error_code::frame_too_large || reason.code == error_code::truncated_frame
           || reason.code == error_code::peer_closed || reason.code == error_code::reset));
  }
  server.check_nothing_left();
}

TEST_CASE("a frame as long as the cap arrives, and one byte more ends the connection before it is stored", "[F4]") {
  SECTION("length-prefixed") {
    besieged server{framing_mode::length_prefixed};
    auto client = server.attack();
    const auto largest = frame(std::string(cap, 'x'));
    client.send(largest);
    CHECK(read(client, largest.size()) == largest);
    client.send(frame(std::string(cap + 1, 'x')).substr(0, 4));
    const auto reason = server.await_end();
    CHECK(reason.code == error_code::frame_too_large);
    CHECK(names(reason, "1001 bytes"));
    CHECK(names(reason, "max_frame_size = 1000"));
    client.close();
    server.check_nothing_left();
  }
  SECTION("lines") {
    besieged server{framing_mode::line};
    auto client = server.attack();
    const auto largest = std::string(cap, 'x') + "\n";
    client.send(largest);
    CHECK(read(client, largest.size()) == largest);
    client.send(std::string(cap, 'x') + "\r\n");
    CHECK(read(client, largest.size()) == largest);
    client.send(std::string(cap + 1, 'x') + "\n");
    const auto reason = server.await_end();
    CHECK(reason.code == error_code::frame_too_large);
    CHECK(names(reason, "1001 bytes"));
    client.close();
    server.check_nothing_left();
  }
  SECTION("the largest length that can be announced") {
    besieged server{framing_mode::length_prefixed};
    auto client = server.attack();
    client.send("\xff\xff\xff\xff");
    const auto reason = server.await_end();
    CHECK(reason.code == error_code::frame_too_large);
    CHECK(names(reason, "4294967295 bytes"));
    client.close();
    server.check_nothing_left();
  }
}

TEST_CASE("a peer may close at every byte of a frame, and the error says how far it had come") {
  const auto mode = GENERATE(framing_mode::length_prefixed, framing_mode::line);
  besieged server{mode};
  const auto whole = mode == framing_mode::line ? std::string{"five!\n"} : frame("five!");
  // Behind a complete frame and at the start of the stream, by an orderly end and by a reset.
  for (const bool is_second : {false, true})
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
      CAPTURE(is_second, cut);
      auto client = server.attack();
      if (is_second) {
        client.send(whole);
        CHECK(read(client, whole.size()) == whole);
      }
      client.send(whole.substr(0, cut));
      client.finish();
      // What was complete is echoed even then.
      CHECK(read(client, whole.size() + 1) == (cut == whole.size() ? whole : ""));
      const auto reason = server.await_end();
      CAPTURE(to_string(reason));
      if (cut == 0 || cut == whole.size()) {
        CHECK(reason.code == error_code::peer_closed);
      } else {
        CHECK(reason.code == error_code::truncated_frame);
        CHECK(reason.who == origin::remote);
        if (mode == framing_mode::line)
          CHECK(names(reason, "after " + std::to_string(cut) + " bytes of it"));
        else if (cut < 4)
          CHECK(names(reason, "inside a length prefix"));
        else
          CHECK(names(reason, "after " + std::to_string(cut - 4) + " of 5 bytes"));
      }
    }
  server.check_nothing_left();
}

TEST_CASE("a peer may reset the connection at every byte of a frame") {
  besieged server{framing_mode::length_prefixed};
  const auto whole = frame("five!");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    auto client = server.attack();
    client.send(whole);
    CHECK(read(client, whole.size()) == whole);
    client.send(whole.substr(0, cut));
    client.reset();
    const auto reason = server.await_end();
    CAPTURE(to_string(reason));
    CHECK(reason.code == error_code::reset);
    CHECK(reason.kind == error_kind::connection);
    server.check_bystander();
  }
  server.check_nothing_left();
}

TEST_CASE("frames that come one byte at a time arrive whole") {
  const auto mode = GENERATE(framing_mode::length_prefixed, framing_mode::line);
  besieged server{mode};
  auto client = server.attack();
  for (int count = 0; count < 20; ++count) {
    const auto text = "number " + std::to_string(count);
    const auto whole = mode == framing_mode::line ? text + "\n" : frame(text);
    for (const auto byte : whole)
      client.send({&byte, 1});
    CHECK(read(client, whole.size()) == whole);
  }
  client.close();
  CHECK(server.await_end().code == error_code::peer_closed);
  server.check_nothing_left();
}

TEST_CASE("a peer that dribbles and never completes a frame is cut off in spite of its activity", "[F4]") {
  const auto mode = GENERATE(framing_mode::length_prefixed, framing_mode::line);
  besieged server{mode, 50ms};
  auto client = server.attack();
  const auto whole = mode == framing_mode::line ? std::string{"fine\n"} : frame("fine");
  client.send(whole);
  CHECK(read(client, whole.size()) == whole);
  const auto endless = mode == framing_mode::line ? std::string(cap, 'x') : frame(std::string(cap, 'x'));
  // A byte at each chance, until the other side has had enough; the pause between them ends early when it has.
  for (const auto byte : endless) {
    if (::send(client.descriptor(), &byte, 1, MSG_NOSIGNAL) < 0)
      break;
    pollfd asked{client.descriptor(), POLLIN, 0};
    if (::poll(&asked, 1, 5) > 0)
      break;
  }
  const auto reason = server.await_end();
  CHECK(reason.code == error_code::partial_frame_timeout);
  CHECK(reason.who == origin::remote);
  CHECK(names(reason, "partial_frame_timeout"));
  client.close();
  server.check_nothing_left();
}

TEST_CASE("a peer that begins a frame and falls silent is cut off", "[F4]") {
  besieged server{framing_mode::length_prefixed, 50ms};
  auto client = server.attack();
  client.send(frame("five!").substr(0, GENERATE(1U, 4U, 8U)));
  CHECK(server.await_end().code == error_code::partial_frame_timeout);
  client.close();
  server.check_nothing_left();
}

TEST_CASE("a supervised peer drops a server that sends nonsense and connects again") {
  plain_listener server;
  program here;
  witness me{here.system};
  acquire_options options;
  options.transport = framed(framing_mode::length_prefixed);
  options.reconnection.base_delay = 1ms;
  options.reconnection.max_delay = 10ms;
  options.reconnection.on_permanent = permanent_error_policy::keep_trying;
  const auto peer = here.net->acquire(uri(server.port()), options).value();
  auto now = me.must_ask<connection_info>(peer, connect{});
  me.listen_to(peer);
  struct nonsense {
    std::string bytes;
    error_code code;
  };
  const nonsense list_of_it[] = {
      {"HTTP/1.1 400 Bad Request\r\n\r\n", error_code::frame_too_large},
      {frame("five!").substr(0, 6), error_code::truncated_frame},
      {"", error_code::peer_closed},
  };
  std::uint64_t generation = 0;
  for (const auto& [bytes, code] : list_of_it) {
    auto accepted = server.accept();
    if (++generation > 1)
      now = me.await<opened>().info;
    CHECK(now.generation == generation);
    accepted.send(bytes);
    accepted.close();
    const auto change = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
    CHECK(change.reason.code == code);
    CHECK(change.generation == generation);
  }
  auto last = server.accept();
  CHECK(me.await<opened>().info.generation == ++generation);
  last.send(frame("sense"));
  CHECK(me.await<received>().body.text() == "sense");
}

} // namespace actorwire::test
