#include <actorwire/messages/calls.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>

using namespace actorwire;
using namespace std::chrono_literals;

namespace {

std::string complaint(const result<void>& checked) {
  return checked ? std::string{} : checked.error().text;
}

call with_timeout(std::chrono::milliseconds timeout) {
  call request;
  request.timeout = timeout;
  return request;
}

} // namespace

TEST_CASE("a call has 1 ms to 24 h, or the operation timeout") {
  CHECK(validate(with_timeout(0ms)));
  CHECK(validate(with_timeout(1ms)));
  CHECK(validate(with_timeout(24h)));
  for (const auto timeout : {std::chrono::milliseconds{-1}, std::chrono::milliseconds{24h} + 1ms})
    CHECK(complaint(validate(with_timeout(timeout)))
          == "call.timeout = " + std::to_string(timeout.count())
                 + " ms: must be 0 (operation_timeout) or 1..86400000 ms");
}

TEST_CASE("an answer says to which call") {
  const called question{1, 2, 4, 5, payload::copy_of("?")};
  const auto given = answer_to(question, payload::copy_of("!"));
  CHECK(given == answer{2, 4, 5, payload::copy_of("!")});
  CHECK(validate(given));
  CHECK(complaint(validate(answer{})) == "answer.number = 0: must be 1..18446744073709551615");
  CHECK(refusal_of(question, 3, "no") == refuse{2, 4, 5, 3, "no"});
}

TEST_CASE("a refusal has a code below 128 and a text of at most 1 KiB") {
  const called question{1, 2, 4, 5, {}};
  CHECK(validate(refusal_of(question, 0, {})));
  CHECK(validate(refusal_of(question, 127, std::string(1'024, 'x'))));
  CHECK(complaint(validate(refusal_of(question, 128, {}))) == "refuse.code = 128: must be 0..127");
  CHECK(complaint(validate(refusal_of(question, 1, std::string(1'025, 'x'))))
        == "refuse.text.size() = 1025: must be 0..1024");
  CHECK(complaint(validate(refuse{})) == "refuse.number = 0: must be 1..18446744073709551615");
}

TEST_CASE("only a call that has left, or may have, may have been handled") {
  const auto of = [](error_code code, std::int32_t system_code = 0) {
    return make_error(code, phase::established, origin::local, "why", system_code);
  };
  CHECK_FALSE(may_have_been_handled(of(error_code::call_unanswered, 0)));
  CHECK(may_have_been_handled(of(error_code::call_unanswered, 1)));
  CHECK(may_have_been_handled(of(error_code::call_refused)));
  CHECK(may_have_been_handled(of(error_code::request_timeout)));
  for (const auto code : {error_code::would_block, error_code::expired, error_code::draining, error_code::reset,
                          error_code::not_connected, error_code::message_too_large})
    CHECK_FALSE(may_have_been_handled(of(code)));
}
