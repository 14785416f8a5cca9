#include "soak_figures.hpp"

#include <caf/actor_registry.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire::bench {

namespace {

/// How much more than at the beginning may be in use in the end.
struct tolerance {
  std::string_view name;
  std::size_t soak_figures::*figure;
  double share;
  std::size_t more;
  bool is_memory;
};

constexpr tolerance tolerances[]{
    {"descriptors", &soak_figures::descriptors, 0, 0, false},
    // Both shards have one, and the supervisor two, that are armed at times: for memory to give back, dials and leases.
    {"timers", &soak_figures::timers, 0, 4, false},
    {"actors", &soak_figures::actors, 0, 0, false},
    {"threads", &soak_figures::threads, 0, 0, false},
    {"buffers, bytes", &soak_figures::buffers, 0, std::size_t{4} << 20U, true},
    {"heap in use, bytes", &soak_figures::heap, 0.1, std::size_t{2} << 20U, true},
    {"resident memory, bytes", &soak_figures::resident, 0.2, std::size_t{16} << 20U, true},
};

std::size_t entries_of(const char* folder) {
  const auto entries = std::filesystem::directory_iterator{folder};
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

} // namespace

soak_figures least_of(const soak_figures& left, const soak_figures& right) {
  auto least = left;
  for (const auto& each : tolerances)
    least.*each.figure = std::min(left.*each.figure, right.*each.figure);
  return least;
}

bool is_back(const soak_figures& before, const soak_figures& now) {
  return std::ranges::all_of(tolerances, [&](const tolerance& each) {
    return each.is_memory || now.*each.figure <= before.*each.figure + each.more;
  });
}

bool compare(const soak_figures& before, const soak_figures& after, bool judges_memory) {
  auto is_well = true;
  for (const auto& each : tolerances) {
    const auto start = before.*each.figure;
    const auto end = after.*each.figure;
    const auto bound = start + static_cast<std::size_t>(static_cast<double>(start) * each.share) + each.more;
    const auto is_flat = end <= bound;
    std::printf("%-6s %s: %zu at the start, %zu at the end, at most %zu\n", is_flat ? "flat" : "GREW",
                std::string{each.name}.c_str(), start, end, bound);
    is_well = is_well && (is_flat || (each.is_memory && !judges_memory));
  }
  return is_well;
}

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
  now.descriptors = entries_of("/proc/self/fd");
  now.threads = entries_of("/proc/self/task");
  std::ifstream file{"/proc/self/statm"};
  std::size_t total = 0;
  file >> total >> now.resident;
  now.resident *= static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  now.heap = ::mallinfo2().uordblks;
  now.buffers = net_.memory_used();
  return now;
}

} // namespace actorwire::bench
