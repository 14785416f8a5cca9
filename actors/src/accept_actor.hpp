#pragma once

#include "accept_budget.hpp"
#include "address_limit.hpp"
#include "close_round.hpp"
#include "edge/acceptors.hpp"
#include "edge/tls_store.hpp"
#include "handshake_book.hpp"
#include "seam/shard_actor.hpp"
#include "session_desk.hpp"

#include <actorwire/actors/network.hpp>
#include <actorwire/transports/acceptor.hpp>

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace actorwire {

/// What the parts of one listener share; immutable but for the budget, the book and the limit of each address.
struct accept_settings {
  endpoint local;
  listen_config config;
  /// One of the three is set: who hears of connections, or what makes what serves them.
  caf::actor receiver;
  accept_function serve;
  handler_factory handle;
  std::shared_ptr<const transport_config> transport;
  /// Who the listener is, if it speaks TLS, and where that comes from.
  std::shared_ptr<tls_identity> identity;
  std::shared_ptr<tls_store> identities;
  std::shared_ptr<accept_budget> budget;
  /// Null where clients are ready as soon as they are accepted, as with TCP.
  std::shared_ptr<handshake_book> handshakes;
  /// Null where one address may have any number of connections.
  std::shared_ptr<address_limit> addresses;
  /// Null without `session_mode::on`.
  std::shared_ptr<session_desk> sessions;
  acceptor_maker make_acceptor = make_tcp_acceptor;
  std::function<connection_id()> next_id;
  /// All shards, for an acceptor that deals its connections out.
  std::vector<std::shared_ptr<shard_context>> shards;
};

/// The part of a listener that lives on one shard: its socket, and the connections that were accepted there.
/// Understands `open_socket`, `suspend`, `places_changed`, `close`, and of a connection `accepted`, when it is ready.
class accept_actor final : public shard_actor<caf::event_based_actor>, private acceptor_observer {
public:
  accept_actor(caf::actor_config& config, std::shared_ptr<shard_context> home,
               std::shared_ptr<const accept_settings> settings, caf::strong_actor_ptr listener);

  caf::behavior make_behavior() override;

private:
  struct admitted {
    connection_actor connection;
    /// Among the half-open, until its handshake is done; 0: it never was.
    handshake_book::place place = 0;
    /// Among those of its address; null where these are not limited.
    std::shared_ptr<address_limit::share> share;
  };

  /// Of a client in the book and among the connections, until there is an actor that leaves them when it ends.
  struct reserved_places {
    explicit reserved_places(accept_actor& owner) noexcept : whose(owner) {}
    ~reserved_places();

    reserved_places(const reserved_places&) = delete;
    reserved_places& operator=(const reserved_places&) = delete;

    void keep() noexcept {
      in_book = 0;
      is_counted = false;
    }

    accept_actor& whose;
    handshake_book::place in_book = 0;
    bool is_counted = false;
  };

  shard& choose_shard(shard& mine) override;
  void on_accepted(local_ref<transport> accepted, const endpoint& remote, address_proof proof) override;
  void on_accept_error(const transport_error& reason) override;

  caf::result<endpoint> handle(const open_socket& request);
  void handle(accepted& client);
  caf::typed_response_promise<close_report> handle(const close& request);
  /// Whether the client may come as far as the connections of its address are concerned.
  [[nodiscard]] static bool may_come(address_limit::share& share, address_proof proof);
  /// Makes room for a client of this address among those that are not ready, if need be at the cost of another of them,
  /// on whichever shard; no place if it is to be turned away.
  [[nodiscard]] handshake_book::place admit(const address_group& from, address_proof proof);
  void leave_book(const admitted& gone) const noexcept;
  void abort_connection(const connection_actor& client);
  void handle(const credentials_changed& news);
  /// Accepts as long as there is room.
  void follow_limit();
  void pause();
  void close_socket() noexcept;
  void note_answer(caf::actor_id client);
  void free_place();
  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  std::shared_ptr<const accept_settings> settings_;
  caf::strong_actor_ptr listener_;
  local_ref<acceptor> socket_;
  std::unordered_map<caf::actor_id, admitted> connections_;
  /// The clients that the receiver was told of and has not answered for, and of those that have gone meanwhile their place
  /// among the connections of their address.
  std::unordered_map<caf::actor_id, std::shared_ptr<address_limit::share>> unanswered_;
  close_round closing_;
  std::size_t next_shard_ = 0;
  /// Where the client lives that is accepted next, if the acceptor has asked; else here.
  std::shared_ptr<shard_context> chosen_;
};

} // namespace actorwire
