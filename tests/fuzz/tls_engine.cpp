// Whatever arrives and however it is cut: the engine of TLS believes nothing that the other side did not say, tells each
// end with its reason, holds no more than its bounds, and asks nobody to wait for ever. GnuTLS itself is not instrumented:
// what libFuzzer follows are the decisions of the engine.
//
// An input is
//   1 byte   mode, see below
//   3 bytes  settings of both sides: see `settings`
//   1 byte   n, how many cuts follow (modulo 16)
//   n bytes  cuts, used in turn: in what pieces bytes arrive
// and then, in the modes 0 (to a server) and 1 (to a client, which has said its hello)
//   1 byte   how often the rest arrives, less 1 (modulo 64)
//   the rest what arrives instead of anything that knows TLS
// in mode 2, where two sides shake hands, talk and close
//   4 bytes  how much the client and the server say (modulo 16,384)
//   the rest what goes wrong on the way, 4 bytes each: see `accident`
// in mode 3, where two sides have shaken hands
//   the rest what happens: see `turmoil`
//
// Certificates, random numbers (see fixed_random.hpp) and the time of day are the same in each run. The clock by which GnuTLS
// tells the age of session tickets is not: what these contain differs, and nothing else. No check depends on either.

#include "engine/wall_time.hpp"
#include "fixed_random.hpp"
#include "session_memory.hpp"
#include "target.hpp"
#include "tls_conversation.hpp"
#include "tls_identities.hpp"
#include "tls_party.hpp"
#include "tls_settings.hpp"
#include "tls_way.hpp"

#include <actorwire/transports/buffer_pool.hpp>
#include <actorwire/transports/memory_budget.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace actorwire::fuzz {

namespace {

/// All that a run needs.
struct stage {
  explicit stage(reader& in)
    : wanted(settings::from(in)),
      pieces(cuts::from(in)),
      buffers(std::make_shared<memory_budget>(wanted.has_memory ? std::size_t{64} << 20U : 0)) {
    sessions()->clear();
  }

  [[nodiscard]] conversation begin(const conversation::both_credentials& known) {
    return {wanted, known, buffers, pieces};
  }
  /// What follows does not depend on whether they were known.
  [[nodiscard]] conversation::both_credentials both_credentials() const {
    auto both =
        conversation::both_credentials{credentials(tls_role::client, wanted), credentials(tls_role::server, wanted)};
    restart_random(3);
    return both;
  }

  settings wanted;
  cuts pieces;
  buffer_pool buffers;
};

/// What arrives knows nothing of TLS, or nothing of this connection.
void run_noise(tls_role role, reader& in) {
  stage here{in};
  const auto known = credentials(role, here.wanted);
  restart_random(3);
  engine_party side{known, here.buffers};
  side.shake_hands();
  check(!side.has_failed() && !side.take(std::string::npos, 1).empty() == (role == tls_role::client),
        "the client speaks first");
  const auto times = in.byte() % 64 + 1;
  const auto rest = in.rest();
  const std::string_view noise{reinterpret_cast<const char*>(rest.data()), rest.size()};
  for (auto time = 0; time < times && !side.has_failed(); ++time) {
    for (std::size_t fed = 0; fed < noise.size() && !side.has_failed();) {
      const auto piece = noise.substr(fed, here.pieces.next());
      fed += piece.size();
      side.feed(piece);
      side.shake_hands();
      check(!side.is_done(), "nobody shakes hands with noise");
    }
  }
  side.end_input();
  side.shake_hands();
  check(side.has_failed(), "noise is no handshake");
}

/// A handshake, some words and the end, with accidents on the way.
void run_handshake(reader& in) {
  stage here{in};
  // So that small cuts come to an end in time.
  constexpr std::size_t words_max = 16'384;
  const std::array<std::size_t, 2> words{in.word() % words_max, in.word() % words_max};
  const auto known = here.both_credentials();
  const auto talk = [&](conversation& between) {
    for (const auto role : roles)
      between.plan(role, words[settings::index_of(role)]);
    between.plan_to_close();
    between.settle();
    const auto* client = between.engine(tls_role::client);
    const auto was_resumed = client != nullptr && client->is_done() && client->info().resumed;
    between.end();
    return was_resumed;
  };
  const auto resumes = here.wanted.session_resumption && !here.wanted.by_hand;
  if (resumes) {
    // It leaves a session.
    auto first = here.begin(known);
    check(!talk(first), "the first session is a new one");
  }
  auto between = here.begin(known);
  while (!in.rest().empty()) {
    const auto next = accident::from_input(in);
    between.from(next.from).expect(next);
  }
  const auto was_resumed = talk(between);
  if (between.is_clean() && resumes && here.wanted.can_agree())
    check(was_resumed, "the second session is the first one");
}

/// Whatever two sides may do once they have shaken hands, in any order.
class turmoil {
public:
  explicit turmoil(conversation& between) : between_(between) {}

