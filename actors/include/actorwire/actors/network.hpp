#pragma once

#include <actorwire/actors/connection_handler.hpp>
#include <actorwire/actors/type_ids.hpp>
#include <actorwire/export.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/key_password.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport_factory.hpp>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace actorwire {

/// How a network is set up.
struct network_options {
  /// Threads that run connections; 0: one for each core. At most 1,024; with listeners for `quic://` 256.
  std::size_t shards = 0;
  /// Bytes of buffers over all connections. At the limit reads pause and sends fail with `would_block`.
  std::size_t memory_limit = std::size_t{256} << 20U;
  /// Limits of the supervisor that the network comes with.
  pool_limits pool;
  /// How long the destructor lets connections send what they have. 0: not at all; at most 24 h.
  std::chrono::milliseconds drain_timeout{5'000};
  /// Start of the random numbers that spread delays; 0: the system's.
  std::uint64_t seed = 0;
  /// Null: the operating system's sockets.
  std::shared_ptr<transport_factory> transports;
  /// Opens private keys that are encrypted.
  key_password_function key_password;
  /// Null: the machine's clock. Must outlive the network.
  const clock* time = nullptr;
  /// `stepped` is for tests: nothing runs but by `network::run_ready`, or within a function that waits for a shard.
  shard::mode run = shard::mode::threaded;
};

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const network_options& options);

/// What an actor that lives on a shard does: like the function that is passed to `caf::actor_system::spawn`.
using shard_function = std::function<caf::behavior(caf::event_based_actor*)>;

/// Makes the actor that serves one accepted connection; it gets the connection's events.
using accept_function = std::function<caf::behavior(caf::event_based_actor*, const connection_actor&)>;

/// A listener, and the port that it got.
struct listening {
  listener_actor listener;
  std::uint16_t port = 0;
};

/// The shards on which connections run, and a supervisor to start with. Declare it after the actor system: its
/// destructor lets connections send what they have, ends every actor on its shards, and waits for them.
///
///     actorwire::system_config config;
///     caf::actor_system system{config};
///     actorwire::network net{system};
///     auto peer = net.acquire("tcp://127.0.0.1:6379").value();
///
/// *Thread:* any thread; the functions that return a `result` wait for the shard, so not from within an actor: actors
/// send `acquire` to the supervisor. In stepped mode they run all that is ready, on the calling thread.
/// *Errors:* the constructor throws `std::invalid_argument` for invalid options, and `std::runtime_error` if the system
/// has no more threads or descriptors for the shards.
/// *Lifetime:* the destructor waits for every actor on its shards, for ever if need be: one that ignores exit messages
/// or blocks there keeps it. After 5 s, and then every 30 s, a line on standard error says how many actors are left on
/// which shard.
class network {
public:
  explicit ACTORWIRE_EXPORT network(caf::actor_system& system, network_options options = {});
  ACTORWIRE_EXPORT ~network();

  network(const network&) = delete;
  network& operator=(const network&) = delete;

  /// The supervisor that comes with the network.
  [[nodiscard]] ACTORWIRE_EXPORT const supervisor_actor& supervisor() const noexcept;

  /// Makes another one, with a pool of its own. *Errors:* invalid limits.
  [[nodiscard]] ACTORWIRE_EXPORT result<supervisor_actor> make_supervisor(const pool_limits& limits);

  /// Asks the network's supervisor for a peer, of one endpoint or of several that race: `quic://h:1, tls://h:1`. It dials at
  /// once and for ever; see `acquire` and `parse_endpoints`.
  [[nodiscard]] ACTORWIRE_EXPORT result<connection_actor> acquire(std::string_view uris, acquire_options options = {});

  /// The same, and has a handler made in the shard of the peer, which serves it through all of its connections. Others may
  /// subscribe as well. *Errors:* also `conflicting_values` if the peer has a handler already, because somebody else asked for
  /// the same endpoints with the same options.
  [[nodiscard]] ACTORWIRE_EXPORT result<connection_actor> acquire(std::string_view uris, acquire_options options,
                                                                  handler_factory make);

