#pragma once

#include "edge/quic/early_data_guard.hpp"
#include "engine/quic/quic_endpoint.hpp"
#include "engine/quic/quic_error.hpp"
#include "engine/wall_time.hpp"
#include "tls_sides.hpp"

#include <actorwire/transports/buffer_pool.hpp>

#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

/// What the simulated network between two endpoints does to datagrams.
struct weather {
  duration delay = 5ms;
  /// Each datagram takes up to so much longer, so that some overtake others.
  duration jitter{};
  /// Shares of datagrams, 0 .. 1.
  double loss = 0;
  double duplication = 0;
  double corruption = 0;
  /// Longer ones are dropped.
  std::size_t mtu = 65'535;
};

/// Settings of QUIC, as a transport takes them.
inline transport_config quic_with(const std::function<void(quic_config&)>& change) {
  transport_config made;
  quic_config quic;
  change(quic);
  made.protocol_settings = std::move(quic);
  return made;
}

/// One connection as its user sees it: writes down what happens, reads everything at once unless told otherwise.
class quic_user final : public quic_observer {
public:
  struct stream {
    std::string text;
    bool ended = false;
    std::optional<std::uint64_t> reset;
    std::optional<std::uint64_t> stopped;
    bool closed = false;
  };

  explicit quic_user(quic_endpoint& endpoint) : endpoint_(endpoint) {}

  void on_event(quic_event::any event) override {
    std::visit([this](auto&& each) { handle(std::forward<decltype(each)>(each)); }, std::move(event));
  }

  /// Reads what there is of one stream.
  void read(stream_id id) {
    auto& into = streams[id];
    for (;;) {
      const auto bytes = connection->read(id, allowance);
      if (bytes.empty())
        break;
      allowance -= std::min<std::size_t>(allowance, bytes.size());
      into.text.append(bytes.text());
    }
    if (connection->is_read_to_end(id) && !std::exchange(into.ended, true)) {
      connection->note_end_was_read(id);
      if (on_end)
        on_end(id);
    }
    touch();
  }

  /// Sends as much as there is room for, now and whenever there is more.
  void say(stream_id id, std::string_view text) {
    unsent[id].append(text);
    push(id);
  }
  void finish(stream_id id) {
    finishing[id] = true;
    push(id);
  }

  stream_id open(stream_direction direction = stream_direction::bidirectional, stream_priority priority = {}) {
    const auto made = connection->open_stream(direction, priority);
    REQUIRE(made);
    touch();
    return *made;
  }
  void reset(stream_id id, std::uint64_t code) {
    connection->reset(id, code);
    touch();
  }
  void stop(stream_id id, std::uint64_t code) {
    connection->stop(id, code);
    touch();
  }
  result<std::uint64_t> say_unreliably(std::string_view text) {
    auto queued = connection->send_datagram(payload::copy_of(text));
    touch();
    return queued;
  }
  void close() {
    connection->close(quic_ended_in_order, make_error(error_code::closed, phase::close, origin::local, "done"));
    touch();
  }
  void release() { endpoint_.release(*std::exchange(connection, nullptr)); }
  void touch() { endpoint_.touch(*connection); }

  [[nodiscard]] bool is_connected() const { return tls.has_value(); }

