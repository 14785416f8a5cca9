#include "echoes.hpp"

#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// What arrived at this end of one connection.
struct source {
  endpoint remote;
  std::vector<std::string> messages;
};

std::vector<source> sources_of(const simulated_network& hosts, const std::vector<endpoint>& endpoints) {
  std::vector<source> all;
  for (const auto* record : hosts.records())
    if (std::ranges::find(endpoints, record->remote) != endpoints.end())
      all.push_back({record->remote, cut_frames(record->arrived_at_dialler).messages});
  return all;
}

/// The connections that are read one after the other, in the order in which they began.
class reading {
public:
  explicit reading(std::vector<source> all) : sources_(std::move(all)) {}

  /// What is wrong with the next message; null if nothing is.
  [[nodiscard]] const char* take(std::uint64_t generation, const endpoint& remote, std::string_view text) {
    if (generation < generation_)
      return "is of an older connection than what came before it";
    if (generation > generation_) {
      generation_ = generation;
      place_ = 0;
      const auto begins = [&](const source& each) {
        return each.remote == remote && !each.messages.empty() && each.messages.front() == text;
      };
      const auto from = sources_.begin() + static_cast<std::ptrdiff_t>(next_);
      const auto found = std::find_if(from, sources_.end(), begins);
      if (found == sources_.end())
        return "is not the first of any later connection";
      current_ = static_cast<std::size_t>(found - sources_.begin());
      next_ = current_ + 1;
    }
    const auto& expected = sources_[current_].messages;
    if (place_ == expected.size() || expected[place_] != text)
      return "is not the next one of its connection";
    ++place_;
    return nullptr;
  }

  /// Messages of the last connection that were not read.
  [[nodiscard]] std::size_t left() const { return generation_ == 0 ? 0 : sources_[current_].messages.size() - place_; }

private:
  std::vector<source> sources_;
  std::uint64_t generation_ = 0;
  std::size_t next_ = 0;
  std::size_t current_ = 0;
  std::size_t place_ = 0;
};

} // namespace

void check_echoes(const probe& user, const simulated_network& hosts, const std::vector<endpoint>& endpoints) {
  std::map<std::uint64_t, endpoint> remotes;
  for (const auto& each : user.all<opened>())
    remotes.emplace(each.info.generation, each.info.carried_by);
  reading reads{sources_of(hosts, endpoints)};
  for (const auto& each : user.all<received>())
    if (const char* complaint = reads.take(each.generation, remotes[each.generation], each.body.text())) {
      FAIL_CHECK("what was received of generation " << each.generation << ", " << each.body.text().substr(0, 8) << ", "
                                                    << complaint);
      return;
    }
  if (reads.left() > 0)
    FAIL_CHECK(reads.left() << " messages of the last connection were not received");
}

} // namespace actorwire::test
