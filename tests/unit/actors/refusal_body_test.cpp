#include "channel/refusal.hpp"

#include <actorwire/messages/calls.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <string_view>

using namespace actorwire;

TEST_CASE("a refusal is a code and a text, and comes back as the error of the caller") {
  const auto body = encode_refusal(7, "busy");
  CHECK(body.text()
        == "\x07"
           "busy");
  const auto told = decode_refusal(body);
  CHECK(told.code == error_code::call_refused);
  CHECK(told.who == origin::remote);
  CHECK(told.system_code == 7);
  CHECK(told.text == "busy");
  CHECK_FALSE(told.retryable);
  CHECK(decode_refusal(payload::copy_of("\xff"))
        == make_error(error_code::call_refused, phase::established, origin::remote, "", 255));
}

TEST_CASE("the text of a refusal is shown as far as people can read it") {
  const auto check = [](std::string_view text, std::string_view shown) {
    CAPTURE(text);
    CHECK(readable(text) == shown);
  };
  // The least and the greatest of each length, and around the halves of pairs (RFC 3629, 3).
  for (const std::string_view good : {" ", "~", "\xC2\xA0", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                      "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    check(good, good);
  check(std::string_view{"a\0b\n\x7f\x1b[2J", 9}, "a?b???[2J");
  check("\xC2\x80\xC2\x9F", "????");
  check("\xC0\xAF", "??");
  check("\xE0\x9F\x80", "???");
  check("\xED\xA0\x80", "???");
  check("\xF0\x8F\x80\x80", "????");
  check("\xF4\x90\x80\x80", "????");
  check("\xF5\x80\x80\x80", "????");
  check("\x80\xFF", "??");
  check("cut \xE2\x82", "cut ??");
  check("\xE2\x82x", "??x");
}

TEST_CASE("the text of a refusal is cut between two characters") {
  const std::string almost(refusal_text_max - 1, 'x');
  CHECK(readable(almost + "yz") == almost + "y");
  CHECK(readable(almost + "\xC3\xA9") == almost);
  CHECK(encode_refusal(1, std::string(5'000, 'x')).size() == 1 + refusal_text_max);
}
