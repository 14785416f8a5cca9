// Handlers in the shard on the machine's sockets, over every protocol.

#include "listener_program.hpp"
#include "secured_program.hpp"
#include "secured_schemes.hpp"
#include "written_handler.hpp"

#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

transport_config framed_settings() {
  auto config = settings();
  config.framing.mode = framing_mode::length_prefixed;
  return config;
}

/// What all handlers of a program come to.
struct tallies {
  std::atomic<int> made{0};
  std::atomic<int> alive{0};
  std::atomic<int> ended{0};
  /// Calls and ends on another thread than that on which they were made.
  std::atomic<int> astray{0};
};

/// Sends back what comes; does as the message says.
class obedient final : public connection_handler {
public:
  obedient(local_connection here, tallies& sums) : connection_handler(here), sums_(sums) {
    ++sums_.made;
    ++sums_.alive;
  }
  ~obedient() override {
    look();
    --sums_.alive;
  }

  void on_received(received&& data) override {
    look();
    if (has_ended_)
      throw std::logic_error{"called after the end"};
    if (data.body.text() == "throw")
      throw std::runtime_error{"as it was told"};
    const auto quits = data.body.text() == "quit";
    if (!here().send(std::move(data.body)))
      here().close(close_mode::abort);
    if (quits)
      here().close(close_mode::flush);
  }
  void on_peer_closing(const peer_closing&) override { look(); }
  void on_ended(const transport_error&) override {
    look();
    has_ended_ = true;
    ++sums_.ended;
  }

private:
  void look() {
    if (std::this_thread::get_id() != mine_)
      ++sums_.astray;
  }

  tallies& sums_;
  std::thread::id mine_ = std::this_thread::get_id();
  bool has_ended_ = false;
};

handler_factory obeying(tallies& sums) {
  return [&sums](local_connection here) { return std::make_unique<obedient>(here, sums); };
}

/// Another peer with each number.
acquire_options dialling(int number) {
  auto options = to_acquire(framed_settings());
  options.reconnection.max_attempts = 1;
  options.transport.operation_timeout += std::chrono::milliseconds{number};
  return options;
}

} // namespace

TEST_CASE("handlers echo over every protocol, each on its shard, and are gone with their connections",
          "[integration][handler]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  tallies sums;
  constexpr int clients = 10;
  constexpr int messages = 50;
  {
    program far;
    program here;
    witness me{here.system};
    const auto server = far.net->listen(scheme + "://127.0.0.1:0", obeying(sums), to_listen(framed_settings())).value();
    std::vector<connection_actor> peers;
    for (int number = 0; number < clients; ++number) {
      peers.push_back(
          here.net->acquire(scheme + "://127.0.0.1:" + std::to_string(server.port), dialling(number)).value());
      me.listen_to(peers.back(), event_mask::data);
    }
    for (int number = 0; number < messages; ++number)
      for (const auto& peer : peers)
        tell(me.self().operator->(), peer, cast{payload::copy_of(std::to_string(number)), {}});
    std::vector<std::vector<std::string>> texts(clients);
    const auto first = me.await<received>();
    // Peers have consecutive numbers, but for what else the network has made.
    std::vector<connection_id> sources{first.source};
    const auto take = [&](const received& data) {
      auto found = std::find(sources.begin(), sources.end(), data.source);
      if (found == sources.end())
        found = sources.insert(found, data.source);
      texts.at(static_cast<std::size_t>(found - sources.begin())).emplace_back(data.body.text());
    };
    take(first);
    for (int count = 1; count < clients * messages; ++count)
      take(me.await<received>());
    for (const auto& each : texts) {
      REQUIRE(each.size() == messages);
      for (int number = 0; number < messages; ++number)
        CHECK(each[static_cast<std::size_t>(number)] == std::to_string(number));
    }
    // Some end by a word to the handler, one by its failure, the rest with the network.
    tell(me.self().operator->(), peers[0], cast{payload::copy_of("quit"), {}});
    CHECK(me.await<received>().body.text() == "quit");
    tell(me.self().operator->(), peers[1], cast{payload::copy_of("throw"), {}});
    wait_until("two handlers have ended", [&] { return sums.ended == 2; });
    tell(me.self().operator->(), peers[2], cast{payload::copy_of("unmoved"), {}});
    CHECK(me.await<received>().body.text() == "unmoved");
  }
  CHECK(sums.made == clients);
  CHECK(sums.ended == clients);
  CHECK(sums.alive == 0);
  CHECK(sums.astray == 0);
}