  void run(reader& in) {
    // Enough to come into every state.
    constexpr auto steps_max = 64;
    for (auto step = 0; step < steps_max && !in.rest().empty(); ++step) {
      const auto code = in.byte();
      const auto who = roles[code >> 7U];
      take_step(static_cast<deed>((code & 0x7FU) % deeds), who, in);
      between_.check_truth(who);
    }
  }

private:
  enum class deed : std::uint8_t {
    say,         ///< 2 bytes: how much; 1 byte: in how many pieces.
    send,        ///< 2 bytes: how much of what waits; 1 byte: of how many pieces.
    arrive,      ///< 2 bytes: how much of what is on its way to it.
    hear,        ///< 2 bytes: room.
    look_ahead,  ///< No bytes.
    acknowledge, ///< 2 bytes: how much of what arrived from it.
    rest,        ///< 2 bytes: milliseconds.
    close,       ///< No bytes.
    spoil,       ///< 4 bytes: an accident to what it sent.
    end_input,   ///< No bytes.
    whim,        ///< 1 byte: what comes into the mind of the side that is no engine.
  };
  static constexpr auto deeds = 11;

  void take_step(deed what, tls_role who, reader& in) {
    auto& side = between_.side(who);
    auto* engine = between_.engine(who);
    switch (what) {
      case deed::say: {
        const auto size = in.word();
        const auto pieces = in.byte() % 16 + 1U;
        if (side.may_speak())
          side.say(size, pieces);
        return;
      }
      case deed::send: {
        const auto size = in.word();
        between_.from(who).put(side.take(size, in.byte() % 8 + 1U));
        return;
      }
      case deed::arrive:
        return between_.deliver(who, in.word());
      case deed::hear: {
        const auto room = in.word();
        // An engine repeats why it failed.
        if (side.is_ready() || (engine != nullptr && side.is_done()))
          side.hear(room);
        return;
      }
      case deed::look_ahead:
        if (engine != nullptr)
          engine->look_ahead();
        return;
      case deed::acknowledge: {
        const auto bytes = in.word();
        if (engine != nullptr)
          engine->acknowledge(std::min({std::uint64_t{bytes}, engine->taken(), between_.from(who).delivered()}));
        return;
      }
      case deed::rest: {
        const std::chrono::milliseconds time{in.word()};
        if (engine != nullptr)
          engine->rest(time);
        return;
      }
      case deed::close:
        if (side.may_speak())
          side.close();
        return;
      case deed::spoil:
        return between_.from(who).spoil(accident::from_input(in));
      case deed::end_input:
        between_.from(other(who)).cut();
        return side.end_input();
      case deed::whim: {
        constexpr auto whims = 5;
        const auto next = static_cast<stranger::whim>(in.byte() % whims);
        if (auto* free = between_.by_hand(); free != nullptr && free->may_speak() && !free->follow(next))
          between_.note_rudeness();
        return;
      }
    }
  }

  conversation& between_;
};

void run_established(reader& in) {
  stage here{in};
  here.wanted.make_agreeable();
  auto between = here.begin(here.both_credentials());
  between.settle();
  for (const auto role : roles)
    check(between.side(role).is_ready(), "sides that can agree do");
  turmoil{between}.run(in);
  between.plan_to_close();
  between.settle();
  between.end();
}

} // namespace

void run(std::span<const std::byte> input) {
  const wall_time always{good_day};
  reader in{input};
  switch (in.byte() % 4) {
    case 0:
      return run_noise(tls_role::server, in);
    case 1:
      return run_noise(tls_role::client, in);
    case 2:
      return run_handshake(in);
    default:
      return run_established(in);
  }
}

} // namespace actorwire::fuzz
