// Which listeners there may be.

#include "limited_field.hpp"

#include <actorwire/messages/listen_config.hpp>

namespace actorwire::test {

TEST_CASE("listen: the kernel holds 1 to 65,535 connections") {
  const limited_field backlog{"listen.backlog", &listen_config::backlog, 1U, 65'535U, "1..65535"};
  backlog.check({});
  backlog.check_refused({}, 0);
}

TEST_CASE("listen: 1 to 1,000,000 connections live at once") {
  const limited_field count{"listen.max_connections", &listen_config::max_connections, 1U, 1'000'000U, "1..1000000"};
  count.check({});
  count.check_refused({}, 0);
}

TEST_CASE("listen: 1 to 1,000,000 connections of one address live at once, or any number") {
  const limited_field count{"listen.max_connections_per_address", &listen_config::max_connections_per_address, 1U,
                            1'000'000U, "0 (no limit) or 1..1000000"};
  count.check({});
  CHECK(listen_config{}.max_connections_per_address == 0);
}

TEST_CASE("listen: sockets may be shared by the shards or not, and ports with others or not") {
  for (const bool reuse : {true, false})
    for (const bool share : {true, false}) {
      listen_config config;
      config.reuse_port = reuse;
      config.share_port = share;
      CHECK(validate(config));
    }
}

TEST_CASE("listen: 1 to 1,000,000 clients shake hands at once, of one address as many as in all") {
  listen_config config;
  config.max_handshakes_per_address = 1;
  const limited_field all{"listen.max_handshakes", &listen_config::max_handshakes, 1U, 1'000'000U, "1..1000000"};
  all.check(config);
  all.check_refused(config, 0);
  config.max_handshakes = 1'000'000;
  const limited_field one{"listen.max_handshakes_per_address", &listen_config::max_handshakes_per_address, 1U,
                          1'000'000U, "1..1000000"};
  one.check(config);
  one.check_refused(config, 0);
}

TEST_CASE("listen: no address has more handshakes than all of them together") {
  listen_config config;
  config.max_handshakes = config.max_handshakes_per_address = 10;
  CHECK(validate(config));
  config.max_handshakes_per_address = 9;
  CHECK(validate(config));
  config.max_handshakes_per_address = 11;
  check_refused(config, error_code::conflicting_values,
                "listen.max_handshakes_per_address = 11: must be at most listen.max_handshakes = 10");
}

TEST_CASE("listen: sessions are kept for 1 ms to 24 h, up to 1,000,000 of them, and 1 TiB") {
  limited_field{"listen.session_keep", &listen_config::session_keep, std::chrono::milliseconds{1},
                std::chrono::milliseconds{86'400'000}, "1..86400000 ms"}
      .check({});
  limited_field{"listen.sessions_max", &listen_config::sessions_max, 1U, 1'000'000U, "1..1000000"}.check({});
  limited_field{"listen.parked_bytes_max", &listen_config::parked_bytes_max, std::size_t{0}, std::size_t{1} << 40U,
                "0..1099511627776"}
      .check({});
}

TEST_CASE("listen: a fault in the settings of accepted connections is found and named") {
  listen_config config;
  config.transport.mtu = 1;
  check_refused(config, error_code::invalid_value, "transport.mtu = 1: must be 0 (the path decides) or 536..32767");
}

} // namespace actorwire::test
