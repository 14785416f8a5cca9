#pragma once

#include "session/session.hpp"
#include "session/session_book.hpp"
#include "session_ledger.hpp"

#include <actorwire/transports/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace actorwire::test {

/// How often something happened, so that a test can say that it has seen it.
struct session_sights {
  std::uint64_t delivered = 0;
  std::uint64_t resumed = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t fenced_frames = 0;
  std::uint64_t surrendered = 0;
  std::uint64_t superseded = 0;
  std::uint64_t not_known = 0;
  std::uint64_t no_room = 0;
  std::uint64_t clients_lost = 0;
  std::uint64_t hosts_lost = 0;
  std::uint64_t goodbyes = 0;
  std::uint64_t blocked = 0;
  std::uint64_t strangers = 0;
};

/// A listener with its book, a few clients, and links between them that break, linger and lose what is on its way, by chance
/// and on virtual time. Whatever the programs at both ends are told is written into ledgers, which hold it against what must be.
class session_world {
public:
  session_world(std::mt19937_64 chance, session_sights& seen);

  void run(int steps);

  /// Nothing breaks any more: everything that was sent in a session that lives arrives, and is known to have.
  void heal();

private:
  /// How far the listener's end of a link is.
  enum class stage : std::uint8_t { greeting, waiting, holding, closed };

  struct link {
    std::size_t client = 0;
    /// Which of the client's sessions it is of, and which of that one's connections.
    std::uint64_t serial = 0;
    std::uint64_t epoch = 0;
    std::deque<session_frame> up{};
    std::deque<session_frame> down{};
    /// What is on its way arrives, and nothing more gets on its way.
    bool is_cut = false;
    stage at = stage::greeting;
    session_id id{};
    std::unique_ptr<session> held{};
  };

  struct client {
    std::string identity;
    std::uint64_t serial = 0;
    std::unique_ptr<session> machine{};
    /// 0 without one.
    session_holder uses = 0;
  };

  using links = std::map<session_holder, link>;

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return chance_() % bound; }
  [[nodiscard]] session_id draw_id();
  [[nodiscard]] std::optional<links::iterator> any_link();
  [[nodiscard]] session_ledger& ledger_of(const session& machine) { return ledgers_[machine.id()]; }
  [[nodiscard]] bool is_used(session_holder holder, const link& which) const;

  void something_happens();
  void something_breaks();
  void check() const;

  // -- clients
  void begin_session(client& who);
  void connect(std::size_t index);
  void drop(client& who);
  void crash(client& who);
  void see_to(client& who);

  // -- programs
  void send(session& machine, direction_ledger& ledger);
  void handle_some(session& machine, bool all);

  // -- links
  void transmit(session_holder holder, link& which);
  void arrive_up(session_holder holder, link& which);
  void arrive_down(session_holder holder, link& which);
  void cut(link& which);
  void clean_up();

  // -- the listener
  void close_host_end(session_holder holder, link& which);
  void carry_out();
  void surrender(std::size_t which);
  void restart();
  void intrude();

  std::mt19937_64 chance_;
  session_sights& seen_;
  session_limits limits_;
  session_book_limits book_limits_;
  time_point now_{std::chrono::hours{1}};
  std::unique_ptr<session_book> book_;
  std::vector<client> clients_;
  links links_;
  /// Who was told to surrender and has not heard of it yet.
  std::vector<session_holder> recalled_;
  std::map<session_id, session_ledger> ledgers_;
  session_holder last_holder_ = 0;
  std::uint64_t last_text_ = 0;
  bool is_healing_ = false;
};

} // namespace actorwire::test
