#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdlib>
#include <string_view>

namespace transfer {

namespace {

using seconds = std::chrono::duration<double>;

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  std::array<char, 512> text;
  std::va_list arguments;
  va_start(arguments, pattern);
  const auto size = std::vsnprintf(text.data(), text.size(), pattern, arguments);
  va_end(arguments);
  return {text.data(), std::min(static_cast<std::size_t>(std::max(size, 0)), text.size() - 1)};
}

std::string megabytes(double bytes) {
  return format("%.1f MB", bytes / 1e6);
}

double share_of(const progress_view& now) {
  return now.size == 0 ? 1.0 : static_cast<double>(now.stored) / static_cast<double>(now.size);
}

std::string list_of(const std::vector<std::chrono::milliseconds>& delays) {
  std::string text;
  for (const auto delay : delays)
    text += (text.empty() ? "" : ", ") + std::to_string(delay.count()) + " ms";
  return text;
}

std::string describe_outcome(std::string_view name, const actorwire::tally& count) {
  return format("  %-11.*s %8llu messages %10s\n", static_cast<int>(name.size()), name.data(),
                static_cast<unsigned long long>(count.messages), megabytes(static_cast<double>(count.bytes)).c_str());
}

std::string describe_outage(const outage& what) {
  auto text = format("  %6.2f s  connection %zu: %s\n            ", what.began.count(), what.connection + 1,
                     to_string(what.reason).c_str());
  text += "waited " + list_of(what.delays);
  text += what.lasted ? format("; ready again after %.0f ms\n", what.lasted->count() * 1e3)
                      : std::string{"; not ready again by the end\n"};
  return text;
}

std::string describe(const summary& result) {
  const auto fresh = static_cast<double>(result.size - result.resumed);
  auto text = format("%s: %s in %.2f s, %s/s", result.name.c_str(), megabytes(static_cast<double>(result.size)).c_str(),
                     result.elapsed.count(), megabytes(fresh / std::max(result.elapsed.count(), 1e-3)).c_str());
  if (result.resumed > 0)
    text += ", " + megabytes(static_cast<double>(result.resumed)) + " were there already";
  text += "\n\nSHA-256\n  sent        " + to_hex(result.sent) + "\n  stored      " + to_hex(result.stored);
  text += result.sent == result.stored ? "\n  they agree\n" : "\n  THEY DIFFER\n";
  text += "\noutcomes\n";
  text += describe_outcome("accepted", result.delivery.accepted);
  text += describe_outcome("acked", result.delivery.acked);
  text += describe_outcome("written", result.delivery.written);
  text += describe_outcome("not_sent", result.delivery.not_sent);
  text += describe_outcome("maybe_sent", result.delivery.maybe_sent);
  text += format("\n%zu reconnects\n", result.outages.size());
  for (const auto& what : result.outages)
    text += describe_outage(what);
  return text;
}

// -- for people -------------------------------------------------------------------------------------------------------

class display : public observer {
public:
  explicit display(std::FILE* out)
    : out_(out), is_terminal_(::isatty(::fileno(out)) == 1), has_colour_(is_terminal_ && !is_set("NO_COLOR")) {}

  void update(const progress_view& now) override {
    last_ = now;
    if (now.elapsed < next_drawing_)
      return;
    next_drawing_ = now.elapsed + (is_terminal_ ? seconds{0.1} : seconds{1});
    draw();
  }

  void waiting(const outage& what) override {
    if (!is_terminal_)
      print(format("connection %zu: attempt %zu in %lld ms, because of %s\n", what.connection + 1, what.delays.size(),
                   static_cast<long long>(what.delays.back().count()), to_string(what.reason).c_str()));
  }

  void recovered(const outage& what) override {
    if (!is_terminal_)
      print(format("connection %zu: ready again after %.0f ms\n", what.connection + 1, what.lasted->count() * 1e3));
  }

  void finished(const summary& result) override {
    last_.stored = result.size;
    last_.bytes_per_second = static_cast<double>(result.size - result.resumed) / std::max(result.elapsed.count(), 1e-3);
    draw();
    print("\n");
    print(describe(result));
  }

private:
  static bool is_set(const char* variable) {
    const auto* value = std::getenv(variable);
    return value != nullptr && *value != '\0';
  }

  void draw() {
    if (!is_terminal_) {
      const auto ready =
          std::ranges::count(last_.connections, actorwire::connection_state::ready, &connection_view::state);
      print(format("%3.0f %%  %s of %s, %s/s, %td of %zu ready\n", share_of(last_) * 100,
                   megabytes(static_cast<double>(last_.stored)).c_str(),
                   megabytes(static_cast<double>(last_.size)).c_str(), megabytes(last_.bytes_per_second).c_str(), ready,
                   last_.connections.size()));
      return;
    }
    // Back to the first of the lines that were drawn last, each of which is written anew to its end.
    auto text = drawn_lines_ > 0 ? format("\033[%zuA", drawn_lines_) : std::string{};
    for (std::size_t index = 0; index < last_.connections.size(); ++index)
      text += line_of(index, last_.connections[index]) + "\033[K\n";
    text += bar() + "\033[K\n";
    drawn_lines_ = last_.connections.size() + 1;
    print(text);
  }

