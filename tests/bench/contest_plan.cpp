#include "contest_plan.hpp"

#include <unistd.h>

namespace actorwire::bench {

void contest_plan::take(std::string_view option, arguments& words) {
  if (option == "--rounds")
    contest.rounds = words.number(1, 1'000);
  else if (option == "--seconds")
    contest.seconds = words.number(0.01, 600.0);
  else if (option == "--json")
    contest.json_file = words.value();
  else if (option == "--curves")
    has_curves = true;
  else if (option == "--counts")
    has_counts = true;
  else if (option == "--before") {
    contest.before = words.value();
    if (::access(contest.before.c_str(), X_OK) != 0)
      throw usage_error("--before: there is no program '" + contest.before + "'");
  } else if (option == "--cpu")
    cpu = words.number(0, 1'023);
  else if (option == "--congestion")
    contest.congestion_control = words.value();
  else
    words.refuse();
}

void contest_plan::make_smoke() {
  contest.rounds = 1;
  contest.seconds = 0.05;
  has_curves = true;
  has_counts = true;
  counted_messages = 50;
  curve_connections = {1, 20};
  curve_sizes = {64, 65'536};
}

std::string contest_usage(std::string_view name, std::string_view options, std::string_view sides) {
  std::string text{"usage: "};
  text.append(name).append(R"( [options]
  --rounds N         rounds, in each of which every rival is measured once (5)
  --seconds S        time of each measurement, after a warm-up of up to 0.3 s (1)
)");
  text.append(options).append(R"(  --curves           also curves over connections and sizes of messages
  --counts           also counts system calls, blocks from the heap, and copies
  --before PROGRAM   this benchmark as another build has it: its servers run beside those of this one, named "before";
                     what that build does not serve is left out
  --json FILE        writes every single value to FILE too
  --smoke            a quick run that proves that everything works, and measures nothing

For profilers, one side alone:
)");
  return text.append(sides);
}

} // namespace actorwire::bench
