#pragma once

#include <actorwire/actors/network.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/response_promise.hpp>
#include <caf/unit.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace actorwire::test {

/// The answer to a request: nothing yet, a value, or an error.
template <class T>
struct answer {
  /// How often an answer came; more than one is a defect.
  unsigned count = 0;
  std::optional<T> value;
  std::optional<transport_error> error;

  /// What went wrong; `none` if nothing did, or nothing came.
  [[nodiscard]] error_code code() const { return error ? error->code : error_code::none; }
};

template <class T>
using answer_to = std::shared_ptr<const answer<T>>;

/// The outcome of one `send` as its sender sees it; `number` is the probe's own.
struct receipt {
  std::size_t number = 0;
  std::optional<sent> known;
  std::optional<transport_error> error;
};

/// The same of one `send_batch`.
struct batch_receipt {
  std::optional<batch_sent> known;
  std::optional<transport_error> error;
};

/// Something that a probe was told, and when.
struct note {
  using content =
      std::variant<opened, state_changed, received, peer_closing, passivated, backpressure, data_lost, stats,
                   pool_event, listener_event, receipt, stream_opened, stream_reset, stream_closed, streams_available,
                   datagram_received, address_changed, message_settled, health_changed, called, pool_stats,
                   listener_stats, events_missed, session_opened, session_lost, batch_receipt>;
  time_point when;
  content what;
};

/// One line of a trace: the same run gives the same lines.
[[nodiscard]] std::string to_string(const note& told);

/// An actor on a shard that does what a test asks for, and writes down all that it is told, in order. Tests hold this
/// handle; nothing happens before the simulation runs on.
class probe {
public:
  using body = std::function<void(caf::event_based_actor*)>;

  probe(network& net, const clock& time, std::size_t shard = 0);

  // -- requests; each is sent when the simulation runs on -------------------------------------------------------------

  answer_to<sent> send(const connection_actor& to, std::string_view text, send_options options = {});
  void cast(const connection_actor& to, std::string_view text, send_options options = {});
  answer_to<batch_sent> send_batch(const connection_actor& to, const std::vector<std::string>& texts,
                                   send_options options = {});
  void cast_batch(const connection_actor& to, const std::vector<std::string>& texts, send_options options = {});
  answer_to<answered> call(const connection_actor& to, std::string_view text, send_options options = {},
                           std::chrono::milliseconds timeout = {});
  answer_to<sent> reply(const connection_actor& to, const called& question, std::string_view text);
  answer_to<sent> turn_down(const connection_actor& to, const called& question, std::uint8_t code,
                            std::string_view text);
  answer_to<connection_info> connect(const connection_actor& to);
  answer_to<received> receive(const connection_actor& from, std::chrono::milliseconds timeout = {},
                              stream_id stream = 0);
  answer_to<connection_status> subscribe(const connection_actor& to, event_mask mask = event_mask::all,
                                         credit_mode credit = credit_mode::automatic);
  void unsubscribe(const connection_actor& from);
  void grant(const connection_actor& to, std::uint64_t bytes, stream_id stream = 0);
  void finish_stream(const connection_actor& to, stream_id stream = 0);
  answer_to<stream_opened> open_stream(const connection_actor& on,
                                       stream_direction direction = stream_direction::bidirectional,
                                       stream_priority priority = {});
  answer_to<caf::unit_t> reset_stream(const connection_actor& on, stream_id stream, std::uint64_t code);
  answer_to<caf::unit_t> stop_stream(const connection_actor& on, stream_id stream, std::uint64_t code);
  answer_to<caf::unit_t> prioritize_stream(const connection_actor& on, stream_id stream, stream_priority priority);
  answer_to<datagram_sent> send_datagram(const connection_actor& on, std::string_view text);
  answer_to<stats> get_stats(const connection_actor& of);
  void stream_stats(const connection_actor& of, std::chrono::milliseconds interval);
  void stream_stats(const supervisor_actor& of, std::chrono::milliseconds interval);
  void stream_stats(const listener_actor& of, std::chrono::milliseconds interval);
  answer_to<connection_status> get_state(const connection_actor& of);
  answer_to<health_report> get_health(const connection_actor& of);
  answer_to<caf::unit_t> set_probe(const connection_actor& of, const caf::actor& prober, probe_policy policy = {});
  answer_to<close_report> close(const connection_actor& what, close_mode mode,
                                std::chrono::milliseconds timeout = std::chrono::seconds{30});

  answer_to<connection_actor> acquire(const supervisor_actor& from, std::string_view uris,
                                      acquire_options options = {});
  answer_to<lease> checkout(const supervisor_actor& from, actorwire::checkout wanted);
  answer_to<caf::unit_t> release(const supervisor_actor& to, lease_id id, bool reuse = true);
  answer_to<connection_actor> lookup(const supervisor_actor& in, connection_id id);
  answer_to<std::vector<connection_status>> list(const supervisor_actor& all);
  answer_to<pool_stats> get_pool_stats(const supervisor_actor& of);
  answer_to<pool_totals> get_pool_totals(const supervisor_actor& of);
  void set_policy(const supervisor_actor& at, connection_id id, const reconnection_policy& policy);
  void reset(const supervisor_actor& at, connection_id id);
  void subscribe_to_pool(const supervisor_actor& of);
  answer_to<close_report> close(const supervisor_actor& what, close_mode mode,
                                std::chrono::milliseconds timeout = std::chrono::seconds{30});

  /// Runs `task` within the actor.
  void run(body task);

  /// Does not get done with the data and events that it is given, until it catches up.
  void get_busy();
  void catch_up();
  /// Ends the actor.
  void end();

  // -- what it was told -----------------------------------------------------------------------------------------------

  [[nodiscard]] const std::vector<note>& notes() const noexcept { return state_->notes; }

  /// All that it was told of one kind, in order.
  template <class Event>
  [[nodiscard]] std::vector<Event> all() const {
    std::vector<Event> found;
    for (const auto& each : notes())
      if (const auto* event = std::get_if<Event>(&each.what))
        found.push_back(*event);
    return found;
  }

  template <class Event>
  [[nodiscard]] std::size_t count() const {
    std::size_t found = 0;
    for (const auto& each : notes())
      found += std::holds_alternative<Event>(each.what) ? 1U : 0U;
    return found;
  }

  /// The bytes of all data, one message behind the other; of all streams, or of one.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string text(stream_id stream) const;
  /// Where the state machine is, as far as it was told.
  [[nodiscard]] std::optional<connection_state> last_state() const;

  [[nodiscard]] const caf::actor& handle() const noexcept { return handle_; }

private:
  struct state {
    explicit state(const clock& now) : time(now) {}

    const clock& time;
    std::vector<body> to_do;
    std::vector<note> notes;
    std::size_t sends = 0;
    bool is_busy = false;
    /// Data and events that a busy probe has not done with.
    std::vector<caf::response_promise> unanswered;
  };

  static caf::behavior listen(caf::event_based_actor* self, const std::shared_ptr<state>& mine);
  static void work(caf::event_based_actor* self, state& mine);

  template <class Target, class Request>
  answer_to<caf::unit_t> request_nothing(const Target& to, Request message);
  template <class Result, class Target, class Request>
  answer_to<Result> request(const Target& to, Request message);

  std::shared_ptr<state> state_;
  caf::actor handle_;
};

} // namespace actorwire::test
