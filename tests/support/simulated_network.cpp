#include "simulated_network.hpp"

#include "simulated_transport.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <utility>

namespace actorwire::test {

namespace {

endpoint endpoint_of(std::string_view uri) {
  auto parsed = parse_endpoint(uri);
  if (!parsed)
    throw std::invalid_argument{to_string(parsed.error())};
  return *std::move(parsed);
}

} // namespace

simulated_network::simulated_network(std::uint64_t seed) : random_(seed), next_event_([this] { run_next(); }) {}

simulated_network::~simulated_network() {
  // Transports that go now must not add to what is being taken down, and must not use a shard that may be gone.
  is_ending_ = true;
  for (auto* each : transports_)
    each->orphan();
  transports_.clear();
  for (auto& each : connections_)
    for (auto& way : each->ways)
      way.held.clear();
}

void simulated_network::run_on(shard& where) {
  assert(shard_ == nullptr || shard_ == &where);
  shard_ = &where;
}

result<local_ref<transport>> simulated_network::create_transport(protocol proto, shard& where) {
  run_on(where);
  return local_ref<transport>{new simulated_transport{*this, proto}};
}

// -- hosts -------------------------------------------------------------------------------------------------------------

void simulated_network::listen(std::string_view uri, accept_function accept) {
  listeners_[endpoint_of(uri)] = std::move(accept);
}

void simulated_network::stop_listening(std::string_view uri) {
  listeners_.erase(endpoint_of(uri));
}

void simulated_network::crash(const std::string& name, crash_kind how) {
  hosts_[name].state = how == crash_kind::process ? host_state::process_down : host_state::machine_down;
  for (auto& connection : connections_) {
    auto* accepted = connection->end_at(side::listener);
    if (connection->record.remote.host != name || accepted == nullptr)
      continue;
    accepted->end(make_error(error_code::crashed, phase::established, origin::local, "the host crashed"));
    if (how == crash_kind::process) {
      reset(*connection, side::dialler);
    } else {
      sever(*connection);
      connection->is_forgotten = true;
      // What is on its way is lost, also if the machine is back before it would have arrived.
      connection->is_broken = true;
    }
  }
}

void simulated_network::restart(const std::string& name) {
  hosts_[name].state = host_state::alive;
  for (auto& connection : connections_)
    if (connection->record.remote.host == name && std::exchange(connection->is_forgotten, false)) {
      connection->is_severed = false;
      reset(*connection, side::dialler);
    }
}

void simulated_network::set_path(const std::string& name, path_state state) {
  hosts_[name].path = state;
  if (state != path_state::up)
    return;
  for (auto& connection : connections_)
    if (connection->record.remote.host == name)
      for (auto sender : {side::dialler, side::listener})
        if (!connection->from(sender).held.empty())
          schedule({}, [this, &held_up = *connection, sender] { release(held_up, sender); });
}

void simulated_network::reset_connections(const std::string& name) {
  for (auto& connection : connections_)
    if (connection->record.remote.host == name && connection->record.was_established) {
      // What is still on its way is lost.
      connection->is_broken = true;
      for (auto* each : connection->ends)
        if (each != nullptr)
          each->accept_reset();
    }
}

void simulated_network::move_connections(const std::string& name, const std::string& local, const std::string& remote) {
  for (auto& connection : connections_) {
    auto* mover = connection->end_at(side::dialler);
    if (connection->record.remote.host == name && mover != nullptr && mover->streams() != nullptr)
      mover->streams()->handle_address_changed(local, remote);
  }
}

// -- plans -------------------------------------------------------------------------------------------------------------

void simulated_network::plan_next(std::string_view uri, connection_plan plan) {
  plans_[endpoint_of(uri)].push_back(plan);
}

connection_plan simulated_network::draw_plan(const endpoint& remote) {
  if (auto found = plans_.find(remote); found != plans_.end() && !found->second.empty()) {
    auto plan = found->second.front();
    found->second.pop_front();
    return plan;
  }
  // The same number of draws for each plan: a setting that is changed does not shift the fate of later attempts.
  const auto percent = static_cast<unsigned>(random_() % 100);
  const auto fault_after = random_() % (chances_.fault_after_max + 1);
  const auto fault_sender = random_() % 2 == 0 ? side::dialler : side::listener;
  const auto send_size = random_();
  const auto lateness = random_();

  connection_plan plan;
  auto bound = chances_.refuse;
  if (percent < bound)
    plan.answer = attempt_answer::refuse;
  else if (percent < (bound += chances_.ignore))
    plan.answer = attempt_answer::ignore;
  else if (percent < (bound += chances_.reset))
    plan.fault = connection_fault{connection_fault::kind::reset, fault_sender, fault_after};
  else if (percent < (bound += chances_.vanish))
    plan.fault = connection_fault{connection_fault::kind::vanish, fault_sender, fault_after};
  if (chances_.send_size_max > 0)
    plan.send_size_max = 1 + send_size % chances_.send_size_max;
  if (chances_.lateness_max > duration{0})
    plan.lateness = duration{
        static_cast<duration::rep>(lateness % (static_cast<std::uint64_t>(chances_.lateness_max.count()) + 1))};
  return plan;
}

link_settings simulated_network::draw_link() {
  const auto delay = random_();
  const auto jitter = random_();
  const auto loss = random_();
  const auto at_most = [](std::uint64_t drawn, duration limit) {
    return duration{static_cast<duration::rep>(drawn % (static_cast<std::uint64_t>(limit.count()) + 1))};
  };
  auto drawn = link_;
  drawn.delay += at_most(delay, chances_.delay_max);
  drawn.jitter += at_most(jitter, chances_.delay_max);
  drawn.segment_loss += static_cast<unsigned>(loss % (chances_.segment_loss_max + 1));
  return drawn;
}

/// The time that a segment loses on its way, beyond what the way always takes.
duration simulated_network::draw_hold_up(simulated_connection& connection) {
  const auto& link = connection.link;
  assert(link.segment_loss < 100);
  duration lost{0};
  if (link.jitter > duration{0})
    lost += duration{static_cast<duration::rep>(random_() % (static_cast<std::uint64_t>(link.jitter.count()) + 1))};
  while (link.segment_loss > 0 && random_() % 100 < link.segment_loss) {
    lost += link.recovery;
    ++connection.record.segments_lost;
  }
  return lost;
}

void simulated_network::end_faults() {
  chances_ = {};
  plans_.clear();
  for (auto& connection : connections_) {
    connection->plan.fault.reset();
    connection->plan.send_size_max = 0;
    connection->link = link_;
  }
  for (const auto& [name, status] : hosts_) {
    restart(name);
    heal(name);
  }
}

// -- what happened -----------------------------------------------------------------------------------------------------

std::vector<const connection_record*> simulated_network::records() const {
  std::vector<const connection_record*> all;
  for (const auto& each : connections_)
    all.push_back(&each->record);
  return all;
}

std::size_t simulated_network::attempt_count(std::string_view uri) const {
  const auto where = endpoint_of(uri);
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [&](const auto& each) { return each->record.remote == where; }));
}

