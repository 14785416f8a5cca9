#pragma once

#include <actorwire/actors/detail/caf_execution.hpp>
#include <actorwire/actors/detail/caf_messages.hpp>
#include <actorwire/messages/calls.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/events_missed.hpp>
#include <actorwire/messages/health.hpp>
#include <actorwire/messages/listen_config.hpp>
#include <actorwire/messages/pool_limits.hpp>
#include <actorwire/messages/requests.hpp>
#include <actorwire/messages/sessions.hpp>

#include <caf/type_id.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

/// The first of the CAF type IDs that this library takes; it takes fewer than 200. Change it, for the library and all
/// programs alike, when another library in the same program uses that range.
#ifndef ACTORWIRE_FIRST_TYPE_ID
#  define ACTORWIRE_FIRST_TYPE_ID 2000
#endif

namespace actorwire {

/// Has a connection or peer ask `prober` at intervals, by `health_probe`, whether the other end still works, in place of an
/// earlier prober. It belongs to the peer, and goes on over all of its connections. The end of the prober ends it, as does
/// that of a lease of the peer; nobody is asked while there is no connection, nor when it closes or its stream finishes.
/// *Errors:* `invalid_value` or `conflicting_values`, see `validate(const probe_policy&)`, and what was set before stays;
/// `closed`.
struct set_probe {
  /// Null: nobody is asked any more.
  caf::actor prober;
  probe_policy policy{};

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("set_probe", field{"prober", self.prober}, field{"policy", self.policy});
  }
};

/// A TCP, TLS or QUIC connection, or a peer that keeps one alive: both understand the same messages, so a program does
/// not care which of them it holds. Requests are described in `messages/requests.hpp` and `messages/calls.hpp`, what
/// subscribers get in `messages/events.hpp`.
using connection_actor =
    caf::typed_actor<sig<connection_info(connect)>, sig<sent(send)>, sig<void(cast)>, sig<batch_sent(send_batch)>,
                     sig<received(receive)>, sig<connection_status(subscribe)>, sig<void(unsubscribe)>,
                     sig<void(grant)>, sig<void(finish_stream)>, sig<stream_opened(open_stream)>,
                     sig<void(reset_stream)>, sig<void(stop_stream)>, sig<void(prioritize_stream)>,
                     sig<datagram_sent(send_datagram)>, sig<answered(call)>, sig<sent(answer)>, sig<sent(refuse)>,
                     sig<stats(get_stats)>, sig<void(stream_stats)>, sig<connection_status(get_state)>,
                     sig<health_report(get_health)>, sig<void(set_probe)>, sig<close_report(close)>>;

/// A listener has accepted a connection. Its bytes wait until somebody subscribes.
///
/// The listener asks its receiver, who answers by returning from the handler. It must not keep a response promise for it:
/// the listener keeps an open question for each client until then.
struct accepted {
  connection_actor connection;
  connection_info info;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("accepted", field{"connection", self.connection}, field{"info", self.info});
  }
};

/// The answer to `checkout`: a peer that nobody else gets until `release{id}`.
struct lease {
  lease_id id = 0;
  connection_actor peer;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("lease", field{"id", self.id}, field{"peer", self.peer});
  }
};

/// What a supervisor decides about one of its peers. Only this library sends it.
struct peer_directive {
  enum class kind : std::uint8_t {
    /// A connection actor was made for the peer and waits to be started.
    dial,
    /// The last attempt or connection failed; the next begins after `delay`.
    wait,
    /// There will be no further attempt until `reset`.
    give_up,
    /// The user wants a new start.
    revive,
    /// A connection actor was made, and waits to be started, that is to take the place of the present one. That has `delay`
    /// to end once the other is ready.
    renew,
    /// `reason` is why the peer may not dial, the breaker of its endpoint is open: what a message is told that may not wait.
    /// Without one, the breaker has closed.
    hold,
    /// Whoever had leased the peer has given it back: it is nobody's now.
    clear,
    /// A lease of the peer was not given back: it closes at once.
    take_back,
    /// The connection that nobody used has ended, and there will be no other until something is wanted of the peer.
    rest,
    /// The peer, which was nobody's, is leased from now on.
    lend,
    /// Not from a supervisor, but from another connection of the listener: look what has become of the session.
    look_at_session,
  };
  kind what = kind::dial;
  caf::strong_actor_ptr connection;
  std::uint32_t attempt = 0;
  std::chrono::milliseconds delay{0};
  transport_error reason;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("peer_directive", field{"what", self.what}, field{"connection", self.connection},
                 field{"attempt", self.attempt}, field{"delay", self.delay}, field{"reason", self.reason});
  }
};

constexpr std::array<std::string_view, 11> names_of(peer_directive::kind) {
  return {"dial",  "wait",      "give_up", "revive", "renew",          "hold",
          "clear", "take_back", "rest",    "lend",   "look_at_session"};
}

