#include "channel/channel_actor.hpp"
#include "edge/acceptors.hpp"
#include "edge/tls_store.hpp"
#include "listener.hpp"
#include "root_book.hpp"
#include "root_closing.hpp"
#include "running_shards.hpp"
#include "seam/function_actor.hpp"
#include "supervisor.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

namespace actorwire {

namespace {

constexpr std::size_t shards_max = 1'024;
constexpr std::size_t memory_limit_min = std::size_t{1} << 20U;

/// Refused where the mistake is made: without a function the actor would end on its shard, with no word of who made it.
void require(const shard_function& body, std::string_view who) {
  if (!body)
    throw std::invalid_argument{std::string{who} + ": there is no function that would make the behavior of the actor"};
}

transport_error already_gone(std::string_view what) {
  return make_error(error_code::closed, phase::setup, origin::local, std::string{what} + " has ended");
}

transport_error is_draining() {
  return make_error(error_code::draining, phase::setup, origin::local, "the network is being drained, or was");
}

} // namespace

result<void> validate(const network_options& options) {
  if (options.shards > shards_max)
    return make_invalid_value("network.shards", std::to_string(options.shards), "0 (one for each core) or 1..1024");
  if (options.memory_limit < memory_limit_min)
    return make_invalid_value("network.memory_limit", std::to_string(options.memory_limit), "at least 1048576");
  if (options.drain_timeout < std::chrono::milliseconds{0} || options.drain_timeout > std::chrono::hours{24})
    return make_invalid_value("network.drain_timeout", std::to_string(options.drain_timeout.count()) + " ms",
                              "0..86400000 ms");
  return validate(options.pool);
}

class network::implementation {
public:
  implementation(caf::actor_system& system, network_options options)
    : options_(std::move(options)),
      seed_(options_.seed),
      budget_(std::make_shared<memory_budget>(options_.memory_limit)),
      identities_(std::make_shared<tls_store>(options_.key_password)),
      running_(system, options_,
               options_.shards != 0 ? options_.shards : std::max(1U, std::thread::hardware_concurrency()), budget_) {
    if (seed_ == 0)
      seed_ = (std::uint64_t{std::random_device{}()} << 32U) | std::random_device{}();
    if (!options_.transports)
      options_.transports = std::make_shared<socket_transport_factory>(std::make_shared<resolver>());
    options_.transports->use(identities_);
    first_supervisor_ = make_supervisor(options_.pool).value();
  }

  ~implementation() {
    if (options_.run != shard::mode::stepped && options_.drain_timeout.count() != 0)
      static_cast<void>(close_roots(system(), roots_->close(), {close_mode::flush, options_.drain_timeout, {}}));
  }

  implementation(const implementation&) = delete;
  implementation& operator=(const implementation&) = delete;

  result<supervisor_actor> make_supervisor(const pool_limits& limits) {
    supervisor::settings settings;
    settings.limits = limits;
    // Each supervisor draws a sequence of its own, so that two of them do not dial in step.
    settings.seed = seed_ + supervisors_.fetch_add(1, std::memory_order_relaxed);
    settings.transports = options_.transports;
    settings.identities = identities_;
    settings.shards = shards();
    settings.next_id = id_source();
    supervisor_actor made = spawn_on<actorwire::supervisor>(shards().front(), std::move(settings));
    if (!roots_->add(made)) {
      caf::anon_send_exit(made, caf::exit_reason::user_shutdown);
      return is_draining();
    }
    return made;
  }

  result<connection_actor> acquire(std::string_view uris, acquire_options options) {
    auto endpoints = parse_endpoints(uris);
    if (!endpoints)
      return endpoints.error();
    auto remote = std::move(endpoints->front());
    endpoints->erase(endpoints->begin());
    result<connection_actor> outcome = already_gone("the supervisor");
    caf::scoped_actor self{system()};
    auto answer = ask(self.operator->(), first_supervisor_, caf::infinite,
                      actorwire::acquire{std::move(remote), std::move(options), std::move(*endpoints)});
    // There is no thread that would answer meanwhile.
    if (options_.run == shard::mode::stepped)
      run_ready();
    std::move(answer).receive([&outcome](connection_actor& made) { outcome = std::move(made); },
                              [&outcome](caf::error& reason) {
                                if (is_transport_error(reason))
                                  outcome = to_transport_error(reason);
                              });
    return outcome;
  }

