#include "racing_transport.hpp"

#include "engine/endpoint_failures.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <limits>
#include <string>
#include <utility>
#include <variant>

namespace actorwire {

namespace {

phase phase_of(connection_state progress) {
  switch (progress) {
    case connection_state::connecting:
      return phase::connect;
    case connection_state::handshaking:
      return phase::handshake;
    default:
      return phase::resolve;
  }
}

/// One set of settings is for endpoints of all protocols, and can hold what only one of them has.
transport_config settings_for(protocol proto, const transport_config& all) {
  auto fitting = all;
  if (proto != protocol::quic && std::holds_alternative<quic_config>(all.protocol_settings)) {
    fitting.protocol_settings = tcp_config{};
    // The size of a UDP payload is no segment size.
    fitting.mtu = 0;
  }
  return fitting;
}

transport_error not_tried() {
  return make_error(error_code::connect_timeout, phase::setup, origin::local,
                    "not tried, because attempt_timeout was over before");
}

transport_error defect(const std::exception& thrown) {
  return make_error(error_code::connection_failed, phase::setup, origin::local, thrown.what());
}

} // namespace

class racing_transport::runner final : private transport_observer {
public:
  runner(racing_transport& owner, std::size_t index, local_ref<transport> bearer)
    : owner_(owner), index_(index), bearer_(std::move(bearer)) {}
  ~runner() { bearer_->detach(); }

  runner(const runner&) = delete;
  runner& operator=(const runner&) = delete;

  [[nodiscard]] result<void> start(const transport_config& config, const endpoint& where) {
    if (auto ready = bearer_->init(config, *this); !ready)
      return ready;
    if (owner_.streams_observer_ != nullptr)
      multiplex(*owner_.streams_observer_);
    bearer_->connect(where);
    return {};
  }

  [[nodiscard]] transport& bearer() const noexcept { return *bearer_; }
  [[nodiscard]] connection_state progress() const noexcept { return progress_; }

  multiplexer* multiplex(multiplexer_observer& observer) {
    if (streams_ == nullptr)
      streams_ = bearer_->multiplex(observer);
    return streams_;
  }

private:
  void on_progress(connection_state where) override {
    progress_ = where;
    owner_.note_progress(where);
  }
  void on_connected(const transport_opening& opening) override { owner_.note_connected(index_, opening); }
  void on_received(payload bytes) override { owner_.observer_->on_received(std::move(bytes)); }
  void on_peer_finished() override { owner_.observer_->on_peer_finished(); }
  void on_writable() override { owner_.observer_->on_writable(); }
  void on_closed(const transport_error& reason) override {
    if (owner_.winner_.get() == this)
      owner_.tell_closed(reason);
    else
      owner_.note_failure(index_, reason);
  }

  racing_transport& owner_;
  std::size_t index_;
  local_ref<transport> bearer_;
  multiplexer* streams_ = nullptr;
  connection_state progress_ = connection_state::idle;
};

struct racing_transport::contest {
  /// An endpoint, in the order in which they start.
  struct lane {
    endpoint where;
    /// Its place in the order of preference.
    std::size_t preference = 0;
    std::unique_ptr<runner> running;
  };

  explicit contest(racing_transport& owner) : wake_up([&owner] { owner.handle_wake_up(); }) {}

  void line_up(const endpoint& preferred) {
    lanes.push_back({preferred, 0, nullptr});
    for (const auto& each : alternatives)
      lanes.push_back({each, lanes.size(), nullptr});
    if (favourite)
      std::stable_partition(lanes.begin(), lanes.end(), [this](const lane& each) { return each.where == *favourite; });
    running.emplace(lanes.size(), config.fallback_delay);
  }

  [[nodiscard]] transport_error failure() const {
    std::vector<endpoint_failure> all(lanes.size());
    for (std::size_t index = 0; index < lanes.size(); ++index) {
      const auto& reason = running->reason(index);
      all[lanes[index].preference] = {lanes[index].where, reason.code != error_code::none ? reason : not_tried()};
    }
    return sum_up(all);
  }

