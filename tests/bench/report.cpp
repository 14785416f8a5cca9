#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <limits>
#include <ostream>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace actorwire::bench {

/// Without those of rounds that were too short for a figure.
static std::vector<double> measured(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  return values;
}

static double median(std::vector<double> values) {
  if (values.empty())
    return std::numeric_limits<double>::quiet_NaN();
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

report::report(std::vector<std::string> rivals, std::vector<std::size_t> baselines)
  : rivals_(std::move(rivals)), baselines_(std::move(baselines)) {}

std::size_t report::add_question(std::string text, std::string unit, better direction,
                                 std::optional<curve_point> point) {
  questions_.push_back({std::move(text), std::move(unit), direction, std::move(point),
                        std::vector<std::vector<double>>(rivals_.size()),
                        std::vector<std::vector<quantiles>>(rivals_.size())});
  return questions_.size() - 1;
}

std::size_t report::find_or_add_question(const std::string& text, std::string unit, better direction) {
  const auto found = std::ranges::find(questions_, text, &question::text);
  return found != questions_.end() ? static_cast<std::size_t>(found - questions_.begin())
                                   : add_question(text, std::move(unit), direction);
}

void report::record(std::size_t question_index, std::size_t rival_index, double value) {
  questions_[question_index].values[rival_index].push_back(value);
}

void report::record_quantiles(std::size_t question_index, std::size_t rival_index, quantiles spread) {
  questions_[question_index].spreads[rival_index].push_back(std::move(spread));
}

double report::advantage(std::size_t question_index, std::size_t rival, std::size_t baseline) const {
  return advantage(questions_[question_index], rival, baseline);
}

double report::advantage(const question& asked, std::size_t rival, std::size_t baseline) {
  const auto& ours = asked.values[rival];
  const auto& theirs = asked.values[baseline];
  std::vector<double> ratios;
  for (std::size_t round = 0; round < std::min(ours.size(), theirs.size()); ++round)
    ratios.push_back(asked.direction == better::higher ? ours[round] / theirs[round] : theirs[round] / ours[round]);
  return median(measured(std::move(ratios)));
}

void report::print(std::ostream& out) const {
  constexpr auto name_width = 42;
  constexpr auto number_width = 12;
  const auto title_of = [this](std::size_t baseline) { return "   x " + rivals_[baseline]; };
  out << std::fixed;
  for (const auto& asked : questions_) {
    if (std::ranges::all_of(asked.values, [](const auto& values) { return measured(values).empty(); }))
      continue;
    out << '\n' << asked.text;
    if (asked.point)
      out << ", " << std::setprecision(0) << asked.point->at << ' ' << asked.point->axis;
    out << ", " << asked.unit << (asked.direction == better::higher ? " (more" : " (less") << " is better)\n"
        << std::left << std::setw(name_width) << "" << std::right << std::setw(number_width) << "median"
        << std::setw(number_width) << "least" << std::setw(number_width) << "greatest";
    for (const auto baseline : baselines_)
      out << title_of(baseline);
    out << '\n';
    for (std::size_t rival = 0; rival < rivals_.size(); ++rival) {
      const auto values = measured(asked.values[rival]);
      if (values.empty())
        continue;
      const auto middle = median(values);
      const auto [least, greatest] = std::ranges::minmax(values);
      out << std::setprecision(middle < 100 ? 2 : 0) << "  " << std::left << std::setw(name_width - 2) << rivals_[rival]
          << std::right << std::setw(number_width) << middle << std::setw(number_width) << least
          << std::setw(number_width) << greatest << std::setprecision(2);
      for (const auto baseline : baselines_) {
        const auto ratio = advantage(asked, rival, baseline);
        out << std::setw(static_cast<int>(title_of(baseline).size()));
        if (std::isnan(ratio))
          out << '-';
        else
          out << ratio;
      }
      out << '\n';
    }
  }
}

static void write_string(std::ostream& out, std::string_view text) {
  out << '"';
  for (const auto character : text)
    if (character == '"' || character == '\\')
      out << '\\' << character;
    else if (static_cast<unsigned char>(character) >= 0x20U)
      out << character;
  out << '"';
}

static void write_spreads(std::ostream& out, const std::vector<quantiles>& rounds) {
  out << ", \"quantiles\": [";
  const char* next_round = "";
  for (const auto& round : rounds) {
    out << std::exchange(next_round, ", ") << '[';
    const char* next = "";
    for (const auto& [share, value] : round)
      out << std::exchange(next, ", ") << '[' << share << ", " << value << ']';
    out << ']';
  }
  out << ']';
}

void report::write_json(std::ostream& out, const facts& about) const {
  out << std::setprecision(9) << std::defaultfloat << "{\n";
  for (const auto& [name, value] : about) {
    out << "  ";
    write_string(out, name);
    out << ": ";
    write_string(out, value);
    out << ",\n";
  }
  out << "  \"results\": [";
  const char* separator = "\n";
  for (const auto& asked : questions_)
    for (std::size_t rival = 0; rival < rivals_.size(); ++rival) {
      out << std::exchange(separator, ",\n") << "    {\"question\": ";
      write_string(out, asked.text);
      out << ", \"unit\": ";
      write_string(out, asked.unit);
      out << ", \"better\": \"" << (asked.direction == better::higher ? "higher" : "lower") << "\", \"rival\": ";
      write_string(out, rivals_[rival]);
      out << ", \"rounds\": [";
      const char* comma = "";
      for (const auto value : asked.values[rival]) {
        out << std::exchange(comma, ", ");
        // A run that was too short for a figure.
        if (std::isfinite(value))
          out << value;
        else
          out << "null";
      }
      out << ']';
      if (asked.point) {
        out << ", \"axis\": ";
        write_string(out, asked.point->axis);
        out << ", \"at\": " << asked.point->at;
      }
      if (!asked.spreads[rival].empty())
        write_spreads(out, asked.spreads[rival]);
      out << '}';
    }
  out << "\n  ]\n}\n";
}

void report::save(const std::string& file, const facts& about) const {
  if (file.empty())
    return;
  std::ofstream out{file};
  write_json(out, about);
  if (!out.flush())
    throw std::runtime_error("cannot write " + file);
}

} // namespace actorwire::bench
