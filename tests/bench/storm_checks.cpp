#include "storm_checks.hpp"

#include "chi_square.hpp"
#include "returning_peers.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace actorwire::bench {

namespace {

using seconds = std::chrono::duration<double>;
using milliseconds = std::chrono::duration<double, std::milli>;

/// For the machine: the losses that have to be noticed, and the connects themselves.
constexpr seconds slack{0.5};

constexpr std::size_t bins = 20;

/// Less than one in a thousand has a greater sum of deviations: of the normal distribution, and after Kolmogorov.
constexpr double most_deviations = 4;
constexpr double kolmogorov_bound = 1.95;

template <class Time>
Time quantile(const std::vector<Time>& in_order, double part) {
  return in_order[static_cast<std::size_t>(part * static_cast<double>(in_order.size() - 1))];
}

/// How late the machine was. A policy that spreads well on a machine that is too slow is told from one that does not.
bool judge_lateness(std::vector<milliseconds> all, std::string_view kind, const char* what) {
  if (all.empty())
    return judge(false, "promise", text_of("%s: none was noted", what));
  std::ranges::sort(all);
  const auto bound = milliseconds{slack / 2};
  const auto most = quantile(all, 0.99);
  return judge(most <= bound, kind,
               text_of("%s: %.1f ms at p1, %.1f at p50, %.1f at p99, %.1f at most; p99 at most %.0f", what,
                       quantile(all, 0.01).count(), quantile(all, 0.5).count(), most.count(), all.back().count(),
                       bound.count()));
}

} // namespace

bool judge(bool holds, std::string_view kind, const std::string& text) {
  std::printf("  %-7s %-8s %s\n", std::string{kind}.c_str(), holds ? (kind == "aim" ? "met" : "kept") : "SHORT",
              text.c_str());
  return holds || kind == "aim";
}

std::string text_of(const char* pattern, ...) {
  char text[256];
  va_list values;
  va_start(values, pattern);
  std::vsnprintf(text, sizeof text, pattern, values);
  va_end(values);
  return text;
}

storm_checks::storm_checks(storm what, const storm_log& log) : what_(std::move(what)), log_(log) {}

bool storm_checks::run() const {
  auto kept = check_count();
  kept = check_spread() && kept;
  kept = check_rate() && kept;
  kept = check_time() && kept;
  return judge(log_.failed() == 0, "promise", text_of("%zu peers given up", log_.failed())) && kept;
}

double storm_checks::gap() const {
  return seconds{what_.back_at - what_.killed_at}.count();
}

double storm_checks::most_failures_in_a_row() const {
  // Delays only grow from the second one on.
  const auto shortest = seconds{what_.policy.base_delay}.count() * (1 - what_.policy.jitter);
  return 1 + std::floor(gap() / shortest);
}

double storm_checks::most_failures() const {
  const auto peers = static_cast<double>(what_.peers);
  const auto part = std::min(1.0, gap() / seconds{what_.policy.base_delay}.count());
  const auto first_ones = peers * part + most_deviations * std::sqrt(peers * part * (1 - part)) + 1;
  const auto by_curve = std::min(peers, first_ones) * most_failures_in_a_row();
  return what_.is_open ? by_curve
                       : std::min(by_curve, what_.pool.reconnect_burst + what_.pool.reconnects_per_second * gap());
}

bool storm_checks::check_count() const {
  const auto kept = judge(what_.accepted == what_.peers, "promise",
                          text_of("the new server has accepted %zu connections of %zu peers, each once", what_.accepted,
                                  what_.peers));
  const auto bound = static_cast<double>(log_.losses()) + most_failures();
  return judge(static_cast<double>(log_.attempts().size()) <= bound, "promise",
               text_of("%zu attempts after %zu losses, %zu of them failed; by the delays at most %.0f attempts",
                       log_.attempts().size(), log_.losses(), log_.failures(), bound))
      && kept;
}

bool storm_checks::check_spread() const {
  const auto bound = test::chi_square_bound(bins);
  const auto base = milliseconds{what_.policy.base_delay}.count();
  std::vector<double> drawn;
  for (const auto each : log_.drawn_delays())
    // Whoever is told gets whole milliseconds, rounded up.
    drawn.push_back((static_cast<double>(each.count()) - 0.5) / base);
  const auto of_draws = test::chi_square(drawn, bins);
  const auto kept = judge(drawn.size() == what_.peers && of_draws < bound, "promise",
                          text_of("first delays against U(0, %.0f ms): chi-square %.1f of %zu delays in %zu bins, "
                                  "below %.1f",
                                  base, of_draws, drawn.size(), bins, bound));
  return (!what_.is_open || check_lateness()) && kept;
}

