#pragma once

#include <actorwire/messages/secret.hpp>

#include <ctime>
#include <string>
#include <string_view>

namespace actorwire::fuzz {

/// 2026-01-01, when all certificates are valid.
constexpr std::time_t good_day = 1'767'225'600;

/// Stands in every name of every certificate but `localhost`, and nowhere else: what is shown to people must not have it.
constexpr std::string_view unmentionable = "unmentionable";

/// A certificate and its key, in PEM form.
struct identity {
  std::string certificate;
  secret key;
};

/// A small world of certificates on P-256.
struct identities {
  /// The certificate of the authority that good sides trust.
  std::string trust;
  /// For `localhost`.
  identity server;
  /// As `server`, but for another host.
  identity other_host;
  /// As `server`, but of an authority that nobody trusts.
  identity foreign_server;
  identity client;
  /// As `client`, but of an authority that nobody trusts.
  identity foreign_client;
};

/// The world of this process, the same in each: made in memory when it is first asked for.
[[nodiscard]] const identities& world();

} // namespace actorwire::fuzz
