#pragma once

#include "quic_cid.hpp"
#include "quic_secret.hpp"
#include "udp_address.hpp"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace actorwire {

/// What a server hands to clients so that it knows them again without remembering them: tokens that prove an address
/// (RFC 9000, 8.1) and tokens that reset connections that it has forgotten (10.3). All is made of one secret, so the shards
/// of a listener, and a later process that is given the same secret, accept what any of them has made.
///
/// A reset is good only for packets that went to one address and port of ours: a listener elsewhere that has the same
/// secret would else tell everybody who sends a copied ID to it how to end the connection (RFC 9000, 21.11). An address
/// token is good only for the version of QUIC that it was given by (RFC 9369, 5).
///
/// Address tokens are encrypted with secrets that change every `new_token_lifetime` of the wall clock; the one before is
/// good too, so that no token ends before its time. The secret of resets never changes: a reset is for those who were
/// connected before everything else was forgotten. *Thread:* immutable; any thread.
class quic_tokens {
public:
  using wall_time_point = std::chrono::system_clock::time_point;

  struct lifetimes {
    /// How long a client may take to come back after a Retry.
    std::chrono::nanoseconds retry = std::chrono::seconds{10};
    /// How long a client that was connected may come back with what NEW_TOKEN gave to it.
    std::chrono::nanoseconds new_token = std::chrono::hours{24};
  };

  /// Bytes of a token. Empty when it could not be made.
  class token {
  public:
    static constexpr std::size_t size_max =
        std::max<std::size_t>(NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2, NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN);

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return std::as_bytes(std::span{data_, size_}); }
    [[nodiscard]] const std::uint8_t* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  private:
    friend class quic_tokens;
    std::uint8_t data_[size_max]{};
    std::size_t size_ = 0;
  };

  enum class verdict : std::uint8_t {
    /// Nothing that we know, too old a NEW_TOKEN or that of another address, or the token of a Retry with another ID than
    /// that Retry gave. Go on as if there were no token (8.1.3).
    unknown,
    /// The client has done a Retry from this address.
    retry_good,
    /// A token of a Retry that is too old or used from another address. Close with INVALID_TOKEN, because the client will
    /// not do a second Retry (8.1.2).
    retry_bad,
    /// The client was connected from this address before.
    new_token_good,
  };

  struct check_result {
    verdict what = verdict::unknown;
    /// With `retry_good`: where the client's very first packet went, for the transport parameter.
    quic_cid original_destination;
  };

  using stateless_reset_token = std::array<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN>;

  /// *Units:* both lifetimes positive.
  quic_tokens(const quic_secret& master, lifetimes valid);
  /// Resets are made of a secret of their own.
  quic_tokens(const quic_secret& master, const quic_secret& for_resets, lifetimes valid);

  /// Makes the token of a Retry. `retry_source` is our ID in that packet, `original_destination` the client's choice.
  [[nodiscard]] token make_retry(std::uint32_t version, const udp_address& client, const quic_cid& retry_source,
                                 const quic_cid& original_destination, wall_time_point now) const;

  /// Makes the token of a NEW_TOKEN frame. Of the address the host counts, not the port. `version` is the one that was
  /// agreed on.
  [[nodiscard]] token make_new_token(std::uint32_t version, const udp_address& client, wall_time_point now) const;

  /// Judges the token of an Initial packet that went to `destination`; any bytes will do.
  [[nodiscard]] check_result check(std::span<const std::byte> shown, std::uint32_t version, const udp_address& client,
                                   const quic_cid& destination, wall_time_point now) const;

  /// The token that resets the connection with this ID of ours, whose peer sends to `local`.
  [[nodiscard]] stateless_reset_token make_stateless_reset(const quic_cid& id, const udp_address& local) const;

  /// How long what `make_new_token` makes is good.
  [[nodiscard]] std::chrono::nanoseconds new_token_lifetime() const noexcept { return valid_.new_token; }

private:
  [[nodiscard]] std::uint64_t generation_at(wall_time_point now) const noexcept;
  [[nodiscard]] quic_secret secret_of(std::uint32_t version, std::uint64_t generation) const;
  [[nodiscard]] check_result check_retry(std::span<const std::byte> shown, std::uint32_t version,
                                         const udp_address& client, const quic_cid& destination,
                                         wall_time_point now) const;
  [[nodiscard]] bool is_new_token_good(std::span<const std::byte> shown, std::uint32_t version,
                                       const udp_address& client, wall_time_point now) const;

  quic_secret for_addresses_;
  quic_secret for_resets_;
  lifetimes valid_;
};

} // namespace actorwire
