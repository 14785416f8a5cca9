#pragma once

// How described structs become CAF messages, and lists of them the interfaces of typed actors. Together with its
// neighbours in this folder this is everything that differs between the two families of CAF, 0.17 and 1.x: the rest of
// the library is one source for both. Not part of the public interface, installed only because the public headers need
// it.

#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/enumeration.hpp>
#include <actorwire/messages/histogram.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/secret.hpp>

#include <caf/config.hpp>

// CAF 1.x defines CAF_VERSION as an octal number by mistake (0100 for 1.1.0), so the version is told by the presence
// of the macros that only 1.x has.
#if !defined(CAF_VERSION_MAJOR)
#  define ACTORWIRE_CAF_0_17 1
#else
#  define ACTORWIRE_CAF_0_17 0
#endif

#include <caf/actor_system_config.hpp>
#include <caf/error.hpp>
#include <caf/sec.hpp>
#include <caf/typed_actor.hpp>

#if ACTORWIRE_CAF_0_17
#  include <caf/meta/type_name.hpp>
#else
#  include <caf/init_global_meta_objects.hpp>
#endif

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// Makes an enumeration a category of `caf::error`. To be used outside of all namespaces.
#if ACTORWIRE_CAF_0_17
#  define ACTORWIRE_ERROR_CODE_ENUM(type) CAF_ERROR_CODE_ENUM(type, "actorwire")
#else
#  define ACTORWIRE_ERROR_CODE_ENUM(type) CAF_ERROR_CODE_ENUM(type)
#endif

namespace actorwire::detail {

// -- registration: how CAF learns of the types of an ID block ------------------------------------------------------------
//
// Templates, although there is one block: as plain functions they would make the code for all its types again in each
// file that includes this, used or not, which was a third of what it took to compile a small program.

#if ACTORWIRE_CAF_0_17

inline constexpr std::string_view config_prefix = "";

template <class IdBlock>
void register_meta_objects() {}

template <class IdBlock>
void register_message_types(caf::actor_system_config& config) {
  config.add_message_types<IdBlock>();
}

#else

inline constexpr std::string_view config_prefix = "caf.";

template <class IdBlock>
void register_meta_objects() {
  caf::core::init_global_meta_objects();
  caf::init_global_meta_objects<IdBlock>();
}

template <class IdBlock>
void register_message_types(caf::actor_system_config&) {
  register_meta_objects<IdBlock>();
}

#endif

} // namespace actorwire::detail

namespace actorwire {

// -- messages: how a described struct becomes a CAF message --------------------------------------------------------------

#if ACTORWIRE_CAF_0_17

template <class Inspector, described T>
typename Inspector::result_type inspect(Inspector& f, T& x) {
  return T::describe(x, [&f](std::string_view name, auto... members) {
    return f(caf::meta::type_name(name.data()), members.value...);
  });
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, payload& x) {
  if constexpr (Inspector::reads_state) {
    std::string bytes{x.text()};
    return f(bytes);
  } else {
    std::string bytes;
    auto result = f(bytes);
    x = payload::copy_of(bytes);
    return result;
  }
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, secret& x) {
  if constexpr (Inspector::reads_state) {
    auto text = x.reveal();
    return f(text);
  } else {
    std::string text;
    auto result = f(text);
    x = secret{std::move(text)};
    return result;
  }
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, histogram& x) {
  if constexpr (Inspector::reads_state) {
    auto text = to_string(x);
    return f(text);
  } else {
    std::string text;
    if (auto failure = f(text))
      return failure;
    auto read = parse_histogram(text);
    if (!read)
      return caf::sec::invalid_argument;
    x = *std::move(read);
    return {};
  }
}

/// As numbers: CAF would read each value into one that nothing has set, which gcc warns of.
template <class Inspector, named_enumeration E>
typename Inspector::result_type inspect(Inspector& f, std::vector<E>& x) {
  using number = std::underlying_type_t<E>;
  std::vector<number> numbers;
  if constexpr (Inspector::reads_state) {
    for (const auto each : x)
      numbers.push_back(static_cast<number>(each));
    return f(numbers);
  } else {
    auto result = f(numbers);
    x.clear();
    for (const auto each : numbers)
      x.push_back(static_cast<E>(each));
    return result;
  }
}

template <class Inspector, class First, class Second>
typename Inspector::result_type inspect(Inspector& f, std::variant<First, Second>& x) {
  auto is_second = x.index() == 1;
  if constexpr (Inspector::reads_state) {
    return is_second ? f(is_second, std::get<1>(x)) : f(is_second, std::get<0>(x));
  } else {
    if (auto failure = f(is_second))
      return failure;
    if (is_second)
      return f(x.template emplace<1>());
    return f(x.template emplace<0>());
  }
}

#else

template <class Inspector, described T>
bool inspect(Inspector& f, T& x) {
  return T::describe(x, [&f, &x](std::string_view name, auto... members) {
    return f.object(x).pretty_name(name).fields(f.field(members.name, members.value)...);
  });
}

template <class Inspector, class E>
  requires std::is_enum_v<E> &&(named_enumeration<E> || requires(E e) { includes(e, e); }) bool inspect(Inspector& f,
                                                                                                        E& x) {
    using number = std::underlying_type_t<E>;
    return f.apply([&x] { return static_cast<number>(x); },
                   [&x](number value) {
                     if constexpr (named_enumeration<E>)
                       if (!names_a_value<E>(value))
                         return false;
                     x = static_cast<E>(value);
                     return true;
                   });
  }

  template <class Inspector>
  bool inspect(Inspector& f, secret& x) {
    return f.apply([&x] { return x.reveal(); },
                   [&x](std::string text) {
                     x = secret{std::move(text)};
                     return true;
                   });
  }

  template <class Inspector>
  bool inspect(Inspector& f, histogram& x) {
    return f.apply([&x] { return to_string(x); },
                   [&x](const std::string& text) {
                     auto read = parse_histogram(text);
                     if (!read)
                       return false;
                     x = *std::move(read);
                     return true;
                   });
  }

  template <class Inspector>
  bool inspect(Inspector& f, payload& x) {
    return f.apply([&x] { return std::string{x.text()}; },
                   [&x](std::string bytes) {
                     x = payload::copy_of(bytes);
                     return true;
                   });
  }

#endif

// -- interfaces: sig<Result(Args...)> is one message of a typed actor ----------------------------------------------------

template <class>
struct sig_of;

#if ACTORWIRE_CAF_0_17

template <class... Args>
struct sig_of<void(Args...)> {
  using type = caf::reacts_to<Args...>;
};

template <class Result, class... Args>
struct sig_of<Result(Args...)> {
  using type = typename caf::replies_to<Args...>::template with<Result>;
};

#else

  template <class Result, class... Args>
  struct sig_of<Result(Args...)> {
    using type = caf::result<Result>(Args...);
  };

#endif

template <class F>
using sig = typename sig_of<F>::type;

} // namespace actorwire
