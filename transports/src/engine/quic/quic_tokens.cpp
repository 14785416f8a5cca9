#include "quic_tokens.hpp"

#include <cassert>
#include <stdexcept>

namespace actorwire {

namespace {

ngtcp2_tstamp timestamp(quic_tokens::wall_time_point now) {
  return static_cast<ngtcp2_tstamp>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count()));
}

ngtcp2_duration duration_of(std::chrono::nanoseconds time) {
  return static_cast<ngtcp2_duration>(time.count());
}

const std::uint8_t* data_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

std::size_t size_of_made(ngtcp2_ssize size) {
  return size < 0 ? 0 : static_cast<std::size_t>(size);
}

} // namespace

quic_tokens::quic_tokens(const quic_secret& master, lifetimes valid)
  : quic_tokens(master, master.derive("stateless resets"), valid) {}

quic_tokens::quic_tokens(const quic_secret& master, const quic_secret& for_resets, lifetimes valid)
  : for_addresses_(master.derive("address tokens")), for_resets_(for_resets), valid_(valid) {
  assert(valid.retry.count() > 0 && valid.new_token.count() > 0);
}

quic_tokens::token quic_tokens::make_retry(std::uint32_t version, const udp_address& client,
                                           const quic_cid& retry_source, const quic_cid& original_destination,
                                           wall_time_point now) const {
  const auto secret = secret_of(version, generation_at(now));
  const auto source = retry_source.to_ngtcp2();
  const auto original = original_destination.to_ngtcp2();
  token made;
  made.size_ = size_of_made(ngtcp2_crypto_generate_retry_token2(made.data_, secret.data(), quic_secret::size, version,
                                                                client.data(), client.size(), &source, &original,
                                                                timestamp(now)));
  return made;
}

quic_tokens::token quic_tokens::make_new_token(std::uint32_t version, const udp_address& client,
                                               wall_time_point now) const {
  const auto secret = secret_of(version, generation_at(now));
  token made;
  made.size_ = size_of_made(ngtcp2_crypto_generate_regular_token(made.data_, secret.data(), quic_secret::size,
                                                                 client.data(), client.size(), timestamp(now)));
  return made;
}

quic_tokens::check_result quic_tokens::check(std::span<const std::byte> shown, std::uint32_t version,
                                             const udp_address& client, const quic_cid& destination,
                                             wall_time_point now) const {
  // Tokens that another server has made, or nobody, shall cost nothing.
  if (shown.empty() || shown.size() > token::size_max)
    return {};
  switch (std::to_integer<unsigned>(shown.front())) {
    case NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2:
      return check_retry(shown, version, client, destination, now);
    case NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR:
      return {is_new_token_good(shown, version, client, now) ? verdict::new_token_good : verdict::unknown, {}};
    default:
      return {};
  }
}

quic_tokens::check_result quic_tokens::check_retry(std::span<const std::byte> shown, std::uint32_t version,
                                                   const udp_address& client, const quic_cid& destination,
                                                   wall_time_point now) const {
  const auto generation = generation_at(now);
  const auto to = destination.to_ngtcp2();
  for (const auto each : {generation, generation - 1}) {
    const auto secret = secret_of(version, each);
    ngtcp2_cid original{};
    switch (ngtcp2_crypto_verify_retry_token2(&original, data_of(shown), shown.size(), secret.data(), quic_secret::size,
                                              version, client.data(), client.size(), &to, duration_of(valid_.retry),
                                              timestamp(now))) {
      case 0:
        return {verdict::retry_good, quic_cid{original}};
      case NGTCP2_CRYPTO_ERR_VERIFY_TOKEN:
        return {verdict::retry_bad, {}};
      default:
        break;
    }
  }
  return {};
}

bool quic_tokens::is_new_token_good(std::span<const std::byte> shown, std::uint32_t version, const udp_address& client,
                                    wall_time_point now) const {
  const auto generation = generation_at(now);
  for (const auto each : {generation, generation - 1}) {
    const auto secret = secret_of(version, each);
    if (ngtcp2_crypto_verify_regular_token(data_of(shown), shown.size(), secret.data(), quic_secret::size,
                                           client.data(), client.size(), duration_of(valid_.new_token), timestamp(now))
        == 0)
      return true;
  }
  return false;
}

quic_tokens::stateless_reset_token quic_tokens::make_stateless_reset(const quic_cid& id,
                                                                     const udp_address& local) const {
  // The number of an interface may be another after a restart.
  auto host = local.host();
  host.scope = 0;
  const auto secret = for_resets_.derive("sent to " + to_text(udp_address{host, local.port()}));
  const auto of = id.to_ngtcp2();
  stateless_reset_token made{};
  // Zeros would be a token that everybody knows.
  if (ngtcp2_crypto_generate_stateless_reset_token(made.data(), secret.data(), quic_secret::size, &of) != 0)
    throw std::runtime_error{"no token for a stateless reset can be made"};
  return made;
}

std::uint64_t quic_tokens::generation_at(wall_time_point now) const noexcept {
  // Never before the first, so that there is always one before. A Retry is over within two of them too.
  return timestamp(now) / duration_of(std::max(valid_.new_token, valid_.retry)) + 1;
}

quic_secret quic_tokens::secret_of(std::uint32_t version, std::uint64_t generation) const {
  return for_addresses_.derive("version", version).derive("generation", generation);
}

} // namespace actorwire
