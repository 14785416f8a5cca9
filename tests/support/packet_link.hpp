#pragma once

#include "descriptor.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>

namespace actorwire::test {

/// A network of its own: what is made inside of it, threads and processes included, has no other. It has a loopback
/// interface. *Errors:* throws `std::system_error` where the machine does not allow that: see `network_namespace::refusal`.
class network_namespace {
public:
  network_namespace();

  /// Does something inside. Threads that it starts stay there. *Errors:* rethrows what it throws.
  void run(const std::function<void()>& what) const;

  /// Why this process may not have networks of its own, or links between them; empty when it may.
  [[nodiscard]] static std::string refusal();

private:
  descriptor number_;
};

/// What a link did with packets so far, in both directions together.
struct packet_counts {
  std::uint64_t carried = 0;
  std::uint64_t lost = 0;
};

/// The one way between two networks: an interface in each (TUN), and a thread of this process that carries IP packets from
/// the one to the other, or loses them. Which of a direction's packets it loses depends on the random source and their
/// number alone. Holds no packet. *Thread:* any one thread. *Errors:* throws `std::system_error`.
class packet_link {
public:
  /// The addresses of its ends.
  static constexpr auto first_address = "10.77.0.1";
  static constexpr auto second_address = "10.77.0.2";

  /// `loss` is the share that is lost, 0 .. 1.
  packet_link(const network_namespace& first, const network_namespace& second, double loss, std::mt19937_64 chance);
  ~packet_link();
  packet_link(const packet_link&) = delete;
  packet_link& operator=(const packet_link&) = delete;

  /// From now on nothing gets through, or again what is not lost.
  void part();
  void heal();

  [[nodiscard]] packet_counts counts() const;

private:
  class carrier;
  std::unique_ptr<carrier> carrier_;
};

} // namespace actorwire::test
