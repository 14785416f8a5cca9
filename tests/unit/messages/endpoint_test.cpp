#include "seed.hpp"

#include <actorwire/messages/endpoint.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace actorwire;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

struct good_input {
  std::string uri;
  endpoint meaning;
};

struct bad_input {
  std::string uri;
  /// Start of the error's text: the part that is wrong.
  std::string_view field;
  /// The value as it is shown, and what the text must say of it.
  std::string_view value;
  std::string_view reason;
};

std::string refusal_of(std::string_view uri) {
  const auto parsed = parse_endpoint(uri);
  INFO("input: " << uri);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == error_code::invalid_value);
  CHECK(parsed.error().kind == error_kind::configuration);
  CHECK_FALSE(parsed.error().retryable);
  return parsed.error().text;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

const std::string longest_label(63, 'a');
const std::string longest_name = longest_label + '.' + longest_label + '.' + longest_label + '.' + std::string(61, 'b');

template <class T>
T pick(std::mt19937_64& engine, T least, T most) {
  return std::uniform_int_distribution<T>{least, most}(engine);
}

std::string random_label(std::mt19937_64& engine) {
  constexpr auto outer = "abcdefghijklmnopqrstuvwxyz0123456789_"sv;
  constexpr auto inner = "abcdefghijklmnopqrstuvwxyz0123456789_-"sv;
  const auto size = pick<std::size_t>(engine, 1, 63);
  std::string label;
  for (std::size_t index = 0; index < size; ++index) {
    const auto letters = index == 0 || index + 1 == size ? outer : inner;
    label += letters[pick<std::size_t>(engine, 0, letters.size() - 1)];
  }
  return label;
}

std::string random_name(std::mt19937_64& engine) {
  std::string name;
  for (auto labels = pick(engine, 0, 2); labels > 0; --labels)
    name += random_label(engine) + '.';
  auto last = random_label(engine);
  // A letter that no hexadecimal number has keeps the last label from being a number.
  last.front() = 'z';
  return name + last;
}

std::string random_ipv4(std::mt19937_64& engine) {
  std::string address = std::to_string(pick(engine, 0, 255));
  for (int count = 0; count < 3; ++count)
    address += '.' + std::to_string(pick(engine, 0, 255));
  return address;
}

/// Eight groups, many of them zero, so that every way to shorten an address is met.
std::string random_ipv6(std::mt19937_64& engine) {
  constexpr auto digits = "0123456789abcdef"sv;
  std::string address;
  for (int group = 0; group < 8; ++group) {
    if (group > 0)
      address += ':';
    for (auto size = pick(engine, 1, 4); size > 0; --size)
      address += digits[pick(engine, 0, 2) == 0 ? pick<std::size_t>(engine, 0, 15) : 0];
  }
  return address;
}

endpoint random_endpoint(std::mt19937_64& engine) {
  const auto proto = static_cast<protocol>(pick(engine, 0, 2));
  const auto port = pick<std::uint16_t>(engine, 0, 65535);
  switch (pick(engine, 0, 2)) {
    case 0:
      return {proto, random_name(engine), port};
    case 1:
      return {proto, random_ipv4(engine), port};
    default:
      return {proto, random_ipv6(engine), port};
  }
}

/// Inserts, removes or replaces something at a random place.
void damage(std::string& uri, std::mt19937_64& engine) {
  constexpr std::array fragments{"tcp"sv, "://"sv, ":"sv, "["sv, "]"sv, "::"sv,  "127.0.0.1"sv, "."sv, "-"sv,
                                 "0x"sv,  "0"sv,   "9"sv, "a"sv, "Z"sv, "%25"sv, "@"sv,         "/"sv, "?"sv};
  const auto place = pick<std::size_t>(engine, 0, uri.size());
  const auto removed = pick<std::size_t>(engine, 0, 2);
  uri.erase(place, removed);
  if (pick(engine, 0, 3) == 0)
    uri.insert(place, 1, static_cast<char>(pick(engine, 0, 255)));
  else if (pick(engine, 0, 2) > 0)
    uri.insert(place, fragments[pick<std::size_t>(engine, 0, fragments.size() - 1)]);
}

} // namespace

