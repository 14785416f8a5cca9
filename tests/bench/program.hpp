#pragma once

#include "arguments.hpp"

#include <exception>
#include <iostream>
#include <string_view>

namespace actorwire::bench {

/// Runs a benchmark and returns its exit status: that of `body`; 2 if the user typed what makes no sense, after the usage; 1
/// after any other failure. `name` is the program's.
template <class Body>
int run_program(std::string_view name, std::string_view usage, Body body) {
  try {
    return body();
  } catch (const usage_error& failure) {
    std::cerr << name << ": " << failure.what() << "\n\n" << usage;
    return 2;
  } catch (const std::exception& failure) {
    std::cerr << name << ": " << failure.what() << '\n';
    return 1;
  }
}

} // namespace actorwire::bench