bool storm_checks::check_lateness() const {
  const auto base = milliseconds{what_.policy.base_delay}.count();
  std::vector<milliseconds> late;
  for (const auto each : log_.lateness())
    late.emplace_back(each);
  auto kept = judge_lateness(std::move(late), what_.measured, "attempts later than they were drawn");

  std::vector<double> real;
  for (const auto each : log_.first_delays())
    real.push_back(milliseconds{each}.count() / base);
  const auto bound = test::chi_square_bound(bins);
  const auto of_attempts = test::chi_square(real, bins);
  kept = judge(of_attempts < bound, what_.measured,
               text_of("first attempts as they began: chi-square %.1f of %zu, below %.1f", of_attempts, real.size(),
                       bound))
      && kept;

  // Which peer a connection belongs to the server does not know. If each comes within some time of its due, so does the
  // n-th of all within that of the n-th due.
  auto accepts = what_.accept_times;
  auto dues = log_.dues();
  std::ranges::sort(accepts);
  std::ranges::sort(dues);
  std::vector<milliseconds> later;
  for (std::size_t index = 0; index < std::min(accepts.size(), dues.size()); ++index)
    later.emplace_back(accepts[index] - dues[index]);
  kept = judge_lateness(std::move(later), what_.measured, "accepted by the server later than drawn") && kept;

  auto farthest = 0.0;
  for (std::size_t index = 0; index < accepts.size(); ++index) {
    const auto passed = milliseconds{accepts[index] - what_.killed_at}.count() / base;
    const auto part = static_cast<double>(index) / static_cast<double>(accepts.size());
    farthest = std::max(farthest, std::abs(std::clamp(passed, 0.0, 1.0) - part));
  }
  // Who was due while there was no server comes later.
  const auto allowed = kolmogorov_bound / std::sqrt(static_cast<double>(what_.peers))
                     + (gap() + seconds{slack / 2}.count()) / seconds{what_.policy.base_delay}.count();
  return judge(farthest <= allowed, what_.measured,
               text_of("accepted by the server: %.1f %% off an even spread where it is most, at most %.1f %%",
                       100 * farthest, 100 * allowed))
      && kept;
}

bool storm_checks::check_rate() const {
  const auto attempts = most_in_a_second(log_.attempts());
  const auto accepts = most_in_a_second(what_.accept_times);
  if (what_.is_open) {
    std::printf("  in the busiest second: %zu attempts, %zu accepted by the server\n", attempts, accepts);
    return true;
  }
  // 20 ms are for attempts that are seen in a later window than they were started in.
  const auto bound = std::ceil(what_.pool.reconnect_burst + what_.pool.reconnects_per_second * 1.02);
  return judge(static_cast<double>(std::max(attempts, accepts)) <= bound, "promise",
               text_of("in the busiest second: %zu attempts, %zu accepted by the server, at most %.0f", attempts,
                       accepts, bound));
}

bool storm_checks::check_time() const {
  const auto& curve = what_.policy;
  const auto base = seconds{curve.base_delay}.count();
  const auto in_a_row = std::min(log_.most_failures(), most_failures_in_a_row());
  const auto longest =
      std::min(base * std::pow(curve.backoff_factor, std::max(0.0, in_a_row - 1)), seconds{curve.max_delay}.count())
      * (1 + curve.jitter);
  // The first delay at its longest, or the one after the last attempt that found nobody; then the queue at the gate, of
  // no more attempts than there have to be.
  const auto delay = in_a_row > 0 ? std::max(base, gap() + longest) : base;
  const auto attempts = static_cast<double>(what_.peers) + most_failures();
  const auto queued =
      what_.is_open ? 0.0 : std::max(0.0, attempts - what_.pool.reconnect_burst) / what_.pool.reconnects_per_second;
  const auto bound = delay + queued + slack.count();
  const auto told = seconds{log_.last_ready() - what_.killed_at}.count();
  const auto accepted =
      what_.accept_times.empty() ? told : seconds{std::ranges::max(what_.accept_times) - what_.killed_at}.count();
  return judge(std::max(told, accepted) <= bound, what_.measured,
               text_of("all accepted after %.2f s, and told to be ready after %.2f s, at most %.2f s", accepted, told,
                       bound));
}

} // namespace actorwire::bench