/// What a peer tells its supervisor when it takes no more messages: it is not to be handed out any more.
struct peer_leaving {
  connection_id id = 0;
  /// Whether it only finishes its stream, and dials on until all of that is sent. Otherwise it begins to close.
  bool is_finishing = false;
  /// Why, where nobody has asked it to; `error_code::none` otherwise.
  transport_error reason;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("peer_leaving", field{"id", self.id}, field{"is_finishing", self.is_finishing},
                 field{"reason", self.reason});
  }
};

/// What a peer tells its supervisor that nobody uses: its connection is about to end in order, and there need not be another
/// until the peer says that it is wanted.
struct peer_resting {
  connection_id id = 0;
  bool is_wanted = false;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("peer_resting", field{"id", self.id}, field{"is_wanted", self.is_wanted});
  }
};

/// What a listener asks of its part on one shard: to open the socket. Answered with the address that was taken.
struct open_socket {
  endpoint local;
  /// Whether another part has taken the port already and lets this one join.
  bool is_joining = false;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("open_socket", field{"local", self.local}, field{"is_joining", self.is_joining});
  }
};

/// What a listener asks of its parts after `reload_tls`: to use the new credentials from now on, and to close, if wanted,
/// what was accepted with the old ones.
struct credentials_changed {
  reload_tls request;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("credentials_changed", field{"request", self.request});
  }
};

/// The limit of a listener was changed, or a place within it has become free. A part tells its listener, and that one
/// all of its parts.
struct places_changed {
  template <class Self, class Visitor>
  static auto describe(Self&, Visitor&& visit) {
    return visit("places_changed");
  }
};

/// What a part tells its listener: accepting met an error.
struct accept_failed {
  transport_error reason;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("accept_failed", field{"reason", self.reason});
  }
};

/// Holds a pool of peers: dials, restarts and lists them. No payload passes through it. A subscriber with
/// `event_mask::pool` gets `pool_event`.
using supervisor_actor =
    caf::typed_actor<sig<connection_actor(acquire)>, sig<connection_actor(lookup)>,
                     sig<std::vector<connection_status>(list)>, sig<void(set_policy)>, sig<void(reset)>,
                     sig<void(reload_tls)>, sig<pool_stats(get_pool_stats)>, sig<pool_totals(get_pool_totals)>,
                     sig<void(stream_stats)>, sig<void(subscribe)>, sig<void(unsubscribe)>, sig<close_report(close)>,
                     sig<lease(checkout)>, sig<void(release)>>;

/// Accepts connections on one address, over all shards. A subscriber with `event_mask::listener` gets `listener_event`, one with
/// `event_mask::sessions` gets `session_lost`.
using listener_actor =
    caf::typed_actor<sig<void(suspend)>, sig<void(resume)>, sig<void(set_limit)>, sig<void(reload_tls)>,
                     sig<listener_stats(get_listener_stats)>, sig<void(stream_stats)>, sig<void(subscribe)>,
                     sig<void(unsubscribe)>, sig<close_report(close)>>;

} // namespace actorwire

CAF_BEGIN_TYPE_ID_BLOCK(actorwire, ACTORWIRE_FIRST_TYPE_ID)

