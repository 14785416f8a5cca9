#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>
#include <catch2/catch_test_macros.hpp>

#include <vector>

using namespace actorwire;

namespace {

/// The types of messages are known from the first actor system on.
struct known_types {
  system_config config;
  caf::actor_system system{config};
};

} // namespace

TEST_CASE("a description survives the way through CAF") {
  const known_types with;
  auto reason = make_error(error_code::refused, phase::connect, origin::remote, "nothing listens there", 111);
  const auto packed = to_caf_error(reason);
  CHECK(is_transport_error(packed));
  CHECK(to_transport_error(packed) == reason);
  CHECK(packed == caf::make_error(error_code::refused));
}

TEST_CASE("a code that travels without a description keeps its meaning") {
  const known_types with;
  const auto unpacked = to_transport_error(caf::make_error(error_code::pool_exhausted));
  CHECK(unpacked.code == error_code::pool_exhausted);
  CHECK(unpacked.kind == error_kind::connection);
  CHECK(unpacked.retryable);
  CHECK_FALSE(unpacked.text.empty());
}

TEST_CASE("each error of CAF becomes the code that says what it means to whoever asked") {
  const known_types with;
  struct expectation {
    caf::error reason;
    error_code code;
    bool retryable;
  };
  const std::vector<expectation> table{
      {caf::make_error(caf::sec::request_timeout), error_code::request_timeout, true},
      {caf::make_error(caf::sec::request_receiver_down), error_code::closed, false},
      {caf::make_error(caf::exit_reason::user_shutdown), error_code::closed, false},
      {caf::make_error(caf::exit_reason::normal), error_code::closed, false},
      {caf::error{}, error_code::closed, false},
      {caf::make_error(caf::exit_reason::remote_link_unreachable), error_code::unreachable, true},
      {caf::make_error(caf::sec::unexpected_message), error_code::unsupported, false},
      {caf::make_error(caf::exit_reason::kill), error_code::crashed, true},
      {caf::make_error(caf::sec::runtime_error), error_code::crashed, true},
  };
  for (const auto& [reason, code, retryable] : table) {
    const auto unpacked = to_transport_error(reason);
    INFO(to_string(reason) << " became " << to_string(unpacked));
    CHECK(unpacked.code == code);
    CHECK(unpacked.kind == kind_of(code));
    CHECK(unpacked.retryable == retryable);
    CHECK(unpacked.who == (code == error_code::unreachable ? origin::system : origin::local));
    CHECK_FALSE(unpacked.text.empty());
    CHECK_FALSE(is_transport_error(reason));
  }
}
