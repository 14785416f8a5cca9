#include <actorwire/messages/result.hpp>

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <string>
#include <type_traits>

using namespace actorwire;

namespace {

transport_error some_error() {
  return make_error(error_code::refused, phase::connect, origin::remote, "nobody listens");
}

result<std::string> name_or_error(bool succeed) {
  if (!succeed)
    return some_error();
  return std::string{"name"};
}

} // namespace

TEST_CASE("a result holds the value of a success") {
  const auto found = name_or_error(true);
  REQUIRE(found);
  CHECK(found.has_value());
  CHECK(found.value() == "name");
  CHECK(*found == "name");
  CHECK(found->size() == 4);
}

TEST_CASE("a result holds the reason of a failure") {
  const auto missing = name_or_error(false);
  REQUIRE_FALSE(missing);
  CHECK_FALSE(missing.has_value());
  CHECK(missing.error() == some_error());
}

TEST_CASE("a result without value is a success unless it has a reason") {
  const result<void> done;
  CHECK(done);
  const result<void> failed = some_error();
  REQUIRE_FALSE(failed);
  CHECK(failed.error() == some_error());
}

TEST_CASE("the value of a result can be changed in place and moved out") {
  result<std::unique_ptr<int>> made = std::make_unique<int>(1);
  **made = 2;
  const auto taken = *std::move(made);
  REQUIRE(taken);
  CHECK(*taken == 2);
}

TEST_CASE("a value that is false by itself is still a success") {
  const result<int> zero = 0;
  CHECK(zero);
  CHECK(*zero == 0);
}

TEST_CASE("a result does not turn into a number or a value by accident") {
  STATIC_REQUIRE_FALSE(std::is_convertible_v<result<int>, bool>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<result<int>, int>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<result<void>, bool>);
}
