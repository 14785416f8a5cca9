// A server for tests that kill it: appends each message that it gets to a file.
//
// Usage: quic_recorder HOST:PORT FILE reads|hangs
//
// "hangs" takes as much as a subscriber may owe, and says so: a program that does not get on, of which QUIC knows nothing.

#include "certificates.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace actorwire::test {

namespace {

void complain(const char* about) {
  std::perror(about);
  std::_Exit(1);
}

caf::behavior record(caf::event_based_actor* self, int file, credit_mode credit) {
  return {
      [self, credit](const accepted& client) {
        tell(self, client.connection, subscribe{event_mask::data, credit});
      },
      [file](const received& data) {
        const auto text = data.body.text();
        if (::write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
          complain("write");
      },
      [](const passivated&) { std::puts("reads no more"), std::fflush(stdout); },
      [](const peer_closing&) {},
      [](const connection_status&) {},
  };
}

int run(const std::string& where, const char* path, std::string_view way) {
  const auto file = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0)
    complain(path);
  system_config config;
  caf::actor_system system{config};
  network net{system};
  listen_config settings;
  const auto own = identity_in_memory("server-ec");
  settings.transport.protocol_settings = quic_config{};
  settings.transport.framing.mode = framing_mode::length_prefixed;
  settings.transport.flow.read_credit = std::size_t{256} << 10U;
  settings.transport.tls.certificate = own.certificate;
  settings.transport.tls.key = own.key;
  const auto recorder = system.spawn(record, file, way == "hangs" ? credit_mode::manual : credit_mode::automatic);
  const auto server = net.listen("quic://" + where, recorder, settings);
  if (!server) {
    std::puts(to_string(server.error()).c_str());
    return 1;
  }
  std::printf("listens on %u\n", unsigned{server->port});
  std::fflush(stdout);
  // Until it is killed.
  for (;;)
    ::pause();
}

} // namespace

} // namespace actorwire::test

int main(int count, char** words) {
  return count == 4 ? actorwire::test::run(words[1], words[2], words[3]) : 2;
}
