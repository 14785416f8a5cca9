#pragma once

#include "served_host.hpp"
#include "simulated_system.hpp"
#include "story.hpp"

#include <actorwire/messages/sessions.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

inline constexpr std::string_view session_host = "tcp://server:1";

inline acquire_options in_session() {
  auto options = framed();
  options.transport.framing.mode = framing_mode::numbered;
  options.transport.session.mode = session_mode::on;
  options.reconnection = quick_policy();
  return options;
}

/// Two programs that keep a session: a peer with whoever uses it, and a listener whose actors write down what they hear.
struct session_ends {
  explicit session_ends(const acquire_options& options = in_session(), const session_book_limits& keep = {},
                        simulated_system_options of_world = {})
    : world(of_world), user(world.make_probe()), limits(keep), served(options.transport) {
    listen();
    peer = world.acquire(session_host, options);
    user.subscribe(peer);
    world.run_now();
  }

  ~session_ends() { clients.clear(); }

  session_ends(const session_ends&) = delete;
  session_ends& operator=(const session_ends&) = delete;

  void listen() {
    listener = serve_at(world, user, session_host, serve(), served, limits);
    user.run([where = listener](caf::event_based_actor* self) { tell(self, where, subscribe{event_mask::sessions}); });
    world.run_now();
  }

  /// The listener ends with all that it knows, and another listens in its place.
  void restart_server() {
    user.run([where = listener](caf::event_based_actor* self) {
      tell(self, where, actorwire::close{close_mode::abort, std::chrono::seconds{1}});
    });
    world.run_for(std::chrono::milliseconds{20});
    listen();
  }

  accept_function serve() {
    return [this](caf::event_based_actor*, const connection_actor& client) {
      clients.push_back(client);
      return caf::behavior{
          [this](const received& data) { heard.emplace_back(data.body.text()); },
          [this](const session_opened& event) { opened_here.push_back(event); },
          [this](const session_lost& event) { lost_here.push_back(event); },
          [this](const state_changed& event) { changes.push_back(event); },
          [](const opened&) {},
          [](const peer_closing&) {},
          [](const backpressure&) {},
          [](const data_lost&) {},
      };
    };
  }

  /// What the other program has said, in order.
  [[nodiscard]] std::vector<std::string> heard_at_peer() const {
    std::vector<std::string> texts;
    for (const auto& each : user.all<received>())
      texts.emplace_back(each.body.text());
    return texts;
  }

  [[nodiscard]] delivery_totals totals() {
    const auto answer = user.get_stats(peer);
    world.run_now();
    return answer->value.value().delivery;
  }

  /// Whether it was confirmed.
  [[nodiscard]] static bool is_confirmed(const answer_to<sent>& told) {
    return told->count == 1 && told->value && told->value->result == outcome::confirmed;
  }

  /// The other program says something by the newest connection, if there is one.
  void say_back(std::string text) {
    if (!clients.empty())
      said_back.emplace_back(text, user.send(clients.back(), text));
  }

  /// Of what the other program has said so, all that is to be heard: what is confirmed, and what was not yet when its
  /// connection ended, which the session says again on another.
  [[nodiscard]] std::vector<std::string> accepted_back() const {
    std::vector<std::string> texts;
    for (const auto& [text, told] : said_back)
      if (told->value && (told->value->result == outcome::confirmed || told->value->result == outcome::maybe_sent))
        texts.push_back(text);
    return texts;
  }

  // Before the world, whose actors refer to them.
  std::vector<connection_actor> clients;
  std::vector<std::string> heard;
  std::vector<session_opened> opened_here;
  std::vector<session_lost> lost_here;
  std::vector<state_changed> changes;
  std::vector<std::pair<std::string, answer_to<sent>>> said_back;
  simulated_system world;
  probe user;
  session_book_limits limits;
  transport_config served;
  listener_actor listener;
  connection_actor peer;
};

/// The texts of as many messages.
inline std::vector<std::string> numbered_texts(std::string_view prefix, std::size_t count) {
  std::vector<std::string> texts;
  for (std::size_t number = 1; number <= count; ++number)
    texts.push_back(std::string{prefix} + std::to_string(number));
  return texts;
}

} // namespace actorwire::test
