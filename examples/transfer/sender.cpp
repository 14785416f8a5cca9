#include "sender.hpp"

#include "chunk_ledger.hpp"
#include "pace.hpp"

#include <actorwire/actors/errors.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <utility>

namespace transfer {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

/// Bytes that one connection may have under way without an acknowledgement, unless a single chunk is larger. Enough to
/// keep a local connection busy, and all that has to be sent again when it is lost.
constexpr std::uint64_t window_size = 2U << 20U;

/// How often connections tell how they do; also the pace of everything that has no event of its own.
constexpr auto tick = 50ms;

/// Connections that end without any answer to an offer, in a row, before the other side is taken for something else;
/// and the longest wait for an answer. A receiver that has a file of this name and size must read all of it first.
constexpr int unanswered_offers_max = 5;
constexpr auto answer_timeout = 60s;

/// Chunks are not worth waiting for a connection in its queue: when one is lost, its chunks go out by another. `acked`
/// has the account tell what the other machine has from what only our kernel has.
constexpr actorwire::send_options delivery{actorwire::when_down::drop, actorwire::outcome::acked, 0ms};

class sender : public caf::event_based_actor {
public:
  sender(caf::actor_config& config, std::shared_ptr<send_job> job, std::promise<std::string> outcome)
    : caf::event_based_actor(config),
      job_(std::move(job)),
      done_(std::move(outcome)),
      ledger_(static_cast<std::uint32_t>(job_->what.shape.chunk_count())),
      limit_(job_->rate),
      lanes_(job_->connections.size()) {}

  caf::behavior make_behavior() override {
    using actorwire::event_mask;
    set_exit_handler([this](caf::exit_msg&) { interrupt(); });
    for (std::size_t index = 0; index < lanes_.size(); ++index) {
      auto& mine = lanes_[index];
      mine.peer = job_->connections[index];
      ask(this, mine.peer, caf::infinite, actorwire::subscribe{event_mask::all, actorwire::credit_mode::automatic})
          .then([this, &mine](const actorwire::connection_status& status) { begin(mine, status); },
                [this](const caf::error& reason) { fail(to_string(actorwire::to_transport_error(reason))); });
      tell(this, mine.peer, actorwire::stream_stats{tick});
    }
    return {
        [this](actorwire::received& event) { with_lane(event.source, [&](lane& from) { handle(from, event); }); },
        [this](const actorwire::opened& event) {
          with_lane(event.info.id, [&](lane& opened) { introduce(opened, event.info.generation); });
        },
        [this](const actorwire::state_changed& event) {
          with_lane(event.source, [&](lane& changed) { handle(changed, event); });
        },
        [this](const actorwire::data_lost& event) {
          // Which messages they were is not said, so all that are under way by this connection go out again; the
          // receiver does not mind. They wait for the next tick: when memory is short, sending at once would go round
          // in circles.
          with_lane(event.source, [this](lane& from) {
            take_back(from);
            from.is_finishing = false;
            from.must_offer = !from.is_open;
          });
        },
        [this](const actorwire::backpressure& event) {
          with_lane(event.source, [&](lane& from) { from.is_congested = event.on; });
          fill();
        },
        [this](const actorwire::stats& event) {
          with_lane(event.source, [&](lane& from) {
            from.figures = event;
            if (from.state != actorwire::connection_state::ready || from.is_open)
              return;
            if (std::exchange(from.must_offer, false))
              cast(from, encode(job_->what));
            else if (clock::now() - from.ready_since > answer_timeout)
              fail("the other side does not answer; is it a receiver?");
          });
          sample();
          fill();
        },
        [](const actorwire::peer_closing&) {},
    };
  }

  /// A subscriber and its connection keep each other alive; one of them must let go.
  void on_exit() override { lanes_.clear(); }

private:
  /// One connection and what is under way by it.
  struct lane {
    actorwire::connection_actor peer;
    actorwire::connection_id id = 0;
    std::uint64_t generation = 0;
    actorwire::connection_state state = actorwire::connection_state::idle;
    /// The receiver has answered the offer: chunks may go.
    bool is_open = false;
    bool must_offer = false;
    clock::time_point ready_since;
    bool is_congested = false;
    bool is_finishing = false;
    std::deque<std::uint32_t> under_way;
    std::uint64_t under_way_bytes = 0;
    int unanswered_offers = 0;
    rate_meter meter;
    actorwire::stats figures;
    /// Where in `outages_` the present one is.
    std::optional<std::size_t> outage;
  };

