#include "pool_fixture.hpp"
#include "seed.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace std::chrono_literals;
using test::pool_fixture;

namespace {

/// What a world does to the pool that it surrounds.
struct world_settings {
  pool_limits limits;
  reconnection_policy policy;
  std::uint16_t keys = 20;
  /// Keys beyond so many are those of the same endpoints with other options.
  std::uint16_t endpoints = 20;
  duration attempt_timeout = 20s;
  /// Share of the steps in which a user does something.
  double user_activity = 0.5;
  bool users_reset = true;
  bool users_close = true;
  bool permanent_errors = true;

  [[nodiscard]] bool has_own_endpoints() const { return endpoints >= keys; }
};

/// A network full of faults and users full of wishes around one pool, on virtual time, and next to it a second opinion:
/// each dial, verdict and state is compared with what the documentation promises.
class world {
public:
  world(const world_settings& settings, std::mt19937_64 engine)
    : settings_(settings), with_(settings.limits, engine()), engine_(std::move(engine)) {
    for (std::uint16_t key = 1; key <= settings_.keys; ++key)
      acquire(key);
  }

  /// Lets `steps` things happen: whatever of dial, network and user comes first.
  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      if (chance() < settings_.user_activity)
        user_does_something();
      turn();
      if (const auto next = next_instant())
        with_.now = std::max(with_.now, *next);
    }
  }

  /// From now on the network is good: attempts in flight end by their timeout at the latest, every later one succeeds
  /// within `latency`, and nothing is lost.
  void heal(duration latency) {
    faults_until_ = with_.now;
    latency_ = latency;
  }

  /// Runs until `end` without users.
  void run_until(time_point end) {
    turn();
    for (auto next = next_instant(); next && *next <= end; next = next_instant()) {
      with_.now = std::max(with_.now, *next);
      turn();
    }
    with_.now = end;
  }

  [[nodiscard]] time_point now() const { return with_.now; }

  [[nodiscard]] std::size_t count_not_ready() const {
    const auto all = with_.peers.list(with_.now);
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& status) {
      return status.state != connection_state::ready;
    }));
  }

  /// B3: compares the dials of the whole run with the token bucket.
  void check_rate() const {
    for (std::size_t first = 0; first < redials_.size(); ++first) {
      for (auto last = first; last < redials_.size() && last < first + 2'000; ++last) {
        const auto window = std::chrono::duration<double>(redials_[last] - redials_[first]).count();
        const auto bound = settings_.limits.reconnect_burst + settings_.limits.reconnects_per_second * window;
        if (static_cast<double>(last - first + 1) > bound + 1e-6)
          FAIL(last - first + 1 << " redials within " << window << " s");
      }
    }
  }

  /// Delays after losses of which only the spread was left, as shares of the delay that they spread over.
  [[nodiscard]] const std::vector<double>& spread() const { return spread_; }

