// Sends a file over several supervised connections, and receives it. Either side may be killed at any time and started
// again: the transfer goes on where it was.

#include "drain.hpp"
#include "end_signals.hpp"
#include "receiver.hpp"
#include "sender.hpp"

#include <actorwire/actors/system_config.hpp>
#include <actorwire/transports/transport_factory.hpp>
#include <actorwire/version.hpp>

#include <CLI/CLI.hpp>
#include <caf/actor_system.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

namespace {

using namespace transfer;

constexpr int success = 0;
constexpr int transfer_failed = 1;
constexpr int bad_usage = 2;

/// How long messages that were accepted may take to go out when a signal has come.
constexpr std::chrono::seconds drain_timeout{5};

/// Files in PEM form; each empty if it was not named.
struct tls_arguments {
  std::string trust;
  std::string certificate;
  std::string key;

  [[nodiscard]] actorwire::tls_config settings() const {
    actorwire::tls_config tls;
    tls.trust.file = trust;
    tls.certificate.file = certificate;
    tls.key.file = key;
    return tls;
  }
};

struct send_arguments {
  tls_arguments tls;
  std::string file;
  std::string remote;
  std::size_t connections = 4;
  std::uint64_t chunk_size = 256U << 10U;
  std::uint64_t rate = 0;
  std::uint32_t attempts = 60;
  bool is_quiet = false;
  bool is_json = false;
};

struct receive_arguments {
  tls_arguments tls;
  std::string folder;
  std::string local;
};

int complain(int status, const std::string& what) {
  std::fprintf(stderr, "transfer: %s\n", what.c_str());
  return status;
}

/// Configuration that no retry can cure is the user's to change.
int complain(const actorwire::transport_error& reason) {
  return complain(reason.kind == actorwire::error_kind::configuration ? bad_usage : transfer_failed, reason.text);
}

int send(const send_arguments& arguments) {
  end_signals signals;
  const auto remote = actorwire::parse_endpoint(arguments.remote);
  if (!remote)
    return complain(remote.error());

  send_job job;
  try {
    job = open_job(arguments.file, static_cast<std::uint32_t>(arguments.chunk_size));
  } catch (const std::system_error& failure) {
    return complain(bad_usage, failure.what());
  }
  // The receiver would refuse what cannot be read back.
  if (const auto readable = decode(encode(job.what)); !readable)
    return complain(bad_usage, readable.error().text);
  job.rate = arguments.rate;
  // Programs read standard output, so then people are told by the other one.
  if (arguments.is_json)
    job.observers.push_back(make_json_log(stdout));
  if (!arguments.is_quiet)
    job.observers.push_back(make_display(arguments.is_json ? stderr : stdout));

  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};
  auto connections = dial(system, net, *remote, arguments.tls.settings(), arguments.connections, arguments.attempts);
  if (!connections)
    return complain(connections.error());
  job.connections = std::move(*connections);
  auto sending = spawn_sender(system, std::move(job));
  signals.at_first([who = sending.who] { caf::anon_send_exit(who, caf::exit_reason::user_shutdown); });
  const auto failure = sending.outcome.get();
  signals.at_first(nullptr);
  if (signals.have_come())
    drain(net, drain_timeout, arguments.is_json ? stderr : stdout);
  return failure.empty() ? success : complain(transfer_failed, failure);
}

int receive(const receive_arguments& arguments) {
  if (::access(arguments.folder.c_str(), R_OK | W_OK | X_OK) != 0)
    return complain(bad_usage,
                    "cannot write to folder " + arguments.folder + ": " + std::generic_category().message(errno));

  end_signals signals;
  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};
  const auto receiver = spawn_receiver(system, arguments.folder);
  actorwire::listen_config settings;
  settings.transport = wire_settings();
  settings.transport.tls = arguments.tls.settings();
  if (!arguments.tls.trust.empty())
    settings.transport.tls.client_certificates = actorwire::client_certificates::require;
  // Two receivers on one port would share its clients, with the kernel's blessing; here that is always a mistake.
  settings.reuse_port = false;
  const auto server = net.listen(arguments.local, receiver, settings);
  if (server) {
    std::printf("listening on port %u\n", unsigned{server->port});
    std::fflush(stdout);
    signals.wait();
    drain(net, drain_timeout);
  }
  caf::anon_send_exit(receiver, caf::exit_reason::user_shutdown);
  return server ? success : complain(server.error());
}

