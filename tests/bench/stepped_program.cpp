#include "stepped_program.hpp"

#include "posix.hpp"

#include <actorwire/messages/listen_config.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

namespace actorwire::bench {

stepped_program::stepped_program(std::string_view scheme, accept_function serve) {
  listen(scheme, std::move(serve));
}

stepped_program::stepped_program(std::string_view scheme, handler_factory make) {
  listen(scheme, std::move(make));
}

template <class Serve>
void stepped_program::listen(std::string_view scheme, Serve serve) {
  const auto identity = identity_file::read(identity_.path());
  listen_config config;
  config.transport.tls.certificate.text = identity.certificate;
  config.transport.tls.key.text = secret{identity.key};
  const auto opened = network_.listen(std::string{scheme} + "://127.0.0.1:0", std::move(serve), config);
  if (!opened)
    throw std::runtime_error("cannot listen: " + to_string(opened.error()));
  uri_ = std::string{scheme} + "://127.0.0.1:" + std::to_string(opened->port);
}

stepped_program::~stepped_program() {
  network_.drain(std::chrono::milliseconds{0});
}

connection_actor stepped_program::acquire() {
  return network_.acquire(uri_, next_options()).value();
}

connection_actor stepped_program::acquire(handler_factory make) {
  return network_.acquire(uri_, next_options(), std::move(make)).value();
}

acquire_options stepped_program::next_options() {
  acquire_options options;
  options.transport.tls.trust.text = identity_.certificate();
  options.transport.tls.server_name = "localhost";
  // A pool has one peer for equal options.
  options.transport.operation_timeout = std::chrono::milliseconds{10'000 + ++peers_};
  return options;
}

void stepped_program::run_until(const bool& done, std::chrono::milliseconds grace) {
  constexpr auto patience = std::chrono::minutes{1};
  // What was sent over loopback is there at once, unless the kernel has more to do, and then once others had their turn.
  constexpr auto fruitless_max = 3;
  const auto give_up_at = steady_clock::now() + patience;
  auto quiet_since = give_up_at;
  auto fruitless = 0;
  while (!done) {
    if (network_.run_ready()) {
      fruitless = 0;
      continue;
    }
    if (++fruitless < fruitless_max) {
      if (fruitless + 1 == fruitless_max)
        std::this_thread::yield();
      continue;
    }
    const auto now = steady_clock::now();
    if (now > give_up_at)
      throw std::runtime_error("what is waited for does not happen");
    if (fruitless == fruitless_max)
      quiet_since = now;
    const auto next = network_.next_timeout();
    if (!next || now - quiet_since < grace) {
      std::this_thread::yield();
      continue;
    }
    time_.set(std::max(*next, time_.now()));
  }
}

network_options stepped_program::options(const test::virtual_clock& time) {
  network_options options;
  options.shards = 1;
  options.seed = 1;
  options.run = shard::mode::stepped;
  options.time = &time;
  return options;
}

} // namespace actorwire::bench

void actorwire_bench_counted(actorwire::bench::stepped_program& program, const bool& done) {
  program.run_until(done);
}
