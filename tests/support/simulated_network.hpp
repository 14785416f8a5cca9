#pragma once

#include "trace_digest.hpp"

#include <actorwire/messages/endpoint.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/timer.hpp>
#include <actorwire/transports/transport.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

class simulated_transport;
struct simulated_connection;

/// What the way to a host is like.
struct link_settings {
  /// One way.
  duration delay = std::chrono::milliseconds{1};
  /// Bytes per second in each direction; 0 is without limit.
  std::uint64_t bandwidth = 0;
  /// Bytes in each direction that may be on their way or wait for the receiver to take them; a sender gets no more
  /// accepted than that.
  std::size_t window = std::size_t{64} << 10U;
  /// Bytes that arrive at once.
  std::size_t segment_size_max = std::size_t{16} << 10U;
  /// Datagrams that are lost on the way, in percent.
  unsigned datagram_loss = 0;
  /// By 0 .. this, drawn for each segment, the way takes longer.
  duration jitter{0};
  /// Segments that are lost on the way, in percent below 100. Each is sent again and gets there `recovery` later, if it is
  /// not lost again; what was sent behind it waits for it.
  unsigned segment_loss = 0;
  duration recovery = std::chrono::milliseconds{200};
};

/// How a host answers to one attempt to connect.
enum class attempt_answer : std::uint8_t {
  accept,
  refuse,
  /// Not at all: the attempt runs into its time limit.
  ignore,
  /// The name of the host is not known.
  unknown_name,
};

/// The two ends of a connection, and the direction of the bytes that leave them.
enum class side : std::uint8_t { dialler, listener };

/// The end of a connection at a given byte.
struct connection_fault {
  enum class kind : std::uint8_t {
    /// Both ends see a reset.
    reset,
    /// Neither end sees anything: nothing arrives any more.
    vanish,
  };
  kind what = kind::reset;
  /// Whose bytes are counted.
  side sender = side::dialler;
  /// Bytes of `sender` that arrive; the next one does not.
  std::uint64_t after = 0;
};

/// What happens to one connection.
struct connection_plan {
  attempt_answer answer = attempt_answer::accept;
  std::optional<connection_fault> fault{};
  /// Bytes that one call of `send` takes at most; 0 is without limit.
  std::size_t send_size_max = 0;
  /// Time by which every call to an observer comes late.
  duration lateness{0};
};

/// Plans drawn by chance. *Units:* probabilities in percent of attempts.
struct chance_settings {
  unsigned refuse = 0;
  unsigned ignore = 0;
  unsigned reset = 0;
  unsigned vanish = 0;
  /// Faults happen after 0 .. this many bytes.
  std::uint64_t fault_after_max = 10'000;
  /// Each connection takes at most 1 .. this many bytes in one `send`; 0 is without limit.
  std::size_t send_size_max = 0;
  /// Calls to observers are late by 0 .. this.
  duration lateness_max{0};
  /// Each connection has a way that takes 0 .. this longer, with as much jitter at most, and loses 0 .. this share of its
  /// segments, in percent.
  duration delay_max{0};
  unsigned segment_loss_max = 0;
};

/// What a test may ask about a connection, during and after its life. What arrived is what the transport at that end
/// has, whether or not it was delivered further: the truth against which reports of delivery are held.
struct connection_record {
  endpoint remote;
  time_point began;
  bool was_established = false;
  /// What its plan had for it, when that has happened.
  std::optional<connection_fault::kind> broken_by;
  std::size_t segments_lost = 0;
  /// By how much its way was slower than that of others at first.
  duration slowness{0};
  std::string arrived_at_listener;
  std::string arrived_at_dialler;
  /// The same for the streams other than 0.
  std::map<stream_id, std::string> streams_at_listener;
  std::map<stream_id, std::string> streams_at_dialler;
  /// What the dialler asked for, of streams by their numbers.
  std::map<stream_id, stream_priority> priorities;
  /// Bytes that `send` took.
  std::uint64_t taken_from_dialler = 0;
  std::uint64_t taken_from_listener = 0;
};

/// A network inside one program: hosts that listen, connections between them, and every way in which these fail, on the
/// timers of a stepped shard. Connections are made by the code under test, through `create_transport`; hosts are played
/// by the test, which gets the accepted ends of the connections. The same seed and the same calls give the same run.
///
/// Each thing that happens runs in a turn of its own, in the order of time, then of cause.
/// *Lifetime:* outlived by its transports, which are then dead and silent.
class simulated_network final : public transport_factory {
public:
  /// Gets the accepted end of a connection, not initialized yet. Dropping it resets the connection.
  using accept_function = std::function<void(local_ref<transport> accepted)>;

  explicit simulated_network(std::uint64_t seed = 0);
  ~simulated_network() override;

  simulated_network(const simulated_network&) = delete;
  simulated_network& operator=(const simulated_network&) = delete;

  /// Sets the shard whose timers drive everything; the first `create_transport` does it otherwise.
  void run_on(shard& where);

  [[nodiscard]] result<local_ref<transport>> create_transport(protocol proto, shard& where) override;

  // -- hosts -----------------------------------------------------------------------------------------------------------