  result<connection_actor> acquire(std::string_view uris, acquire_options options, handler_factory make) {
    auto made = acquire(uris, std::move(options));
    if (!made)
      return made;
    const auto added = std::make_shared<std::promise<result<void>>>();
    auto answer = added->get_future();
    // What a supervisor hands out is a peer of this network.
    auto& peer = dynamic_cast<channel_actor&>(*caf::actor_cast<caf::abstract_actor*>(*made));
    peer.where().post([&peer, kept = *made, make = std::move(make), added] {
      result<void> outcome = already_gone("the peer");
      peer.in_actor([&] { outcome = peer.add_handler(make); });
      added->set_value(std::move(outcome));
    });
    if (options_.run == shard::mode::stepped)
      run_ready();
    const auto outcome = answer.get();
    if (!outcome)
      return outcome.error();
    return made;
  }

  result<listening> listen(std::string_view uri, accept_settings settings) {
    auto local = parse_endpoint(uri);
    if (!local)
      return local.error();
    if (const auto known = can_listen_for(local->proto); !known)
      return known.error();
    if (const auto valid = validate(settings.config); !valid)
      return valid.error();
    if (roots_->is_closed())
      return is_draining();
    if (local->proto != protocol::tcp) {
      auto identity = identities_->load(tls_role::server, settings.config.transport.tls);
      if (!identity)
        return identity.error();
      settings.identity = std::move(*identity);
      settings.identities = identities_;
    }
    auto acceptors = acceptors_for(local->proto, settings.config, settings.identity, shards().size());
    if (!acceptors)
      return acceptors.error();
    settings.make_acceptor = std::move(*acceptors);
    settings.local = std::move(*local);
    settings.transport = std::make_shared<const transport_config>(settings.config.transport);
    settings.budget = std::make_shared<accept_budget>(settings.config.max_connections);
    if (settings.config.max_connections_per_address != 0)
      settings.addresses = std::make_shared<address_limit>(settings.config.max_connections_per_address);
    const auto& session = settings.config.transport.session;
    if (session.mode == session_mode::on)
      settings.sessions = std::make_shared<session_desk>(session_book_limits{settings.config.sessions_max,
                                                                             settings.config.parked_bytes_max,
                                                                             settings.config.session_keep},
                                                         limits_of(session));
    // A TCP client is ready at once, unless it has to say which session it goes on with.
    if (settings.local.proto != protocol::tcp || settings.sessions)
      settings.handshakes = std::make_shared<handshake_book>(handshake_book::limit_for(settings.config.max_handshakes,
                                                                                       settings.config.max_connections),
                                                             settings.config.max_handshakes_per_address);
    settings.next_id = id_source();
    settings.shards = shards();
    const auto opened = std::make_shared<std::promise<result<endpoint>>>();
    auto answer = opened->get_future();
    listener_actor made = spawn_on<listener>(shards().front(), std::move(settings),
                                             [opened](result<endpoint> where) { opened->set_value(std::move(where)); });
    if (options_.run == shard::mode::stepped)
      run_ready();
    const auto where = answer.get();
    if (!where)
      return where.error();
    if (!roots_->add(made)) {
      caf::anon_send_exit(made, caf::exit_reason::user_shutdown);
      return is_draining();
    }
    return listening{std::move(made), where->port};
  }

  close_report drain(std::chrono::milliseconds timeout) {
    for (const auto& each : shards())
      if (each->shard().is_current())
        throw std::logic_error{"network::drain: called on a shard, whose connections could send nothing meanwhile"};
    root_closing how;
    how.timeout = std::clamp<std::chrono::milliseconds>(timeout, std::chrono::milliseconds{0}, std::chrono::hours{24});
    if (options_.run == shard::mode::stepped)
      how.run_ready = [this] { run_ready(); };
    return close_roots(system(), roots_->close(), how);
  }

  bool run_ready() {
    auto ran = false;
    for (auto again = true; again;) {
      again = false;
      for (const auto& shard : shards())
        again = shard->shard().run_ready() || again;
      ran = ran || again;
    }
    return ran;
  }

  [[nodiscard]] std::optional<time_point> next_timeout() const {
    std::optional<time_point> earliest;
    for (const auto& shard : shards())
      if (const auto next = shard->shard().timers().next_timeout(); next && (!earliest || *next < *earliest))
        earliest = next;
    return earliest;
  }

