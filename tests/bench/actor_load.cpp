#include "actor_load.hpp"

#include "actor_dialler.hpp"
#include "actor_outcome.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/timespan.hpp>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <stdexcept>
#include <utility>
#include <vector>

namespace actorwire::bench {

namespace {

/// How long the program waits for its actors. They ask without a limit of their own: a limit is a timer of CAF's clock, a
/// thread that would have to be woken on the core that is measured.
constexpr std::chrono::seconds patience{10};

/// Bytes that are on their way at most while uploading.
constexpr std::size_t window = std::size_t{4} << 20U;
constexpr std::size_t messages_in_window = 1'000;

network_options one_shard() {
  network_options options;
  options.shards = 1;
  options.drain_timeout = std::chrono::seconds{2};
  // A pool would spread so many connects to one endpoint over time, which is not what is measured.
  options.pool.max_connections = 65'536;
  options.pool.reconnects_per_second = 1e6;
  options.pool.reconnect_burst = 1'000'000;
  return options;
}

double seconds_of_cpu() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

payload message_of(std::size_t size) {
  return payload::made_by(size, [](std::span<std::byte> room) {
    for (std::size_t index = 0; index < room.size(); ++index)
      room[index] = static_cast<std::byte>(index * 31);
  });
}

struct round_trips {
  std::vector<float> micros;
  std::uint64_t bytes = 0;
};

/// Plays ping-pong until the time is over.
caf::behavior ping_pong(caf::event_based_actor* self, const connection_actor& peer, const payload& message,
                        std::chrono::nanoseconds warm_up, std::chrono::nanoseconds duration,
                        const outcome_of<round_trips>& told) {
  struct state {
    round_trips seen;
    std::size_t outstanding = 0;
    steady_clock::time_point sent_at;
    steady_clock::time_point counts_from;
    steady_clock::time_point ends_at;
  };
  const auto now = steady_clock::now();
  auto game = std::make_shared<state>();
  game->counts_from = now + warm_up;
  game->ends_at = now + warm_up + duration;
  const auto serve = [self, peer, message, game] {
    game->outstanding = message.size();
    game->sent_at = steady_clock::now();
    tell(self, peer, cast{message, {}});
  };
  tell(self, peer, subscribe{event_mask::data, credit_mode::automatic});
  serve();
  return {
      [self, serve, game, told](const received& data) {
        game->outstanding -= std::min<std::size_t>(game->outstanding, data.body.size());
        game->seen.bytes += data.body.size();
        if (game->outstanding > 0)
          return;
        const auto at = steady_clock::now();
        if (at >= game->counts_from)
          game->seen.micros.push_back(std::chrono::duration<float, std::micro>(at - game->sent_at).count());
        if (at < game->ends_at)
          return serve();
        told->set_value(std::move(game->seen));
        self->quit();
      },
      [](const connection_status&) {},
      [](const peer_closing&) {},
  };
}

struct upload_figures {
  std::uint64_t bytes = 0;
  std::uint64_t counted = 0;
  double seconds = 0;
  double cpu_seconds = 0;
};

/// Keeps the window full of messages that are not acknowledged, in turn on each of the streams, until the time is over.
caf::behavior upload(caf::event_based_actor* self, const connection_actor& peer, const payload& message,
                     const std::vector<stream_id>& streams, std::chrono::nanoseconds warm_up,
                     std::chrono::nanoseconds duration, const outcome_of<upload_figures>& told) {
  struct state {
    upload_figures seen;
    steady_clock::time_point counts_from;
    steady_clock::time_point ends_at;
    double cpu_before = -1;
    std::size_t on_their_way = 0;
  };
  const auto now = steady_clock::now();
  auto work = std::make_shared<state>();
  work->counts_from = now + warm_up;
  work->ends_at = now + warm_up + duration;
  auto push = std::make_shared<std::function<void(stream_id)>>();
  *push = [self, peer, message, work, told, weak = std::weak_ptr{push}](stream_id stream) {
    send_options wanted;
    wanted.wanted = outcome::acked;
    wanted.stream = stream;
    ++work->on_their_way;
    ask(self, peer, caf::infinite, actorwire::send{message, wanted})
        .then(
            [self, work, told, stream, size = message.size(), again = weak.lock()](const sent&) {
              --work->on_their_way;
              const auto at = steady_clock::now();
              work->seen.bytes += size;
              if (at >= work->counts_from) {
                if (work->cpu_before < 0) {
                  work->cpu_before = seconds_of_cpu();
                  work->counts_from = at;
                } else {
                  work->seen.counted += size;
                }
              }
              if (at < work->ends_at)
                return (*again)(stream);
              if (work->on_their_way > 0)
                return;
              work->seen.seconds = seconds_between(work->counts_from, at);
              work->seen.cpu_seconds = seconds_of_cpu() - work->cpu_before;
              told->set_value(work->seen);
              self->quit();
            },
            [self, told](const caf::error& reason) {
              told->set_exception(std::make_exception_ptr(std::runtime_error{to_string(to_transport_error(reason))}));
              self->quit();
            });
  };
  const auto in_window = std::min(window / message.size(), messages_in_window);
  for (std::size_t ahead = 0; ahead < std::max(streams.size(), in_window); ++ahead)
    (*push)(streams[ahead % streams.size()]);
  return {[](const connection_status&) {}};
}

/// Has so many datagrams on their way to the connection at once, and asks about the last of each batch only.
constexpr std::size_t datagrams_each_batch = 32;
constexpr std::size_t batches = 16;

/// Sends datagrams as fast as they leave, until the time is over; tells how many it sent.
caf::behavior send_datagrams(caf::event_based_actor* self, const connection_actor& peer, const payload& message,
                             std::chrono::nanoseconds duration, const outcome_of<std::uint64_t>& told) {
  struct state {
    std::uint64_t sent = 0;
    std::size_t on_their_way = 0;
  };
  auto work = std::make_shared<state>();
  auto push = std::make_shared<std::function<void()>>();
  *push = [self, peer, message, work, told, ends_at = steady_clock::now() + duration, weak = std::weak_ptr{push}] {
    for (std::size_t count = 1; count < datagrams_each_batch; ++count)
      tell(self, peer, send_datagram{message});
    work->sent += datagrams_each_batch;
    ++work->on_their_way;
    ask(self, peer, caf::infinite, send_datagram{message})
        .then(
            [self, work, told, ends_at, again = weak.lock()](const datagram_sent&) {
              --work->on_their_way;
              if (steady_clock::now() < ends_at)
                return (*again)();
              if (work->on_their_way > 0)
                return;
              told->set_value(work->sent);
              self->quit();
            },
            [self, told](const caf::error& reason) {
              told->set_exception(std::make_exception_ptr(std::runtime_error{to_string(to_transport_error(reason))}));
              self->quit();
            });
  };
  for (std::size_t ahead = 0; ahead < batches; ++ahead)
    (*push)();
  return {[](const connection_status&) {}};
}

} // namespace

class actor_load::parts {
public:
  system_config config;
  caf::actor_system system{config};
  network net{system, one_shard()};
  std::uint32_t peers = 0;

