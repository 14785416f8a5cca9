#pragma once

#include <actorwire/messages/tls_config.hpp>

#include <string>
#include <string_view>

namespace actorwire::test {

// The certificates that `certificates.sh` makes; its head lists their names. For tests that are registered with
// CERTIFICATES: ctest makes the files before them, and names the folder in ACTORWIRE_TEST_CERTIFICATES. Nobody writes to
// that folder: tests that replace files do so with copies.
// *Errors:* all functions throw `std::runtime_error`, which fails the test, when there is no such file.

/// The path of a file, "root.pem" for instance.
[[nodiscard]] std::string certificate_path(std::string_view file);

/// The content of a file.
[[nodiscard]] std::string certificate_text(std::string_view file);

/// Base64 of the SHA-256 of the public key of `server-ec`, `server-rsa`, `server-ed25519` or `renewed`, as `tls_config`
/// takes it.
[[nodiscard]] std::string pin_of(std::string_view name);

/// A certificate with those that lead to the root, and its key, as `tls_config` takes them.
struct identity {
  pem_source certificate;
  private_key key;
};

/// By their paths. The password of an encrypted key is not given.
[[nodiscard]] identity identity_in_files(std::string_view name);
/// By their texts. The password of an encrypted key is not given.
[[nodiscard]] identity identity_in_memory(std::string_view name);

/// What an encrypted key was encrypted with.
[[nodiscard]] secret password_of(std::string_view name);

} // namespace actorwire::test
