#pragma once

#include "stepped_shard.hpp"

#include <actorwire/transports/resolver.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::test {

inline std::vector<ip_address> numeric(const std::vector<std::string>& texts) {
  std::vector<ip_address> all;
  for (const auto& each : texts)
    all.push_back(parse_ip_address(each).value());
  return all;
}

/// Look-ups that hang until the gate opens. Shared with the threads of a resolver, which may outlive everything else.
class gate {
public:
  resolver::answer pass(const std::string& host) {
    std::unique_lock locked{guard_};
    asked_.push_back(host);
    changed_.notify_all();
    changed_.wait(locked, [this] { return is_open_; });
    return numeric({"192.0.2.1"});
  }

  void open() {
    const std::lock_guard locked{guard_};
    is_open_ = true;
    changed_.notify_all();
  }

  void wait_for_asked(std::size_t count) {
    std::unique_lock locked{guard_};
    REQUIRE(changed_.wait_for(locked, std::chrono::seconds{20}, [&] { return asked_.size() >= count; }));
  }

  [[nodiscard]] std::vector<std::string> asked() {
    const std::lock_guard locked{guard_};
    return asked_;
  }

private:
  std::mutex guard_;
  std::condition_variable changed_;
  std::vector<std::string> asked_;
  bool is_open_ = false;
};

inline resolver::lookup_function through(const std::shared_ptr<gate>& way) {
  return [way](const std::string& host) { return way->pass(host); };
}

/// A name service that answers what a test says. Shared like the gate.
class name_service {
public:
  void set(resolver::answer next) {
    const std::lock_guard locked{guard_};
    next_ = std::move(next);
  }

  resolver::answer ask(const std::string&) {
    const std::lock_guard locked{guard_};
    ++asked_;
    return next_;
  }

  [[nodiscard]] int asked() {
    const std::lock_guard locked{guard_};
    return asked_;
  }

private:
  std::mutex guard_;
  resolver::answer next_ = numeric({"192.0.2.1"});
  int asked_ = 0;
};

inline resolver::lookup_function through(const std::shared_ptr<name_service>& service) {
  return [service](const std::string& host) { return service->ask(host); };
}

inline transport_error no_service() {
  return make_error(error_code::resolve_failed, phase::resolve, origin::system, "the name service is down");
}

inline transport_error no_name() {
  return make_error(error_code::name_unknown, phase::resolve, origin::system, "there is no such name");
}

/// A question and what came of it.
class asking {
public:
  asking(resolver& names, stepped_shard& where, const std::string& host, duration patience = resolver::lookup_timeout)
    : where_(&where),
      query_(names.resolve(
          host, where.run, [got = got_](const resolver::resolved& found) { *got = found; }, patience)) {}

  [[nodiscard]] bool is_answered() const { return got_->has_value(); }

  /// Waits for the answer.
  const resolver::resolved& answer() {
    where_->until([this] { return is_answered(); });
    return **got_;
  }

  /// Waits for addresses.
  resolver::resolution found() {
    REQUIRE(answer());
    return answer().value();
  }

  /// Waits for an error.
  transport_error failure() {
    REQUIRE_FALSE(answer());
    return answer().error();
  }

private:
  stepped_shard* where_;
  std::shared_ptr<std::optional<resolver::resolved>> got_ = std::make_shared<std::optional<resolver::resolved>>();
  resolver::query query_;
};

} // namespace actorwire::test