  connection_actor connect(const settings& wanted) {
    acquire_options options;
    options.transport = wanted.transport;
    options.transport.flow.write_limit = 2 * window;
    // A pool has one peer for equal options.
    ++peers;
    options.reconnection.base_delay = std::chrono::milliseconds{1'000 + peers % 20'000};
    options.reconnection.reset_after = std::chrono::milliseconds{10'000 + peers / 20'000};
    auto peer = net.acquire(wanted.uri, options);
    if (!peer)
      throw std::runtime_error(to_string(peer.error()));
    caf::scoped_actor self{system};
    std::string failure;
    ask(self.operator->(), *peer, patience, actorwire::connect{})
        .receive([](const connection_info&) {},
                 [&](const caf::error& reason) { failure = to_string(to_transport_error(reason)); });
    if (!failure.empty())
      throw std::runtime_error(failure);
    return std::move(*peer);
  }

  /// So many streams for one direction; stream 0 if none are wanted.
  std::vector<stream_id> open_streams(const connection_actor& peer, std::size_t count) {
    if (count == 0)
      return {0};
    caf::scoped_actor self{system};
    std::vector<stream_id> opened;
    for (; opened.size() < count;)
      ask(self.operator->(), peer, patience, actorwire::open_stream{stream_direction::unidirectional})
          .receive([&](const stream_opened& made) { opened.push_back(made.stream); },
                   [](const caf::error& reason) { throw std::runtime_error(to_string(to_transport_error(reason))); });
    return opened;
  }

  /// Waits until a datagram is accepted: how much a packet carries has to be found out first.
  void send_first_datagram(const connection_actor& peer, const payload& message) {
    caf::scoped_actor self{system};
    std::string failure{"nothing"};
    for (const auto until = steady_clock::now() + patience; !failure.empty() && steady_clock::now() < until;)
      ask(self.operator->(), peer, patience, send_datagram{message})
          .receive([&](const datagram_sent&) { failure.clear(); },
                   [&](const caf::error& reason) { failure = to_string(to_transport_error(reason)); });
    if (!failure.empty())
      throw std::runtime_error(failure);
  }

  /// What a server answers that counts.
  std::uint64_t ask_for_count(const connection_actor& peer) {
    caf::scoped_actor self{system};
    anonymous_tell(peer, cast{payload::copy_of("count"), {}});
    std::uint64_t count = 0;
    ask(self.operator->(), peer, patience, actorwire::receive{})
        .receive([&](const received& answer) { count = std::stoull(std::string{answer.body.text()}); },
                 [](const caf::error& reason) { throw std::runtime_error(to_string(to_transport_error(reason))); });
    return count;
  }

