// Whatever arrives, in whatever order, from whomever, and whatever is done meanwhile: endpoints of QUIC deliver what was
// said, in order and nothing else; tell each end once; lose no connection to somebody who has not its keys; make nobody
// send more than threefold; come to rest; and leave nothing behind. ngtcp2 and GnuTLS are not instrumented: what libFuzzer
// follows are the decisions of the engine.
//
// An input is
//   3 bytes  settings of both sides: see `quic_choices`
//   1 byte   how it ends: bit 0, that two sides are connected at first; bit 1, that the network is mended at the end, and
//            everything must arrive; bit 2, that all is closed in order, or else just destroyed
//   the rest operations: a byte, whose highest bit says at which side (see `operation`), and what that needs
//
// Certificates, random numbers (see fixed_random.hpp) and times are the same in each run. The clock by which GnuTLS tells the
// age of session tickets is not: whether early data is taken may differ. No check depends on it.

#include "engine/wall_time.hpp"
#include "fixed_random.hpp"
#include "quic_pair.hpp"
#include "target.hpp"
#include "tls_identities.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace actorwire::fuzz {

namespace {

using namespace std::chrono_literals;

enum class operation : std::uint8_t {
  // -- what the network does to what is on its way to the side --
  deliver,   ///< 1 byte: how many datagrams (modulo 16), less 1.
  drop,      ///< The first that waits.
  duplicate, ///< The first that waits also comes last.
  overtake,  ///< The last that waits comes first.
  truncate,  ///< 2 bytes: to what size (modulo its size) the first is cut.
  flip,      ///< 2 bytes: which bit of the first.
  replay,    ///< 1 byte: which of the newest; its highest bit, that a stranger sends it.
  inject, ///< 1 byte: its size (modulo 64), bit 6 that it is filled up to 1,200, bit 7 that a stranger sends it; and those.
  forge,  ///< 1 byte: its size (modulo 64); and frames, by somebody who knows the keys.
  rebind, ///< The NAT forgets the clients.
  // -- time --
  wait,   ///< 1 byte: for how many deadlines (modulo 8), less 1.
  rest,   ///< 2 bytes: for how many milliseconds.
  settle, ///< Everything goes its way, for a second.
  // -- what users do; the first byte says which connection, and for streams there is a second that says which --
  dial,
  open, ///< 1 byte: bit 0, one direction only; the rest, its priority.
  say,  ///< 2 bytes: how many (modulo 16,384).
  finish,
  reset,          ///< 1 byte: the code.
  stop,           ///< 1 byte: the code.
  read,           ///< 2 bytes: how many at most.
  prioritize,     ///< 1 byte.
  set_reading,    ///< 1 byte: whether all is read as it comes.
  say_unreliably, ///< 2 bytes: how many (modulo 2,048).
  update_keys,
  migrate,
  close, ///< 1 byte: the code.
  release,
  // -- what the rest of the world does --
  set_admission, ///< 1 byte: whether the server takes clients.
  suspect,       ///< The system says that nobody listens at the other side.
  restart_server,
};
constexpr auto operations = static_cast<unsigned>(operation::restart_server) + 1;

constexpr std::size_t operations_max = 400;
constexpr std::size_t bytes_said_max = std::size_t{256} << 10U;

stream_priority priority_from(std::uint8_t byte) noexcept {
  return {static_cast<std::uint8_t>(byte >> 1U & 7U), (byte & 16U) != 0};
}

/// The operations of an input, carried out on two sides.
class program {
public:
  program(quic_pair& both, reader& in) noexcept : both_(both), in_(in) {}

  void run() {
    for (std::size_t count = 0; count < operations_max && !in_.rest().empty() && both_.may_go_on(); ++count) {
      const auto code = in_.byte();
      const auto side = (code & 0x80U) != 0 ? tls_role::server : tls_role::client;
      carry_out(static_cast<operation>((code & 0x7fU) % operations), side);
      both_.serve();
    }
  }

private:
  void carry_out(operation what, tls_role side) {
    if (what < operation::wait)
      return meddle(what, side);
    switch (what) {
      case operation::wait:
        for (auto count = in_.byte() % 8; count >= 0; --count)
          both_.pass_to_next_timeout();
        return;
      case operation::rest:
        return both_.pass(std::chrono::milliseconds{in_.word()});
      case operation::settle:
        return both_.settle(1s);
      case operation::dial:
        return both_.dial();
      case operation::migrate:
        return both_.migrate(in_.byte());
      case operation::set_admission:
        return both_.party(tls_role::server).set_admission((in_.byte() & 1U) != 0);
      case operation::suspect:
        return both_.party(side).suspect_all(both_.now());
      case operation::restart_server:
        return both_.restart_server();
      default:
        if (auto* caller = both_.pick(side, in_.byte()))
          use(*caller, what);
    }
  }

