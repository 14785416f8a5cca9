#include "soak_figures.hpp"

#include <caf/actor_registry.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace actorwire::bench {

shard_finder::shard_finder() : sockets_(std::make_shared<socket_transport_factory>(std::make_shared<resolver>())) {}

result<local_ref<transport>> shard_finder::create_transport(protocol proto, shard& where) {
  {
    const std::lock_guard guard{mutex_};
    if (shards_.size() <= where.index())
      shards_.resize(where.index() + 1);
    shards_[where.index()] = &where;
  }
  return sockets_->create_transport(proto, where);
}

void shard_finder::use(const std::shared_ptr<tls_store>& identities) {
  sockets_->use(identities);
}

shard* shard_finder::find(std::size_t index) {
  const std::lock_guard guard{mutex_};
  return index < shards_.size() ? shards_[index] : nullptr;
}

soak_meter::soak_meter(caf::actor_system& system, network& net, std::shared_ptr<shard_finder> shards)
  : system_(system), net_(net) {
  for (std::size_t index = 0; index < net.shard_count(); ++index)
    counters_.push_back(net.spawn_on_shard(index, [index, shards](caf::event_based_actor*) -> caf::behavior {
      return {[index, shards](caf::get_atom) {
        const auto* here = shards->find(index);
        return here != nullptr ? static_cast<std::uint64_t>(here->timers().size()) : std::uint64_t{0};
      }};
    }));
}

soak_meter::~soak_meter() {
  for (const auto& each : counters_)
    caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
}

soak_figures soak_meter::read() {
  soak_figures now;
  now.actors = system_.registry().running();
  caf::scoped_actor self{system_};
  for (const auto& each : counters_)
    ask(self.operator->(), each, std::chrono::seconds{30}, caf::get_atom_v)
        .receive([&now](std::uint64_t count) { now.timers += static_cast<std::size_t>(count); },
                 [](const caf::error&) { throw std::runtime_error("a shard does not answer"); });
  const auto entries = std::filesystem::directory_iterator{"/proc/self/fd"};
  now.descriptors = static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  std::ifstream file{"/proc/self/statm"};
  std::size_t total = 0;
  file >> total >> now.resident;
  now.resident *= static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  now.heap = ::mallinfo2().uordblks;
  now.buffers = net_.memory_used();
  return now;
}

} // namespace actorwire::bench