  // -- events ---------------------------------------------------------------------------------------------------------

  template <class Body>
  void with_lane(actorwire::connection_id id, Body&& body) {
    const auto found = std::ranges::find(lanes_, id, &lane::id);
    if (found != lanes_.end() && !is_over_)
      body(*found);
  }

  /// The subscription begins here; it may be younger than the connection.
  void begin(lane& mine, const actorwire::connection_status& status) {
    mine.id = status.info.id;
    mine.state = status.state;
    if (status.state == actorwire::connection_state::ready)
      introduce(mine, status.info.generation);
    else if (status.state == actorwire::connection_state::backoff)
      note_waiting(mine, status.last_error, status.next_retry);
    else if (status.state == actorwire::connection_state::failed)
      fail(to_string(status.last_error));
  }

  void introduce(lane& opened, std::uint64_t generation) {
    if (std::exchange(opened.generation, generation) == generation)
      return;
    opened.state = actorwire::connection_state::ready;
    opened.ready_since = clock::now();
    opened.must_offer = false;
    if (opened.outage) {
      auto& over = outages_[*std::exchange(opened.outage, std::nullopt)];
      over.lasted = elapsed() - over.began;
      for (const auto& watcher : job_->observers)
        watcher->recovered(over);
    }
    cast(opened, encode(job_->what));
  }

  void handle(lane& changed, const actorwire::state_changed& event) {
    changed.state = event.to;
    switch (event.to) {
      case actorwire::connection_state::backoff:
        if (event.from == actorwire::connection_state::ready && !changed.is_open
            && ++changed.unanswered_offers == unanswered_offers_max) {
          fail("the other side does not speak the transfer protocol: " + to_string(event.reason));
          return;
        }
        changed.is_open = false;
        changed.is_congested = false;
        changed.is_finishing = false;
        take_back(changed);
        note_waiting(changed, event.reason, event.next_retry);
        fill();
        break;
      case actorwire::connection_state::failed:
      case actorwire::connection_state::closed:
        fail(to_string(event.reason));
        break;
      default:
        break;
    }
  }

  void handle(lane& from, const actorwire::received& event) {
    const auto read = decode(event.body);
    if (!read) {
      fail(read.error().text);
      return;
    }
    std::visit([&](const auto& what) { handle(from, what); }, *read);
  }

  void handle(lane& from, const inventory& what) {
    if (what.chunk_count != ledger_.count()) {
      fail("the receiver answered for another file");
      return;
    }
    from.unanswered_offers = 0;
    // As the answer to `finish` it means that what the receiver had is gone: then it alone counts. Else it may be older
    // than acknowledgements that other connections have brought.
    if (std::exchange(from.is_finishing, false)) {
      ledger_ = chunk_ledger{ledger_.count()};
      stored_bytes_ = 0;
      for (auto& each : lanes_) {
        each.under_way.clear();
        each.under_way_bytes = 0;
      }
    }
    const chunk_set present{what.chunk_count, what.bitmap.bytes()};
    for (std::uint32_t index = 0; index < present.count(); ++index)
      if (present.contains(index))
        note_stored(index);
    if (!resumed_bytes_)
      resumed_bytes_ = stored_bytes_;
    from.is_open = true;
    fill();
  }

  void handle(lane& from, const acknowledgement& what) {
    if (what.index >= ledger_.count()) {
      fail("the receiver acknowledged a chunk that there is not");
      return;
    }
    const auto size = job_->what.shape.size_of(what.index);
    if (note_stored(what.index))
      from.meter.add(size);
    // Acknowledgements come in the order of the chunks, so this is nearly always the first.
    const auto found = std::ranges::find(from.under_way, what.index);
    if (found != from.under_way.end()) {
      from.under_way.erase(found);
      from.under_way_bytes -= size;
    }
    fill();
  }

  void handle(lane&, const finished& what) {
    if (what.content == job_->what.content)
      end({}, what.content);
    else
      end("what the receiver stored differs from what was to be sent; did the file change meanwhile?", what.content);
  }

