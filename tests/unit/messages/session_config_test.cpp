// Which sessions there may be.

#include "limited_field.hpp"

#include <actorwire/messages/session_config.hpp>
#include <actorwire/messages/transport_config.hpp>

namespace actorwire::test {

namespace {

using std::chrono::milliseconds;

transport_config with_session() {
  transport_config config;
  config.framing.mode = framing_mode::numbered;
  config.session.mode = session_mode::on;
  return config;
}

} // namespace

TEST_CASE("session: 1 to 1,000,000 messages, and 1 byte to 1 GiB, wait for their confirmation") {
  limited_field{"session.replay_messages", &session_config::replay_messages, 1U, 1'000'000U, "1..1000000"}.check({});
  limited_field{"session.replay_bytes", &session_config::replay_bytes, std::size_t{1}, std::size_t{1} << 30U,
                "1..1073741824"}
      .check({});
}

TEST_CASE("session: 1 to 1,000,000 messages, 1 byte to 1 GiB, or up to 10 s go by without an acknowledgement") {
  limited_field{"session.ack_messages", &session_config::ack_messages, 1U, 1'000'000U, "1..1000000"}.check({});
  limited_field{"session.ack_bytes", &session_config::ack_bytes, std::size_t{1}, std::size_t{1} << 30U, "1..1073741824"}
      .check({});
  limited_field{"session.ack_delay", &session_config::ack_delay, milliseconds{0}, milliseconds{10'000}, "0..10000 ms"}
      .check({});
}

TEST_CASE("session: it is off or on") {
  session_config config;
  CHECK(config.mode == session_mode::off);
  config.mode = static_cast<session_mode>(2);
  check_refused(config, error_code::invalid_value, "session.mode = 2: must be one of off, on");
}

TEST_CASE("transport: a session needs numbered frames in which its greetings fit, keeps all messages, and begins with "
          "a round trip") {
  CHECK(validate(with_session()));
  auto config = with_session();
  config.framing.mode = framing_mode::length_prefixed;
  check_refused(config, error_code::conflicting_values,
                "session.mode = on: needs framing.mode = numbered, and it is length_prefixed");
  config = with_session();
  config.framing.max_frame_size = 63;
  check_refused(config, error_code::conflicting_values,
                "session.mode = on: needs framing.max_frame_size of at least 64, and it is 63");
  config.framing.max_frame_size = 64;
  CHECK(validate(config));
  config = with_session();
  config.flow.overflow = overflow_policy::drop_oldest;
  check_refused(config, error_code::conflicting_values,
                "session.mode = on: needs flow.overflow = fail, and it is drop_oldest");
  config = with_session();
  config.tls.session_resumption = true;
  config.protocol_settings = quic_config{};
  CHECK(validate(config));
  std::get<quic_config>(config.protocol_settings).early_data = true;
  check_refused(config, error_code::conflicting_values, "session.mode = on: needs quic.early_data = false");
}

TEST_CASE("transport: a fault in the settings of a session is found and named, whether it is on or off") {
  transport_config config;
  config.session.replay_messages = 0;
  check_refused(config, error_code::invalid_value, "session.replay_messages = 0: must be 1..1000000");
}

} // namespace actorwire::test
