#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace actorwire {

/// What counts as one address of a client: an IPv4 address, however it is written, or an IPv6 /64, which is what one
/// customer gets (RFC 6177). The first byte tells which.
using address_group = std::array<std::uint8_t, 9>;

/// The group of a numeric address; all others are one group.
[[nodiscard]] address_group address_group_of(const std::string& host);

/// The half-open clients of a listener, over all its shards: accepted, and not yet through with their handshake. Bounds
/// how many there are, and how many of one address, and so its own memory.
/// *Thread:* any thread.
class handshake_book {
public:
  enum class verdict : std::uint8_t {
    admitted,
    /// Admitted instead of another, whose place in the book it has now.
    admitted_in_place,
    /// Its address has its share.
    share_used_up,
    /// The limit is reached, and there is nobody to go instead.
    full,
  };

  struct figures {
    std::uint32_t handshaking = 0;
    /// Not admitted, for either reason.
    std::uint64_t refused = 0;
    /// Gave way to another.
    std::uint64_t evicted = 0;
  };

  /// At most `limit` clients, of which at most `share` of one group.
  handshake_book(std::uint32_t limit, std::uint32_t share) noexcept : limit_(limit), share_(share) {}

  /// Enters a client; at the limit in place of one of `may_go`, if that is not null. The share of an address holds in
  /// either case, so nobody who has his gets in at the cost of another address.
  [[nodiscard]] verdict enter(const address_group& from, const address_group* may_go);

  /// Takes out a client of this group; there is one.
  void leave(const address_group& from) noexcept;

  [[nodiscard]] figures counts() const;

private:
  [[nodiscard]] verdict judge(const address_group& from, const address_group* may_go) const;
  void take_out(const address_group& from) noexcept;

  const std::uint32_t limit_;
  const std::uint32_t share_;
  mutable std::mutex mutex_;
  /// Clients of each group that has some. A tree, because strangers choose the keys, and could choose those that a hash
  /// table is slow with.
  std::map<address_group, std::uint32_t> groups_;
  figures counts_;
};

} // namespace actorwire