  void handle(lane&, const refusal& what) { fail("the receiver refuses: " + what.reason); }

  /// What only a sender says.
  template <class Request>
  void handle(lane&, const Request&) {
    fail("the other side is no receiver");
  }

  // -- sending --------------------------------------------------------------------------------------------------------

  /// Gives every connection as much as it may have, in turn, and ends the transfer when nothing is left.
  void fill() {
    if (is_over_)
      return;
    if (ledger_.is_complete()) {
      finish();
      return;
    }
    const auto now = clock::now();
    for (std::size_t idle = 0; idle < lanes_.size() && limit_.allows_more(now);
         next_lane_ = (next_lane_ + 1) % lanes_.size())
      idle = send_one(lanes_[next_lane_]) ? 0 : idle + 1;
  }

  bool send_one(lane& by) {
    if (!by.is_open || by.is_congested)
      return false;
    const auto index = ledger_.next();
    if (!index)
      return false;
    const auto size = job_->what.shape.size_of(*index);
    if (by.under_way_bytes > 0 && by.under_way_bytes + size > window_size)
      return false;
    const auto offset = job_->what.shape.offset_of(*index);
    auto complete = false;
    auto message = encode_chunk(*index, size, [&](std::span<std::byte> space) {
      complete = read_at(job_->source.descriptor(), space, offset) == space.size();
    });
    if (!complete) {
      fail("the file became shorter while it was sent");
      return false;
    }
    ledger_.send(*index);
    by.under_way.push_back(*index);
    by.under_way_bytes += size;
    limit_.take(size);
    cast(by, std::move(message));
    return true;
  }

  void finish() {
    if (std::ranges::any_of(lanes_, &lane::is_finishing))
      return;
    const auto by = std::ranges::find_if(lanes_, &lane::is_open);
    if (by == lanes_.end())
      return;
    by->is_finishing = true;
    cast(*by, encode(transfer::finish{}));
  }

  void cast(lane& by, actorwire::payload message) {
    tell(this, by.peer, actorwire::cast{std::move(message), delivery});
  }

  // -- accounts -------------------------------------------------------------------------------------------------------

  bool note_stored(std::uint32_t index) {
    if (!ledger_.store(index))
      return false;
    stored_bytes_ += job_->what.shape.size_of(index);
    return true;
  }

  void take_back(lane& from) {
    for (const auto index : std::exchange(from.under_way, {}))
      ledger_.take_back(index);
    from.under_way_bytes = 0;
  }

  void note_waiting(lane& mine, const actorwire::transport_error& reason, std::chrono::milliseconds delay) {
    if (!mine.outage) {
      mine.outage = outages_.size();
      outage begun;
      begun.connection = static_cast<std::size_t>(&mine - lanes_.data());
      begun.began = elapsed();
      begun.reason = reason;
      outages_.push_back(std::move(begun));
    }
    auto& present = outages_[*mine.outage];
    present.delays.push_back(delay);
    for (const auto& watcher : job_->observers)
      watcher->waiting(present);
  }

  [[nodiscard]] seconds elapsed() const { return clock::now() - began_; }

  /// Shows where things stand. Every connection reports at each tick; the first of them stands for all.
  void sample() {
    const auto now = elapsed();
    if (is_over_ || now - sampled_ < tick / 2)
      return;
    const auto since_last = now - std::exchange(sampled_, now);
    progress_view view;
    view.elapsed = now;
    view.size = job_->what.shape.size;
    view.stored = stored_bytes_;
    for (auto& each : lanes_) {
      each.meter.sample(since_last);
      view.bytes_per_second += each.meter.rate();
      view.connections.push_back({each.state, each.meter.rate(), each.figures.transport.latency,
                                  each.figures.transport.reconnect_count, each.figures.queued_bytes});
    }
    for (const auto& watcher : job_->observers)
      watcher->update(view);
  }

  // -- the end --------------------------------------------------------------------------------------------------------

  void fail(std::string why) { end(std::move(why), std::nullopt); }