CAF_ADD_TYPE_ID(actorwire, (actorwire::accept_failed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::accepted))
CAF_ADD_TYPE_ID(actorwire, (actorwire::acquire))
CAF_ADD_TYPE_ID(actorwire, (actorwire::acquire_options))
CAF_ADD_TYPE_ID(actorwire, (actorwire::backpressure))
CAF_ADD_TYPE_ID(actorwire, (actorwire::cast))
CAF_ADD_TYPE_ID(actorwire, (actorwire::client_certificates))
CAF_ADD_TYPE_ID(actorwire, (actorwire::close))
CAF_ADD_TYPE_ID(actorwire, (actorwire::close_mode))
CAF_ADD_TYPE_ID(actorwire, (actorwire::close_report))
CAF_ADD_TYPE_ID(actorwire, (actorwire::connect))
CAF_ADD_TYPE_ID(actorwire, (actorwire::connection_actor))
CAF_ADD_TYPE_ID(actorwire, (actorwire::connection_info))
CAF_ADD_TYPE_ID(actorwire, (actorwire::connection_state))
CAF_ADD_TYPE_ID(actorwire, (actorwire::connection_status))
CAF_ADD_TYPE_ID(actorwire, (actorwire::credentials_changed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::credit_mode))
CAF_ADD_TYPE_ID(actorwire, (actorwire::data_lost))
CAF_ADD_TYPE_ID(actorwire, (actorwire::delivery_totals))
CAF_ADD_TYPE_ID(actorwire, (actorwire::endpoint))
CAF_ADD_TYPE_ID(actorwire, (actorwire::error_code))
CAF_ADD_TYPE_ID(actorwire, (actorwire::error_kind))
CAF_ADD_TYPE_ID(actorwire, (actorwire::event_mask))
CAF_ADD_TYPE_ID(actorwire, (actorwire::finish_stream))
CAF_ADD_TYPE_ID(actorwire, (actorwire::flow_limits))
CAF_ADD_TYPE_ID(actorwire, (actorwire::framing_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::framing_mode))
CAF_ADD_TYPE_ID(actorwire, (actorwire::get_listener_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::get_pool_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::get_state))
CAF_ADD_TYPE_ID(actorwire, (actorwire::get_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::grant))
CAF_ADD_TYPE_ID(actorwire, (actorwire::insecure_no_verification))
CAF_ADD_TYPE_ID(actorwire, (actorwire::list))
CAF_ADD_TYPE_ID(actorwire, (actorwire::listen_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::listener_actor))
CAF_ADD_TYPE_ID(actorwire, (actorwire::listener_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::lookup))
CAF_ADD_TYPE_ID(actorwire, (actorwire::open_socket))
CAF_ADD_TYPE_ID(actorwire, (actorwire::opened))
CAF_ADD_TYPE_ID(actorwire, (actorwire::origin))
CAF_ADD_TYPE_ID(actorwire, (actorwire::outcome))
CAF_ADD_TYPE_ID(actorwire, (actorwire::passivated))
CAF_ADD_TYPE_ID(actorwire, (actorwire::payload))
CAF_ADD_TYPE_ID(actorwire, (actorwire::peer_closing))
CAF_ADD_TYPE_ID(actorwire, (actorwire::peer_directive))
CAF_ADD_TYPE_ID(actorwire, (actorwire::peer_leaving))
CAF_ADD_TYPE_ID(actorwire, (actorwire::peer_verification))
CAF_ADD_TYPE_ID(actorwire, (actorwire::pem_source))
CAF_ADD_TYPE_ID(actorwire, (actorwire::permanent_error_policy))
CAF_ADD_TYPE_ID(actorwire, (actorwire::phase))
CAF_ADD_TYPE_ID(actorwire, (actorwire::places_changed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::pool_change))
CAF_ADD_TYPE_ID(actorwire, (actorwire::pool_event))
CAF_ADD_TYPE_ID(actorwire, (actorwire::pool_limits))
CAF_ADD_TYPE_ID(actorwire, (actorwire::pool_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::private_key))
CAF_ADD_TYPE_ID(actorwire, (actorwire::protocol))
CAF_ADD_TYPE_ID(actorwire, (actorwire::protocol_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::protocol_metrics))
CAF_ADD_TYPE_ID(actorwire, (actorwire::quic_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::quic_metrics))
CAF_ADD_TYPE_ID(actorwire, (actorwire::receive))
CAF_ADD_TYPE_ID(actorwire, (actorwire::received))
CAF_ADD_TYPE_ID(actorwire, (actorwire::reconnection_policy))
CAF_ADD_TYPE_ID(actorwire, (actorwire::reload_tls))
CAF_ADD_TYPE_ID(actorwire, (actorwire::reset))
CAF_ADD_TYPE_ID(actorwire, (actorwire::resume))
CAF_ADD_TYPE_ID(actorwire, (actorwire::secret))
CAF_ADD_TYPE_ID(actorwire, (actorwire::send))
CAF_ADD_TYPE_ID(actorwire, (actorwire::send_options))
CAF_ADD_TYPE_ID(actorwire, (actorwire::sent))
CAF_ADD_TYPE_ID(actorwire, (actorwire::set_limit))
CAF_ADD_TYPE_ID(actorwire, (actorwire::set_policy))
CAF_ADD_TYPE_ID(actorwire, (actorwire::state_changed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stream_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::subscribe))
CAF_ADD_TYPE_ID(actorwire, (actorwire::supervisor_actor))
CAF_ADD_TYPE_ID(actorwire, (actorwire::suspend))
CAF_ADD_TYPE_ID(actorwire, (actorwire::tally))
CAF_ADD_TYPE_ID(actorwire, (actorwire::tcp_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::tcp_metrics))
CAF_ADD_TYPE_ID(actorwire, (actorwire::tls_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::tls_info))
CAF_ADD_TYPE_ID(actorwire, (actorwire::tls_version))
CAF_ADD_TYPE_ID(actorwire, (actorwire::transport_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::transport_error))
CAF_ADD_TYPE_ID(actorwire, (actorwire::transport_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::unsubscribe))
CAF_ADD_TYPE_ID(actorwire, (actorwire::verify_peer))
CAF_ADD_TYPE_ID(actorwire, (actorwire::when_down))
CAF_ADD_TYPE_ID(actorwire, (std::vector<actorwire::connection_status>))
CAF_ADD_TYPE_ID(actorwire, (actorwire::address_changed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::datagram_outcome))
CAF_ADD_TYPE_ID(actorwire, (actorwire::datagram_received))
CAF_ADD_TYPE_ID(actorwire, (actorwire::datagram_sent))
CAF_ADD_TYPE_ID(actorwire, (actorwire::datagram_totals))
CAF_ADD_TYPE_ID(actorwire, (actorwire::ecn_state))
CAF_ADD_TYPE_ID(actorwire, (actorwire::open_stream))
CAF_ADD_TYPE_ID(actorwire, (actorwire::prioritize_stream))
CAF_ADD_TYPE_ID(actorwire, (actorwire::quic_congestion_control))
CAF_ADD_TYPE_ID(actorwire, (actorwire::quic_migration))
CAF_ADD_TYPE_ID(actorwire, (actorwire::quic_version))
CAF_ADD_TYPE_ID(actorwire, (actorwire::reset_stream))
CAF_ADD_TYPE_ID(actorwire, (actorwire::send_datagram))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stop_stream))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stream_closed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stream_direction))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stream_half))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stream_opened))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stream_priority))
CAF_ADD_TYPE_ID(actorwire, (actorwire::stream_reset))
CAF_ADD_TYPE_ID(actorwire, (actorwire::streams_available))
CAF_ADD_TYPE_ID(actorwire, (actorwire::listener_change))
CAF_ADD_TYPE_ID(actorwire, (actorwire::listener_event))
CAF_ADD_TYPE_ID(actorwire, (actorwire::drop_count))
CAF_ADD_TYPE_ID(actorwire, (actorwire::failure_count))
CAF_ADD_TYPE_ID(actorwire, (actorwire::get_pool_totals))
CAF_ADD_TYPE_ID(actorwire, (actorwire::histogram))
CAF_ADD_TYPE_ID(actorwire, (actorwire::lifetime_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::pool_totals))
CAF_ADD_TYPE_ID(actorwire, (actorwire::state_times))
CAF_ADD_TYPE_ID(actorwire, (actorwire::checkout))
CAF_ADD_TYPE_ID(actorwire, (actorwire::lease))
CAF_ADD_TYPE_ID(actorwire, (actorwire::release))
CAF_ADD_TYPE_ID(actorwire, (actorwire::overflow_policy))
CAF_ADD_TYPE_ID(actorwire, (actorwire::message_report))
CAF_ADD_TYPE_ID(actorwire, (actorwire::message_settled))
CAF_ADD_TYPE_ID(actorwire, (actorwire::batch_sent))
CAF_ADD_TYPE_ID(actorwire, (actorwire::send_batch))
CAF_ADD_TYPE_ID(actorwire, (actorwire::get_health))
CAF_ADD_TYPE_ID(actorwire, (actorwire::health_cause))
CAF_ADD_TYPE_ID(actorwire, (actorwire::health_change))
CAF_ADD_TYPE_ID(actorwire, (actorwire::health_changed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::health_probe))
CAF_ADD_TYPE_ID(actorwire, (actorwire::health_report))
CAF_ADD_TYPE_ID(actorwire, (actorwire::probe_policy))
CAF_ADD_TYPE_ID(actorwire, (actorwire::set_probe))
CAF_ADD_TYPE_ID(actorwire, (actorwire::answer))
CAF_ADD_TYPE_ID(actorwire, (actorwire::answered))
CAF_ADD_TYPE_ID(actorwire, (actorwire::call))
CAF_ADD_TYPE_ID(actorwire, (actorwire::call_totals))
CAF_ADD_TYPE_ID(actorwire, (actorwire::called))
CAF_ADD_TYPE_ID(actorwire, (actorwire::refuse))
CAF_ADD_TYPE_ID(actorwire, (actorwire::peer_resting))
CAF_ADD_TYPE_ID(actorwire, (actorwire::generation_stats))
CAF_ADD_TYPE_ID(actorwire, (actorwire::events_missed))
CAF_ADD_TYPE_ID(actorwire, (actorwire::number_range))
CAF_ADD_TYPE_ID(actorwire, (actorwire::session_config))
CAF_ADD_TYPE_ID(actorwire, (actorwire::session_lost))
CAF_ADD_TYPE_ID(actorwire, (actorwire::session_mode))
CAF_ADD_TYPE_ID(actorwire, (actorwire::session_opened))
CAF_ADD_TYPE_ID(actorwire, (actorwire::session_ranges))

CAF_END_TYPE_ID_BLOCK(actorwire)

ACTORWIRE_ERROR_CODE_ENUM(actorwire::error_code)
