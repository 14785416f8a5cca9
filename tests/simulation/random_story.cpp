#include "random_story.hpp"

#include "story.hpp"
#include "trace_digest.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <utility>

using namespace std::chrono_literals;

namespace actorwire::test {

namespace {

constexpr std::size_t peer_count = 50;
constexpr std::size_t host_count = 20;

/// What connecting takes when nothing is wrong, and what lets the last event reach its user.
constexpr duration latency = 50ms;

constexpr std::size_t place_of(fault what) {
  return static_cast<std::size_t>(what);
}

std::string host_name(std::size_t number) {
  return "host" + std::to_string(number);
}

std::string uris_of(std::size_t index) {
  const auto where = "://" + host_name(index % host_count) + ":" + std::to_string(1 + index / host_count);
  return index % 3 == 0 ? "quic" + where + ", tls" + where + ", tcp" + where : "tcp" + where;
}

std::vector<endpoint> endpoints_of(std::size_t index) {
  return parse_endpoints(uris_of(index)).value();
}

acquire_options options_of_all() {
  auto options = framed();
  auto& transport = options.transport;
  transport.attempt_timeout = 2s;
  transport.connect_timeout = 1s;
  transport.keepalive_interval = 1s;
  transport.keepalive_timeout = 2s;
  transport.flow.queue_age = 3s;
  transport.flow.queue_messages = 50;
  transport.flow.write_limit = 100'000;
  transport.flow.high_water = 20'000;
  transport.flow.low_water = 5'000;
  return options;
}

acquire_options in_session(acquire_options options, std::mt19937_64& chance) {
  auto& transport = options.transport;
  transport.framing.mode = framing_mode::numbered;
  transport.flow.overflow = overflow_policy::fail;
  transport.session.mode = session_mode::on;
  transport.session.replay_messages = static_cast<std::uint32_t>(8 + chance() % 100);
  transport.session.ack_messages = static_cast<std::uint32_t>(1 + chance() % 10);
  return options;
}

/// The gate is wide open, and no peer is given up for crashes: B11 promises nothing else otherwise.
simulated_system_options world_of(std::uint64_t seed, std::size_t shards) {
  return {.seed = seed,
          .pool = {.max_connecting = 1'000,
                   .reconnects_per_second = 1'000,
                   .reconnect_burst = 1'000,
                   .crash_limit = 1'000},
          .shards = shards};
}

chance_settings chances_of_all() {
  return {.refuse = 15,
          .ignore = 5,
          .reset = 30,
          .vanish = 10,
          .fault_after_max = 5'000,
          .send_size_max = 300,
          .lateness_max = 3ms,
          .delay_max = 20ms,
          .segment_loss_max = 10};
}

std::string to_string(const delivery_totals& totals) {
  std::string text;
  for (const auto& [messages, bytes] : {totals.accepted, totals.pending, totals.not_sent, totals.maybe_sent,
                                        totals.written, totals.acked, totals.confirmed})
    text += ' ' + std::to_string(messages) + '/' + std::to_string(bytes);
  return text;
}

/// Ids of sessions are secrets, which no seed tells.
std::string to_string(const connection_record& record, bool has_session) {
  trace_digest bytes;
  if (!has_session) {
    bytes.add(record.arrived_at_listener);
    bytes.add(record.arrived_at_dialler);
  }
  return std::to_string(record.began.time_since_epoch().count()) + ": " + actorwire::to_string(record.remote)
       + (record.was_established ? ", established, got " : ", got ") + std::to_string(record.arrived_at_listener.size())
       + ", gave back " + std::to_string(record.arrived_at_dialler.size()) + ", bytes " + bytes.text();
}

} // namespace

random_story::random_story(std::uint64_t seed)
  : chance_(seed), shards_(1 + seed % 2), options_(options_of_all()), world_(world_of(seed, shards_)) {
  set_up();
}

void random_story::set_up() {
  auto& overflow = options_.transport.flow.overflow;
  overflow = static_cast<overflow_policy>(chance_() % names_of(overflow_policy{}).size());
  if (chance_() % 2 == 0)
    options_.max_lifetime = std::chrono::milliseconds{1'000 + chance_() % 2'000};
  for_each_network([](simulated_network& hosts) { hosts.plan_by_chance(chances_of_all()); });
  for (std::size_t index = 0; index < peer_count; ++index) {
    auto& made = members_.emplace_back(make_member(index));
    const auto answer = made.user.subscribe(made.peer);
    world_.run_now();
    made.snapshot = answer->value.value();
  }
}

story_member random_story::make_member(std::size_t index) {
  const auto shard = index % shards_;
  const auto uris = uris_of(index);
  auto options = options_;
  std::unique_ptr<session_server> server;
  if (chance_() % 5 == 0) {
    options = in_session(options, chance_);
    session_book_limits limits;
    limits.keep = chance_() % 2 == 0 ? 1s : 300s;
    server = std::make_unique<session_server>(world_, shard, uris, options.transport, limits);
  } else {
    for (const auto& each : endpoints_of(index))
      world_.hosts(shard).listen(actorwire::to_string(each), echo_service());
  }
  return {world_.make_probe(shard), world_.acquire(uris, options), message_book{options.transport.flow.overflow},
          std::move(server)};
}

template <class Function>
void random_story::for_each_network(Function function) {
  for (std::size_t index = 0; index < shards_; ++index)
    function(world_.hosts(index));
}

template <class Function>
void random_story::for_each_network(Function function) const {
  for (std::size_t index = 0; index < shards_; ++index)
    function(world_.hosts(index));
}

// -- things go wrong ---------------------------------------------------------------------------------------------------

void random_story::go_wrong(duration span) {
  const auto end = world_.now() + span;
  while (world_.now() < end) {
    for (auto count = chance_() % 20; count > 0; --count)
      do_something();
    world_.run_for(std::chrono::milliseconds{chance_() % 50});
  }
}

void random_story::do_something() {
  auto& who = members_[chance_() % peer_count];
  const auto what = chance_() % 100;
  if (what < 50)
    who.send(chance_);
  else if (what < 70)
    who.cast(chance_);
  else if (what < 75)
    who.send_batch(chance_);
  else if (what < 90)
    figures_.push_back(who.user.get_stats(who.peer));
  else
    go_wrong_somewhere();
}

void random_story::go_wrong_somewhere() {
  using network = simulated_network;
  const auto host = host_name(chance_() % host_count);
  const auto what = chance_() % 12;
  const auto kind = chance_();
  // What changes nothing, or nothing that anybody could notice, is no fault that happened.
  auto is_used = false;
  for_each_network([&](const network& hosts) { is_used = is_used || hosts.has_open(host); });
  const auto count = [&](fault happened) { own_faults_[place_of(happened)] += is_used ? 1U : 0U; };
  if (what < 1) {
    count(fault::server_crash);
    crash(host, kind % 2 == 0 ? network::crash_kind::process : network::crash_kind::machine);
  } else if (what < 4) {
    for_each_network([&](network& hosts) { hosts.restart(host); });
  } else if (what < 6) {
    const auto is_cut = kind % 2 == 0;
    const auto path = is_cut ? network::path_state::cut : network::path_state::stalled;
    is_used = is_used && world_.hosts().path_to(host) != path;
    count(is_cut ? fault::partition : fault::delay);
    for_each_network([&](network& hosts) { hosts.set_path(host, path); });
  } else if (what < 10) {
    for_each_network([&](network& hosts) { hosts.heal(host); });
  } else if (what < 11) {
    // Only a call that comes behind `connect` is one of a certain host.
    constexpr std::array calls{transport_call::create, transport_call::init, transport_call::connect,
                               transport_call::send, transport_call::receive};
    const auto where = calls[kind % calls.size()];
    world_.transports().crash_in(where, 1, kind % calls.size() < 2 ? std::string{} : host);
  } else {
    count(fault::reset);
    for_each_network([&](network& hosts) { hosts.reset_connections(host); });
  }
}

void random_story::crash(const std::string& host, simulated_network::crash_kind how) {
  for_each_network([&](simulated_network& hosts) { hosts.crash(host, how); });
  for (std::size_t index = 0; index < peer_count; ++index)
    if (members_[index].server != nullptr && endpoints_of(index).front().host == host)
      members_[index].server->lose_memory();
}

// -- and become good again ---------------------------------------------------------------------------------------------

void random_story::become_good() {
  world_.transports().stop_crashing();
  for_each_network([](simulated_network& hosts) { hosts.end_faults(); });
  healed_at_ = world_.now();

  std::vector<std::size_t> sound;
  for (std::size_t index = 0; index < peer_count; ++index)
    if (!holds_half_open(index))
      sound.push_back(index);
  const auto& policy = options_.reconnection;
  world_.run_for(std::chrono::duration_cast<duration>(policy.max_delay * (1 + policy.jitter))
                 + options_.transport.attempt_timeout + latency);
  // Who finds that the listener does not know its session any more begins another with the next attempt.
  for (const auto index : sound)
    if (!has_lost_session(index))
      check_ready(index);
  world_.run_for(options_.transport.keepalive_interval + options_.transport.keepalive_timeout);
  for (std::size_t index = 0; index < peer_count; ++index)
    check_ready(index);
  send_proof();
  take_totals();
}

bool random_story::holds_half_open(std::size_t index) const {
  const auto endpoints = endpoints_of(index);
  return std::ranges::any_of(endpoints, [&](const endpoint& each) {
    auto found = false;
    for_each_network([&](const simulated_network& hosts) { found = found || hosts.has_half_open(each); });
    return found;
  });
}

/// Since all faults have ended.
bool random_story::has_lost_session(std::size_t index) const {
  const auto& told = members_[index].user.notes();
  return std::any_of(told.rbegin(), told.rend(), [this](const note& each) {
    const auto* change = std::get_if<state_changed>(&each.what);
    return each.when >= healed_at_ && change != nullptr && change->reason.code == error_code::session_lost;
  });
}

void random_story::check_ready(std::size_t index) const {
  if (members_[index].user.last_state() != connection_state::ready)
    FAIL_CHECK("peer " << index << " is not ready, but "
                       << name_of(members_[index].user.last_state().value_or(connection_state::idle)));
}

/// A peer that calls itself ready and carries nothing is none.
void random_story::send_proof() {
  send_options how{.policy = when_down::fail, .wanted = outcome::acked};
  std::vector<answer_to<sent>> answers;
  std::vector<std::string> texts;
  for (auto& each : members_) {
    texts.push_back(each.book.next_text(0));
    how.tag = each.book.next_number();
    answers.push_back(each.user.send(each.peer, texts.back(), how));
    each.book.note_send(how, answers.back());
  }
  world_.run_for(1s);
  for (std::size_t index = 0; index < peer_count; ++index)
    if (const auto& answer = *answers[index];
        !answer.value
        || answer.value->result != (members_[index].server != nullptr ? outcome::confirmed : outcome::acked))
      FAIL_CHECK("peer " << index << " is ready and carries nothing");
    else if (!members_[index].has_back(texts[index]))
      FAIL_CHECK("peer " << index << " is ready and brings nothing back");
}

void random_story::take_totals() {
  std::vector<answer_to<stats>> answers;
  answers.reserve(peer_count);
  for (auto& each : members_)
    answers.push_back(each.user.get_stats(each.peer));
  world_.run_now();
  for (std::size_t index = 0; index < peer_count; ++index)
    members_[index].totals = answers[index]->value.value().delivery;
}

void random_story::close() {
  auto closer = world_.make_probe();
  const auto closed = closer.close(world_.supervisor(), close_mode::drain, 10s);
  world_.run_until([&] { return closed->count > 0; }, 10s);
  world_.run_for(latency);
  REQUIRE(closed->value);
  for (const auto& each : members_)
    if (each.server != nullptr)
      each.server->close();
  delivery_totals sum;
  for (const auto& each : members_)
    sum += each.totals;
  CHECK(closed->value->delivery == sum);
  CHECK(world_.net().memory_used() == 0);
}

void random_story::check() const {
  std::map<connection_id, stats> last;
  for (const auto& each : figures_) {
    REQUIRE(each->value);
    const auto& told = *each->value;
    if (!adds_up(told.delivery))
      FAIL_CHECK("an account does not add up:" << to_string(told.delivery));
    REQUIRE(drops_add_up(told));
    if (const auto before = last.find(told.source); before != last.end())
      REQUIRE(has_grown(before->second, told));
    last[told.source] = told;
  }
  for (std::size_t index = 0; index < peer_count; ++index) {
    CAPTURE(index);
    members_[index].check(world_.hosts(index % shards_), endpoints_of(index));
  }
}

// -- what happened -----------------------------------------------------------------------------------------------------

std::vector<std::string> random_story::trace() const {
  std::vector<std::string> lines;
  std::set<endpoint> with_sessions;
  for (std::size_t index = 0; index < peer_count; ++index) {
    const auto name = "peer " + std::to_string(index);
    for (const auto& each : members_[index].user.notes())
      lines.push_back(name + ' ' + test::to_string(each));
    for (const auto& each : members_[index].book.batch_answers())
      lines.push_back((name + ' ').append(each));
    lines.push_back(name + " has" + to_string(members_[index].totals));
    if (const auto& server = members_[index].server; server != nullptr) {
      for (const auto& each : endpoints_of(index))
        with_sessions.insert(each);
      for (const auto& each : server->log().lines)
        lines.push_back(std::string{name}.append("'s server at ").append(each));
    }
  }
  for_each_network([&](const simulated_network& hosts) {
    for (const auto* each : hosts.records())
      lines.push_back("server " + to_string(*each, with_sessions.contains(each->remote)));
    lines.push_back("network " + std::to_string(hosts.event_digest()));
  });
  return lines;
}

fault_counts random_story::faults() const {
  auto counts = own_faults_;
  counts[place_of(fault::actor_crash)] += world_.transports().crash_count();
  for_each_network([&](const simulated_network& hosts) {
    for (const auto* each : hosts.records()) {
      counts[place_of(fault::loss)] += each->segments_lost;
      counts[place_of(fault::delay)] += each->was_established && each->slowness > 0s ? 1U : 0U;
      if (each->broken_by)
        ++counts[place_of(*each->broken_by == connection_fault::kind::reset ? fault::reset : fault::half_open)];
    }
  });
  return counts;
}

std::size_t random_story::message_count() const {
  std::size_t sum = 0;
  for (const auto& each : members_)
    sum += each.book.size();
  return sum;
}

duration random_story::recovery() const {
  auto last = healed_at_;
  for (const auto& who : members_)
    for (const auto& each : who.user.notes())
      if (const auto* change = std::get_if<state_changed>(&each.what);
          change != nullptr && change->to == connection_state::ready)
        last = std::max(last, each.when);
  return last - healed_at_;
}

} // namespace actorwire::test
