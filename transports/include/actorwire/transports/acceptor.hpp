#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/shard.hpp>
#include <actorwire/transports/transport.hpp>

#include <cstdint>

namespace actorwire {

/// What is known of the address that a client comes from.
enum class address_proof : std::uint8_t {
  /// A packet says so, and anybody can send one that does: the first of a `quic://` client.
  claimed,
  /// The client has answered to what was sent there.
  proved
};

/// Who takes the connections that an acceptor makes. *Thread:* the acceptor's shard; each call comes in a turn of its
/// own and never from within a call into the acceptor. *Lifetime:* after `close`, no call follows.
class acceptor_observer {
public:
  /// Returns the shard on which the next connection is to live; `mine` is the acceptor's own.
  virtual shard& choose_shard(shard& mine) { return mine; }

  /// A client has connected. `accepted` waits for its `init`; dropping it turns the client away. If it lives on another
  /// shard, its one reference is to be moved there before `init`.
  /// `remote` is the client's numeric address and port; a link-local address carries the number of its interface, as in
  /// `fe80::1%2`. `proof` tells whether it can be relied on.
  virtual void on_accepted(local_ref<transport> accepted, const endpoint& remote, address_proof proof) = 0;

  /// Accepting met an error and goes on: at once if the error was a client's, after a pause if descriptors or memory ran
  /// out. A shortage is reported once, however long it lasts.
  virtual void on_accept_error(const transport_error& reason) = 0;

protected:
  ~acceptor_observer() = default;
};

/// One listening socket on one shard. Several may listen on the same address, on a shard each, and the kernel spreads the
/// clients: the first opens it and calls `share`, then the others open it with `listen_config::share_port`.
/// *Thread:* shard only. *Lifetime:* counted; while open it keeps itself, so it accepts until `close`.
class acceptor : public locally_counted {
public:
  /// Binds and begins to accept; called once. `where.host` is a numeric address, or `localhost` for 127.0.0.1; `::` is
  /// every address of the machine, IPv4 included. Port 0 takes any free one. Without `share_port` nobody else may listen
  /// there.
  /// *Errors:* `configuration` for settings or a host that cannot be listened on, `address_in_use`, or the system's.
  virtual result<void> open(const endpoint& where, const listen_config& config, acceptor_observer& observer) = 0;

  /// From now on, others may listen there too if they open it with `share_port`. *Errors:* the system's.
  virtual result<void> share() = 0;

  /// Where it listens, numerically and with the port that was taken; empty host before `open`.
  [[nodiscard]] virtual endpoint local() const = 0;

  /// Stops accepting. Clients go on connecting until the kernel's backlog is full, and wait there.
  virtual void pause() = 0;

  /// Accepts again, first of all those who waited.
  virtual void resume() = 0;

  /// Stops listening; clients in the backlog are turned away.
  virtual void close() noexcept = 0;
};

/// Makes an acceptor for TCP that lives on `where`. Opened for another protocol, it accepts the TCP connections that this
/// one runs on.
[[nodiscard]] ACTORWIRE_EXPORT local_ref<acceptor> make_tcp_acceptor(shard& where);

} // namespace actorwire
