#include "soak_worker.hpp"

#include <actorwire/actors/errors.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <charconv>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace actorwire::bench {

namespace {

using namespace std::chrono_literals;

/// Requests of one worker that wait for their reply, at most.
constexpr std::size_t window = 8;

/// Orders to work after which nobody waits for a reply any more, and a lease is given back.
constexpr std::uint64_t patience = 250;
constexpr std::uint64_t lease_length = 60;

/// Requests that are remembered when they are over, so that a reply that comes late or again is recognised as a wrong one: few
/// are not sent, and so many of the others that all workers have them at the first rest, and add nothing after it.
constexpr std::size_t unsent_max = 4'096;
constexpr std::size_t replied_max = 512;

/// The latest numbers that were put in.
class recent_numbers {
public:
  explicit recent_numbers(std::size_t max) : max_(max) {}

  /// Returns whether it is new.
  bool insert(std::uint64_t number) {
    if (!numbers_.insert(number).second)
      return false;
    in_order_.push_back(number);
    if (in_order_.size() > max_) {
      numbers_.erase(in_order_.front());
      in_order_.pop_front();
    }
    return true;
  }

  [[nodiscard]] bool contains(std::uint64_t number) const { return numbers_.contains(number); }

private:
  std::size_t max_;
  std::unordered_set<std::uint64_t> numbers_;
  std::deque<std::uint64_t> in_order_;
};

class worker : public std::enable_shared_from_this<worker> {
public:
  worker(caf::event_based_actor* self, soak_job job, std::shared_ptr<soak_account> account)
    : self_(self), job_(std::move(job)), account_(std::move(account)) {}

  caf::behavior behave() {
    const auto me = shared_from_this();
    return {
        [me](caf::put_atom, std::int32_t order) { me->obey(static_cast<soak_order>(order)); },
        [me](const received& data) { me->note_reply(data.body.text()); },
        [me](const state_changed& change) {
          if (change.source != me->peer_id_)
            return;
          if (change.to == connection_state::closed)
            me->forget_peer();
          else if (change.to == connection_state::backoff && !me->has_session())
            me->expect_no_replies();
        },
        [](const opened&) {},
        [](const address_changed&) {},
        [](const peer_closing&) {},
        [](const connection_status&) {},
        [](const stream_opened&) {},
        [](const stream_reset&) {},
        [](const stream_closed&) {},
        [](const streams_available&) {},
    };
  }

private:
  struct request {
    /// At which order to work it was sent.
    std::uint64_t sent_at = 0;
    std::optional<outcome> fate;
    bool is_replied = false;
  };

  void obey(soak_order order) {
    switch (order) {
      case soak_order::work:
        work();
        break;
      case soak_order::rest:
        is_resting_ = true;
        if (job_.takes_leases)
          give_back();
        break;
      case soak_order::go_on:
        is_resting_ = false;
        break;
      case soak_order::drain:
        end_peer(close_mode::drain);
        break;
      case soak_order::abort:
        end_peer(close_mode::abort);
        break;
      case soak_order::kill:
        if (peer_)
          caf::anon_send_exit(peer_, caf::exit_reason::kill);
        forget_peer();
        break;
      case soak_order::kill_other_end:
        if (peer_)
          tell(self_, peer_, cast{payload::copy_of("die"), {.policy = when_down::drop}});
        break;
    }
  }

  void work() {
    ++now_;
    settle_old();
    if (!peer_) {
      // Also at rest: then all have their peers, as at any other rest.
      if (!is_waiting_for_peer_ && !(job_.takes_leases && is_resting_))
        get_peer();
      return;
    }
    if (is_resting_)
      return;
    if (job_.takes_leases && now_ - had_since_ > lease_length) {
      give_back();
      return;
    }
    if (open_.size() < window)
      ask_one();
  }

  // -- peers ------------------------------------------------------------------------------------------------------------

  void get_peer() {
    is_waiting_for_peer_ = true;
    const auto me = shared_from_this();
    const auto failed = [me](const caf::error&) { me->is_waiting_for_peer_ = false; };
    if (job_.takes_leases)
      ask(self_, job_.supervisor, caf::infinite,
          checkout{.remote = job_.remote, .options = job_.options, .wait = 2s, .hold = 30s})
          .then(
              [me](const lease& got) {
                ++me->account_->leases;
                me->lease_ = got.id;
                me->take(got.peer);
                if (me->is_resting_)
                  me->give_back();
              },
              failed);
    else
      ask(self_, job_.supervisor, caf::infinite, acquire{job_.remote, job_.options})
          .then(
              [me](const connection_actor& peer) {
                ++me->account_->peers;
                me->take(peer);
              },
              failed);
  }