  /// Null after the end.
  quic_connection* connection = nullptr;
  std::optional<tls_info> tls;
  bool is_shaking_hands = false;
  std::optional<transport_error> reason;
  std::map<stream_id, stream> streams;
  std::map<stream_id, std::string> unsent;
  std::map<stream_id, bool> finishing;
  std::vector<stream_id> opened;
  std::vector<std::string> datagrams;
  std::vector<std::pair<std::uint64_t, bool>> datagrams_done;
  std::vector<udp_path> paths;
  int early_data_rejections = 0;
  int times_more_streams = 0;
  time_point overdue_at{};
  /// As they were at the end.
  quic_metrics last_metrics;
  std::size_t allowance = std::numeric_limits<std::size_t>::max();
  bool reads = true;
  /// Of which nothing is read.
  std::set<stream_id> ignored;
  std::function<void(stream_id)> on_end;
  std::function<void(stream_id)> on_read;
  std::function<void()> on_more_streams;

private:
  void push(stream_id id) {
    auto& text = unsent[id];
    const outgoing piece{reinterpret_cast<const std::byte*>(text.data()), text.size(), nullptr};
    if (!text.empty()) {
      const auto taken = connection->send(id, {&piece, 1});
      if (!taken)
        return;
      text.erase(0, *taken);
    }
    if (text.empty() && finishing[id])
      connection->finish(id);
    touch();
  }

  void handle(quic_event::answered&&) {}
  void handle(quic_event::connected&& each) {
    tls = std::move(each.tls);
    is_shaking_hands = each.is_early;
  }
  void handle(quic_event::handshake_done&&) { is_shaking_hands = false; }
  void handle(quic_event::stream_opened&& each) { opened.push_back(each.stream); }
  void handle(quic_event::stream_readable&& each) {
    if (!reads || ignored.contains(each.stream))
      return;
    read(each.stream);
    if (on_read)
      on_read(each.stream);
  }
  void handle(quic_event::stream_writable&& each) { push(each.stream); }
  void handle(quic_event::stream_reset&& each) { streams[each.stream].reset = each.code; }
  void handle(quic_event::stream_stopped&& each) { streams[each.stream].stopped = each.code; }
  void handle(quic_event::stream_closed&& each) { streams[each.stream].closed = true; }
  void handle(quic_event::streams_available&&) {
    ++times_more_streams;
    if (on_more_streams)
      on_more_streams();
  }
  void handle(quic_event::datagram_received&& each) { datagrams.emplace_back(each.body.text()); }
  void handle(quic_event::datagram_done&& each) { datagrams_done.emplace_back(each.id, each.was_sent); }
  void handle(quic_event::early_data_rejected&&) { ++early_data_rejections; }
  void handle(quic_event::path_changed&& each) { paths.push_back(each.path); }
  void handle(quic_event::closed&& each) {
    last_metrics = connection->metrics();
    reason = std::move(each.reason);
    connection = nullptr;
  }

  quic_endpoint& endpoint_;
};

inline quic_random random_from(std::uint64_t seed) {
  return [engine = std::make_shared<std::mt19937_64>(seed)](std::span<std::byte> room) {
    for (auto& each : room)
      each = static_cast<std::byte>((*engine)());
  };
}

inline udp_address address_of(const char* host, std::uint16_t port) {
  return {*parse_ip_address(host), port};
}

/// Two endpoints of QUIC, a network between them, and time that moves from one event to the next.
class quic_world {
public:
  static constexpr std::size_t memory = std::size_t{256} << 20U;

  struct options {
    transport_config client{};
    transport_config server{};
    std::uint32_t retry_threshold = 1'000;
    std::uint64_t seed = 1;
    bool accepts = true;
    /// Clients are let go as soon as they are taken.
    bool lets_go = false;
    /// Whom the client asks for.
    std::string host = "localhost";
    std::function<void(std::string_view)> client_key_log{};
    std::function<void(std::string_view)> client_qlog{};
    /// What either side takes before keys are agreed on.
    std::size_t client_handshake_bytes_max = tls_engine::handshake_bytes_max;
    std::size_t server_handshake_bytes_max = tls_engine::handshake_bytes_max;
  };