  /// Has a message sent back.
  void go_round(const connection_actor& peer, const payload& message) {
    caf::scoped_actor self{system};
    anonymous_tell(peer, cast{message, {}});
    for (std::size_t missing = message.size(); missing > 0;) {
      std::size_t size = 0;
      ask(self.operator->(), peer, patience, actorwire::receive{})
          .receive([&](const received& answer) { size = answer.body.size(); },
                   [](const caf::error& reason) { throw std::runtime_error(to_string(to_transport_error(reason))); });
      if (size == 0)
        throw std::runtime_error("a message does not come back");
      missing -= std::min(missing, size);
    }
  }

  void close(const connection_actor& peer) {
    caf::scoped_actor self{system};
    ask(self.operator->(), peer, patience, actorwire::close{close_mode::flush, std::chrono::seconds{2}})
        .receive([](const close_report&) {}, [](const caf::error&) {});
  }
};

actor_load::actor_load(settings wanted) : parts_(std::make_unique<parts>()), wanted_(std::move(wanted)) {}

actor_load::~actor_load() = default;

actor_load::latency actor_load::measure_round_trips(std::size_t message_size) {
  const auto peer = parts_->connect(wanted_);
  auto told = std::make_shared<std::promise<round_trips>>();
  spawn_beside(peer, ping_pong, peer, message_of(message_size), wanted_.warm_up, wanted_.duration, told);
  auto seen = await(told->get_future(), wanted_.warm_up + wanted_.duration + patience);
  parts_->close(peer);
  std::ranges::sort(seen.micros);
  const auto at = [&](double share) {
    return static_cast<double>(
        seen.micros.at(static_cast<std::size_t>(share * static_cast<double>(seen.micros.size() - 1))));
  };
  return {at(0.5), at(0.99), quantiles_of(seen.micros, 1), seen.bytes};
}

double actor_load::measure_round_trips(std::size_t message_size, std::size_t connections) {
  std::vector<connection_actor> peers;
  while (peers.size() < connections)
    peers.push_back(parts_->connect(wanted_));
  std::vector<std::future<round_trips>> games;
  for (const auto& peer : peers) {
    auto told = std::make_shared<std::promise<round_trips>>();
    games.push_back(told->get_future());
    spawn_beside(peer, ping_pong, peer, message_of(message_size), wanted_.warm_up, wanted_.duration, told);
  }
  std::size_t count = 0;
  for (auto& game : games)
    count += await(std::move(game), wanted_.warm_up + wanted_.duration + patience).micros.size();
  return static_cast<double>(count) / std::chrono::duration<double>(wanted_.duration).count();
}

actor_load::throughput actor_load::measure_upload(std::size_t message_size, std::size_t streams) {
  const auto peer = parts_->connect(wanted_);
  const auto opened = parts_->open_streams(peer, streams);
  auto told = std::make_shared<std::promise<upload_figures>>();
  spawn_beside(peer, upload, peer, message_of(message_size), opened, wanted_.warm_up, wanted_.duration, told);
  const auto seen = await(told->get_future(), wanted_.warm_up + wanted_.duration + 2 * patience);
  parts_->close(peer);
  const auto counted = static_cast<double>(seen.counted);
  return {counted / 1e6 / seen.seconds, seen.cpu_seconds / (counted / 1e9), seen.bytes};
}

actor_load::arrivals actor_load::measure_datagrams(std::size_t size) {
  const auto peer = parts_->connect(wanted_);
  const auto message = message_of(size);
  parts_->send_first_datagram(peer, message);
  auto told = std::make_shared<std::promise<std::uint64_t>>();
  const auto began = steady_clock::now();
  spawn_beside(peer, send_datagrams, peer, message, wanted_.duration, told);
  const auto sent = static_cast<double>(await(told->get_future(), wanted_.duration + patience));
  const auto arrived = static_cast<double>(parts_->ask_for_count(peer));
  const auto seconds = seconds_between(began, steady_clock::now());
  parts_->close(peer);
  return {arrived / seconds, arrived / sent};
}

double actor_load::measure_handshakes() {
  auto told = std::make_shared<std::promise<double>>();
  parts_->net.spawn_on_shard(0, [this, told](caf::event_based_actor* self) -> caf::behavior {
    std::make_shared<dialler>(self, parts_->net.supervisor(), wanted_, told)->acquire_next();
    return {[](const connection_status&) {}};
  });
  return await(told->get_future(), wanted_.duration + 2 * patience);
}

void actor_load::hold_idle(std::size_t count, std::size_t message_size) {
  for (std::size_t index = 0; index < count; ++index) {
    const auto peer = parts_->connect(wanted_);
    if (message_size > 0)
      parts_->go_round(peer, message_of(message_size));
  }
}

} // namespace actorwire::bench