private:
  enum class happening : std::uint8_t { connect, end, crash };

  struct occurrence {
    time_point when;
    happening what;
    connection_id id;
    attempt_id attempt;

    bool operator<(const occurrence& other) const { return when > other.when; }
  };

  /// The second opinion about one peer.
  struct expectation {
    std::uint16_t key = 0;
    connection_state state = connection_state::idle;
    attempt_id attempt = 0;
    bool is_in_flight = false;
    std::uint64_t generation = 0;
    std::uint32_t failures = 0;
    /// Failures of earlier peers of the endpoint: no less than these, and exactly these if nothing can be doubted.
    std::uint32_t inherited = 0;
    bool is_exact = true;
    /// The last attempt, or that of an earlier peer of the endpoint.
    std::optional<time_point> started;
    std::optional<time_point> ready_since;
    /// Least distance from `started` to the next start.
    duration least_distance{0};
    std::vector<time_point> crashes;
    reconnection_policy policy;
    /// Failures that speak against the endpoint, since this peer last connected or was reset.
    std::uint32_t counted = 0;
    bool is_probe = false;
  };

  /// The second opinion about the breaker of one endpoint.
  struct line {
    /// In a row, by whichever peers; the pool may have forgotten some.
    std::uint32_t failures = 0;
    bool is_open = false;
    bool has_probe = false;
    time_point not_before{};
  };

  /// What a closed peer leaves behind.
  struct memory {
    time_point started;
    duration least_distance{0};
    std::uint32_t failures = 0;
    bool is_exact = true;
    /// Until then nothing may be forgotten.
    time_point until;
  };

  double chance() { return std::uniform_real_distribution{}(engine_); }
  duration between(duration low, duration high) {
    return duration{std::uniform_int_distribution<duration::rep>{low.count(), high.count()}(engine_)};
  }
  [[nodiscard]] bool is_faulty() const { return !faults_until_; }

  std::optional<time_point> next_instant() const {
    auto next = with_.peers.next_timeout();
    if (!agenda_.empty())
      next = std::min(next.value_or(agenda_.top().when), agenda_.top().when);
    return next;
  }

  /// Everything that is due now.
  void turn() {
    while (!agenda_.empty() && agenda_.top().when <= with_.now) {
      const auto event = agenda_.top();
      agenda_.pop();
      happen(event);
      check_books();
    }
    while (const auto order = with_.peers.poll_dial(with_.now)) {
      follow_breakers();
      dialled(*order);
      check_books();
    }
    // Asked for everything, the pool must not claim that there was more.
    if (const auto next = with_.peers.next_timeout(); next && *next <= with_.now)
      FAIL("next_timeout is not later than the last poll");
  }

  // -- dials ----------------------------------------------------------------------------------------------------------

  void dialled(const dial& order) {
    auto& peer = peers_.at(order.id);
    REQUIRE(order.attempt > last_attempt_);
    last_attempt_ = order.attempt;
    // B3: one at a time.
    REQUIRE(peer.attempt == 0);
    REQUIRE((peer.state == connection_state::idle || peer.state == connection_state::backoff));
    if (peer.started) {
      // B2. One tick for the rounding of the jitter.
      REQUIRE(with_.now - *peer.started + 1us >= peer.least_distance);
      redials_.push_back(with_.now);
    }
    // P4: one probe, and not before the last one would come again.
    if (auto& breaker = line_of(peer); breaker.is_open) {
      REQUIRE_FALSE(std::exchange(breaker.has_probe, true));
      REQUIRE(with_.now + 1us >= breaker.not_before);
      peer.is_probe = true;
    }
    peer.attempt = order.attempt;
    peer.is_in_flight = true;
    peer.started = with_.now;
    peer.ready_since.reset();
    ++in_flight_;
    REQUIRE(in_flight_ <= settings_.limits.max_connecting);
    moved(order.id, peer, connection_state::resolving);
    plan(order);
  }

  void plan(const dial& order) {
    const auto at = [&](happening what, duration after) {
      agenda_.push({with_.now + after, what, order.id, order.attempt});
    };
    if (!is_faulty()) {
      at(happening::connect, between(0s, latency_));
      return;
    }
    const auto until_outcome = between(0s, chance() < 0.5 ? duration{100ms} : settings_.attempt_timeout);
    const auto fate = chance();
    if (fate < 0.5) {
      at(happening::end, until_outcome);
      return;
    }
    if (fate < 0.6) {
      at(happening::crash, until_outcome);
      return;
    }
    at(happening::connect, until_outcome);
    const auto life = between(0s, chance() < 0.5 ? settings_.policy.reset_after * 2 : duration{10ms});
    at(chance() < 0.8 ? happening::end : happening::crash, until_outcome + life);
  }

  // -- what comes of them ---------------------------------------------------------------------------------------------

  void happen(const occurrence& event) {
    const auto known = peers_.find(event.id);
    const auto is_current = known != peers_.end() && known->second.attempt == event.attempt;
    switch (event.what) {
      case happening::connect: {
        const auto generation = with_.peers.connected(event.id, event.attempt, with_.now);
        REQUIRE(generation.has_value() == is_current);
        if (generation)
          connected(event.id, known->second, *generation);
        return;
      }
      case happening::end: {
        // A connection that a healed network carries is not lost any more.
        if (is_current && !is_faulty() && !known->second.is_in_flight)
          return;
        const auto is_permanent = settings_.permanent_errors && chance() < 0.1;
        const auto reason = is_permanent ? pool_fixture::permanent() : pool_fixture::refused();
        const auto what = with_.peers.ended(event.id, event.attempt, reason, with_.now);
        REQUIRE(what.has_value() == is_current);
        if (what)
          judged(event.id, known->second, *what, reason, false);
        return;
      }
      case happening::crash: {
        if (is_current && !is_faulty() && !known->second.is_in_flight)
          return;
        const auto reason = pool_fixture::crash();
        const auto what = with_.peers.crashed(event.id, event.attempt, reason, with_.now);
        REQUIRE(what.has_value() == is_current);
        if (what)
          judged(event.id, known->second, *what, reason, true);
        return;
      }
    }
  }

  void connected(connection_id id, expectation& peer, std::uint64_t generation) {
    // S2: without gaps.
    REQUIRE(generation == peer.generation + 1);
    peer.generation = generation;
    peer.is_in_flight = false;
    peer.ready_since = with_.now;
    --in_flight_;
    pardon(peer);
    if (peer.state != connection_state::draining)
      moved(id, peer, connection_state::ready);
  }

  /// Forms its own verdict from the documentation and compares.
  void judged(connection_id id, expectation& peer, const verdict& what, const transport_error& reason, bool is_crash) {
    const auto was_in_flight = peer.is_in_flight;
    const auto was_ready = peer.ready_since.has_value();
    const auto is_healthy = was_ready && with_.now - *peer.ready_since >= peer.policy.reset_after;
    const auto counts = was_in_flight && !is_crash && reason.retryable;
    const auto was_probe = peer.is_probe;
    leave_attempt(peer);
    if (counts) {
      ++line_of(peer).failures;
      ++peer.counted;
    }
    follow_breakers();
    auto& breaker = line_of(peer);
    if (counts && settings_.limits.breaker_failures != 0 && peer.counted >= settings_.limits.breaker_failures)
      REQUIRE(breaker.is_open);
    if ((counts || was_probe) && breaker.is_open)
      breaker.not_before = std::max(breaker.not_before, with_.now + what.delay);
    if (is_healthy)
      memories_.erase(endpoint_of(peer.key));
    REQUIRE(what.reason.code != error_code::none);
    REQUIRE_FALSE(what.reason.text.empty());
    if (peer.state == connection_state::draining) {
      REQUIRE(what.state == connection_state::closed);
      if (was_in_flight && !is_crash) {
        ++peer.failures;
        // What its attempt came to is held against the endpoint, too.
        memories_[endpoint_of(peer.key)].is_exact = false;
      }
      moved(id, peer, connection_state::closed);
      return;
    }
    // B4
    if (is_healthy)
      forgive(peer);
    else if (!is_crash)
      ++peer.failures;
    REQUIRE(what.attempt == peer.failures);

    const auto is_permanent = !reason.retryable && !is_crash;
    auto expected = connection_state::backoff;
    if (is_crash) {
      // B8, counted the slow way.
      std::erase_if(peer.crashes, [&](auto crash) { return with_.now - crash >= settings_.limits.crash_window; });
      peer.crashes.push_back(with_.now);
      if (peer.crashes.size() > settings_.limits.crash_limit)
        expected = connection_state::failed;
    } else {
      const auto is_last = peer.policy.max_attempts != 0 && peer.failures >= peer.policy.max_attempts;
      if (is_last || (is_permanent && peer.policy.on_permanent == permanent_error_policy::fail))
        expected = connection_state::failed;
    }
    REQUIRE(what.state == expected);
    moved(id, peer, expected);

    if (expected == connection_state::failed) {
      // Nobody dials it; but whoever acquires its endpoint anew waits.
      peer.least_distance = is_crash && is_healthy ? duration{0} : shortest(peer, curve(peer, 0));
      return;
    }
    // B1 and B2
    const auto longest = std::chrono::duration<double>(peer.policy.max_delay);
    const auto present = is_permanent ? longest : curve(peer, is_crash || is_healthy ? 0 : 1);
    const auto since_start = with_.now - *peer.started;
    const auto jitter = peer.policy.jitter;
    auto earliest = duration{0};
    auto latest = present;
    if (is_permanent && was_ready) {
      earliest = shortest(peer, present);
      latest = present * (1.0 + jitter);
    } else if (!is_healthy) {
      earliest = std::max(duration{0}, shortest(peer, present) - since_start);
      latest = std::max<std::chrono::duration<double>>(present * (1.0 + jitter) - since_start,
                                                       was_ready ? present : std::chrono::duration<double>{0});
    }
    if (!peer.is_exact)
      latest = longest * (1.0 + jitter);
    REQUIRE(what.delay + 1us >= earliest);
    REQUIRE(what.delay <= latest + 1us);
    peer.least_distance = since_start + earliest;
    // B6: the delay from the start of the attempt is over, so the loss alone decides.
    if (was_ready && !is_healthy && !is_permanent && peer.is_exact && since_start >= present * (1.0 + jitter))
      spread_.push_back(std::chrono::duration<double>(what.delay) / present);
  }

  /// The delay at the peer's place on the curve, counted from its last failure but `back`.
  static std::chrono::duration<double> curve(const expectation& peer, std::uint32_t back) {
    const auto place = static_cast<double>(peer.inherited + peer.failures - back);
    const auto grown =
        std::chrono::duration<double>(peer.policy.base_delay) * std::pow(peer.policy.backoff_factor, place);
    return std::min<std::chrono::duration<double>>(grown, peer.policy.max_delay);
  }

  static duration shortest(const expectation& peer, std::chrono::duration<double> delay) {
    return std::chrono::duration_cast<duration>(delay * (1.0 - peer.policy.jitter));
  }

  static void forgive(expectation& peer) {
    peer.failures = 0;
    peer.inherited = 0;
    peer.is_exact = true;
  }

  void leave_attempt(expectation& peer) {
    if (peer.is_in_flight)
      --in_flight_;
    if (std::exchange(peer.is_probe, false))
      line_of(peer).has_probe = false;
    peer.is_in_flight = false;
    peer.attempt = 0;
  }

  // -- breakers -------------------------------------------------------------------------------------------------------

  [[nodiscard]] std::uint16_t endpoint_of(std::uint16_t key) const {
    return static_cast<std::uint16_t>(1 + (key - 1) % settings_.endpoints);
  }

  line& line_of(const expectation& peer) { return lines_[endpoint_of(peer.key)]; }

  /// Compares what the pool says of breakers with the failures that were counted here.
  void follow_breakers() {
    while (const auto change = with_.peers.poll_breaker_change()) {
      auto& breaker = lines_[change->remote.port];
      REQUIRE(breaker.is_open != change->is_open);
      if (change->is_open) {
        REQUIRE(settings_.limits.breaker_failures != 0);
        REQUIRE(breaker.failures >= settings_.limits.breaker_failures);
        breaker.is_open = true;
        continue;
      }
      // It was forgotten, or a peer has connected or was reset.
      if (breaker.failures != 0)
        for (const auto& [id, peer] : peers_)
          REQUIRE((endpoint_of(peer.key) != change->remote.port || peer.counted == 0));
      breaker = {};
    }
  }

  /// The endpoint is good again.
  void pardon(expectation& peer) {
    auto& breaker = line_of(peer);
    breaker.failures = 0;
    for (auto& [id, sibling] : peers_)
      if (endpoint_of(sibling.key) == endpoint_of(peer.key)) {
        sibling.counted = 0;
        sibling.is_probe = false;
      }
    follow_breakers();
    REQUIRE_FALSE(breaker.is_open);
    REQUIRE_FALSE(with_.peers.breaker(pool_fixture::server(endpoint_of(peer.key))));
    breaker = {};
  }

  // -- users ----------------------------------------------------------------------------------------------------------

  void acquire(std::uint16_t key) {
    acquire_options options;
    options.reconnection = settings_.policy;
    options.transport.mtu = std::size_t{1'000} + static_cast<std::size_t>((key - 1) / settings_.endpoints);
    const auto got = with_.peers.acquire(pool_fixture::server(endpoint_of(key)), options, with_.now);
    if (!got) {
      REQUIRE(got.error().code == error_code::pool_exhausted);
      REQUIRE(peers_.size() == settings_.limits.max_connections);
      return;
    }
    REQUIRE(got->is_new == !by_key_.contains(key));
    if (got->is_new) {
      by_key_[key] = got->id;
      auto& peer = peers_[got->id];
      peer.key = key;
      peer.policy = settings_.policy;
      if (const auto known = memories_.find(endpoint_of(key)); known != memories_.end()) {
        const auto& past = known->second;
        peer.is_exact = past.is_exact && with_.now < past.until;
        if (with_.now < past.until) {
          peer.started = past.started;
          peer.least_distance = past.least_distance;
          peer.inherited = past.failures;
        }
      }
    }
    REQUIRE(by_key_.at(key) == got->id);
  }

  void user_does_something() {
    const auto key = static_cast<std::uint16_t>(1 + engine_() % settings_.keys);
    if (!by_key_.contains(key) || chance() < 0.3) {
      acquire(key);
      check_books();
      return;
    }
    const auto id = by_key_.at(key);
    auto& peer = peers_.at(id);
    const auto wish = chance();
    if (wish < 0.3) {
      acquire(key);
    } else if (wish < 0.4) {
      auto policy = settings_.policy;
      policy.base_delay = std::chrono::ceil<std::chrono::milliseconds>(policy.base_delay * (0.5 + chance()));
      policy.max_delay = std::max(policy.max_delay, policy.base_delay);
      REQUIRE(with_.peers.set_policy(id, policy));
      peer.policy = policy;
    } else if (wish < 0.6 && settings_.users_reset) {
      REQUIRE(with_.peers.reset(id, with_.now));
      forgive(peer);
      memories_.erase(endpoint_of(key));
      pardon(peer);
      peer.crashes.clear();
      if (!peer.is_in_flight)
        peer.least_distance = 0s;
      if (peer.state == connection_state::failed)
        moved(id, peer, connection_state::idle);
    } else if (wish < 0.65 && settings_.users_close) {
      close(key, id, peer);
    } else if (wish < 0.7 && peer.attempt != 0) {
      // The past speaks: this attempt belongs to somebody, but not to this peer now.
      const auto stale = peer.attempt - 1;
      REQUIRE_FALSE(with_.peers.ended(id, stale, pool_fixture::refused(), with_.now));
      REQUIRE_FALSE(with_.peers.crashed(id, stale, pool_fixture::crash(), with_.now));
      REQUIRE_FALSE(with_.peers.connected(id, stale, with_.now));
    }
    check_books();
  }

  void close(std::uint16_t key, connection_id id, expectation& peer) {
    remember(key, peer);
    peer.ready_since.reset();
    const auto to = with_.peers.close(id, chance() < 0.5 ? close_mode::drain : close_mode::abort, with_.now);
    REQUIRE(to);
    by_key_.erase(key);
    moved(id, peer, *to);
    if (*to == connection_state::closed)
      leave_attempt(peer);
    // Some are left to drain until their connection ends; nobody removes those.
    if (*to == connection_state::closed || chance() < 0.9) {
      leave_attempt(peer);
      REQUIRE(with_.peers.remove(id, with_.now));
      peers_.erase(id);
    }
  }

  /// What the next peer of the endpoint is to know.
  void remember(std::uint16_t key, expectation& peer) {
    const auto is_ready = peer.attempt != 0 && !peer.is_in_flight;
    // An earlier peer may still drain, and add to what is known.
    const auto where = endpoint_of(key);
    const auto was_exact =
        !memories_.contains(where) || (memories_.at(where).is_exact && settings_.has_own_endpoints());
    if (!peer.started)
      return;
    memories_.erase(where);
    if (is_ready && with_.now - peer.ready_since.value() >= peer.policy.reset_after) {
      forgive(peer);
      return;
    }
    auto& past = memories_[where];
    past.started = *peer.started;
    past.failures = peer.inherited + peer.failures;
    past.is_exact = peer.is_exact && was_exact;
    if (is_ready)
      past.least_distance = past.failures == 0 ? duration{0} : shortest(peer, curve(peer, 0));
    else
      past.least_distance = peer.is_in_flight ? shortest(peer, curve(peer, 0)) : peer.least_distance;
    past.until = std::max(with_.now, past.started + past.least_distance) + peer.policy.max_delay;
  }

  // -- books ----------------------------------------------------------------------------------------------------------

  void moved(connection_id id, expectation& peer, connection_state to) {
    // S1
    if (!test::is_edge(peer.state, to))
      FAIL("no edge from " << name_of(peer.state) << " to " << name_of(to));
    peer.state = to;
    const auto status = with_.peers.status(id, with_.now);
    REQUIRE(status);
    REQUIRE(status->state == to);
  }

  /// Compares the pool's running totals with a count from scratch, and no peer with more than its own history.
  void check_books() {
    const auto figures = with_.peers.stats();
    const auto all = with_.peers.list(with_.now);
    REQUIRE(all.size() == peers_.size());
    REQUIRE(figures.peers == peers_.size());
    REQUIRE(peers_.size() <= settings_.limits.max_connections);
    std::uint32_t ready = 0;
    std::uint32_t failed = 0;
    for (const auto& status : all) {
      const auto& peer = peers_.at(status.info.id);
      if (status.state != peer.state || status.info.generation != peer.generation
          || status.attempt != (peer.attempt != 0 && !peer.is_in_flight ? 0 : peer.failures))
        FAIL("peer " << status.info.id << " differs: " << name_of(status.state) << " for " << name_of(peer.state)
                     << ", " << status.attempt << " failed attempts for " << peer.failures);
      ready += status.state == connection_state::ready ? 1 : 0;
      failed += status.state == connection_state::failed ? 1 : 0;
    }
    REQUIRE(figures.ready == ready);
    REQUIRE(figures.failed == failed);
    follow_breakers();
    REQUIRE(figures.open_breakers
            == std::count_if(lines_.begin(), lines_.end(), [](const auto& each) { return each.second.is_open; }));
    REQUIRE(figures.waiting == std::count_if(all.begin(), all.end(), [&](const auto& status) {
              const auto& peer = peers_.at(status.info.id);
              return peer.attempt == 0
                  && (peer.state == connection_state::idle || peer.state == connection_state::backoff);
            }));
    REQUIRE(figures.connecting == in_flight_);
    REQUIRE(figures.attempts == last_attempt_);
  }

  world_settings settings_;
  pool_fixture with_;
  std::mt19937_64 engine_;
  std::priority_queue<occurrence> agenda_;
  std::map<connection_id, expectation> peers_;
  std::map<std::uint16_t, connection_id> by_key_;
  /// By endpoint, as the next.
  std::map<std::uint16_t, memory> memories_;
  std::map<std::uint16_t, line> lines_;
  std::vector<time_point> redials_;
  std::vector<double> spread_;
  std::uint32_t in_flight_ = 0;
  attempt_id last_attempt_ = 0;
  std::optional<time_point> faults_until_;
  duration latency_ = 0s;
};

