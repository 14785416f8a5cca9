// What ngtcp2 is told of the settings.

#include "engine/quic/quic_setup.hpp"

#include <catch2/catch_test_macros.hpp>

namespace actorwire::test {

namespace {

ngtcp2_cc_algo algorithm_of(const quic_config& quic) {
  return quic_setup{transport_config{}, quic, 0}.settings.cc_algo;
}

} // namespace

TEST_CASE("congestion is controlled by CUBIC, or by what the settings name", "[quic_setup]") {
  CHECK(algorithm_of({}) == NGTCP2_CC_ALGO_CUBIC);
  quic_config quic;
  quic.congestion_control = quic_congestion_control::bbr;
  CHECK(algorithm_of(quic) == NGTCP2_CC_ALGO_BBR);
  quic.congestion_control = quic_congestion_control::reno;
  CHECK(algorithm_of(quic) == NGTCP2_CC_ALGO_RENO);
  quic.congestion_control = quic_congestion_control::cubic;
  CHECK(algorithm_of(quic) == NGTCP2_CC_ALGO_CUBIC);
}

TEST_CASE("windows begin and end where the settings say, each at its own", "[quic_setup]") {
  quic_config quic;
  quic.stream_window = 100'000;
  quic.stream_window_max = 200'000;
  quic.connection_window = 300'000;
  quic.connection_window_max = 400'000;
  const quic_setup made{transport_config{}, quic, 0};
  CHECK(made.params.initial_max_stream_data_bidi_local == 100'000);
  CHECK(made.params.initial_max_stream_data_bidi_remote == 100'000);
  CHECK(made.params.initial_max_stream_data_uni == 100'000);
  CHECK(made.settings.max_stream_window == 200'000);
  CHECK(made.params.initial_max_data == 300'000);
  CHECK(made.settings.max_window == 400'000);
}

} // namespace actorwire::test
