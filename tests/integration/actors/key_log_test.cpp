// The log of keys that `tls_config::key_log_file` asks for, of real connections.

#include "secured_program.hpp"
#include "secured_schemes.hpp"
#include "temporary_directory.hpp"

#include <catch2/generators/catch_generators_range.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

namespace actorwire::test {

namespace {

/// The lines of a log with this label.
std::set<std::string> lines_of(const std::string& file, const std::string& label) {
  std::set<std::string> found;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(label + " "))
      found.insert(line);
  return found;
}

/// Has two connections, one after the other, carry something both ways.
void talk(const std::string& scheme, const std::string& server_log, const std::string& client_log) {
  program here;
  witness me{here.system};
  auto config = to_listen();
  config.transport.tls.key_log_file = server_log;
  const auto server = here.net->listen(scheme + "://127.0.0.1:0", echo, config).value();
  auto options = to_acquire();
  options.transport.tls.key_log_file = client_log;
  for (int count = 0; count < 2; ++count) {
    const auto peer = here.net->acquire(scheme + "://127.0.0.1:" + std::to_string(server.port), options).value();
    me.listen_to(peer, event_mask::data);
    anonymous_tell(peer, cast{payload::copy_of("hello"), {}});
    CHECK(me.await_bytes(5) == "hello");
    me.must_ask<close_report>(peer, close{close_mode::drain, 5s});
  }
}

} // namespace

TEST_CASE("either side that is asked to logs the keys of each connection, and both log the same") {
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  const temporary_directory folder;
  const auto of_server = folder.path() + "/server.keys";
  const auto of_client = folder.path() + "/client.keys";
  talk(scheme, of_server, of_client);
  for (const auto* label : {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                            "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}) {
    CAPTURE(label);
    const auto known_to_client = lines_of(of_client, label);
    CHECK(known_to_client.size() == 2);
    CHECK(lines_of(of_server, label) == known_to_client);
    // Label, the client's random number of 32 bytes, and a secret of 32 or 48.
    for (const auto& line : known_to_client) {
      const auto size = line.size() - std::string_view{label}.size() - 2;
      CHECK((size == 64 + 64 || size == 64 + 96));
    }
  }
}

TEST_CASE("a side that is not asked to logs no keys, whatever the other one does") {
  const auto scheme = GENERATE(from_range(secured_schemes()));
  CAPTURE(scheme);
  const temporary_directory folder;
  const auto file = folder.path() + "/keys";
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator{folder.path()}, std::filesystem::directory_iterator{});
  };
  talk(scheme, {}, {});
  CHECK(files() == 0);
  SECTION("the client logs") {
    talk(scheme, {}, file);
  }
  SECTION("the server logs") {
    talk(scheme, file, {});
  }
  CHECK(files() == 1);
  // One side writes each line once.
  std::ifstream in{file};
  auto lines = 0;
  for (std::string line; std::getline(in, line);)
    lines += line.starts_with("CLIENT_TRAFFIC_SECRET_0 ") ? 1 : 0;
  CHECK(lines == 2);
}

} // namespace actorwire::test