  /// Listens, and sends `accepted` to `receiver` for each connection. When the receiver ends, so do the connections that
  /// it was not told of, and no more are accepted; those that it passed on stay.
  /// Returns when every shard listens. For `tls://` and `quic://` it reads the files of `transport_config::tls` first, on this thread.
  /// *Errors:* what the address, the port or the configuration do not allow, such as `address_in_use` (see
  /// `listen_config::share_port`) or `invalid_credentials`; then nothing listens.
  [[nodiscard]] ACTORWIRE_EXPORT result<listening> listen(std::string_view uri, const caf::actor& receiver,
                                                          listen_config config = {});

  /// Listens, and makes an actor by `serve` on the shard of each accepted connection. It is subscribed to all events,
  /// ends when the connection does, and ends the connection when it ends.
  [[nodiscard]] ACTORWIRE_EXPORT result<listening> listen(std::string_view uri, accept_function serve,
                                                          listen_config config = {});

  /// Listens, and has a handler made in the shard of each accepted connection: the shortest way, without an actor that serves it,
  /// and without a message.
  [[nodiscard]] ACTORWIRE_EXPORT result<listening> listen(std::string_view uri, handler_factory make,
                                                          listen_config config = {});

  /// Makes an actor on shard `index`. *Errors:* throws `std::out_of_range` unless `index` is less than `shard_count()`,
  /// and `std::invalid_argument` if `body` is empty.
  ACTORWIRE_EXPORT caf::actor spawn_on_shard(std::size_t index, shard_function body);

  /// Ends all connections in order: first no listener takes clients any more, on any shard; then every accepted
  /// connection and every peer is closed as by `close_mode::drain`: it takes no more messages, sends what it has, ends its
  /// side, and waits for the other side's end. What is not over after `timeout` (at most 24 h; 0: at once) is aborted.
  /// Returns when the last supervisor and listener is done, with the sum of the accounts of all connections that were
  /// there. Those that ended by themselves meanwhile are not in it: their subscribers were told. Actors that the program
  /// made on shards live on.
  ///
  /// From its beginning on, whoever acquires, listens, or makes a supervisor is refused with `draining` or `closed`. Once
  /// it has returned, the destructor finds nothing to send. A second drain, meanwhile or later, reports what is left of
  /// the same.
  ///
  /// *Thread:* any but the shards': there it throws `std::logic_error`, since a shard that waits sends nothing. An actor
  /// elsewhere should not wait either: it occupies a worker that may be the one on which a subscriber would handle the
  /// last data, so that the drain takes all of its time. In stepped mode time stands still meanwhile: what is not over at
  /// once is aborted.
  /// *Errors:* none. If a shard does not answer within a second beyond `timeout`, because an actor blocks it, its part is
  /// missing and the report is not `complete`.
  ACTORWIRE_EXPORT close_report drain(std::chrono::milliseconds timeout);

  [[nodiscard]] ACTORWIRE_EXPORT std::size_t shard_count() const noexcept;

  /// Bytes of buffers that are in use or pooled.
  [[nodiscard]] ACTORWIRE_EXPORT std::size_t memory_used() const noexcept;

  /// Stepped mode: runs all that is ready; returns whether anything was.
  ACTORWIRE_EXPORT bool run_ready();

  /// Stepped mode: the earliest deadline of any timer.
  [[nodiscard]] ACTORWIRE_EXPORT std::optional<time_point> next_timeout() const;

private:
  class implementation;
  std::unique_ptr<implementation> impl_;
};

/// Makes an actor on the shard on which `neighbour` lives, so that messages between the two cross no thread. It must not
/// block. *Errors:* throws `std::invalid_argument` if `neighbour` is not a connection or peer of this process, or if `body`
/// is empty.
ACTORWIRE_EXPORT caf::actor spawn_beside(const connection_actor& neighbour, shard_function body);

/// The same for a function with arguments: `spawn_beside(peer, serve, peer, 42)`.
template <class Function, class... Args>
  requires(sizeof...(Args) > 0)
caf::actor spawn_beside(const connection_actor& neighbour, Function function, Args... args) {
  // Held like this, a function that is missing is told from one that is there, whatever its type.
  const std::function<caf::behavior(caf::event_based_actor*, const Args&...)> body{std::move(function)};
  return spawn_beside(
      neighbour,
      !body ? shard_function{} : [body, args...](caf::event_based_actor* self) { return body(self, args...); });
}

} // namespace actorwire