  std::string line_of(std::size_t index, const connection_view& what) const {
    const auto name = std::string{name_of(what.state)};
    const auto padding = std::string(name.size() < 11 ? 11 - name.size() : 0, ' ');
    return format("%2zu ", index + 1) + coloured(what.state, name) + padding
         + format("%7.1f MB/s  RTT %6.2f ms  reconnects %2u  queue %5llu KiB", what.bytes_per_second / 1e6,
                  static_cast<double>(what.round_trip.count()) / 1e3, what.reconnects,
                  static_cast<unsigned long long>(what.queued_bytes >> 10U));
  }

  std::string bar() const {
    constexpr std::size_t width = 34;
    const auto filled = static_cast<std::size_t>(share_of(last_) * width);
    return std::string(1, '[').append(filled, '#').append(width - filled, '-')
         + format("] %3.0f %%  %.1f of %s  %s/s", share_of(last_) * 100, static_cast<double>(last_.stored) / 1e6,
                  megabytes(static_cast<double>(last_.size)).c_str(), megabytes(last_.bytes_per_second).c_str());
  }

  [[nodiscard]] std::string coloured(actorwire::connection_state state, const std::string& text) const {
    if (!has_colour_)
      return text;
    using enum actorwire::connection_state;
    const auto* colour = state == ready ? "32" : state == backoff || state == failed ? "31" : "33";
    return "\033[" + std::string{colour} + "m" + text + "\033[0m";
  }

  void print(const std::string& text) {
    std::fputs(text.c_str(), out_);
    std::fflush(out_);
  }

  std::FILE* out_;
  bool is_terminal_;
  bool has_colour_;
  progress_view last_;
  seconds next_drawing_{0};
  std::size_t drawn_lines_ = 0;
};

// -- for programs -----------------------------------------------------------------------------------------------------

/// A flat JSON object, on one line.
class json_line {
public:
  explicit json_line(std::string_view event) { add("event", event); }

  json_line& add(std::string_view name, std::string_view text) {
    begin(name);
    text_ += '"';
    for (const auto letter : text) {
      if (letter == '"' || letter == '\\')
        text_ += '\\';
      if (static_cast<unsigned char>(letter) < 0x20)
        text_ += format("\\u%04x", static_cast<unsigned>(letter));
      else
        text_ += letter;
    }
    text_ += '"';
    return *this;
  }

  json_line& add(std::string_view name, std::uint64_t number) {
    begin(name);
    text_ += std::to_string(number);
    return *this;
  }

  json_line& add(std::string_view name, seconds time) {
    begin(name);
    text_ += format("%.3f", time.count());
    return *this;
  }

  json_line& add(std::string_view name, bool flag) {
    begin(name);
    text_ += flag ? "true" : "false";
    return *this;
  }

  /// Whoever reads along reads each event when it happens.
  void print(std::FILE* out) {
    std::fprintf(out, "{%s}\n", text_.c_str());
    std::fflush(out);
  }

private:
  void begin(std::string_view name) {
    if (!text_.empty())
      text_ += ',';
    text_.append("\"").append(name).append("\":");
  }

  std::string text_;
};

class json_log : public observer {
public:
  explicit json_log(std::FILE* out) : out_(out) {}

  void update(const progress_view& now) override {
    if (now.elapsed < next_)
      return;
    next_ = now.elapsed + seconds{0.02};
    json_line{"progress"}.add("seconds", now.elapsed).add("stored_bytes", now.stored).add("size", now.size).print(out_);
  }

  void waiting(const outage& what) override {
    json_line{"waiting"}
        .add("connection", std::uint64_t{what.connection + 1})
        .add("seconds", what.began)
        .add("attempt", std::uint64_t{what.delays.size()})
        .add("delay_ms", static_cast<std::uint64_t>(what.delays.back().count()))
        .add("reason", to_string(what.reason))
        .print(out_);
  }

  void recovered(const outage& what) override {
    json_line{"recovered"}
        .add("connection", std::uint64_t{what.connection + 1})
        .add("seconds", what.began + *what.lasted)
        .add("attempts", std::uint64_t{what.delays.size()})
        .add("down_seconds", *what.lasted)
        .print(out_);
  }

  void finished(const summary& result) override {
    json_line{"finished"}
        .add("ok", result.sent == result.stored)
        .add("name", result.name)
        .add("seconds", result.elapsed)
        .add("size", result.size)
        .add("resumed_bytes", result.resumed)
        .add("sha256_sent", to_hex(result.sent))
        .add("sha256_stored", to_hex(result.stored))
        .add("reconnects", std::uint64_t{result.outages.size()})
        .add("accepted", result.delivery.accepted.messages)
        .add("acked", result.delivery.acked.messages)
        .add("written", result.delivery.written.messages)
        .add("not_sent", result.delivery.not_sent.messages)
        .add("maybe_sent", result.delivery.maybe_sent.messages)
        .print(out_);
  }

private:
  std::FILE* out_;
  seconds next_{0};
};

} // namespace

std::unique_ptr<observer> make_display(std::FILE* out) {
  return std::make_unique<display>(out);
}

std::unique_ptr<observer> make_json_log(std::FILE* out) {
  return std::make_unique<json_log>(out);
}

} // namespace transfer
