#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <ostream>
#include <string_view>
#include <utility>

namespace actorwire::bench {

static double median(std::vector<double> values) {
  if (values.empty())
    return std::numeric_limits<double>::quiet_NaN();
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

report::report(std::vector<std::string> rivals, std::vector<std::size_t> baselines)
  : rivals_(std::move(rivals)), baselines_(std::move(baselines)) {}

std::size_t report::add_question(std::string text, std::string unit, better direction) {
  questions_.push_back({std::move(text), std::move(unit), direction, std::vector<std::vector<double>>(rivals_.size())});
  return questions_.size() - 1;
}

void report::record(std::size_t question_index, std::size_t rival_index, double value) {
  questions_[question_index].values[rival_index].push_back(value);
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
  return median(std::move(ratios));
}

void report::print(std::ostream& out) const {
  constexpr auto name_width = 34;
  constexpr auto number_width = 12;
  constexpr auto ratio_width = 24;
  out << std::fixed;
  for (const auto& asked : questions_) {
    if (std::ranges::all_of(asked.values, &std::vector<double>::empty))
      continue;
    out << '\n'
        << asked.text << ", " << asked.unit << (asked.direction == better::higher ? " (more" : " (less")
        << " is better)\n"
        << std::left << std::setw(name_width) << "" << std::right << std::setw(number_width) << "median"
        << std::setw(number_width) << "least" << std::setw(number_width) << "greatest";
    for (const auto baseline : baselines_)
      out << std::setw(ratio_width) << "x " + rivals_[baseline];
    out << '\n';
    for (std::size_t rival = 0; rival < rivals_.size(); ++rival) {
      const auto& values = asked.values[rival];
      if (values.empty())
        continue;
      const auto middle = median(values);
      const auto [least, greatest] = std::ranges::minmax(values);
      out << std::setprecision(middle < 100 ? 2 : 0) << "  " << std::left << std::setw(name_width - 2) << rivals_[rival]
          << std::right << std::setw(number_width) << middle << std::setw(number_width) << least
          << std::setw(number_width) << greatest << std::setprecision(2);
      for (const auto baseline : baselines_)
        if (const auto ratio = advantage(asked, rival, baseline); std::isnan(ratio))
          out << std::setw(ratio_width) << '-';
        else
          out << std::setw(ratio_width) << ratio;
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
      for (const auto value : asked.values[rival])
        out << std::exchange(comma, ", ") << value;
      out << "]}";
    }
  out << "\n  ]\n}\n";
}

} // namespace actorwire::bench