int list_protocols() {
  using actorwire::protocol;
  for (const auto each : {protocol::tcp, protocol::tls, protocol::quic})
    if (actorwire::is_supported(each))
      std::puts(actorwire::to_string(each).c_str());
  return success;
}

void add_tls_options(CLI::App& command, tls_arguments& into, const std::string& meaning_of_trust) {
  constexpr const char* group = "For tls:// and quic:// (files in PEM form)";
  command.add_option("--trust", into.trust, meaning_of_trust)->group(group);
  command.add_option("--certificate", into.certificate, "the own certificate, and those that lead to an authority")
      ->group(group);
  command.add_option("--key", into.key, "the private key of --certificate")->group(group);
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Carries files over supervised connections, and goes on after interruptions.", "transfer"};
  app.set_version_flag("--version", "transfer " ACTORWIRE_VERSION_STRING);
  app.require_subcommand(1);
  app.footer("SIGINT and SIGTERM end it in order: what was accepted for sending is sent, for 5 s at most. A second one "
             "ends it\n"
             "at once.\n"
             "Exit status: 0 done, 1 the transfer failed or was interrupted, 2 bad arguments.");

  send_arguments to_send;
  auto* send_command = app.add_subcommand("send", "sends a file to a receiver");
  send_command->add_option("FILE", to_send.file, "the file to send")->required();
  send_command
      ->add_option("URI", to_send.remote,
                   "where the receiver listens: tcp://HOST:PORT, tls://HOST:PORT or quic://HOST:PORT")
      ->required();
  send_command->add_option("-n,--connections", to_send.connections, "connections to send by")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  send_command->add_option("--chunk", to_send.chunk_size, "size of a chunk, 4KiB to 1MiB (default 256KiB)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::Range(chunk_size_min, chunk_size_max));
  send_command->add_option("--rate", to_send.rate, "bytes per second at most, such as 60MB (default: unlimited)")
      ->transform(CLI::AsSizeValue(true));
  send_command->add_option("--attempts", to_send.attempts, "failures to connect in a row before it gives up; 0: never")
      ->capture_default_str();
  send_command->add_flag("-q,--quiet", to_send.is_quiet, "shows nothing but errors");
  send_command->add_flag("--json", to_send.is_json,
                         "prints events as JSON, one on each line; what people read goes to standard error");

  add_tls_options(*send_command, to_send.tls, "authorities that the receiver may be signed by (default: the system's)");

  receive_arguments to_receive;
  auto* receive_command = app.add_subcommand("receive", "receives files from any number of senders until it is ended");
  receive_command->add_option("DIR", to_receive.folder, "the folder for received files")->required();
  receive_command
      ->add_option("URI", to_receive.local,
                   "where to listen: tcp://ADDRESS:PORT, tls://... or quic://...; port 0 takes any free one")
      ->required();
  add_tls_options(*receive_command, to_receive.tls,
                  "authorities that senders must be signed by (default: senders need no certificate)");

  auto* protocols_command =
      app.add_subcommand("protocols", "lists the protocols that this build knows, one on each line");

  try {
    app.parse(argc, argv);
    if (protocols_command->parsed())
      return list_protocols();
    return send_command->parsed() ? send(to_send) : receive(to_receive);
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure) == 0 ? success : bad_usage;
  } catch (const std::exception& failure) {
    return complain(transfer_failed, failure.what());
  }
}
