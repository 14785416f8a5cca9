#pragma once

#include <string>
#include <vector>

namespace actorwire::test {

/// The protocols that have certificates and keys, as URIs name them.
inline std::vector<std::string> secured_schemes() {
  std::vector<std::string> all{"tls"};
  if (ACTORWIRE_QUIC)
    all.emplace_back("quic");
  return all;
}

} // namespace actorwire::test