  quic_world() : quic_world(options{}, weather{}) {}
  explicit quic_world(options chosen, weather present = weather{})
    : sky(present), chosen_(std::move(chosen)), chance_(chosen_.seed) {
    if (chosen_.server.tls.certificate.empty())
      chosen_.server.tls = good_server();
    if (chosen_.client.tls.trust.empty())
      chosen_.client.tls = good_client();
    sessions = std::make_shared<remembered>();
    client_identity = credentials(tls_role::client, chosen_.client.tls, {{}, sessions, chosen_.client_key_log});
    server_identity = credentials(tls_role::server, chosen_.server.tls);
    guard = std::make_shared<early_data_guard>(random_from(chosen_.seed + 3));
    half_open = std::make_shared<half_open_count>();
    client = std::make_unique<quic_endpoint>(setup(1, client_arena_));
    start_server();
  }

  quic_world(const quic_world&) = delete;
  quic_world& operator=(const quic_world&) = delete;

  /// Another server in its place, which knows no ticket of the one before.
  void start_server_with(transport_config config) {
    if (config.tls.certificate.empty())
      config.tls = good_server();
    server_identity = credentials(tls_role::server, config.tls);
    change_server(std::move(config));
  }
  /// The same, with the keys of tickets.
  void change_server(transport_config config) {
    if (config.tls.certificate.empty())
      config.tls = chosen_.server.tls;
    chosen_.server = std::move(config);
    start_server();
  }

  /// A server that knows nothing of those before it, but their secret.
  void start_server() {
    server_users.clear();
    server =
        std::make_unique<quic_endpoint>(setup(2, server_arena_),
                                        quic_endpoint::acceptance{[this](const udp_path& path) { return admit(path); },
                                                                  half_open, chosen_.retry_threshold,
                                                                  quic_settings(chosen_.server).versions,
                                                                  [this](std::span<const std::byte> token, auto at) {
                                                                    return used_tokens->is_new(token, at + 24h, at);
                                                                  },
                                                                  [this](std::span<const std::byte> token, auto at) {
                                                                    return used_tokens->add(token, at + 24h, at);
                                                                  }});
  }

  quic_user& dial() {
    auto& user = *client_users.emplace_back(std::make_unique<quic_user>(*client));
    quic_connection::settings settings{std::make_shared<const transport_config>(chosen_.client),
                                       {client_identity, chosen_.host, "quic localhost:1",
                                        quic_settings(chosen_.client).early_data, nullptr},
                                       {client_address, server_address},
                                       chosen_.client_qlog};
    settings.tls.handshake_bytes_max = chosen_.client_handshake_bytes_max;
    user.connection = &client->dial(std::move(settings), user, now);
    return user;
  }

  /// Dials, and waits for both sides.
  std::pair<quic_user&, quic_user&> connect() {
    auto& mine = dial();
    const auto known = connected_servers();
    until([&] { return mine.is_connected() && connected_servers() > known; });
    return {mine, **std::find_if(server_users.rbegin(), server_users.rend(),
                                 [](const auto& each) { return each->is_connected(); })};
  }

  [[nodiscard]] std::ptrdiff_t connected_servers() const {
    return std::ranges::count_if(server_users, [](const auto& each) { return each->is_connected(); });
  }

  /// Lets things happen until `reached` holds; fails the test when that takes too long on the simulated clock.
  void until(const std::function<bool()>& reached, duration limit = 120s) {
    const auto give_up_at = now.steady + limit;
    while (!reached()) {
      if (!step(give_up_at)) {
        for (const auto& each : client_users)
          if (each->reason)
            UNSCOPED_INFO("client: " << to_string(*each->reason));
        for (const auto& each : server_users)
          if (each->reason)
            UNSCOPED_INFO("server: " << to_string(*each->reason));
        FAIL("what the test waits for did not happen");
      }
    }
  }

  /// Lets everything happen that does within this time.
  void run_for(duration time) {
    const auto end = now.steady + time;
    while (step(end)) {
    }
    now.steady = std::max(now.steady, end);
  }

  /// Where the server hears from, and speaks.
  [[nodiscard]] udp_path to_server() const { return {server_address, client_address}; }
  [[nodiscard]] udp_path to_client() const { return {client_address, server_address}; }

