// Real faults on real sockets, with redis at the other end: lines that are cut, reset, half open, slow or noisy, and a
// server that is stopped or killed. Each time the server is asked what it has, and that is held against what the program
// was told of each message.

#include "fault_ledger.hpp"
#include "persistent_peer.hpp"
#include "redis_server.hpp"
#include "seed.hpp"
#include "tcp_fault_proxy.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>
#include <vector>

namespace actorwire::test {

namespace {

/// How many of these orders fit into so many bytes.
std::size_t whole_orders(const std::vector<std::size_t>& numbers, std::uint64_t bytes) {
  std::uint64_t sum = 0;
  std::size_t count = 0;
  for (const auto number : numbers) {
    sum += command({"RPUSH", "orders", order_text(number)}).size();
    if (sum > bytes)
      break;
    ++count;
  }
  return count;
}

std::vector<tcp_fault_record> struck_only(const tcp_fault_proxy& proxy) {
  auto all = proxy.records();
  std::erase_if(all, [](const tcp_fault_record& each) { return !each.is_struck; });
  return all;
}

/// A redis, and a program with a peer that reaches it by a faulty line.
struct faulty_line {
  faulty_line(const test_seed& seed, protocol by, std::vector<tcp_faults> faults,
              const acquire_options& options = persistent())
    : carried(by),
      weather(std::move(faults)),
      proxy(server.port(carried), weather, seed.engine()),
      peer(here.net->acquire(uri_of(carried, proxy.port()), options).value()) {}

  /// Fills the list until all faults have come about and the connection after them has carried something.
  const fault_ledger& fill() {
    list_filler filler{me, peer, [count = weather.size()](const fault_ledger& told) {
                         return told.failures.size() >= count && told.replies_to_newest() >= 100;
                       }};
    const auto report = filler.finish();
    books = filler.books();
    on_server = server.list("orders");
    check_accounts(books, report, on_server);
    check_figures();
    return books;
  }

  /// Holds what the peer counted over all of its connections against what the line has carried: all of it where nothing came
  /// between, and else no byte that was not sent, and each that must have arrived. TLS counts the bytes inside of it.
  void check_figures() {
    const auto totals = me.must_ask<pool_totals>(here.net->supervisor(), get_pool_totals{});
    CHECK(totals.reconnect_count == books.newest_generation - 1);
    if (carried == protocol::tls)
      return;
    const auto records = carrier->records();
    std::uint64_t from_client = 0;
    std::uint64_t to_client = 0;
    std::uint64_t arrived = 0;
    auto is_struck = false;
    for (std::size_t index = 0; index < records.size(); ++index) {
      const auto& each = records[index];
      from_client += each.from_client;
      to_client += each.to_client;
      is_struck = is_struck || each.is_struck;
      // What is cut arrives up to the cut.
      if (!each.is_struck || (carrier == &proxy && weather[index].to_client.fate == tcp_fate::cut))
        arrived += each.to_client;
    }
    CHECK(totals.bytes_sent >= from_client);
    CHECK(totals.bytes_received <= to_client);
    CHECK(totals.bytes_received >= arrived);
    if (!is_struck)
      CHECK(totals.bytes_sent == from_client);
  }

