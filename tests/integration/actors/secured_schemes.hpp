#pragma once

#include <string>
#include <vector>

namespace actorwire::test {

/// The protocols of this build that have certificates and keys, as URIs name them.
inline std::vector<std::string> secured_schemes() {
  std::vector<std::string> all;
  if (ACTORWIRE_TLS)
    all.emplace_back("tls");
  if (ACTORWIRE_QUIC)
    all.emplace_back("quic");
  return all;
}

/// Those, and the one that has none.
inline std::vector<std::string> all_schemes() {
  auto all = secured_schemes();
  all.emplace_back("tcp");
  return all;
}

} // namespace actorwire::test