TEST_CASE("handlers at both ends talk to each other, and a network that is destroyed takes them along",
          "[integration][handler]") {
  const auto scheme = GENERATE(from_range(all_schemes()));
  CAPTURE(scheme);
  constexpr int rounds = 1'000;
  tallies sums;
  std::atomic<int> heard{0};
  class player final : public connection_handler {
  public:
    player(local_connection here, std::atomic<int>& heard) : connection_handler(here), heard_(heard) {}
    void on_opened(const opened&) override { serve(); }
    void on_received(received&&) override {
      if (++heard_ < rounds)
        serve();
    }

  private:
    void serve() {
      if (!here().send(payload::copy_of("ball")))
        here().close();
    }

    std::atomic<int>& heard_;
  };
  {
    program far;
    program here;
    const auto server = far.net->listen(scheme + "://127.0.0.1:0", obeying(sums), to_listen(framed_settings())).value();
    const auto peer =
        here.net->acquire(scheme + "://127.0.0.1:" + std::to_string(server.port), dialling(0),
                          [&heard](local_connection mine) { return std::make_unique<player>(mine, heard); });
    REQUIRE(peer);
    wait_until("all rounds are played", [&] { return heard == rounds; });
  }
  CHECK(sums.made == 1);
  CHECK(sums.alive == 0);
  CHECK(sums.astray == 0);
}

TEST_CASE("an echo whose client writes and does not read holds little of it, and all comes when it reads",
          "[integration][handler]") {
  constexpr std::size_t size = std::size_t{32} << 20U;
  auto config = listen_config{};
  config.transport.flow.read_credit = config.transport.flow.high_water = 256U << 10U;
  config.transport.flow.low_water = 64U << 10U;
  config.transport.operation_timeout = 1min;
  program here;
  std::atomic<int> pauses{0};
  class careful final : public echoing_handler {
  public:
    careful(local_connection here, std::atomic<int>& pauses) : echoing_handler(here), pauses_(pauses) {}
    void on_backpressure(const backpressure& event) override {
      echoing_handler::on_backpressure(event);
      pauses_ += event.on ? 1 : 0;
    }

  private:
    std::atomic<int>& pauses_;
  };
  const auto server =
      here.net
          ->listen(
              "tcp://127.0.0.1:0", [&pauses](local_connection mine) { return std::make_unique<careful>(mine, pauses); },
              config)
          .value();
  auto client = plain_socket::connect_to(server.port);
  std::string text(size, '\0');
  for (std::size_t index = 0; index < size; ++index)
    text[index] = static_cast<char>(index * 7 + index / 1'000);
  // Not by what checks with assertions, which are this thread's.
  std::thread writer{[&] {
    for (std::size_t sent = 0; sent < size;) {
      const auto more = ::send(client.descriptor(), text.data() + sent, size - sent, MSG_NOSIGNAL);
      if (more <= 0)
        return;
      sent += static_cast<std::size_t>(more);
    }
  }};
  wait_until("the echo has paused", [&] { return pauses > 0; });
  std::string echo;
  std::size_t most = 0;
  while (echo.size() < size) {
    most = std::max(most, here.net->memory_used());
    const auto part = read(client, std::min<std::size_t>(size - echo.size(), 1U << 20U));
    if (part.empty())
      break;
    echo += part;
  }
  writer.join();
  CHECK(echo == text);
  // What was read and not sent: up to the high water, and what one reading brings beyond it; what waits to be read; spare slabs.
  CHECK(most <= 2U << 20U);
}

TEST_CASE("a factory that is missing is refused where it is missing", "[integration][handler]") {
  program here;
  CHECK(here.net->listen("tcp://127.0.0.1:0", handler_factory{}).error().code == error_code::invalid_value);
  CHECK(here.net->acquire("tcp://127.0.0.1:1", {}, handler_factory{}).error().code == error_code::invalid_value);
}

} // namespace actorwire::test