  protocol carried;
  redis_server server;
  std::vector<tcp_faults> weather;
  tcp_fault_proxy proxy;
  /// The line that the peer goes by.
  const tcp_fault_proxy* carrier = &proxy;
  program here;
  witness me{here.system};
  connection_actor peer;
  fault_ledger books;
  std::vector<std::string> on_server;
};

} // namespace

TEST_CASE("wherever a line to redis is cut or reset, redis has what the accounts say",
          "[D1][D2][D3][D4][D5][H5][S2][S3][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const test_seed seed;
  const auto carried = either_protocol();
  std::vector<tcp_faults> weather;
  for (const auto fate : {tcp_fate::cut, tcp_fate::reset}) {
    for (const auto at : {10'000U, 31'234U})
      weather.push_back({.to_server = {.fate = fate, .at = at}});
    // After what TLS says before the first answer.
    for (const auto at : {5'000U, 6'543U})
      weather.push_back({.to_client = {.fate = fate, .at = at}});
  }
  faulty_line line{seed, carried, weather};
  const auto& books = line.fill();
  CHECK(struck_only(line.proxy).size() == weather.size());
  CHECK(books.failures.size() == weather.size());
  for (const auto& reason : books.failures) {
    INFO(to_string(reason));
    CHECK(is_loss(reason, carried));
    CHECK(is_explained(reason));
  }
  for (std::size_t index = 0; index < std::min(weather.size(), books.failures.size()); ++index)
    if (weather[index].to_server.fate == tcp_fate::reset || weather[index].to_client.fate == tcp_fate::reset) {
      INFO(to_string(books.failures[index]));
      CHECK(books.failures[index].code == error_code::reset);
      CHECK(books.failures[index].system_code == ECONNRESET);
    }
  if (carried == protocol::tls)
    return;
  // What came before the cut arrived to the byte.
  for (const std::size_t index : {0U, 1U}) {
    std::vector<std::size_t> numbers;
    for (std::size_t number = 0; number < books.orders.size(); ++number)
      if (books.orders[number].generation == index + 1)
        numbers.push_back(number);
    std::size_t arrived = 0;
    for (const auto& each : line.on_server)
      arrived += books.orders[std::stoul(each)].generation == index + 1;
    CHECK(arrived == whole_orders(numbers, weather[index].to_server.at));
  }
}

TEST_CASE("whatever befalls lines to redis, redis has what the accounts say", "[D1][D2][D3][D4][D5][H5][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const auto carried = either_protocol();
  const test_seed seed;
  auto chance = seed.engine(1);
  // Without TLS nothing finds a byte that is wrong.
  std::vector fates{tcp_fate::cut, tcp_fate::reset, tcp_fate::stall};
  if (carried == protocol::tls)
    fates.push_back(tcp_fate::corrupt);
  std::vector<tcp_faults> weather;
  for (int count = 0; count < 6; ++count) {
    auto drawn = drawn_faults(chance, fates, 5'000);
    // Answers that stay out are for the program to miss.
    if (drawn.to_client.fate == tcp_fate::stall)
      std::swap(drawn.to_server, drawn.to_client);
    drawn.to_client.delay_max = std::chrono::milliseconds{chance() % 3};
    weather.push_back(drawn);
  }
  auto options = persistent();
  options.transport.operation_timeout = 300ms;
  options.transport.attempt_timeout = options.transport.connect_timeout = 1s;
  faulty_line line{seed, carried, weather, options};
  line.fill();
}

TEST_CASE("a byte that goes wrong on the way to or from redis is found by TLS, and nothing of it is delivered",
          "[D3][D4][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const test_seed seed;
  auto chance = seed.engine(1);
  std::vector<tcp_faults> weather;
  for (int count = 0; count < 4; ++count) {
    weather.push_back({.to_server = {.fate = tcp_fate::corrupt, .at = 10'000 + chance() % 10'000}});
    weather.push_back({.to_client = {.fate = tcp_fate::corrupt, .at = 5'000 + chance() % 5'000}});
  }
  faulty_line line{seed, protocol::tls, weather};
  const auto& books = line.fill();
  CHECK(struck_only(line.proxy).size() == weather.size());
  REQUIRE(books.failures.size() == weather.size());
  for (std::size_t index = 0; index < weather.size(); ++index) {
    INFO(to_string(books.failures[index]));
    const auto code = books.failures[index].code;
    if (weather[index].to_client.fate == tcp_fate::corrupt)
      // We find it.
      CHECK(code == error_code::malformed);
    else
      // Redis finds it. What it says of it may be lost with the connection.
      CHECK((code == error_code::peer_error || code == error_code::reset || code == error_code::truncated_stream));
  }
}

TEST_CASE("a line to redis that takes nothing more ends as stalled, and the rest goes by the next",
          "[D1][D3][D4][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const test_seed seed;
  const auto carried = either_protocol();
  const tcp_faults stall{.to_server = {.fate = tcp_fate::stall, .at = 20'000}};
  auto options = persistent();
  options.transport.operation_timeout = 300ms;
  faulty_line line{seed, carried, {stall, stall}, options};
  const auto& books = line.fill();
  REQUIRE(books.failures.size() >= 2);
  CHECK(books.failures[0].code == error_code::stalled);
  CHECK(books.failures[1].code == error_code::stalled);
}

TEST_CASE("what reaches redis in small pieces, late, and is answered so, is whole", "[D1][D3][H5][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const test_seed seed;
  const auto carried = either_protocol();
  faulty_line line{seed, carried, {}};
  // All connections alike: there is to be no second one.
  const tcp_fault_proxy slow{line.server.port(carried),
                             {{.to_server = {.piece_max = 40, .delay_max = 2ms},
                               .to_client = {.piece_max = 5, .delay_max = 2ms}}},
                             seed.engine(1)};
  line.peer = line.here.net->acquire(uri_of(carried, slow.port()), persistent()).value();
  line.carrier = &slow;
  CHECK(line.fill().failures.empty());
  CHECK(slow.records().size() == 1);
}

TEST_CASE("on a half-open line to redis all is acknowledged, and only the program can miss the answers",
          "[D1][random]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  const test_seed seed;
  constexpr std::size_t count = 100;
  const auto carried = either_protocol();
  const auto is_to_server = GENERATE(true, false);
  tcp_faults half_open;
  (is_to_server ? half_open.to_server
                : half_open.to_client) = {.fate = tcp_fate::swallow,
                                          .at = is_to_server ? 10'000U : (carried == protocol::tls ? 4'000U : 200U)};
  faulty_line line{seed, carried, {half_open}};
  auto& me = line.me;
  const send_options options{when_down::queue, outcome::acked, 0ms};
  const auto order = [&](const connection_actor& peer, std::size_t number) {
    return me.must_ask<sent>(peer, actorwire::send{payload::copy_of(command({"RPUSH", "orders", order_text(number)})),
                                                   options});
  };
  for (std::size_t number = 0; number < count; ++number)
    CHECK(order(line.peer, number).result == outcome::acked);
  reply_parser parser;
  std::size_t answered = 0;
  for (;;) {
    const auto data = me.try_to_ask<received>(line.peer, receive{400ms});
    if (!data) {
      CHECK(data.error().code == error_code::request_timeout);
      break;
    }
    parser.feed(data->body.text());
    while (const auto reply = parser.next())
      CHECK(*reply == ":" + std::to_string(++answered));
  }
  CHECK(answered < count);
  // To the transport nothing is wrong.
  const auto status = me.must_ask<connection_status>(line.peer, get_state{});
  CHECK(status.state == connection_state::ready);
  CHECK(status.info.generation == 1);
  const auto totals = me.must_ask<close_report>(line.peer, close{close_mode::abort, 10s}).delivery;
  CHECK(totals.accepted.messages == count);
  CHECK(totals.acked.messages == count);
  const auto before = line.server.list("orders");
  CHECK(before.size() >= answered);
  if (!is_to_server)
    CHECK(before.size() == count);
  for (std::size_t place = 0; place < before.size(); ++place)
    CHECK(before[place] == order_text(place));

  // What was not answered is sent once more, by another connection.
  const auto again = line.here.net->acquire(uri_of(carried, line.proxy.port()), persistent()).value();
  me.listen_to(again, event_mask::data);
  parser.clear();
  std::string replies;
  for (auto number = answered; number < count; ++number)
    order(again, number);
  for (auto place = before.size(); place < before.size() + count - answered; ++place) {
    std::optional<std::string> reply;
    while (!(reply = parser.next()))
      parser.feed(me.await<received>().body.text());
    CHECK(*reply == ":" + std::to_string(place + 1));
  }
  const auto after = line.server.list("orders");
  REQUIRE(after.size() == before.size() + count - answered);
  CHECK(std::equal(before.begin(), before.end(), after.begin()));
  for (auto number = answered; number < count; ++number)
    CHECK(after[before.size() + number - answered] == order_text(number));
}

// -- a server that is stopped or killed ---------------------------------------------------------------------------------------

namespace {

/// A redis, and a program with a peer of it that fills a list until it is told that it is enough.
struct direct_line {
  explicit direct_line(protocol carried, const acquire_options& options = persistent())
    : peer(here.net->acquire(uri_of(carried, server.port(carried)), options).value()),
      filler(me, peer,
             [enough = is_enough](const fault_ledger& books) { return *enough && books.replies_to_newest() >= 100; }) {}

  void await_answers() {
    const auto before = bytes_received();
    wait_until("redis has answered some more", [&] { return bytes_received() > before + 500; });
  }

  void check() {
    *is_enough = true;
    const auto report = filler.finish();
    check_accounts(filler.books(), report, server.list("orders"));
  }

  [[nodiscard]] std::uint64_t bytes_received() {
    return me.must_ask<stats>(peer, get_stats{}).transport.bytes_received;
  }

  redis_server server;
  program here;
  witness me{here.system};
  connection_actor peer;
  std::shared_ptr<std::atomic<bool>> is_enough = std::make_shared<std::atomic<bool>>(false);
  list_filler filler;
};

} // namespace

TEST_CASE("redis is killed and restarted, and has all that it has answered and nothing twice",
          "[D1][D2][D3][D4][D5][S2]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  direct_line line{either_protocol()};
  for (int count = 0; count < 3; ++count) {
    line.await_answers();
    const auto before = line.me.must_ask<connection_info>(line.peer, connect{}).generation;
    line.server.kill();
    line.server.start();
    wait_until("the peer is connected anew",
               [&] { return line.me.must_ask<connection_info>(line.peer, connect{}).generation > before; });
  }
  line.check();
}

TEST_CASE("a stopped redis with bytes to take ends the connection as stalled, and gets the rest when it goes on",
          "[D1][D2][D3][D4][D5]") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  auto options = persistent();
  options.transport.operation_timeout = 300ms;
  direct_line line{either_protocol(), options};
  line.await_answers();
  line.me.listen_to(line.peer, event_mask::state);
  line.server.stop();
  const auto lost = line.me.await<state_changed>();
  CHECK(lost.from == connection_state::ready);
  CHECK(lost.to == connection_state::backoff);
  CHECK(lost.reason.code == error_code::stalled);
  line.server.go_on();
  line.check();
}

TEST_CASE("the kernel of a stopped redis answers keepalive, so that only the program can miss its answers") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  redis_server server;
  program here;
  witness me{here.system};
  auto options = persistent();
  // A silent machine would be found out within 2 s.
  options.transport.keepalive_interval = 1s;
  options.transport.keepalive_timeout = 1s;
  std::get<tcp_config>(options.transport.protocol_settings).keepalive_probes = 1;
  const auto peer = here.net->acquire(uri_of(protocol::tcp, server.port(protocol::tcp)), options).value();
  me.must_ask<connection_info>(peer, connect{});
  server.stop();
  const auto became = me.must_ask<sent>(peer, actorwire::send{payload::copy_of(command({"PING"})),
                                                              {when_down::fail, outcome::acked, 0ms}});
  CHECK(became.result == outcome::acked);
  const auto nothing = me.try_to_ask<received>(peer, receive{3s});
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == error_code::request_timeout);
  const auto status = me.must_ask<connection_status>(peer, get_state{});
  CHECK(status.state == connection_state::ready);
  CHECK(status.info.generation == 1);
  server.go_on();
  CHECK(me.must_ask<received>(peer, receive{}).body.text() == "+PONG\r\n");
}

TEST_CASE("a stopped redis cannot agree on keys: attempts end in time, and one succeeds when it goes on") {
  if (!is_installed("redis-server"))
    SKIP("redis-server is not installed");
  redis_server server;
  server.stop();
  program here;
  witness me{here.system};
  auto options = persistent();
  options.transport.attempt_timeout = options.transport.connect_timeout = 500ms;
  const auto peer = here.net->acquire(uri_of(protocol::tls, server.port(protocol::tls)), options).value();
  me.listen_to(peer, event_mask::state);
  const auto failed = me.await<state_changed>([](const auto& each) { return each.to == connection_state::backoff; });
  CHECK(failed.from == connection_state::handshaking);
  CHECK(failed.reason.code == error_code::connect_timeout);
  server.go_on();
  CHECK(me.await<opened>().info.generation == 1);
}

} // namespace actorwire::test
