#include "packet_protection.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <type_traits>

namespace actorwire::test {

namespace {

constexpr std::size_t tag_size = 16;
constexpr std::size_t sample_size = 16;
constexpr std::size_t number_size_max = 4;
/// The head of a short packet: what is hidden of its first byte, and how long its number is (RFC 9000, 17.3.1).
constexpr unsigned hidden_bits = 0x1f;
constexpr unsigned number_size_bits = 0x03;
constexpr char phase_bit = 0x04;
constexpr char short_head_with_number_of_four = 0x43;

void must(int code) {
  if (code < 0)
    throw std::runtime_error{gnutls_strerror(code)};
}

gnutls_datum_t datum_of(std::string_view bytes) noexcept {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data())), static_cast<unsigned>(bytes.size())};
}

/// HKDF-Expand-Label (RFC 8446, 7.1).
std::string expand(std::string_view secret, std::string_view label, std::size_t size) {
  const auto full = std::string{"tls13 "}.append(label);
  std::string info{'\0', static_cast<char>(size), static_cast<char>(full.size())};
  info.append(full).push_back('\0');
  std::string made(size, '\0');
  const auto key = datum_of(secret);
  const auto wanted = datum_of(info);
  must(::gnutls_hkdf_expand(secret.size() == 32 ? GNUTLS_MAC_SHA256 : GNUTLS_MAC_SHA384, &key, &wanted, made.data(),
                            size));
  return made;
}

struct aead_closer {
  void operator()(gnutls_aead_cipher_hd_t used) const noexcept { ::gnutls_aead_cipher_deinit(used); }
};
using aead = std::unique_ptr<std::remove_pointer_t<gnutls_aead_cipher_hd_t>, aead_closer>;

aead aead_with(std::string_view key) {
  gnutls_aead_cipher_hd_t made = nullptr;
  const auto as_datum = datum_of(key);
  must(::gnutls_aead_cipher_init(&made, key.size() == 16 ? GNUTLS_CIPHER_AES_128_GCM : GNUTLS_CIPHER_AES_256_GCM,
                                 &as_datum));
  return aead{made};
}

} // namespace

packet_protection::packet_protection(std::string_view secret, bool is_version_2) {
  if (secret.size() != 32 && secret.size() != 48)
    throw std::runtime_error{"a secret of a size that AES-GCM has not"};
  const auto prefix = std::string{is_version_2 ? "quicv2 " : "quic "};
  const std::size_t key_size = secret.size() == 32 ? 16 : 32;
  key_ = expand(secret, prefix + "key", key_size);
  iv_ = expand(secret, prefix + "iv", nonce_size);
  header_key_ = expand(secret, prefix + "hp", key_size);
}

std::string packet_protection::seal(std::string_view destination, std::uint64_t number, std::string_view frames) const {
  std::string packet{short_head_with_number_of_four};
  packet.append(destination);
  const auto number_at = packet.size();
  for (const auto shift : {24U, 16U, 8U, 0U})
    packet.push_back(static_cast<char>(number >> shift & 0xffU));
  const auto size = frames.size() + tag_size;
  std::string sealed(size, '\0');
  auto sealed_size = size;
  const auto nonce = nonce_of(number);
  must(::gnutls_aead_cipher_encrypt(aead_with(key_).get(), nonce.data(), nonce.size(), packet.data(), packet.size(),
                                    tag_size, frames.data(), frames.size(), sealed.data(), &sealed_size));
  // The sample begins four bytes behind the beginning of the number, which is as long (RFC 9001, 5.4.2).
  const auto mask = mask_of(std::string_view{sealed}.substr(0, sample_size));
  packet[0] = static_cast<char>(packet[0] ^ (mask[0] & static_cast<char>(hidden_bits)));
  for (std::size_t index = 0; index < number_size_max; ++index)
    packet[number_at + index] = static_cast<char>(packet[number_at + index] ^ mask[1 + index]);
  return packet.append(sealed);
}

std::optional<packet_protection::opened> packet_protection::open(std::string_view packet) const {
  constexpr auto number_at = 1 + id_size;
  constexpr auto sample_at = number_at + number_size_max;
  if (packet.size() < sample_at + sample_size + 1 || (packet[0] & '\x80') != 0)
    return std::nullopt;
  const auto mask = mask_of(packet.substr(sample_at, sample_size));
  std::string head{packet.substr(0, number_at)};
  head[0] = static_cast<char>(head[0] ^ (mask[0] & static_cast<char>(hidden_bits)));
  const auto number_size = 1 + (static_cast<unsigned>(head[0]) & number_size_bits);
  opened found;
  for (std::size_t index = 0; index < number_size; ++index) {
    head.push_back(static_cast<char>(packet[number_at + index] ^ mask[1 + index]));
    found.number = found.number << 8U | static_cast<std::uint8_t>(head.back());
  }
  const auto sealed = packet.substr(number_at + number_size);
  if (sealed.size() < tag_size)
    return std::nullopt;
  found.frames.resize(sealed.size() - tag_size);
  auto size = found.frames.size();
  const auto nonce = nonce_of(found.number);
  if (::gnutls_aead_cipher_decrypt(aead_with(key_).get(), nonce.data(), nonce.size(), head.data(), head.size(),
                                   tag_size, sealed.data(), sealed.size(), found.frames.data(), &size)
      != 0)
    return std::nullopt;
  return found;
}

std::optional<bool> packet_protection::key_phase_of(std::string_view packet) const {
  constexpr auto sample_at = 1 + id_size + number_size_max;
  if (packet.size() < sample_at + sample_size || (packet[0] & '\x80') != 0)
    return std::nullopt;
  const auto mask = mask_of(packet.substr(sample_at, sample_size));
  return ((packet[0] ^ mask[0]) & phase_bit) != 0;
}

std::string packet_protection::nonce_of(std::uint64_t number) const {
  auto nonce = iv_;
  for (std::size_t index = 0; index < sizeof number; ++index) {
    auto& each = nonce[nonce_size - 1 - index];
    each = static_cast<char>(each ^ static_cast<char>(number >> (8 * index) & 0xffU));
  }
  return nonce;
}

/// One block of AES without a mode, which is CBC of one block.
std::array<char, 5> packet_protection::mask_of(std::string_view sample) const {
  gnutls_cipher_hd_t cipher = nullptr;
  const auto key = datum_of(header_key_);
  std::array<char, sample_size> zeros{};
  const auto iv = datum_of({zeros.data(), zeros.size()});
  must(::gnutls_cipher_init(&cipher, header_key_.size() == 16 ? GNUTLS_CIPHER_AES_128_CBC : GNUTLS_CIPHER_AES_256_CBC,
                            &key, &iv));
  std::array<char, sample_size> block{};
  const auto code = ::gnutls_cipher_encrypt2(cipher, sample.data(), sample.size(), block.data(), block.size());
  ::gnutls_cipher_deinit(cipher);
  must(code);
  std::array<char, 5> mask{};
  std::copy_n(block.begin(), mask.size(), mask.begin());
  return mask;
}

} // namespace actorwire::test