  std::shared_ptr<transport_factory> transports;
  std::vector<endpoint> alternatives;
  std::optional<endpoint> favourite;
  transport_config config;
  std::vector<lane> lanes;
  std::optional<race> running;
  connection_state furthest = connection_state::idle;
  time_point deadline{};
  timer wake_up;
};

// -- life ---------------------------------------------------------------------------------------------------------------

racing_transport::racing_transport(shard& where, std::shared_ptr<transport_factory> transports,
                                   std::vector<endpoint> alternatives, std::optional<endpoint> favourite)
  : shard_(where), contest_(std::make_unique<contest>(*this)) {
  contest_->transports = std::move(transports);
  contest_->alternatives = std::move(alternatives);
  contest_->favourite = std::move(favourite);
}

racing_transport::~racing_transport() = default;

result<void> racing_transport::init(const transport_config& config, transport_observer& observer) {
  assert(observer_ == nullptr && contest_);
  if (auto checked = validate(config); !checked)
    return checked;
  contest_->config = config;
  observer_ = &observer;
  return {};
}

void racing_transport::connect(const endpoint& remote) {
  if (!contest_)
    return;
  assert(observer_ != nullptr && contest_->lanes.empty());
  contest_->line_up(remote);
  contest_->deadline = shard_.lived() + contest_->config.attempt_timeout;
  // In a turn of its own: what cannot even start is reported, and not within this call.
  shard_.arm(contest_->wake_up, duration{0});
}

// -- the race -----------------------------------------------------------------------------------------------------------

void racing_transport::handle_wake_up() {
  const local_ref<racing_transport> self{this};
  if (shard_.lived() < contest_->deadline)
    follow_orders();
  else
    run_out_of_time();
}

void racing_transport::follow_orders() {
  auto& running = *contest_->running;
  while (const auto order = running.poll_order(shard_.lived())) {
    switch (order->what) {
      case race::order::kind::connect:
        if (const auto started = start(order->index); !started) {
          contest_->lanes[order->index].running = nullptr;
          running.handle_failure(order->index, started.error());
        }
        break;
      case race::order::kind::give_up:
        contest_->lanes[order->index].running = nullptr;
        break;
    }
  }
  if (running.is_lost())
    return fail();
  if (!running.winner()) {
    const auto next = std::min(running.next_start().value_or(contest_->deadline), contest_->deadline);
    shard_.arm(contest_->wake_up, std::max(next - shard_.lived(), duration{0}));
  }
}

result<void> racing_transport::start(std::size_t index) {
  auto& lane = contest_->lanes[index];
  // A transport that throws would end more than this endpoint: nothing above a timer catches.
  try {
    auto made = contest_->transports->create_transport(lane.where.proto, shard_);
    if (!made)
      return made.error();
    lane.running = std::make_unique<runner>(*this, index, *std::move(made));
    return lane.running->start(settings_for(lane.where.proto, contest_->config), lane.where);
  } catch (const std::exception& thrown) {
    return defect(thrown);
  }
}

void racing_transport::run_out_of_time() {
  auto& running = *contest_->running;
  const auto limit =
      "not connected within attempt_timeout = " + std::to_string(contest_->config.attempt_timeout.count()) + " ms";
  for (std::size_t index = 0; index < running.size(); ++index)
    if (const auto& late = contest_->lanes[index].running)
      running.give_up(index,
                      make_error(error_code::connect_timeout, phase_of(late->progress()), origin::system, limit));
  fail();
}

void racing_transport::fail() {
  tell_closed(contest_->failure());
}

void racing_transport::note_progress(connection_state where) {
  if (!contest_ || where <= contest_->furthest)
    return;
  contest_->furthest = where;
  observer_->on_progress(where);
}

void racing_transport::note_connected(std::size_t index, const transport_opening& opening) {
  const local_ref<racing_transport> self{this};
  contest_->running->handle_connected(index);
  follow_orders();
  auto& lane = contest_->lanes[index];
  winner_ = std::move(lane.running);
  auto told = opening;
  told.carried_by = std::move(lane.where);
  contest_ = nullptr;
  if (const auto allowed = std::exchange(allowance_, 0); allowed > 0)
    winner_->bearer().receive(allowed);
  observer_->on_connected(told);
}

void racing_transport::note_failure(std::size_t index, const transport_error& reason) {
  const local_ref<racing_transport> self{this};
  contest_->running->handle_failure(index, reason);
  contest_->lanes[index].running = nullptr;
  follow_orders();
}

// -- what the user does -------------------------------------------------------------------------------------------------

result<std::size_t> racing_transport::send(std::span<const outgoing> pieces) {
  if (!winner_)
    return make_error(error_code::send_failed, phase::connect, origin::local, "not connected");
  return winner_->bearer().send(pieces);
}

void racing_transport::receive(std::size_t bytes) {
  if (winner_)
    winner_->bearer().receive(bytes);
  else
    allowance_ += std::min(bytes, std::numeric_limits<std::size_t>::max() - allowance_);
}

void racing_transport::finish() {
  if (winner_)
    winner_->bearer().finish();
}

multiplexer* racing_transport::multiplex(multiplexer_observer& observer) {
  streams_observer_ = &observer;
  return winner_ ? winner_->multiplex(observer) : nullptr;
}

// -- the end ------------------------------------------------------------------------------------------------------------

void racing_transport::close(const transport_error& reason) {
  if (winner_)
    return winner_->bearer().close(reason);
  if (!contest_)
    return;
  contest_ = nullptr;
  shard_.post([self = local_ref<racing_transport>{this}, reason] { self->tell_closed(reason); });
}

void racing_transport::detach() noexcept {
  observer_ = nullptr;
  contest_ = nullptr;
  if (winner_)
    winner_->bearer().detach();
}

void racing_transport::tell_closed(const transport_error& reason) {
  contest_ = nullptr;
  if (auto* told = std::exchange(observer_, nullptr))
    told->on_closed(reason);
}

// -- figures ------------------------------------------------------------------------------------------------------------

transport_stats racing_transport::stats() const {
  return winner_ ? winner_->bearer().stats() : transport_stats{};
}

std::uint64_t racing_transport::bytes_acked() const {
  return winner_ ? winner_->bearer().bytes_acked() : 0;
}

} // namespace actorwire