std::string simulated_network::arrived_at(std::string_view uri) const {
  const auto where = endpoint_of(uri);
  std::string all;
  for (const auto& each : connections_)
    if (each->record.remote == where)
      all += each->record.arrived_at_listener;
  return all;
}

std::size_t simulated_network::open_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(connections_, [](const auto& each) {
    return each->end_at(side::dialler) != nullptr && each->end_at(side::listener) != nullptr;
  }));
}

bool simulated_network::has_open(const std::string& host) const {
  return std::ranges::any_of(connections_, [&](const auto& each) {
    const auto* dialler = each->end_at(side::dialler);
    return each->record.remote.host == host && dialler != nullptr && dialler->is_established()
        && each->end_at(side::listener) != nullptr && !each->is_severed && !each->is_broken;
  });
}

simulated_network::path_state simulated_network::path_to(const std::string& host) const {
  const auto found = hosts_.find(host);
  return found != hosts_.end() ? found->second.path : path_state::up;
}

bool simulated_network::has_half_open(const endpoint& remote) const {
  return std::ranges::any_of(connections_, [&](const auto& each) {
    const auto* holder = each->end_at(side::dialler);
    return each->record.remote == remote && each->is_severed && holder != nullptr && holder->is_established();
  });
}

// -- events ------------------------------------------------------------------------------------------------------------