TEST_CASE("an endpoint is read from protocol, host and port") {
  const good_input inputs[] = {
      {"tcp://example.org:6379", {protocol::tcp, "example.org", 6379}},
      {"tls://example.org:443", {protocol::tls, "example.org", 443}},
      {"quic://example.org:443", {protocol::quic, "example.org", 443}},
      {"TCP://Example.ORG:1", {protocol::tcp, "example.org", 1}},
      {"tcp://localhost:0", {protocol::tcp, "localhost", 0}},
      {"tcp://localhost:65535", {protocol::tcp, "localhost", 65535}},
      {"tcp://a:1", {protocol::tcp, "a", 1}},
      {"tcp://_service._tcp.example.org:1", {protocol::tcp, "_service._tcp.example.org", 1}},
      {"tcp://xn--bcher-kva.example:1", {protocol::tcp, "xn--bcher-kva.example", 1}},
      {"tcp://1and1.de:1", {protocol::tcp, "1and1.de", 1}},
      {"tcp://10.example:1", {protocol::tcp, "10.example", 1}},
      {"tcp://0xy:1", {protocol::tcp, "0xy", 1}},
      {"tcp://" + longest_name + ":65535", {protocol::tcp, longest_name, 65535}},
      {"tcp://127.0.0.1:80", {protocol::tcp, "127.0.0.1", 80}},
      {"tcp://255.255.255.255:80", {protocol::tcp, "255.255.255.255", 80}},
      {"quic://[::1]:443", {protocol::quic, "::1", 443}},
      {"tcp://[::]:0", {protocol::tcp, "::", 0}},
      {"tcp://[2001:DB8::A]:1", {protocol::tcp, "2001:db8::a", 1}},
      {"tcp://[::ffff:192.0.2.1]:1", {protocol::tcp, "::ffff:192.0.2.1", 1}},
  };
  for (const auto& input : inputs) {
    INFO("input: " << input.uri);
    const auto parsed = parse_endpoint(input.uri);
    REQUIRE(parsed);
    CHECK(*parsed == input.meaning);
    const auto again = parse_endpoint(to_string(*parsed));
    REQUIRE(again);
    CHECK(*again == input.meaning);
  }
}

