// What a message takes from the heap on its way through a handler.

#include "counted_heap.hpp"
#include "listener_program.hpp"
#include "virtual_clock.hpp"
#include "written_handler.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace actorwire::test {

namespace {

network_options on_this_thread() {
  // Figures of times that nobody has seen yet take memory, once for each.
  static const virtual_clock no_time_passes;
  network_options options;
  options.time = &no_time_passes;
  options.shards = 1;
  options.run = shard::mode::stepped;
  return options;
}

} // namespace

TEST_CASE("a message that a handler echoes takes no block of the heap, from one socket call to the other",
          "[integration][handler]") {
  program here{on_this_thread()};
  for (const auto mode : {framing_mode::none, framing_mode::length_prefixed}) {
    listen_config config;
    config.transport.framing.mode = mode;
    const auto server = here.net->listen("tcp://127.0.0.1:0", make_echoing, config).value();
    auto client = plain_socket::connect_to(server.port);
    const auto text = mode == framing_mode::none ? std::string{"hello"} : std::string{"\0\0\0\5hello", 9};
    std::string back(text.size(), '\0');
    const auto go_round = [&] {
      client.send(text);
      // The kernel has it as soon as it was sent; the shard may need more than one turn.
      std::size_t come = 0;
      while (come < back.size()) {
        here.net->run_ready();
        const auto got = ::recv(client.descriptor(), back.data() + come, back.size() - come, MSG_DONTWAIT);
        come += got > 0 ? static_cast<std::size_t>(got) : 0;
      }
    };
    for (int count = 0; count < 100; ++count)
      go_round();
    const auto before = blocks_taken;
    for (int count = 0; count < 1'000; ++count)
      go_round();
    CHECK(blocks_taken - before == 0);
    CHECK(back == text);
  }
}

} // namespace actorwire::test
