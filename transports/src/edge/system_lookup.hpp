#pragma once

#include <actorwire/transports/resolver.hpp>

#include <string>

struct addrinfo;

namespace actorwire {

/// Asks the system (getaddrinfo(3)), which orders its answer by RFC 6724, and blocks meanwhile. *Thread:* any thread.
[[nodiscard]] resolver::answer system_lookup(const std::string& host);

/// What asks the system; tests pass in what answers like getaddrinfo(3).
using address_source = int (*)(const char* host, const char* service, const addrinfo* hints, addrinfo** found);

/// The same with another source. Families that this machine has no address of are not asked for, unless the answer is that
/// the name has none of the others: then all are, since an interface may be down for a moment, and only a name without any address
/// is `name_unknown`.
[[nodiscard]] ACTORWIRE_EXPORT resolver::answer look_up_with(address_source ask, const std::string& host);

/// Builds the error of a look-up by what getaddrinfo(3) returned, which is not 0, and by errno where that is what it says.
[[nodiscard]] ACTORWIRE_EXPORT transport_error lookup_error(const std::string& host, int resolver_code,
                                                            int errno_value = 0);

/// Builds the error of a look-up that did not come to an answer.
[[nodiscard]] transport_error lookup_failure(const std::string& host, const std::string& why);

/// Builds the error for a name that exists, without an address.
[[nodiscard]] transport_error no_address(const std::string& host);

} // namespace actorwire
