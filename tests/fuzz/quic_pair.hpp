#pragma once

#include "quic_party.hpp"
#include "raw_quic_peer.hpp"
#include "target.hpp"

#include <actorwire/transports/memory_budget.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace actorwire::fuzz {

/// What both sides of a run are set to.
struct quic_choices {
  std::array<quic_config, 2> quic;
  std::chrono::milliseconds keepalive_interval{};
  bool session_resumption = false;
  std::size_t memory = 0;

  /// Three bytes.
  static quic_choices from(reader& in);
};

/// Two endpoints of QUIC, the time, and a network between them that does nothing by itself.
class quic_pair {
public:
  /// Connections that are dialled in one run.
  static constexpr std::size_t dials_max = 8;

  explicit quic_pair(const quic_choices& chosen);
  ~quic_pair();

  quic_pair(const quic_pair&) = delete;
  quic_pair& operator=(const quic_pair&) = delete;

  // -- who -----------------------------------------------------------------------------------------------------------------

  [[nodiscard]] quic_party& party(tls_role role) { return *parties_[index_of(role)]; }
  /// One of the connections of a side that are still there; null if there is none. `which` counts round.
  [[nodiscard]] quic_caller* pick(tls_role role, std::size_t which);
  void dial();
  void migrate(std::size_t which);
  /// The NAT before the clients forgets them.
  void rebind() {
    ++nat_;
    has_moved_ = true;
  }
  /// The server dies, and another takes its place.
  void restart_server();

  // -- datagrams -----------------------------------------------------------------------------------------------------------

  /// What is on its way to a side, in the order of its departure.
  [[nodiscard]] std::deque<quic_parcel>& waiting(tls_role to) { return waiting_[index_of(to)]; }
  /// The newest of what was sent to a side.
  [[nodiscard]] const std::deque<quic_parcel>& seen(tls_role to) const { return seen_[index_of(to)]; }
  /// The first of what waits arrives; false if nothing does.
  bool deliver(tls_role to);
  /// A datagram arrives from nowhere.
  void inject(tls_role to, quic_parcel made);
  /// Somebody who knows the keys sends these frames in the name of the other side's newest connection.
  void forge(tls_role to, std::string_view frames);
  /// Where a side expects its peer's datagrams from, or where a stranger's come from.
  [[nodiscard]] udp_path path_to(tls_role to, bool is_stranger) const;

  // -- time ----------------------------------------------------------------------------------------------------------------

  void pass(duration time);
  /// Goes to the next deadline, if there is one within a day.
  bool pass_to_next_timeout();
  /// Delivers everything, and lets time pass, until nothing happens any more for `limit`.
  void settle(duration limit);
  /// Everybody says and sends what he has.
  void serve();

  /// Whether the run may go on: it has a bound.
  [[nodiscard]] bool may_go_on() const noexcept { return work_ < work_max; }
  [[nodiscard]] const tls_now& now() const noexcept { return now_; }

  /// Nothing was heard that was not said.
  void check_truth() const;
  /// Where nothing stood in its way, everything was heard that was said.
  void check_completeness() const;
  /// Ends everything; then nothing may be left.
  void end();

private:
  /// Datagrams that are handled, and deadlines that are kept, in one run.
  static constexpr std::size_t work_max = 6'000;
  static constexpr std::size_t seen_max = 64;

  static std::size_t index_of(tls_role role) noexcept { return role == tls_role::client ? 0 : 1; }

  [[nodiscard]] std::unique_ptr<quic_party> make(tls_role role);
  template <class Visitor>
  void for_each_pair(Visitor&& visit) const;
  [[nodiscard]] udp_address client_address(std::size_t number, std::size_t move) const;
  [[nodiscard]] std::optional<std::size_t> number_of(const udp_address& client) const;
  void put(tls_role from, quic_parcel sent);
  void take(tls_role to, const quic_parcel& arriving);
  void keep_deadlines();
  void check_ends() const;
  [[nodiscard]] std::optional<time_point> next_timeout() const;

  quic_choices chosen_;
  std::array<std::shared_ptr<const transport_config>, 2> configs_;
  std::shared_ptr<memory_budget> budget_;
  std::unique_ptr<buffer_pool> buffers_;
  std::array<std::unique_ptr<quic_party>, 2> parties_;
  /// Connections of servers that have died: what they said counts as said.
  std::vector<std::unique_ptr<quic_caller>> past_;
  std::array<std::deque<quic_parcel>, 2> waiting_;
  std::array<std::deque<quic_parcel>, 2> seen_;
  test::raw_quic_peer eavesdropper_;
  tls_now now_;
  std::size_t dials_ = 0;
  std::size_t moves_ = 0;
  std::size_t nat_ = 0;
  std::size_t servers_ = 0;
  std::size_t work_ = 0;
  std::size_t overdue_ = 0;
  /// A client was seen at more than one address, or somebody who pretends to be one.
  bool has_moved_ = false;
  /// What came from a stranger, and what was sent there.
  std::size_t bytes_of_strangers_ = 0;
  std::size_t bytes_to_strangers_ = 0;
};

} // namespace actorwire::fuzz