  [[nodiscard]] const supervisor_actor& first_supervisor() const noexcept { return first_supervisor_; }
  [[nodiscard]] const std::vector<std::shared_ptr<shard_context>>& shards() const noexcept { return running_.all(); }
  [[nodiscard]] std::size_t memory_used() const noexcept { return budget_->used(); }

private:
  std::function<connection_id()> id_source() {
    return [source = ids_] { return source->fetch_add(1, std::memory_order_relaxed); };
  }

  [[nodiscard]] caf::actor_system& system() const noexcept { return shards().front()->system(); }

  network_options options_;
  std::uint64_t seed_;
  std::atomic<std::uint64_t> supervisors_{0};
  std::shared_ptr<memory_budget> budget_;
  std::shared_ptr<tls_store> identities_;
  std::shared_ptr<std::atomic<connection_id>> ids_ = std::make_shared<std::atomic<connection_id>>(1);
  std::shared_ptr<root_book> roots_ = std::make_shared<root_book>();
  /// Ends all actors, so whatever these may still use stands above it.
  running_shards running_;
  supervisor_actor first_supervisor_;
};

network::network(caf::actor_system& system, network_options options) {
  if (const auto valid = validate(options); !valid)
    throw std::invalid_argument{valid.error().text};
  impl_ = std::make_unique<implementation>(system, std::move(options));
}

network::~network() = default;

const supervisor_actor& network::supervisor() const noexcept {
  return impl_->first_supervisor();
}

result<supervisor_actor> network::make_supervisor(const pool_limits& limits) {
  if (const auto valid = validate(limits); !valid)
    return valid.error();
  return impl_->make_supervisor(limits);
}

result<connection_actor> network::acquire(std::string_view uris, acquire_options options) {
  return impl_->acquire(uris, std::move(options));
}

result<connection_actor> network::acquire(std::string_view uris, acquire_options options, handler_factory make) {
  if (!make)
    return make_invalid_value("acquire.make", "no function", "a function that makes the handler of the peer");
  return impl_->acquire(uris, std::move(options), std::move(make));
}

result<listening> network::listen(std::string_view uri, const caf::actor& receiver, listen_config config) {
  if (!receiver)
    return make_invalid_value("listen.receiver", "no actor", "an actor that understands `accepted`");
  accept_settings settings;
  settings.receiver = receiver;
  settings.config = std::move(config);
  return impl_->listen(uri, std::move(settings));
}

result<listening> network::listen(std::string_view uri, accept_function serve, listen_config config) {
  if (!serve)
    return make_invalid_value("listen.serve", "no function", "a function that makes the behavior of a client's actor");
  accept_settings settings;
  settings.serve = std::move(serve);
  settings.config = std::move(config);
  return impl_->listen(uri, std::move(settings));
}

result<listening> network::listen(std::string_view uri, handler_factory make, listen_config config) {
  if (!make)
    return make_invalid_value("listen.make", "no function", "a function that makes the handler of a client");
  accept_settings settings;
  settings.handle = std::move(make);
  settings.config = std::move(config);
  return impl_->listen(uri, std::move(settings));
}

caf::actor network::spawn_on_shard(std::size_t index, shard_function body) {
  require(body, "spawn_on_shard");
  return spawn_function_on(impl_->shards().at(index), std::move(body));
}

close_report network::drain(std::chrono::milliseconds timeout) {
  return impl_->drain(timeout);
}

std::size_t network::shard_count() const noexcept {
  return impl_->shards().size();
}

std::size_t network::memory_used() const noexcept {
  return impl_->memory_used();
}

bool network::run_ready() {
  return impl_->run_ready();
}

std::optional<time_point> network::next_timeout() const {
  return impl_->next_timeout();
}

caf::actor spawn_beside(const connection_actor& neighbour, shard_function body) {
  require(body, "spawn_beside");
  const auto* resident =
      neighbour ? dynamic_cast<const shard_resident*>(caf::actor_cast<caf::abstract_actor*>(neighbour)) : nullptr;
  if (resident == nullptr)
    throw std::invalid_argument{"spawn_beside: the neighbour is not a connection or peer of this process"};
  return spawn_function_on(resident->home(), std::move(body));
}

} // namespace actorwire
