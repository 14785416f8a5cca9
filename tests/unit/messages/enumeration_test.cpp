#include <actorwire/messages/connection_state.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/endpoint.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/framing.hpp>
#include <actorwire/messages/reconnection_policy.hpp>
#include <actorwire/messages/requests.hpp>

#include <catch2/catch_test_macros.hpp>

#include <set>

using namespace actorwire;

namespace {

/// Checks that the names end where the values end, and that each value has a name of its own.
template <named_enumeration E>
void check_names(E last, std::string_view last_name) {
  constexpr auto names = names_of(E{});
  INFO("enumeration that ends in " << last_name);
  CHECK(names.size() == static_cast<std::size_t>(last) + 1);
  CHECK(name_of(last) == last_name);
  CHECK(names.back() == last_name);
  CHECK(std::set<std::string_view>(names.begin(), names.end()).size() == names.size());
  CHECK(std::set<std::string_view>(names.begin(), names.end()).count("") == 0);
}

} // namespace

TEST_CASE("every enumeration has exactly one name for each value") {
  check_names(protocol::quic, "quic");
  check_names(error_kind::protocol, "protocol");
  check_names(error_code::session_fenced, "session_fenced");
  check_names(phase::close, "close");
  check_names(origin::system, "system");
  check_names(connection_state::closed, "closed");
  check_names(framing_mode::numbered, "numbered");
  check_names(session_mode::on, "on");
  check_names(outcome::confirmed, "confirmed");
  check_names(when_down::drop, "drop");
  check_names(permanent_error_policy::keep_trying, "keep_trying");
  check_names(pool_change::lease_taken_back, "lease_taken_back");
  check_names(credit_mode::manual, "manual");
  check_names(close_mode::abort, "abort");
  check_names(stream_direction::unidirectional, "unidirectional");
  check_names(stream_half::receiving, "receiving");
  check_names(datagram_outcome::dropped, "dropped");
  check_names(ecn_state::failed, "failed");
  check_names(quic_version::v2, "v2");
  check_names(quic_congestion_control::reno, "reno");
  check_names(quic_migration::refuse, "refuse");
}

TEST_CASE("names stand in the order of the values") {
  CHECK(name_of(connection_state::idle) == "idle");
  CHECK(name_of(connection_state::ready) == "ready");
  CHECK(name_of(connection_state::backoff) == "backoff");
  CHECK(name_of(error_code::connection_failed) == "connection_failed");
  CHECK(name_of(error_code::would_block) == "would_block");
  CHECK(name_of(error_code::frame_too_large) == "frame_too_large");
  CHECK(name_of(error_code::invalid_value) == "invalid_value");
  CHECK(to_string(outcome::maybe_sent) == "maybe_sent");
}

TEST_CASE("a number outside an enumeration has the name ? and is told apart") {
  CHECK(name_of(static_cast<protocol>(3)) == "?");
  CHECK(name_of(static_cast<error_code>(255)) == "?");
  CHECK(names_a_value<protocol>(2));
  CHECK_FALSE(names_a_value<protocol>(3));
  CHECK_FALSE(names_a_value<protocol>(255));
}

TEST_CASE("only enumerations with names count as such") {
  enum class unnamed { one };
  STATIC_REQUIRE(named_enumeration<protocol>);
  STATIC_REQUIRE_FALSE(named_enumeration<unnamed>);
  STATIC_REQUIRE_FALSE(named_enumeration<event_mask>);
  STATIC_REQUIRE_FALSE(named_enumeration<int>);
}

TEST_CASE("a mask of events includes what it was combined of and nothing else") {
  constexpr auto mask = event_mask::data | event_mask::loss;
  CHECK(includes(mask, event_mask::data));
  CHECK(includes(mask, event_mask::loss));
  CHECK(includes(mask, event_mask::none));
  CHECK_FALSE(includes(mask, event_mask::state));
  CHECK_FALSE(includes(mask, event_mask::data | event_mask::state));
  CHECK((event_mask::data | event_mask::state | event_mask::loss | event_mask::backpressure | event_mask::pool
         | event_mask::streams | event_mask::datagrams | event_mask::listener | event_mask::health
         | event_mask::sessions)
        == event_mask::all);
}