  void take(const connection_actor& peer) {
    is_waiting_for_peer_ = false;
    peer_ = peer;
    had_since_ = now_;
    ask(self_, peer, caf::infinite,
        subscribe{event_mask::data | event_mask::state | event_mask::streams, credit_mode::automatic})
        .then(
            [me = shared_from_this(), peer](const connection_status& status) {
              if (me->peer_ == peer)
                me->peer_id_ = status.info.id;
            },
            [me = shared_from_this(), peer](const caf::error&) {
              if (me->peer_ == peer)
                me->forget_peer();
            });
  }

  void forget_peer() {
    peer_ = nullptr;
    peer_id_ = 0;
    lease_ = 0;
    expect_no_replies();
  }

  [[nodiscard]] bool has_session() const { return job_.options.transport.session.mode == session_mode::on; }

  /// Without a session replies come by the connection of their request or not at all.
  void expect_no_replies() {
    std::erase_if(open_, [](const auto& entry) { return entry.second.fate.has_value(); });
  }

  void end_peer(close_mode how) {
    if (peer_)
      tell(self_, peer_, close{how, 2s});
    forget_peer();
  }

  /// Nobody may get a peer on which replies to this one are still on their way.
  void give_back() {
    if (lease_ != 0)
      tell(self_, job_.supervisor, release{lease_, open_.empty()});
    forget_peer();
  }

  // -- requests -----------------------------------------------------------------------------------------------------------

  void ask_one() {
    const auto number = ++last_number_;
    open_[number].sent_at = now_;
    ++account_->asked;
    auto text = std::to_string(number) + ' ';
    // Sizes as those of a cache: most are small, some are not.
    text.append(number % 16 == 0 ? 20'000 : 50 + number % 200, 'x');
    const auto peer = peer_;
    if (!job_.uses_streams)
      return send_to(peer, 0, number, text);
    const auto me = shared_from_this();
    ask(self_, peer, caf::infinite, open_stream{})
        .then(
            [me, peer, number, text](const stream_opened& on) {
              ++me->account_->streams;
              me->send_to(peer, on.stream, number, text);
              tell(me->self_, peer, finish_stream{on.stream});
            },
            [me, number](const caf::error&) { me->note_refusal(number); });
  }

  void send_to(const connection_actor& peer, stream_id stream, std::uint64_t number, const std::string& text) {
    send_options options;
    options.wanted = number % 2 == 0 ? outcome::acked : outcome::written;
    options.stream = stream;
    // What a session has taken does not expire.
    if (!has_session())
      options.ttl = 5s;
    const auto me = shared_from_this();
    ask(self_, peer, caf::infinite, send{payload::copy_of(text), options})
        .then([me, number](const sent& what) { me->note_fate(number, what.result); },
              [me, number](const caf::error&) { me->note_refusal(number); });
  }

  void note_refusal(std::uint64_t number) {
    ++account_->refused;
    unsent_.insert(number);
    open_.erase(number);
  }

  void note_fate(std::uint64_t number, outcome fate) {
    switch (fate) {
      case outcome::not_sent:
        ++account_->not_sent;
        unsent_.insert(number);
        break;
      case outcome::maybe_sent:
        ++account_->maybe_sent;
        break;
      default:
        ++account_->delivered;
        break;
    }
    const auto found = open_.find(number);
    if (found == open_.end()) {
      // Every message has one fate.
      ++account_->impossible;
      return;
    }
    found->second.fate = fate;
    if (fate == outcome::not_sent && found->second.is_replied)
      ++account_->impossible;
    if (fate == outcome::not_sent || found->second.is_replied)
      open_.erase(found);
  }

  void note_reply(std::string_view text) {
    ++account_->replies;
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || number == 0 || number > last_number_ || unsent_.contains(number)) {
      ++account_->impossible;
      return;
    }
    if (!replied_.insert(number)) {
      // Nothing is replied to twice.
      ++account_->impossible;
      return;
    }
    const auto found = open_.find(number);
    // One that nobody waits for any more.
    if (found == open_.end())
      return;
    found->second.is_replied = true;
    if (found->second.fate)
      open_.erase(found);
  }

  /// What became known only after the connection was lost is not replied to either.
  void settle_old() {
    std::erase_if(open_,
                  [this](const auto& entry) { return entry.second.fate && now_ - entry.second.sent_at > patience; });
  }

  caf::event_based_actor* self_;
  soak_job job_;
  std::shared_ptr<soak_account> account_;
  connection_actor peer_;
  connection_id peer_id_ = 0;
  lease_id lease_ = 0;
  std::uint64_t had_since_ = 0;
  bool is_waiting_for_peer_ = false;
  bool is_resting_ = false;
  std::uint64_t now_ = 0;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, request> open_;
  recent_numbers unsent_{unsent_max};
  recent_numbers replied_{replied_max};
};

} // namespace

caf::actor spawn_soak_worker(network& net, std::size_t shard, soak_job job,
                             const std::shared_ptr<soak_account>& account) {
  return net.spawn_on_shard(shard, [job = std::move(job), account](caf::event_based_actor* self) {
    return std::make_shared<worker>(self, job, account)->behave();
  });
}

} // namespace actorwire::bench
