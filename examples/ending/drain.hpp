#pragma once

#include <actorwire/actors/network.hpp>

#include <chrono>
#include <cstdio>

/// Drains a network, which takes `timeout` at most, and prints what became of all messages.
inline void drain(actorwire::network& net, std::chrono::milliseconds timeout, std::FILE* out = stdout) {
  const auto report = net.drain(timeout);
  const auto& sums = report.delivery;
  const auto count = [](const actorwire::tally& part) { return static_cast<unsigned long long>(part.messages); };
  std::fprintf(out, "drained: %llu messages accepted, %llu delivered, %llu not sent, %llu maybe sent\n",
               count(sums.accepted), count(sums.written) + count(sums.acked), count(sums.not_sent),
               count(sums.maybe_sent));
  std::fflush(out);
}