TEST_CASE("an endpoint that is not exactly protocol, host and port is refused with part, value and reason") {
  const auto longer_label = longest_label + 'a';
  const auto longer_name = longest_name + 'b';
  const bad_input inputs[] = {
      // The form as a whole.
      {"", "endpoint", R"("")", "protocol://host:port"},
      {"example.org:80", "endpoint", R"("example.org:80")", "protocol://host:port"},
      {"tcp:/example.org:80", "endpoint", R"("tcp:/example.org:80")", "protocol://host:port"},
      {"tcp://", "endpoint", R"("tcp://")", "protocol://host:port"},
      {"tcp://example.org", "endpoint", R"("tcp://example.org")", "protocol://host:port"},
      {"tcp://::1:80", "endpoint", R"("tcp://::1:80")", "IPv6 address in brackets"},
      {"tcp://a:1:2", "endpoint", R"("tcp://a:1:2")", "protocol://host:port"},
      {"tcp://[::1]", "endpoint", R"("tcp://[::1]")", "protocol://host:port"},
      {"tcp://[::1:80", "endpoint", R"("tcp://[::1:80")", "protocol://host:port"},
      {"tcp://[::1]80", "endpoint", R"("tcp://[::1]80")", "protocol://host:port"},
      // The protocol.
      {"://example.org:80", "endpoint.proto", R"("")", "tcp, tls or quic"},
      {"http://example.org:80", "endpoint.proto", R"("http")", "tcp, tls or quic"},
      {"tcp6://example.org:80", "endpoint.proto", R"("tcp6")", "tcp, tls or quic"},
      // The host.
      {"tcp://:80", "endpoint.host", R"("")", "labels of 1..63"},
      {"tcp://example.org.:80", "endpoint.host", R"("example.org.")", "without a dot at its end"},
      {"tcp://.example.org:80", "endpoint.host", R"(".example.org")", "labels of 1..63"},
      {"tcp://example..org:80", "endpoint.host", R"("example..org")", "labels of 1..63"},
      {"tcp://-a.org:80", "endpoint.host", R"("-a.org")", "hyphens (inside)"},
      {"tcp://a-.org:80", "endpoint.host", R"("a-.org")", "hyphens (inside)"},
      {"tcp://a*b:80", "endpoint.host", R"("a*b")", "letters, digits"},
      {R"(tcp://a\b:80)", "endpoint.host", R"("a\\b")", "letters, digits"},
      {"tcp://" + longer_label + ":80", "endpoint.host", "aaa", "labels of 1..63"},
      {"tcp://" + longer_name + ":80", "endpoint.host", "aaa", "at most 253 bytes"},
      {"tcp://127.1:80", "endpoint.host", R"("127.1")", "four numbers 0..255"},
      {"tcp://256.0.0.1:80", "endpoint.host", R"("256.0.0.1")", "four numbers 0..255"},
      {"tcp://1.2.3.4.5:80", "endpoint.host", R"("1.2.3.4.5")", "four numbers 0..255"},
      {"tcp://127.0.0.01:80", "endpoint.host", R"("127.0.0.01")", "four numbers 0..255"},
      {"tcp://2130706433:80", "endpoint.host", R"("2130706433")", "not end in a number"},
      {"tcp://0x7F000001:80", "endpoint.host", R"("0x7F000001")", "not end in a number"},
      {"tcp://127.0.0.0x1:80", "endpoint.host", R"("127.0.0.0x1")", "not end in a number"},
      {"tcp://host.42:80", "endpoint.host", R"("host.42")", "not end in a number"},
      {"tcp://[]:80", "endpoint.host", R"("")", "IPv6 address"},
      {"tcp://[127.0.0.1]:80", "endpoint.host", R"("127.0.0.1")", "IPv6 address"},
      {"tcp://[1::2::3]:80", "endpoint.host", R"("1::2::3")", "IPv6 address"},
      {"tcp://[12345::]:80", "endpoint.host", R"("12345::")", "IPv6 address"},
      {"tcp://[1:2:3:4:5:6:7:8:9]:80", "endpoint.host", R"("1:2:3:4:5:6:7:8:9")", "IPv6 address"},
      // The port.
      {"tcp://a:", "endpoint.port", R"("")", "0..65535"},
      {"tcp://a:65536", "endpoint.port", R"("65536")", "0..65535"},
      {"tcp://a:18446744073709551617", "endpoint.port", R"("18446744073709551617")", "0..65535"},
      {"tcp://a:+80", "endpoint.port", R"("+80")", "decimal digits"},
      {"tcp://a:-1", "endpoint.port", R"("-1")", "decimal digits"},
      {"tcp://a:0x50", "endpoint.port", R"("0x50")", "decimal digits"},
      {"tcp://a:080", "endpoint.port", R"("080")", "without leading zeros"},
      {"tcp://a:80a", "endpoint.port", R"("80a")", "decimal digits"},
      {"tcp://[::1]:http", "endpoint.port", R"("http")", "decimal digits"},
      // What URIs have and endpoints do not.
      {"tcp://a:80/", "endpoint", R"("tcp://a:80/")", "without a path"},
      {"tcp://a:80/index", "endpoint", R"("tcp://a:80/index")", "without a path"},
      {"tcp://a:80?x=1", "endpoint", R"("tcp://a:80?***")", "without a query"},
      {"tcp://a:80#top", "endpoint", R"("tcp://a:80#***")", "without a fragment"},
      {"tcp://user@a:80", "endpoint", R"("***@a:80")", "without a user name"},
      {"tcp://user:secret@a:80", "endpoint", R"("***@a:80")", "without a user name"},
      // Characters.
      {" tcp://a:80", "endpoint", R"(" tcp://a:80")", "without spaces"},
      {"tcp://a:80\n", "endpoint", R"("tcp://a:80\x0a")", "control characters"},
      {"tcp://a\0b:80"s, "endpoint", R"("tcp://a\x00b:80")", "control characters"},
      {"tcp://b\xc3\xbc"
       "cher.example:80",
       "endpoint", R"("tcp://b\xc3\xbccher.example:80")", "beyond ASCII"},
      {"tcp://a%2eb:80", "endpoint", R"("tcp://a%2eb:80")", "without percent-encoding"},
      {"tcp://[fe80::1%25eth0]:80", "endpoint", R"("tcp://[fe80::1%25eth0]:80")", "IPv6 zones are not supported"},
      {"tcp://[fe80::1%eth0]:80", "endpoint", R"("tcp://[fe80::1%eth0]:80")", "IPv6 zones are not supported"},
  };
  for (const auto& input : inputs) {
    const auto text = refusal_of(input.uri);
    INFO("text: " << text);
    CHECK(text.starts_with(std::string{input.field} + " = "));
    CHECK(contains(text, input.value));
    CHECK(contains(text, "must be "));
    CHECK(contains(text, input.reason));
  }
}

TEST_CASE("an error about an endpoint never shows a password, a query or a fragment") {
  for (const std::string uri : {
           "tcp://user:hunter2@a:80",
           "tcp://user:hunter2@a:80/path",
           "tcp://user:hunter2/@a:80",
           "tcp://user:hunter2?@a:80",
           "tcp://user:p@hunter2@a:80",
           "user:hunter2@a:80",
           "user:hunter2@tcp://a:80",
           "user:hunter2://b@a:80",
           "tcp://user:hunter2%40@a:80",
           "tcp://user:hunter2 @a:80",
           "tcp://a:80/?token=hunter2",
           "tcp://a:80#hunter2",
           "tcp://a b:80?hunter2",
       })
    CHECK_FALSE(contains(refusal_of(uri), "hunter2"));
}

TEST_CASE("an error about an endpoint cannot forge lines or move the cursor of a terminal") {
  for (int byte = 0; byte < 256; ++byte) {
    const auto text = refusal_of("tcp://a" + std::string(1, static_cast<char>(byte)) + "\r\n\x1b[2J\x7f\x9b:80");
    CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; }));
  }
}

TEST_CASE("very long input is refused with a short error") {
  CHECK(contains(refusal_of("tcp://a:" + std::string(504, '1')), "0..65535"));
  CHECK(contains(refusal_of("tcp://a:" + std::string(505, '1')), "at most 512 bytes"));
  CHECK(refusal_of(std::string(1'000'000, 'x')).size() < 256);
  CHECK(refusal_of("tcp://" + std::string(500, '\x01')).size() < 512);
}

TEST_CASE("one IPv6 address is one endpoint however it is written") {
  const auto shortest = parse_endpoint("tcp://[2001:db8::1]:80");
  REQUIRE(shortest);
  for (const auto uri :
       {"tcp://[2001:0db8:0:0:0:0:0:1]:80", "tcp://[2001:DB8:0::0:1]:80", "tcp://[2001:db8::0.0.0.1]:80"}) {
    INFO("input: " << uri);
    const auto parsed = parse_endpoint(uri);
    REQUIRE(parsed);
    CHECK(*parsed == *shortest);
    CHECK(std::hash<endpoint>{}(*parsed) == std::hash<endpoint>{}(*shortest));
  }
}

TEST_CASE("every endpoint reads back what it was written as") {
  const test::test_seed seed;
  auto engine = seed.engine();
  for (int round = 0; round < 5'000; ++round) {
    const auto written = random_endpoint(engine);
    INFO("input: " << to_string(written));
    const auto parsed = parse_endpoint(to_string(written));
    REQUIRE(parsed);
    REQUIRE(parsed->proto == written.proto);
    REQUIRE(parsed->port == written.port);
    // An IPv6 address comes back in its shortest form, everything else as it was.
    if (written.host.find(':') == std::string::npos)
      REQUIRE(parsed->host == written.host);
    const auto again = parse_endpoint(to_string(*parsed));
    REQUIRE(again);
    REQUIRE(*again == *parsed);
  }
}

TEST_CASE("no bytes crash the parser or make an endpoint that does not read back") {
  const test::test_seed seed;
  auto engine = seed.engine();
  int parsed_count = 0;
  int refused_count = 0;
  for (int round = 0; round < 50'000; ++round) {
    // Damaged endpoints reach deeper into the parser than bytes alone.
    auto uri = to_string(random_endpoint(engine));
    for (auto times = pick(engine, 0, 3); times > 0; --times)
      damage(uri, engine);
    if (pick(engine, 0, 15) == 0)
      std::ranges::generate(uri, [&] { return static_cast<char>(pick(engine, 0, 255)); });
    const auto parsed = parse_endpoint(uri);
    if (!parsed) {
      ++refused_count;
      if (!parsed.error().text.starts_with("endpoint"))
        FAIL("no reason for " << uri);
      continue;
    }
    ++parsed_count;
    const auto again = parse_endpoint(to_string(*parsed));
    if (!again || *again != *parsed)
      FAIL("does not read back: " << uri);
  }
  // Otherwise the loop has shown nothing.
  CHECK(parsed_count > 5'000);
  CHECK(refused_count > 5'000);
}

TEST_CASE("the endpoints of a peer are listed with commas, in the order of preference") {
  const endpoint quick{protocol::quic, "example.org", 443};
  const endpoint sure{protocol::tls, "example.org", 443};
  const endpoint six{protocol::tcp, "::1", 80};
  const endpoint four{protocol::tcp, "10.0.0.1", 80};
  const std::vector<std::pair<std::string_view, std::vector<endpoint>>> inputs{
      {"quic://example.org:443", {quick}},
      {"quic://example.org:443,tls://example.org:443", {quick, sure}},
      {"tls://example.org:443  ,  QUIC://Example.org:443", {sure, quick}},
      {" quic://example.org:443, tls://example.org:443 ", {quick, sure}},
      {"quic://example.org:443, tls://example.org:443, tcp://[::1]:80, tcp://10.0.0.1:80", {quick, sure, six, four}},
  };
  for (const auto& [uris, meaning] : inputs) {
    INFO("input: " << uris);
    const auto parsed = parse_endpoints(uris);
    REQUIRE(parsed);
    CHECK(*parsed == meaning);
    CHECK(*parse_endpoints(to_string(*parsed)) == meaning);
  }
  CHECK(to_string(std::vector{quick, six}) == "quic://example.org:443, tcp://[::1]:80");
}

TEST_CASE("an error about one of several endpoints says which one") {
  struct bad_list {
    std::string_view uris;
    std::string_view text;
  };
  const std::vector<bad_list> inputs{
      {"", R"(endpoint = "": must be protocol://host:port)"},
      {"tcp://a:80,", R"(endpoint = "": must be protocol://host:port (endpoint 2 of 2))"},
      {", tcp://a:80", R"(endpoint = "": must be protocol://host:port (endpoint 1 of 2))"},
      {"quic://a:80, udp://a:80", R"(endpoint.proto = "udp": must be tcp, tls or quic (endpoint 2 of 2))"},
      {"quic://a:x, tls://a:80",
       R"(endpoint.port = "x": must be decimal digits without leading zeros, 0..65535 (endpoint 1 of 2))"},
      {"quic://a:80, QUIC://A:80", R"(endpoints = "quic://a:80": must be named once)"},
      {"tcp://a:1,tcp://a:2,tcp://a:3,tcp://a:4,tcp://a:5",
       "endpoints = 5: must be 1..4 endpoints, with a comma between two"},
  };
  for (const auto& [uris, text] : inputs) {
    INFO("input: " << uris);
    const auto parsed = parse_endpoints(uris);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == error_code::invalid_value);
    CHECK(parsed.error().text == text);
  }
}

TEST_CASE("an error about several endpoints does not show a password either, with a comma in it or not") {
  for (const auto uris :
       {"tcp://user:hunter2@a:80, tcp://b:80", "tcp://a:80, tcp://user:hunter2@b:80", "tcp://user:hunter2,more@a:80",
        "tcp://user:more,hunter2@a:80", "tcp://a:80?x,tcp://b:1?hunter2", "tcp://a:80, tcp://b:1#hunter2"}) {
    INFO("input: " << uris);
    const auto parsed = parse_endpoints(uris);
    REQUIRE_FALSE(parsed);
    CHECK_FALSE(contains(parsed.error().text, "hunter2"));
  }
}