  /// Accepts connections at `uri`, such as `tcp://sim:1`. Elsewhere they are refused.
  void listen(std::string_view uri, accept_function accept);
  void stop_listening(std::string_view uri);

  /// Applies to connections that begin later.
  void set_link(link_settings link) { link_ = link; }

  enum class crash_kind : std::uint8_t {
    /// The process dies: its connections are reset, new ones refused.
    process,
    /// The machine dies: its connections and attempts to connect meet silence.
    machine,
  };
  /// Ends everything on `host`; the test's ends of its connections hear `on_closed` with `crashed`.
  void crash(const std::string& host, crash_kind how);
  /// Brings `host` back, listening as before. It resets connections from before its crash, which it does not know.
  void restart(const std::string& host);

  // -- the way to a host -----------------------------------------------------------------------------------------------

  enum class path_state : std::uint8_t {
    up,
    /// Nothing moves, but the hosts know each other alive, as with a receiver that does not read.
    stalled,
    /// Nothing arrives. What is sent waits and arrives after healing, unless somebody gave up before.
    cut,
  };
  void set_path(const std::string& host, path_state state);
  void partition(const std::string& host) { set_path(host, path_state::cut); }
  void heal(const std::string& host) { set_path(host, path_state::up); }

  /// The connections to `host` that are established, and have streams, go on between other addresses.
  void move_connections(const std::string& host, const std::string& local, const std::string& remote);

  /// Resets all connections to `host` that are established.
  void reset_connections(const std::string& host);

  // -- plans -----------------------------------------------------------------------------------------------------------

  /// Applies to the next attempt to connect to `uri` that has no plan yet.
  void plan_next(std::string_view uri, connection_plan plan);
  /// Draws the plans of all other attempts from the seed.
  void plan_by_chance(chance_settings chances) { chances_ = chances; }

  /// From now on nothing fails any more: hosts are back, paths are up, ways are as `set_link` says and plans have neither
  /// faults nor limits, also those of connections that exist. What is broken stays broken: a half-open connection is no fault that
  /// goes on, but one that its user has not noticed yet.
  void end_faults();

  // -- what happened ---------------------------------------------------------------------------------------------------

  /// All attempts to connect, the first first.
  [[nodiscard]] std::vector<const connection_record*> records() const;
  /// Attempts to connect to `uri`.
  [[nodiscard]] std::size_t attempt_count(std::string_view uri) const;
  /// All bytes that arrived at `uri`, one connection after the other.
  [[nodiscard]] std::string arrived_at(std::string_view uri) const;
  /// Connections of which both ends are alive.
  [[nodiscard]] std::size_t open_count() const;
  /// Whether there is an established connection to `host` of which both ends are alive, and to which no fault has happened.
  [[nodiscard]] bool has_open(const std::string& host) const;
  [[nodiscard]] path_state path_to(const std::string& host) const;
  /// Whether somebody holds an established connection to `remote` on which nothing arrives any more.
  [[nodiscard]] bool has_half_open(const endpoint& remote) const;
  /// Depends on the instant of each thing that has happened in this network, and on nothing else.
  [[nodiscard]] std::uint64_t event_digest() const noexcept { return happened_.value(); }

private:
  friend class simulated_transport;
  friend class simulated_streams;

  enum class host_state : std::uint8_t { alive, process_down, machine_down };

  struct host_status {
    host_state state = host_state::alive;
    path_state path = path_state::up;
  };

  void schedule(duration delay, std::function<void()> task);
  void run_next();

  [[nodiscard]] simulated_connection& begin(simulated_transport& dialler, const endpoint& remote);
  void knock(simulated_connection& connection);
  void answer(simulated_connection& connection);
  void carry(simulated_connection& connection, side sender, stream_id stream, payload bytes);
  void arrive(simulated_connection& connection, side sender, stream_id stream, payload bytes);
  [[nodiscard]] bool loses_datagram(const simulated_connection& connection);
  void reset(simulated_connection& connection, side seen_by);
  void sever(simulated_connection& connection);
  void travel(simulated_connection& connection, side sender, std::size_t size, std::function<void()> arrived);
  void release(simulated_connection& connection, side sender);
  [[nodiscard]] bool reaches(const simulated_connection& connection) const;
  [[nodiscard]] path_state path_of(const simulated_connection& connection) const;
  [[nodiscard]] connection_plan draw_plan(const endpoint& remote);
  [[nodiscard]] link_settings draw_link();
  [[nodiscard]] duration draw_hold_up(simulated_connection& connection);

  shard* shard_ = nullptr;
  link_settings link_;
  std::map<std::string, host_status> hosts_;
  std::map<endpoint, accept_function> listeners_;
  std::map<endpoint, std::deque<connection_plan>> plans_;
  chance_settings chances_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<simulated_connection>> connections_;
  std::set<simulated_transport*> transports_;
  /// Equal times keep the order in which they were scheduled.
  std::multimap<time_point, std::function<void()>> events_;
  trace_digest happened_;
  timer next_event_;
  time_point instant_{};
  std::size_t events_of_instant_ = 0;
  bool is_ending_ = false;
};

} // namespace actorwire::test
