#pragma once

#include "secured_program.hpp"
#include "session_side.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace actorwire::test {

/// Settings of either end of a session over `tcp`, `tls` or `quic`.
inline transport_config in_session(const std::string& scheme) {
  auto config = settings();
  config.framing.mode = framing_mode::numbered;
  config.session.mode = session_mode::on;
  config.flow.queue_messages = 10'000;
  config.flow.queue_bytes = std::size_t{8} << 20U;
  if (scheme == "quic") {
    quic_config quic;
    // A way that is dead stays dead.
    quic.migration = quic_migration::refuse;
    config.protocol_settings = quic;
  } else {
    tcp_config tcp;
    // Little, so that a side that reads nothing is soon noticed.
    tcp.send_buffer_size = 65'536;
    config.protocol_settings = tcp;
  }
  return config;
}

inline acquire_options with_session(const transport_config& transport) {
  auto options = to_acquire(transport);
  options.reconnection.base_delay = 5ms;
  options.reconnection.max_delay = 50ms;
  options.reconnection.on_permanent = permanent_error_policy::keep_trying;
  return options;
}

inline std::string uri_of(const std::string& scheme, std::uint16_t port) {
  return scheme + "://127.0.0.1:" + std::to_string(port);
}

/// The program that listens, and speaks to whoever came last.
class session_server {
public:
  /// *Lifetime:* `side` must outlive it.
  session_server(const std::string& scheme, session_side& side, const listen_config& config, std::uint16_t port = 0)
    : side_(side),
      here_(without_drain()),
      speaker_(here_.system.spawn(session_speaker, &side)),
      server_(here_.net->listen(uri_of(scheme, port), serve(side, speaker_), config).value()) {
    anonymous_tell(speaker_, caf::ok_atom_v);
  }

  ~session_server() {
    side_.fall_silent();
    caf::anon_send_exit(speaker_, caf::exit_reason::user_shutdown);
  }

  session_server(const session_server&) = delete;
  session_server& operator=(const session_server&) = delete;

  [[nodiscard]] const listening& at() const noexcept { return server_; }
  [[nodiscard]] witness& me() noexcept { return me_; }

  void say(std::size_t more) {
    side_.allow(more);
    anonymous_tell(speaker_, caf::ok_atom_v);
  }

private:
  static network_options without_drain() {
    auto options = program::two_shards();
    options.drain_timeout = 0ms;
    return options;
  }

  static accept_function serve(session_side& side, const caf::actor& speaker) {
    return [&side, speaker](caf::event_based_actor* self, const connection_actor& client) {
      return minding([&side](const received& data) { side.hear(data); },
                     [&side, self, speaker, client](const session_opened& event) {
                       side.speak_by(client);
                       side.hear(event);
                       tell(self, speaker, caf::ok_atom_v);
                     },
                     [&side](const session_lost& event) { side.hear(event); },
                     [&side](const state_changed& event) { side.hear(event); });
    };
  }

  session_side& side_;
  program here_;
  witness me_{here_.system};
  caf::actor speaker_;
  listening server_;
};

/// The program that dials.
class session_client {
public:
  /// *Lifetime:* `side` must outlive it.
  session_client(const std::string& uri, session_side& side, const acquire_options& options,
                 const network_options& network = program::two_shards())
    : side_(side), here_(network), peer_(here_.net->acquire(uri, options).value()) {
    side.speak_by(peer_);
    speaker_ = here_.system.spawn(listen_and_speak, &side, peer_);
  }

  ~session_client() {
    side_.fall_silent();
    caf::anon_send_exit(speaker_, caf::exit_reason::user_shutdown);
  }

  session_client(const session_client&) = delete;
  session_client& operator=(const session_client&) = delete;

  [[nodiscard]] witness& me() noexcept { return me_; }
  [[nodiscard]] const connection_actor& peer() const noexcept { return peer_; }
  [[nodiscard]] const network& net() const noexcept { return *here_.net; }

  void say(std::size_t more) {
    side_.allow(more);
    anonymous_tell(speaker_, caf::ok_atom_v);
  }

  [[nodiscard]] delivery_totals totals() { return me_.must_ask<stats>(peer_, get_stats{}).delivery; }

private:
  static caf::behavior listen_and_speak(caf::event_based_actor* self, session_side* side,
                                        const connection_actor& peer) {
    ask(self, peer, caf::infinite, subscribe{event_mask::all, credit_mode::automatic})
        .then(
            [side](const connection_status& now) {
              // The first connection may be there before anybody listens, and a first one has nothing to resume.
              if (now.state == connection_state::ready && now.info.generation == 1)
                side->hear(session_opened{.source = now.info.id, .generation = 1});
            },
            [](const caf::error&) {});
    return minding([self, side](caf::ok_atom) { say_more(self, *side); },
                   [side](const received& data) { side->hear(data); },
                   [side](const session_opened& event) { side->hear(event); },
                   [side](const session_lost& event) { side->hear(event); },
                   [side](const state_changed& event) { side->hear(event); });
  }

  session_side& side_;
  program here_;
  witness me_{here_.system};
  connection_actor peer_;
  caf::actor speaker_;
};

/// Holds the account of a side together: what was said has one outcome each, and they are what its peer has counted.
inline void check_totals(const session_account& account, const delivery_totals& totals) {
  CHECK(std::ranges::all_of(account.said, [](const auto& each) { return each.outcomes == 1; }));
  CHECK(account.settled == account.said.size());
  CHECK(totals.pending == tally{});
  CHECK(totals.confirmed.messages == account.count(outcome::confirmed));
  CHECK(totals.maybe_sent.messages == account.count(outcome::maybe_sent));
  auto sum = totals.confirmed;
  sum += totals.maybe_sent;
  sum += totals.not_sent;
  CHECK(totals.accepted == sum);
  CHECK(totals.written == tally{});
  CHECK(totals.acked == tally{});
}

} // namespace actorwire::test