  /// The network does something.
  void meddle(operation what, tls_role to) {
    auto& waiting = both_.waiting(to);
    switch (what) {
      case operation::deliver:
        for (auto count = in_.byte() % 16; count >= 0 && both_.deliver(to); --count) {
        }
        return;
      case operation::drop:
        if (!waiting.empty())
          waiting.pop_front();
        return;
      case operation::duplicate:
        if (!waiting.empty())
          waiting.push_back(waiting.front());
        return;
      case operation::overtake:
        if (!waiting.empty())
          std::rotate(waiting.begin(), std::prev(waiting.end()), waiting.end());
        return;
      case operation::truncate: {
        const auto size = in_.word();
        if (!waiting.empty())
          waiting.front().bytes.resize(size % waiting.front().bytes.size());
        // Nothing is sent without bytes, but an empty datagram may arrive: it does at once.
        if (!waiting.empty() && waiting.front().bytes.empty())
          both_.deliver(to);
        return;
      }
      case operation::flip: {
        const std::size_t bit = in_.word();
        if (!waiting.empty()) {
          auto& bytes = waiting.front().bytes;
          auto& byte = bytes[bit / 8 % bytes.size()];
          byte = static_cast<char>(byte ^ static_cast<char>(1U << bit % 8U));
        }
        return;
      }
      case operation::replay: {
        const auto which = in_.byte();
        const auto& seen = both_.seen(to);
        if (seen.empty())
          return;
        auto again = seen[seen.size() - 1 - (which & 0x7fU) % seen.size()];
        if ((which & 0x80U) != 0)
          again.path = both_.path_to(to, true);
        return both_.inject(to, std::move(again));
      }
      case operation::inject: {
        constexpr std::size_t full_size = 1'200;
        const auto head = in_.byte();
        auto bytes = some_bytes(head % 64U);
        if ((head & 0x40U) != 0)
          bytes.resize(full_size);
        return both_.inject(to, {both_.path_to(to, (head & 0x80U) != 0), ecn_mark::not_capable, std::move(bytes)});
      }
      case operation::forge:
        return both_.forge(to, some_bytes(in_.byte() % 64U));
      case operation::rebind:
        return both_.rebind();
      default:
        return;
    }
  }

  /// The user of a connection does something.
  void use(quic_caller& caller, operation what) {
    switch (what) {
      case operation::open: {
        const auto kind = in_.byte();
        return caller.open((kind & 1U) != 0 ? stream_direction::unidirectional : stream_direction::bidirectional,
                           priority_from(kind));
      }
      case operation::say: {
        constexpr std::size_t at_once_max = 16'384;
        const auto which = in_.byte();
        const auto wanted = in_.word() % at_once_max;
        said_ += caller.say(which, std::min(wanted, bytes_said_max - said_));
        return;
      }
      case operation::finish:
        return caller.finish(in_.byte());
      case operation::reset: {
        const auto which = in_.byte();
        return caller.reset(which, in_.byte());
      }
      case operation::stop: {
        const auto which = in_.byte();
        return caller.stop(which, in_.byte());
      }
      case operation::read: {
        const auto which = in_.byte();
        return caller.read(which, in_.word());
      }
      case operation::prioritize: {
        const auto which = in_.byte();
        return caller.prioritize(which, priority_from(in_.byte()));
      }
      case operation::set_reading:
        return caller.set_reading((in_.byte() & 1U) != 0);
      case operation::say_unreliably:
        return caller.say_unreliably(in_.word() % 2'048U);
      case operation::update_keys:
        return caller.update_keys(both_.now());
      case operation::close:
        return caller.close(in_.byte());
      case operation::release:
        return caller.release();
      default:
        return;
    }
  }

  std::string some_bytes(std::size_t size) {
    std::string bytes;
    while (bytes.size() < size)
      bytes.push_back(static_cast<char>(in_.byte()));
    return bytes;
  }

  quic_pair& both_;
  reader& in_;
  std::size_t said_ = 0;
};

/// Everybody reads, and nothing is held up any more.
void mend(quic_pair& both) {
  for (const auto role : {tls_role::client, tls_role::server})
    for (const auto& each : both.party(role).callers())
      each->set_reading(true);
  both.settle(300s);
  if (both.may_go_on())
    both.check_completeness();
}

} // namespace

void run(std::span<const std::byte> input) {
  const wall_time always{good_day};
  reader in{input};
  const auto chosen = quic_choices::from(in);
  const auto how = in.byte();
  quic_pair both{chosen};
  // After the credentials, which are made in the first run only.
  restart_random(3);
  both.dial();
  both.serve();
  if ((how & 1U) != 0)
    both.settle(100ms);
  program{both, in}.run();
  if ((how & 2U) != 0)
    mend(both);
  both.check_truth();
  if ((how & 4U) != 0)
    both.end();
}

} // namespace actorwire::fuzz