  /// Closes all connections, and ends with the account that they leave.
  void end(std::string failure, const std::optional<sha256_digest>& stored) {
    if (std::exchange(is_over_, true))
      return;
    failure_ = std::move(failure);
    if (stored) {
      auto& result = result_.emplace();
      result.name = job_->what.name;
      result.elapsed = elapsed();
      result.size = job_->what.shape.size;
      result.resumed = resumed_bytes_.value_or(0);
      result.sent = job_->what.content;
      result.stored = *stored;
    }
    still_open_ = lanes_.size();
    const auto mode = stored ? actorwire::close_mode::drain : actorwire::close_mode::abort;
    for (const auto& each : lanes_)
      ask(this, each.peer, caf::infinite, actorwire::close{mode, 5s})
          .then([this](const actorwire::close_report& report) { note_closed(report.delivery); },
                [this](const caf::error&) { note_closed({}); });
  }

  /// Ends without closing the connections: whoever interrupts drains the network.
  void interrupt() {
    if (std::exchange(is_over_, true))
      return;
    quit();
    job_ = nullptr;
    done_.set_value("interrupted; start it again to go on");
  }

  void note_closed(const actorwire::delivery_totals& account) {
    if (result_)
      result_->delivery += account;
    if (--still_open_ > 0)
      return;
    if (result_) {
      result_->outages = std::move(outages_);
      for (const auto& watcher : job_->observers)
        watcher->finished(*result_);
    }
    quit();
    job_ = nullptr;
    done_.set_value(std::move(failure_));
  }

  std::shared_ptr<send_job> job_;
  std::promise<std::string> done_;
  chunk_ledger ledger_;
  rate_limit limit_;
  std::vector<lane> lanes_;
  std::size_t next_lane_ = 0;
  std::uint64_t stored_bytes_ = 0;
  std::optional<std::uint64_t> resumed_bytes_;
  std::vector<outage> outages_;
  clock::time_point began_ = clock::now();
  seconds sampled_{0};
  bool is_over_ = false;
  std::string failure_;
  std::optional<summary> result_;
  std::size_t still_open_ = 0;
};

} // namespace

send_job open_job(const std::filesystem::path& path, std::uint32_t chunk_size) {
  send_job job;
  job.source = file{path, O_RDONLY};
  struct stat status {};
  if (::fstat(job.source.descriptor(), &status) != 0)
    throw_errno(path.string());
  if (!S_ISREG(status.st_mode))
    throw std::system_error{std::make_error_code(std::errc::not_supported), path.string() + " is not a regular file"};
  job.what.shape = {static_cast<std::uint64_t>(status.st_size), chunk_size};
  job.what.content = sha256_of(job.source.descriptor());
  job.what.name = path.filename().string();
  return job;
}

actorwire::result<std::vector<actorwire::connection_actor>> dial(caf::actor_system& system, actorwire::network& net,
                                                                 const actorwire::endpoint& remote,
                                                                 const actorwire::tls_config& tls, std::size_t count,
                                                                 std::uint32_t attempts) {
  actorwire::acquire_options options;
  options.transport = wire_settings();
  options.transport.tls = tls;
  options.reconnection.base_delay = 200ms;
  options.reconnection.max_delay = 2s;
  options.reconnection.max_attempts = attempts;
  std::vector<actorwire::connection_actor> made;
  std::optional<actorwire::transport_error> failure;
  caf::scoped_actor self{system};
  while (made.size() < count && !failure) {
    // A supervisor holds one peer for each endpoint, which is what most programs want; here each connection gets a
    // supervisor of its own.
    const auto supervisor = net.make_supervisor({});
    if (!supervisor)
      return supervisor.error();
    ask(&*self, *supervisor, caf::infinite, actorwire::acquire{remote, options})
        .receive([&made](const actorwire::connection_actor& peer) { made.push_back(peer); },
                 [&failure](const caf::error& reason) { failure = actorwire::to_transport_error(reason); });
  }
  if (failure)
    return *failure;
  return made;
}

sending spawn_sender(caf::actor_system& system, send_job job) {
  std::promise<std::string> done;
  auto outcome = done.get_future();
  auto who = system.spawn<sender, caf::detached>(std::make_shared<send_job>(std::move(job)), std::move(done));
  return {std::move(who), std::move(outcome)};
}

} // namespace transfer
