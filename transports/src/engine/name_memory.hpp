#pragma once

#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/ip_address.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace actorwire {

/// The last addresses that each name was found to have, for the times when it cannot be looked up (RFC 8767). Pure: it is
/// told the time. It bounds its names; those who use it bound the addresses of each, and tell it answers in the order of the
/// questions.
class name_memory {
public:
  /// Names that are remembered; the one that was used longest ago is forgotten for another.
  static constexpr std::size_t names_max = 1'024;
  /// How long after the question addresses are remembered. Long enough for a name service to be restarted, and short
  /// enough that an address is hardly somebody else's by then.
  static constexpr duration lifetime = std::chrono::minutes{10};

  /// `name` has these addresses.
  void remember(const std::string& name, std::vector<ip_address> addresses, time_point asked_at);

  /// `name` has none: this is an answer as well.
  void forget(const std::string& name);

  /// Returns what `name` had when it was last looked up, if that is not longer ago than `lifetime`.
  [[nodiscard]] std::optional<std::vector<ip_address>> recall(const std::string& name, time_point now);

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

private:
  struct entry {
    std::string name;
    std::vector<ip_address> addresses;
    time_point asked_at;
  };
  using entries = std::list<entry>;

  /// Those used last come first.
  entries by_use_;
  std::unordered_map<std::string, entries::iterator> places_;
};

} // namespace actorwire
