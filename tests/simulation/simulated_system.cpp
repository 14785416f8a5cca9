#include "simulated_system.hpp"

#include "seam/shard_actor.hpp"

#include <caf/actor_registry.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace actorwire::test {

namespace {

using simulated_networks = std::vector<std::shared_ptr<simulated_network>>;

/// Connects each shard to its own simulated network.
class split_transports final : public transport_factory {
public:
  explicit split_transports(simulated_networks networks) : networks_(std::move(networks)) {}

  result<local_ref<transport>> create_transport(protocol proto, shard& where) override {
    return networks_.at(where.index())->create_transport(proto, where);
  }

private:
  simulated_networks networks_;
};

simulated_networks make_networks(const simulated_system_options& options) {
  simulated_networks made;
  for (std::size_t index = 0; index < options.shards; ++index)
    made.push_back(std::make_shared<simulated_network>(options.seed + index));
  return made;
}

shard& home_of(const probe& resident) {
  return dynamic_cast<const shard_resident&>(*caf::actor_cast<caf::abstract_actor*>(resident.handle())).home()->shard();
}

} // namespace

simulated_system::simulated_system(simulated_system_options options)
  : system_(config_),
    hosts_(make_networks(options)),
    transports_(std::make_shared<crashing_transports>(std::make_shared<split_transports>(hosts_))) {
  network_options settings;
  settings.shards = options.shards;
  settings.run = shard::mode::stepped;
  settings.time = &time_;
  settings.seed = options.seed != 0 ? options.seed : 1;
  settings.pool = options.pool;
  settings.memory_limit = options.memory_limit;
  settings.transports = transports_;
  net_ = std::make_unique<network>(system_, std::move(settings));
  for (std::size_t index = 0; index < options.shards; ++index) {
    own_probes_.push_back(make_probe(index));
    hosts_[index]->run_on(home_of(own_probes_.back()));
  }
  run_now();
}

simulated_system::~simulated_system() = default;

bool simulated_system::run_until(const std::function<bool()>& reached, duration limit) {
  // A program that does something new at each nanosecond of a minute is caught in a loop.
  constexpr std::size_t instants_max = 10'000'000;
  const auto end = time_.now() + limit;
  for (std::size_t instant = 0; instant < instants_max; ++instant) {
    net_->run_ready();
    if (reached())
      return true;
    const auto next = net_->next_timeout();
    if (!next || *next > end) {
      time_.set(end);
      return false;
    }
    time_.set(std::max(*next, time_.now()));
  }
  throw std::logic_error{"the simulation does not come to rest"};
}

void simulated_system::run_for(duration span) {
  run_until([] { return false; }, span);
}

void simulated_system::stop_for(duration length) {
  time_.advance(length);
  net_->run_ready();
}

connection_actor simulated_system::acquire(std::string_view uri, const acquire_options& options) {
  const auto made = own_probes_.front().acquire(supervisor(), uri, options);
  run_until([&] { return made->count > 0; }, duration{0});
  if (!made->value)
    throw std::runtime_error{made->error ? to_string(*made->error) : "the supervisor does not answer"};
  return *made->value;
}

void simulated_system::destroy_network() {
  net_.reset();
}

std::size_t simulated_system::timer_count() const {
  std::size_t sum = 0;
  for (const auto& resident : own_probes_)
    sum += home_of(resident).timers().size();
  return sum;
}

std::size_t simulated_system::actor_count() {
  return system_.registry().running();
}

connection_plan refusing() {
  return {.answer = attempt_answer::refuse};
}

connection_plan resetting(std::uint64_t after, side sender) {
  return {.fault = connection_fault{connection_fault::kind::reset, sender, after}};
}

connection_plan vanishing(std::uint64_t after, side sender) {
  return {.fault = connection_fault{connection_fault::kind::vanish, sender, after}};
}

} // namespace actorwire::test
