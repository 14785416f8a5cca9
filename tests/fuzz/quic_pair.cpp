#include "quic_pair.hpp"

#include "edge/quic/early_data_guard.hpp"
#include "engine/tls_session.hpp"
#include "fixed_random.hpp"
#include "session_memory.hpp"
#include "tls_identities.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace actorwire::fuzz {

namespace {

constexpr std::uint16_t server_port = 443;
/// Of the first address of the first connection; each may move so often.
constexpr std::uint16_t first_port = 40'000;
constexpr std::size_t moves_max = 16;
constexpr std::size_t nats = 8;

udp_address address_of(const std::string& host, std::uint16_t port) {
  return {*parse_ip_address(host), port};
}

const udp_address& server_address() {
  static const auto made = address_of("192.0.2.1", server_port);
  return made;
}

const udp_address& stranger_address() {
  static const auto made = address_of("203.0.113.66", 6'666);
  return made;
}

/// Who listens for keys in the present run.
test::raw_quic_peer* listener = nullptr;

/// Kept from run to run, because to make them costs as much as to use them.
std::shared_ptr<const tls_credentials> credentials(tls_role role, bool session_resumption) {
  static std::map<std::pair<tls_role, bool>, std::shared_ptr<const tls_credentials>> known;
  auto& found = known[{role, session_resumption}];
  if (found)
    return found;
  tls_config config;
  config.trust.text = world().trust;
  config.session_resumption = session_resumption;
  if (role == tls_role::server) {
    config.certificate.text = world().server.certificate;
    config.key.text = world().server.key;
  }
  tls_services services;
  services.sessions = sessions();
  if (role == tls_role::client)
    services.log_key = [](std::string_view line) { listener->learn(line); };
  // Their keys are not to depend on the runs before this one.
  restart_random(2);
  auto made = tls_credentials::make(role, config, {config.trust.text, config.certificate.text, config.key.text, {}},
                                    services, good_day);
  check(made.has_value(), "the settings are good");
  return found = std::move(*made);
}

/// What is remembered between the connections of a run, of those that bring early data.
early_data_guard& guard() {
  static std::optional<early_data_guard> made;
  made.emplace([](std::span<std::byte> room) { std::ranges::fill(room, std::byte{5}); });
  return *made;
}

} // namespace

// -- settings -------------------------------------------------------------------------------------------------------------

quic_choices quic_choices::from(reader& in) {
  using namespace std::chrono_literals;
  const auto bit = [](unsigned byte, unsigned index) { return (byte >> index & 1U) != 0; };
  const auto two = [](unsigned byte, unsigned index) { return byte >> index & 3U; };
  constexpr std::array<std::uint64_t, 4> windows{16U << 10U, 32U << 10U, 1U << 20U, 1U << 20U};
  constexpr std::array<std::uint32_t, 4> streams{1, 2, 8, 100};
  constexpr std::array<std::uint32_t, 4> thresholds{0, 1, 64, 64};
  constexpr std::array algorithms{quic_congestion_control::cubic, quic_congestion_control::bbr,
                                  quic_congestion_control::reno, quic_congestion_control::cubic};
  constexpr std::array idle{0ms, 100ms, 30'000ms, 30'000ms};
  constexpr std::array keepalive{0ms, 1'000ms, 15'000ms, 15'000ms};
  constexpr std::array<std::size_t, 4> memories{std::size_t{128} << 10U, std::size_t{1} << 20U, std::size_t{64} << 20U,
                                                std::size_t{64} << 20U};
  quic_choices made;
  const unsigned first = in.byte();
  const unsigned second = in.byte();
  const unsigned third = in.byte();
  made.session_resumption = bit(first, 5);
  made.keepalive_interval = keepalive[two(third, 2)];
  made.memory = memories[two(third, 4)];
  for (auto& each : made.quic) {
    each.stream_window = each.connection_window = windows[two(first, 0)];
    each.max_streams = streams[two(first, 2)];
    each.early_data = bit(first, 4) && made.session_resumption;
    each.path_mtu_discovery = bit(first, 6);
    each.congestion_control = algorithms[two(second, 5)];
    each.idle_timeout = idle[two(third, 0)];
    if (bit(third, 6))
      each.datagram_send_buffer_size = 1'200;
    each.grease = !bit(third, 7);
  }
  auto& [client, server] = made.quic;
  server.datagrams = !bit(first, 7);
  if (bit(second, 0))
    std::ranges::reverse(client.versions);
  if (bit(second, 1))
    server.versions = {bit(second, 2) ? quic_version::v2 : quic_version::v1};
  server.retry_threshold = thresholds[two(second, 3)];
  server.migration = bit(second, 7) ? quic_migration::refuse : quic_migration::follow;
  for (const auto& each : made.quic)
    check(validate(each).has_value(), "the settings are good");
  return made;
}

// -- who ------------------------------------------------------------------------------------------------------------------

quic_pair::quic_pair(const quic_choices& chosen)
  : chosen_(chosen),
    budget_(std::make_shared<memory_budget>(chosen.memory)),
    buffers_(std::make_unique<buffer_pool>(budget_)),
    now_{good_day, time_point{std::chrono::hours{1}}} {
  listener = &eavesdropper_;
  sessions()->clear();
  for (const auto role : {tls_role::client, tls_role::server}) {
    transport_config config;
    config.keepalive_interval = chosen.keepalive_interval;
    config.protocol_settings = chosen.quic[index_of(role)];
    configs_[index_of(role)] = std::make_shared<const transport_config>(std::move(config));
    parties_[index_of(role)] = make(role);
  }
}

quic_pair::~quic_pair() {
  for (auto& each : parties_)
    each = nullptr;
  buffers_ = nullptr;
  check(budget_->used() == 0, "all memory of what has arrived comes back");
  listener = nullptr;
}

std::unique_ptr<quic_party> quic_pair::make(tls_role role) {
  quic_party::settings made;
  made.role = role;
  made.config = configs_[index_of(role)];
  made.identity = credentials(role, chosen_.session_resumption);
  if (role == tls_role::server)
    made.guard = {guard().handle(), [](gnutls_anti_replay_t) {}};
  made.seed = role == tls_role::server ? 100 + servers_++ : 1;
  made.number_of = [this](const udp_address& client) { return number_of(client); };
  made.send = [this, role](quic_parcel sent) { put(role, std::move(sent)); };
  return std::make_unique<quic_party>(std::move(made), *buffers_);
}

quic_caller* quic_pair::pick(tls_role role, std::size_t which) {
  std::vector<quic_caller*> live;
  for (const auto& each : party(role).callers())
    if (each->connection != nullptr)
      live.push_back(each.get());
  return live.empty() ? nullptr : live[which % live.size()];
}

void quic_pair::dial() {
  if (dials_ == dials_max)
    return;
  const auto number = dials_++;
  party(tls_role::client).dial({client_address(number, 0), server_address()}, number, now_);
}

void quic_pair::migrate(std::size_t which) {
  auto* caller = pick(tls_role::client, which);
  if (caller == nullptr || moves_ + 1 == moves_max)
    return;
  has_moved_ = true;
  caller->migrate(client_address(*caller->number(), ++moves_), now_);
}

void quic_pair::restart_server() {
  constexpr std::size_t servers_max = 4;
  if (servers_ == servers_max)
    return;
  auto& server = parties_[index_of(tls_role::server)];
  for (auto& each : server->take_callers()) {
    each->note_death();
    past_.push_back(std::move(each));
  }
  server = make(tls_role::server);
}

/// As the client knows it.
udp_address quic_pair::client_address(std::size_t number, std::size_t move) const {
  return address_of("10.0.0.1", static_cast<std::uint16_t>(first_port + number * moves_max + move));
}

std::optional<std::size_t> quic_pair::number_of(const udp_address& client) const {
  if (client.port() < first_port || client.port() >= first_port + dials_max * moves_max)
    return std::nullopt;
  return (client.port() - first_port) / moves_max;
}

udp_path quic_pair::path_to(tls_role to, bool is_stranger) const {
  const auto number = dials_ == 0 ? 0 : dials_ - 1;
  if (to == tls_role::client)
    return {client_address(number, 0), is_stranger ? stranger_address() : server_address()};
  return {server_address(),
          is_stranger ? stranger_address()
                      : address_of("198.51.100." + std::to_string(nat_ % nats), client_address(number, 0).port())};
}

// -- datagrams ------------------------------------------------------------------------------------------------------------

void quic_pair::put(tls_role from, quic_parcel sent) {
  const auto to = from == tls_role::client ? tls_role::server : tls_role::client;
  if (from == tls_role::client) {
    if (!(sent.path.local == server_address()))
      return;
    sent.path.remote = address_of("198.51.100." + std::to_string(nat_ % nats), sent.path.remote.port());
  } else if (const auto number = number_of(sent.path.local)) {
    sent.path.local = address_of("10.0.0.1", sent.path.local.port());
  } else {
    bytes_to_strangers_ += sent.bytes.size();
    check(bytes_to_strangers_ <= 3 * bytes_of_strangers_, "a stranger can have nobody sent more than threefold");
    return;
  }
  auto& seen = seen_[index_of(to)];
  seen.push_back(sent);
  if (seen.size() > seen_max)
    seen.pop_front();
  waiting_[index_of(to)].push_back(std::move(sent));
}

bool quic_pair::deliver(tls_role to) {
  auto& waiting = waiting_[index_of(to)];
  if (waiting.empty())
    return false;
  const auto first = std::move(waiting.front());
  waiting.pop_front();
  take(to, first);
  return true;
}

void quic_pair::inject(tls_role to, quic_parcel made) {
  if (made.path.remote == stranger_address() && to == tls_role::server)
    bytes_of_strangers_ += made.bytes.size();
  has_moved_ = has_moved_ || made.path.remote == stranger_address();
  take(to, made);
}

void quic_pair::take(tls_role to, const quic_parcel& arriving) {
  ++work_;
  party(to).take(arriving, now_);
}

void quic_pair::forge(tls_role to, std::string_view frames) {
  const auto& seen = seen_[index_of(to)];
  const auto found =
      std::find_if(seen.rbegin(), seen.rend(), [&](const auto& each) { return eavesdropper_.impersonate(each.bytes); });
  if (found == seen.rend())
    return;
  const auto number = number_of(to == tls_role::client ? found->path.local : found->path.remote);
  for (const auto& each : parties_)
    for (const auto& caller : each->callers())
      if (caller->number() == number)
        caller->note_forgery();
  inject(to, {found->path, ecn_mark::not_capable, eavesdropper_.say(frames)});
}

// -- time -----------------------------------------------------------------------------------------------------------------

void quic_pair::serve() {
  for (const auto& each : parties_)
    each->serve(now_);
  check_ends();
}

void quic_pair::keep_deadlines() {
  ++work_;
  for (const auto& each : parties_)
    each->handle_timeout(now_);
  serve();
}

void quic_pair::pass(duration time) {
  now_.steady += time;
  keep_deadlines();
}

std::optional<time_point> quic_pair::next_timeout() const {
  std::optional<time_point> next;
  for (const auto& each : parties_)
    if (const auto due = each->next_timeout())
      next = std::min(next.value_or(*due), *due);
  return next;
}

bool quic_pair::pass_to_next_timeout() {
  // An endpoint that wants to be woken again and again without doing anything would keep its thread busy.
  constexpr auto overdue_max = 20;
  const auto next = next_timeout();
  if (!next || *next > now_.steady + std::chrono::hours{24})
    return false;
  overdue_ = *next <= now_.steady ? overdue_ + 1 : 0;
  check(overdue_ < overdue_max, "a deadline that was kept is not due again at once");
  now_.steady = std::max(now_.steady, *next);
  keep_deadlines();
  return true;
}

void quic_pair::settle(duration limit) {
  constexpr auto delay = std::chrono::milliseconds{1};
  const auto end = now_.steady + limit;
  serve();
  while (may_go_on()) {
    auto& [to_client, to_server] = waiting_;
    if (to_client.empty() && to_server.empty()) {
      const auto next = next_timeout();
      if (!next || *next > end)
        return;
      pass_to_next_timeout();
      continue;
    }
    // What is sent in answer arrives later.
    auto [count_to_client, count_to_server] = std::pair{to_client.size(), to_server.size()};
    now_.steady += delay;
    for (; count_to_server > 0; --count_to_server)
      deliver(tls_role::server);
    for (; count_to_client > 0; --count_to_client)
      deliver(tls_role::client);
    keep_deadlines();
  }
}

// -- what must hold -------------------------------------------------------------------------------------------------------

/// Whoever has no keys can keep a connection from coming about, but not end one.
void quic_pair::check_ends() const {
  // ngtcp2 up to 1.25 forgets an ID too early when a path changes while another change is under way, and then finds that
  // its peer has given out too many.
  if (has_moved_)
    return;
  for (const auto& each : parties_)
    for (const auto& caller : each->callers())
      check(!caller->blames_peer() || caller->is_deceived(),
            "two sides that obey the rules find each other obeying them");
}

/// Each connection of a client, with each of a server that may be its other end.
template <class Visitor>
void quic_pair::for_each_pair(Visitor&& visit) const {
  const auto& [client, server] = parties_;
  for (const auto* servers : {&server->callers(), &past_})
    for (const auto& there : *servers)
      for (const auto& here : client->callers())
        if (here->number() == there->number() && !here->is_deceived() && !there->is_deceived())
          visit(*here, *there);
}

void quic_pair::check_truth() const {
  std::map<std::pair<std::size_t, stream_id>, std::uint64_t> said;
  for_each_pair([&](const quic_caller& here, const quic_caller& there) {
    for (const auto& [id, each] : there.streams()) {
      auto& most = said[{*here.number(), id}];
      most = std::max(most, each.said);
      const auto known = here.streams().find(id);
      check(each.heard <= (known != here.streams().end() ? known->second.said : 0), "a server hears what was said");
    }
  });
  for (const auto& here : parties_[index_of(tls_role::client)]->callers())
    for (const auto& [id, each] : here->streams())
      check(here->is_deceived() || each.heard <= said[{*here->number(), id}], "a client hears what was said");
}

void quic_pair::check_completeness() const {
  if (has_moved_ || budget_->limit() < std::size_t{64} << 20U)
    return;
  for_each_pair([](const quic_caller& one, const quic_caller& other) {
    if (one.connection == nullptr || other.connection == nullptr || !one.is_connected() || !other.is_connected())
      return;
    for (const auto& [from, to] : {std::pair{&one, &other}, std::pair{&other, &one}})
      for (const auto& [id, each] : from->streams()) {
        const auto found = to->streams().find(id);
        const auto there = found != to->streams().end() ? found->second : quic_caller::stream{};
        if (each.is_given_up || there.is_given_up)
          continue;
        check(there.heard == each.said, "what was said is heard");
        check(there.has_end || !each.is_finished, "an end is heard");
      }
  });
}

void quic_pair::end() {
  serve();
  for (const auto& each : parties_)
    for (const auto& caller : each->callers())
      caller->close(0);
  serve();
  for (auto& each : waiting_)
    each.clear();
  for (const auto& each : parties_) {
    check(each->connections() == 0, "connections that are closed are gone");
    check(each->half_open() == 0, "no connection that is gone counts as half-open");
  }
  // What is left are tombstones.
  while (pass_to_next_timeout()) {
  }
  check(!next_timeout(), "nothing is to be done after the end of everything");
  for (const auto& each : waiting_)
    check(each.empty(), "nothing is sent after the end of everything");
}

} // namespace actorwire::fuzz