world_settings random_settings(std::mt19937_64& engine) {
  world_settings settings;
  settings.keys = static_cast<std::uint16_t>(1 + engine() % 30);
  settings.endpoints = engine() % 2 == 0 ? settings.keys : static_cast<std::uint16_t>(1 + engine() % settings.keys);
  settings.limits.breaker_failures = static_cast<std::uint32_t>(engine() % 6);
  settings.limits.max_connections = static_cast<std::uint32_t>(1 + engine() % 40);
  settings.limits.max_connecting = static_cast<std::uint32_t>(1 + engine() % 8);
  settings.limits.reconnect_burst = static_cast<std::uint32_t>(1 + engine() % 20);
  settings.limits.reconnects_per_second = 0.5 + static_cast<double>(engine() % 1'000) / 10.0;
  settings.limits.crash_limit = static_cast<std::uint32_t>(engine() % 6);
  settings.policy.base_delay = std::chrono::milliseconds{1 + engine() % 2'000};
  settings.policy.max_delay = settings.policy.base_delay + std::chrono::milliseconds{engine() % 60'000};
  settings.policy.backoff_factor = 1.0 + static_cast<double>(engine() % 300) / 100.0;
  settings.policy.jitter = static_cast<double>(engine() % 100) / 100.0;
  settings.policy.reset_after = std::chrono::milliseconds{engine() % 20'000};
  settings.policy.max_attempts = engine() % 2 == 0 ? 0 : static_cast<std::uint32_t>(1 + engine() % 10);
  settings.policy.on_permanent = engine() % 2 == 0 ? permanent_error_policy::fail : permanent_error_policy::keep_trying;
  return settings;
}

} // namespace

TEST_CASE("whatever network and users do, every dial, verdict and state is as promised",
          "[B1][B2][B3][B4][B5][B6][B7][B8][S1][S2][S3][P1][P4]") {
  const test::test_seed seed;
  auto engine = seed.engine();
  std::vector<double> spread;
  for (int round = 0; round < 1'000; ++round) {
    CAPTURE(round);
    const auto settings = random_settings(engine);
    world around{settings, seed.engine(static_cast<std::uint32_t>(round + 1))};
    // Most find what they find early; some go on for long.
    around.run(round % 10 == 0 ? 500 : 100);
    around.check_rate();
    spread.insert(spread.end(), around.spread().begin(), around.spread().end());
  }
  // B6: no quarter of the delay gets many more of the losses than another; 6 sigma, and one for small numbers.
  const auto total = static_cast<double>(spread.size());
  for (const auto quarter : {0.0, 0.25, 0.5, 0.75}) {
    const auto count = std::count_if(spread.begin(), spread.end(),
                                     [&](double share) { return share >= quarter && share < quarter + 0.25; });
    REQUIRE(std::abs(static_cast<double>(count) - total / 4) <= 6 * std::sqrt(total * 3 / 16) + 1);
  }
}

TEST_CASE("when the network becomes good, every peer is ready within its longest delay and one attempt", "[B11]") {
  const test::test_seed seed;
  const auto has_wide_gate = GENERATE(true, false);
  auto engine = seed.engine();
  for (int round = 0; round < 100; ++round) {
    CAPTURE(has_wide_gate, round);
    auto settings = random_settings(engine);
    settings.limits.max_connections = 40;
    settings.limits.crash_limit = 1'000'000;
    settings.policy.max_attempts = 0;
    settings.policy.on_permanent = permanent_error_policy::keep_trying;
    // Users here neither close, nor lower the bound by a reset.
    settings.users_close = false;
    settings.users_reset = false;
    const auto longest = std::chrono::duration_cast<duration>(
        std::max(settings.policy.max_delay, settings.policy.base_delay * 2) * (1.0 + settings.policy.jitter));
    constexpr duration latency = 100ms;
    // Those behind a breaker follow one that has connected.
    auto bound = longest + settings.attempt_timeout + latency * 2;
    if (has_wide_gate) {
      settings.limits.max_connecting = 1'000;
      settings.limits.reconnects_per_second = 1e6;
      settings.limits.reconnect_burst = 1'000;
    } else {
      // Each peer ahead in the queue adds its token and its share of a slot; the slots may all be taken by attempts that
      // run into their timeout.
      const auto tokens = std::chrono::duration<double>(settings.keys / settings.limits.reconnects_per_second);
      // Tokens come back in portions of 100 ms.
      bound += 100ms + settings.attempt_timeout + std::chrono::duration_cast<duration>(tokens)
             + latency * (settings.keys / settings.limits.max_connecting + 1);
    }
    world around{settings, seed.engine(static_cast<std::uint32_t>(round + 1))};
    around.run(400);
    around.heal(latency);
    around.run_until(around.now() + bound);
    REQUIRE(around.count_not_ready() == 0);
    around.check_rate();
  }
}
