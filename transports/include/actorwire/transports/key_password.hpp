#pragma once

#include <actorwire/messages/secret.hpp>

#include <functional>
#include <string_view>

namespace actorwire {

/// Asked for the password of a private key that is encrypted, when `private_key::password` is empty. Gets the name of the
/// key's file, or nothing for a key in memory; an empty answer means that there is none.
/// *Thread:* any but a shard, so it may block; calls may come at the same time.
using key_password_function = std::function<secret(std::string_view file)>;

} // namespace actorwire