  /// Puts a datagram on its way, as if it came from there.
  void inject(const udp_path& from_receiver, std::string_view bytes, ecn_mark mark = ecn_mark::not_capable) {
    deliver_later({from_receiver, mark, std::string{bytes}});
  }

  weather sky;
  /// Sees every datagram before the network does; false drops it.
  std::function<bool(const udp_path& path, std::string& bytes)> passes;
  /// The NAT before the client: where its datagrams come from, as the server sees it. What goes there comes to the client.
  std::function<udp_address(const udp_address&)> translate;
  /// What becomes of the marks of congestion.
  std::function<ecn_mark(ecn_mark)> remark;
  std::size_t datagrams_sent = 0;
  /// Times that a connection wanted to be woken at once although it had just been, and had said all that it might.
  std::size_t overdue = 0;
  std::size_t bytes_to_server = 0;
  std::size_t bytes_to_client = 0;

  tls_now now{good_day, time_point{1h}};
  const udp_address server_address = address_of("192.0.2.1", 443);
  udp_address client_address = address_of("198.51.100.7", 50'000);
  std::shared_ptr<const tls_credentials> client_identity;
  std::shared_ptr<const tls_credentials> server_identity;
  std::shared_ptr<early_data_guard> guard;
  std::shared_ptr<half_open_count> half_open;
  /// Outlasts the server, as that of a listener does.
  std::optional<anti_replay_store> used_tokens{std::in_place, random_from(77)};

  class remembered;
  std::shared_ptr<tls_session_memory> sessions;
  std::shared_ptr<memory_budget> budget = std::make_shared<memory_budget>(memory);
  buffer_pool buffers{budget};

private:
  receive_arena client_arena_{buffers};
  receive_arena server_arena_{buffers};

public:
  std::unique_ptr<quic_endpoint> client;
  std::unique_ptr<quic_endpoint> server;
  std::vector<std::unique_ptr<quic_user>> client_users;
  std::vector<std::unique_ptr<quic_user>> server_users;

  class remembered final : public tls_session_memory {
  public:
    void put(const std::string& name, tls_session session) override { cache.put(name, std::move(session)); }
    void put_token(const std::string& name, std::uint32_t version, std::string token) override {
      cache.put_token(name, version, std::move(token));
    }
    std::optional<tls_session> take(const std::string& name, time_point at) override { return cache.take(name, at); }
    tls_session_cache cache{100, 1h};
  };

private:
  struct parcel {
    udp_path path;
    ecn_mark mark;
    std::string bytes;
  };
  quic_endpoint::setup setup(std::uint64_t number, receive_arena& arena) {
    static const auto key = std::array<std::byte, 16>{std::byte{7}};
    static const auto secret = std::array<std::byte, 32>{std::byte{9}};
    return {connection_id_format{key, 1}, 0,
            std::make_shared<quic_tokens>(quic_secret{secret}, quic_tokens::lifetimes{}),
            random_from(chosen_.seed * 31 + number), arena};
  }

  std::optional<quic_connection::settings> admit(const udp_path& path) {
    if (!chosen_.accepts)
      return std::nullopt;
    return quic_connection::settings{std::make_shared<const transport_config>(chosen_.server),
                                     {server_identity,
                                      {},
                                      {},
                                      quic_settings(chosen_.server).early_data,
                                      {guard, guard->handle()},
                                      chosen_.server_handshake_bytes_max},
                                     path,
                                     {}};
  }

  [[nodiscard]] double draw() { return std::uniform_real_distribution<>{0, 1}(chance_); }

  void deliver_later(parcel what) {
    auto at = now.steady + sky.delay;
    if (sky.jitter > duration::zero())
      at += duration{static_cast<duration::rep>(draw() * static_cast<double>(sky.jitter.count()))};
    on_their_way_.emplace(std::pair{at, next_parcel_++}, std::move(what));
  }

  void send(const udp_departure& train) {
    for (std::size_t offset = 0; offset < train.bytes.size(); offset += train.segment_size) {
      const auto part = train.bytes.subspan(offset, std::min(train.segment_size, train.bytes.size() - offset));
      std::string bytes{reinterpret_cast<const char*>(part.data()), part.size()};
      ++datagrams_sent;
      udp_path arriving{train.path.remote, train.path.local};
      (arriving.local == server_address ? bytes_to_server : bytes_to_client) += bytes.size();
      if (passes && !passes(arriving, bytes))
        continue;
      if (translate && arriving.local == server_address)
        behind_[arriving.remote = translate(train.path.local)] = train.path.local;
      else if (const auto known = behind_.find(arriving.local); known != behind_.end())
        arriving.local = known->second;
      if (bytes.size() > sky.mtu || draw() < sky.loss)
        continue;
      if (draw() < sky.corruption)
        bytes[static_cast<std::size_t>(draw() * static_cast<double>(bytes.size()))] ^=
            static_cast<char>(1U << static_cast<unsigned>(draw() * 8));
      if (draw() < sky.duplication)
        deliver_later({arriving, train.mark, bytes});
      deliver_later({arriving, train.mark, std::move(bytes)});
    }
  }

  void serve(quic_endpoint& endpoint) {
    // As often as somebody has something to say to what was told.
    for (int round = 0; round < 100; ++round) {
      endpoint.dispatch();
      while (auto* accepted = endpoint.poll_accepted()) {
        if (chosen_.lets_go) {
          endpoint.release(*accepted);
          continue;
        }
        auto& user = *server_users.emplace_back(std::make_unique<quic_user>(endpoint));
        user.connection = accepted;
        endpoint.observe(*accepted, user);
      }
      for (int trains = 0; trains < 1'000; ++trains) {
        const auto train = endpoint.poll_transmit(room_, now);
        if (!train)
          break;
        send(*train);
      }
      if (!endpoint.wants_to_dispatch() && !endpoint.wants_to_transmit())
        return;
    }
    FAIL("an endpoint never comes to rest");
  }

  /// Goes to the next moment at which something happens; false if that lies behind `end`.
  bool step(time_point end) {
    serve(*client);
    serve(*server);
    for (const auto* users : {&client_users, &server_users})
      for (const auto& each : *users)
        if (each->connection != nullptr && each->connection->next_timeout().value_or(time_point::max()) <= now.steady)
          overdue += std::exchange(each->overdue_at, now.steady) == now.steady ? 1 : 0;
    auto next = time_point::max();
    if (!on_their_way_.empty())
      next = on_their_way_.begin()->first.first;
    for (const auto& timeout : {client->next_timeout(), server->next_timeout()})
      if (timeout)
        next = std::min(next, *timeout);
    if (next > end)
      return false;
    now.steady = std::max(now.steady, next);
    while (!on_their_way_.empty() && on_their_way_.begin()->first.first <= now.steady) {
      const auto arrived = std::move(on_their_way_.begin()->second);
      on_their_way_.erase(on_their_way_.begin());
      auto& to = arrived.path.local == server_address ? *server : *client;
      to.handle_datagram({arrived.path, remark ? remark(arrived.mark) : arrived.mark,
                          std::as_bytes(std::span{arrived.bytes})},
                         now);
    }
    client->handle_timeout(now);
    server->handle_timeout(now);
    return true;
  }

  struct by_text {
    bool operator()(const udp_address& left, const udp_address& right) const { return to_text(left) < to_text(right); }
  };

  options chosen_;
  std::map<udp_address, udp_address, by_text> behind_;
  std::mt19937_64 chance_;
  std::map<std::pair<time_point, std::uint64_t>, parcel> on_their_way_;
  std::uint64_t next_parcel_ = 0;
  std::vector<std::byte> room_ = std::vector<std::byte>(departure_bytes_max);
};

} // namespace actorwire::test
