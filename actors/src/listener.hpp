#pragma once

#include "accept_actor.hpp"
#include "close_round.hpp"
#include "seam/shard_actor.hpp"
#include "stats_streams.hpp"
#include "subscriber_list.hpp"

#include <actorwire/actors/type_ids.hpp>
#include <actorwire/transports/clock.hpp>
#include <actorwire/transports/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace actorwire {

/// The public interface of a listener, and what its parts tell it.
using listener_interface =
    listener_actor::extend<sig<void(places_changed)>, sig<void(accept_failed)>, sig<void(session_lost)>>;

/// One listening address. The sockets and connections are kept by an `accept_actor` on each shard; this one passes on
/// what the user wants and adds up what they report. It listens on all of its shards or on none.
class listener final : public shard_actor<listener_interface::base> {
public:
  /// `opened` is called once, on the shard: with the address that was taken, when every shard listens, or with the reason
  /// why not, when none does. In that case the listener ends.
  listener(caf::actor_config& config, std::shared_ptr<shard_context> home, accept_settings settings,
           std::function<void(result<endpoint>)> opened);

  behavior_type make_behavior() override;

private:
  /// One `close` that the parts were not asked for yet.
  struct held_close {
    close_round::step begun;
    close request;
    /// When its time is over.
    time_point end;
  };

  using promise = caf::typed_response_promise<void>;

  enum class sockets : std::uint8_t { closed, opening, open, closing };

  promise handle(suspend);
  promise handle(actorwire::resume);
  promise handle(const reload_tls& request);
  caf::result<void> handle(const set_limit& request);
  void handle(const subscribe& request);
  void handle(const unsubscribe& request);
  void handle(const stream_stats& request);
  caf::typed_response_promise<close_report> handle(const close& request);
  [[nodiscard]] listener_stats statistics() const;

  /// Has one part take the address, then the others join it.
  void open_sockets();
  void let_others_join(const endpoint& taken);
  void note_open();
  void note_failure(const transport_error& reason);
  /// Ends whatever is being opened; `why` is the answer to those who wait for it.
  void close_sockets(const transport_error& why);
  void note_closed(const transport_error& why);
  [[nodiscard]] bool is_part(const caf::actor_addr& who) const;
  [[nodiscard]] bool is_receiver(const caf::actor_addr& who) const;
  /// Whether `who` is watched: its end matters, or it is told anything without asking each time.
  [[nodiscard]] bool is_watched(const caf::actor_addr& who) const;
  /// Gives up sessions whose clients were away for too long, and looks again in time.
  void sweep_sessions();
  void publish_lost(const std::vector<session_lost>& lost);
  /// Remembers an error of accepting or listening, or one that nobody waits for.
  void count_error(const transport_error& reason);
  void publish(listener_change change, const transport_error& reason = {});

  /// Asks the parts from `first` on. `then_do` hears the first error, or none, when all have
  /// answered.
  template <class... Answer, class Question>
  void ask_parts(std::size_t first, const Question& question, std::function<void(const result<void>&)> then_do);
  void tell_parts(const places_changed& news);
  /// No part listens any more, or one does not answer for long: what was held back goes to the parts.
  void pass_closes_on();
  void note_reloaded(std::uint64_t number, const reload_tls& request, const tls_store::answer& found);
  void end_reload(std::uint64_t number, const result<void>& outcome);

  /// The receiver has ended: nobody could hear of further connections; those that it passed on stay. Or a part has ended
  /// that was not asked to: so does the listener.
  void on_down(const caf::actor_addr& whom, const caf::error& reason) override;
  void tear_down(const caf::error& reason) noexcept override;

  std::shared_ptr<const accept_settings> settings_;
  /// The address, with the port that was taken.
  endpoint local_;
  std::function<void(result<endpoint>)> opened_;
  std::vector<caf::actor> parts_;
  close_round closing_;
  /// Closes that were not passed on yet, because parts may still listen.
  std::vector<held_close> held_closes_;
  timer held_long_enough_;
  timer sweep_;
  bool holds_closes_ = false;
  sockets state_ = sockets::closed;
  /// It was listening, or about to, when it began to close.
  bool stops_listening_ = false;
  /// Counts the beginnings of opening and closing, so that an answer to an earlier one is known as such.
  std::uint64_t round_ = 0;
  /// Who waits until all sockets are open, and until all are closed.
  std::vector<promise> resuming_;
  std::vector<promise> suspending_;
  /// Who waits for a reload until its files are read and all parts use what they hold.
  std::unordered_map<std::uint64_t, std::pair<tls_store::query, promise>> reloads_;
  std::uint64_t reloads_begun_ = 0;
  subscriber_list<listener_event, session_lost> subscribers_;
  stats_streams<listener, listener_stats> streams_;
  transport_error last_error_;
  std::uint64_t errors_ = 0;
  bool has_lost_receiver_ = false;
};

} // namespace actorwire
