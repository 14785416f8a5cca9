#include "system_lookup.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

namespace actorwire {

namespace {

std::string looking_up(const std::string& host) {
  return "look-up of '" + host + "': ";
}

ip_address address_of(const addrinfo& entry) {
  ip_address address;
  if (entry.ai_family == AF_INET6) {
    sockaddr_in6 numeric{};
    std::memcpy(&numeric, entry.ai_addr, sizeof numeric);
    std::memcpy(address.bytes.data(), &numeric.sin6_addr, sizeof numeric.sin6_addr);
    address.scope = numeric.sin6_scope_id;
    address.is_v6 = true;
  } else {
    sockaddr_in numeric{};
    std::memcpy(&numeric, entry.ai_addr, sizeof numeric);
    std::memcpy(address.bytes.data(), &numeric.sin_addr, sizeof numeric.sin_addr);
  }
  return address;
}

/// Whether the name is there, and has no address of those that were asked for.
bool is_without_data(int resolver_code) {
  auto is_meant = false;
#ifdef EAI_NODATA
  is_meant = is_meant || resolver_code == EAI_NODATA;
#endif
#ifdef EAI_ADDRFAMILY
  is_meant = is_meant || resolver_code == EAI_ADDRFAMILY;
#endif
  return is_meant;
}

/// Whether the name service has answered, and the answer is that there is nothing to be dialled.
bool is_an_answer(int resolver_code) {
  return resolver_code == EAI_NONAME || is_without_data(resolver_code);
}

} // namespace

transport_error lookup_error(const std::string& host, int resolver_code, int errno_value) {
  const auto is_system = resolver_code == EAI_SYSTEM;
  const std::string original =
      is_system ? std::generic_category().message(errno_value) : std::string{::gai_strerror(resolver_code)};
  const auto number = is_system ? errno_value : resolver_code;
  if (is_an_answer(resolver_code))
    return make_error(error_code::name_unknown, phase::resolve, origin::system,
                      looking_up(host) + "there is no such name, or it has no address; check it (" + original + ")",
                      number);
  return make_error(error_code::resolve_failed, phase::resolve, origin::system,
                    looking_up(host) + "the name service does not answer now (" + original + ")", number);
}

transport_error lookup_failure(const std::string& host, const std::string& why) {
  return make_error(error_code::resolve_failed, phase::resolve, origin::system, looking_up(host) + why);
}

transport_error no_address(const std::string& host) {
  return make_error(error_code::name_unknown, phase::resolve, origin::system,
                    looking_up(host) + "the name has no address");
}

resolver::answer look_up_with(address_source ask, const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  auto failure = ask(host.c_str(), nullptr, &hints, &found);
  // That is an answer about this machine as much as about the name.
  if (is_without_data(failure)) {
    hints.ai_flags = 0;
    failure = ask(host.c_str(), nullptr, &hints, &found);
  }
  if (failure != 0)
    return lookup_error(host, failure, errno);
  std::vector<ip_address> addresses;
  for (const auto* entry = found; entry != nullptr; entry = entry->ai_next)
    if (entry->ai_family == AF_INET || entry->ai_family == AF_INET6)
      addresses.push_back(address_of(*entry));
  ::freeaddrinfo(found);
  return addresses;
}

resolver::answer system_lookup(const std::string& host) {
  return look_up_with(&::getaddrinfo, host);
}

} // namespace actorwire