void simulated_network::schedule(duration delay, std::function<void()> task) {
  if (is_ending_)
    return;
  const auto entry = events_.emplace(shard_->now() + delay, std::move(task));
  if (entry == events_.begin())
    shard_->arm(next_event_, delay);
}

void simulated_network::run_next() {
  const auto now = shard_->now();
  if (std::exchange(instant_, now) != now)
    events_of_instant_ = 0;
  constexpr std::size_t events_of_instant_max = 10'000'000;
  if (++events_of_instant_ > events_of_instant_max)
    throw std::logic_error{"the simulated network does not come to rest at one instant"};

  // One event a turn, so that what it causes is done before the next, as with sockets.
  auto event = events_.extract(events_.begin());
  if (!events_.empty())
    shard_->arm(next_event_, std::max(events_.begin()->first - now, duration{0}));
  happened_.add(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  event.mapped()();
}

// -- connections -------------------------------------------------------------------------------------------------------

simulated_connection& simulated_network::begin(simulated_transport& dialler, const endpoint& remote) {
  auto& connection = *connections_.emplace_back(std::make_unique<simulated_connection>());
  connection.record.remote = remote;
  connection.record.began = shard_->now();
  connection.plan = draw_plan(remote);
  connection.link = draw_link();
  connection.record.slowness = connection.link.delay - link_.delay;
  connection.number = static_cast<std::uint16_t>(connections_.size());
  connection.end_at(side::dialler) = &dialler;
  return connection;
}

/// Carries the wish to connect to the listener.
void simulated_network::knock(simulated_connection& connection) {
  travel(connection, side::dialler, 0, [this, &connection] { answer(connection); });
}

void simulated_network::answer(simulated_connection& connection) {
  const auto& remote = connection.record.remote;
  auto* dialler = connection.end_at(side::dialler);
  const auto state = hosts_[remote.host].state;
  if (dialler == nullptr || state == host_state::machine_down || connection.plan.answer == attempt_answer::ignore)
    return;

  const auto listening = listeners_.find(remote);
  if (listening == listeners_.end() || state == host_state::process_down
      || connection.plan.answer == attempt_answer::refuse) {
    travel(connection, side::listener, 0, [&connection] {
      if (auto* refused = connection.end_at(side::dialler))
        refused->fail_attempt(error_code::refused, origin::remote, "connection refused");
    });
    return;
  }

  const local_ref<transport> accepted{new simulated_transport{*this, remote.proto, connection}};
  const auto establish = [this, &connection] {
    connection.record.was_established = true;
    if (auto* connected = connection.end_at(side::dialler))
      connected->become_established();
    else
      reset(connection, side::listener);
  };
  travel(connection, side::listener, 0, [this, &connection, establish] {
    auto* connecting = connection.end_at(side::dialler);
    if (connecting == nullptr || connecting->proto() == protocol::tcp)
      return establish();
    // Encryption is agreed on in one more round trip.
    connecting->enter_handshake();
    travel(connection, side::dialler, 0,
           [this, &connection, establish] { travel(connection, side::listener, 0, establish); });
  });
  // A copy, because it may well stop listening.
  const auto accept = listening->second;
  accept(accepted);
}

void simulated_network::carry(simulated_connection& connection, side sender, stream_id stream, payload bytes) {
  const auto size = bytes.size();
  travel(connection, sender, size,
         [this, &connection, sender, stream, bytes = std::move(bytes)] { arrive(connection, sender, stream, bytes); });
}

void simulated_network::arrive(simulated_connection& connection, side sender, stream_id stream, payload bytes) {
  if (connection.is_broken)
    return;
  auto* receiver = connection.end_at(other(sender));
  if (receiver == nullptr)
    return reset(connection, sender);

  auto& way = connection.from(sender);
  auto& record = connection.record;
  auto& log = stream == 0 ? (sender == side::dialler ? record.arrived_at_listener : record.arrived_at_dialler)
                          : (sender == side::dialler ? record.streams_at_listener : record.streams_at_dialler)[stream];
  const auto fault = connection.plan.fault;
  const auto breaks = fault && fault->sender == sender && way.arrived_in_all + bytes.size() > fault->after;
  if (breaks)
    bytes = bytes.slice(0, static_cast<std::uint32_t>(fault->after - way.arrived_in_all));
  auto& arrived = stream == 0 ? way.arrived : way.arrived_on[stream];
  arrived += bytes.size();
  way.arrived_in_all += bytes.size();
  log += bytes.text();
  if (!bytes.empty()) {
    if (stream == 0)
      receiver->accept_bytes(std::move(bytes));
    else if (receiver->streams() != nullptr)
      receiver->streams()->accept_bytes(stream, std::move(bytes));
  }
  if (!breaks) {
    travel(connection, other(sender), 0, [&connection, sender, stream, upto = arrived] {
      auto* acked = connection.end_at(sender);
      if (acked != nullptr && stream == 0)
        acked->handle_acked(upto);
      else if (acked != nullptr && acked->streams() != nullptr)
        acked->streams()->handle_acked(stream, upto);
    });
    return;
  }
  connection.is_broken = true;
  connection.record.broken_by = fault->what;
  if (fault->what == connection_fault::kind::vanish)
    return sever(connection);
  receiver->accept_reset();
  reset(connection, sender);
}

bool simulated_network::loses_datagram(const simulated_connection& connection) {
  return connection.link.datagram_loss > 0 && random_() % 100 < connection.link.datagram_loss;
}

void simulated_network::reset(simulated_connection& connection, side seen_by) {
  travel(connection, other(seen_by), 0, [&connection, seen_by] {
    if (auto* seeing = connection.end_at(seen_by))
      seeing->accept_reset();
  });
}

void simulated_network::sever(simulated_connection& connection) {
  connection.is_severed = true;
  for (auto& way : connection.ways)
    way.held.clear();
}

/// Has `arrived` called at the other end when `size` bytes from `sender` get there, in order.
void simulated_network::travel(simulated_connection& connection, side sender, std::size_t size,
                               std::function<void()> arrived) {
  auto& way = connection.from(sender);
  const auto now = shard_->now();
  way.free_at = std::max(way.free_at, now);
  if (connection.link.bandwidth > 0)
    way.free_at += std::chrono::nanoseconds{1'000'000'000ULL * size / connection.link.bandwidth};
  // Nothing overtakes what was sent before it.
  way.arrives_at = std::max(way.arrives_at, way.free_at + connection.link.delay + draw_hold_up(connection));
  schedule(way.arrives_at - now, [this, &connection, sender, task = std::move(arrived)] {
    if (connection.is_severed)
      return;
    auto& held = connection.from(sender).held;
    if (path_of(connection) == path_state::up && held.empty())
      return task();
    held.push_back(task);
  });
}

/// Lets arrive what was held back, one by one; what arrives meanwhile queues behind it.
void simulated_network::release(simulated_connection& connection, side sender) {
  auto& held = connection.from(sender).held;
  if (held.empty() || path_of(connection) != path_state::up)
    return;
  const auto task = std::move(held.front());
  held.pop_front();
  if (!held.empty())
    schedule({}, [this, &connection, sender] { release(connection, sender); });
  task();
}

bool simulated_network::reaches(const simulated_connection& connection) const {
  return !connection.is_severed && path_of(connection) != path_state::cut;
}

simulated_network::path_state simulated_network::path_of(const simulated_connection& connection) const {
  return path_to(connection.record.remote.host);
}

} // namespace actorwire::test
