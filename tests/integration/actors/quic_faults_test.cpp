// QUIC over real sockets that lose, double, hold back and damage datagrams, whose addresses change, and whose server dies.

#include "digest.hpp"
#include "message_record.hpp"
#include "secured_program.hpp"
#include "seed.hpp"
#include "talking_process.hpp"
#include "udp_fault_proxy.hpp"

#include <map>
#include <variant>
#include <vector>

namespace actorwire::test {

namespace {

// -- transfers ------------------------------------------------------------------------------------------------------------

constexpr std::size_t each_way = std::size_t{2} << 20U;

/// A peer and a listener with a bad link between them.
class bad_link {
public:
  explicit bad_link(const udp_faults& faults)
    : proxy(server_.port, faults, seed_.engine()),
      peer_(here_.net->acquire(quic_uri(proxy.port()), to_acquire()).value()) {
    const auto info = me_.must_ask<connection_info>(peer_, connect{});
    accepted_ = me_.await<accepted>();
    me_.listen_to(peer_, event_mask::data | event_mask::state);
    me_.listen_to(accepted_.connection, event_mask::data | event_mask::state);
    peer_id_ = info.id;
  }

  /// Sends `each_way` bytes in either direction, and sees that one connection carries all of it. The client moves to each of
  /// `hosts` on the way, while the server's bytes are under way. A client can be followed only when it says something: a part
  /// of what it sends is kept for after each move.
  void transfer(const std::vector<std::string>& hosts = {}) {
    auto chance = seed_.engine(1);
    const auto to_server = noise(chance, each_way);
    const auto to_client = noise(chance, each_way);
    const auto part = each_way / (hosts.size() + 1);
    const auto send_part = [&](std::size_t number) {
      anonymous_tell(peer_, cast{payload::copy_of(std::string_view{to_server}.substr(number * part, part)), {}});
    };
    anonymous_tell(accepted_.connection, cast{payload::copy_of(to_client), {}});
    send_part(0);
    std::map<connection_id, std::string> got;
    auto& by_server = got[accepted_.info.id];
    auto& by_client = got[peer_id_];
    std::size_t moves = 0;
    while (by_server.size() < to_server.size() || by_client.size() < to_client.size()) {
      const auto data = me_.await<received>();
      got.at(data.source) += data.body.text();
      if (moves < hosts.size() && by_server.size() > moves * part + part / 2) {
        const auto address = proxy.rebind(hosts[moves]);
        send_part(++moves);
        await_move_to(address);
      }
    }
    CHECK(sha256_of(by_server) == sha256_of(to_server));
    CHECK(sha256_of(by_client) == sha256_of(to_client));
    CHECK(metrics_of_server().path_changes == hosts.size());
    const auto figures = me_.must_ask<stats>(peer_, get_stats{});
    CHECK(figures.generation == 1);
    CHECK(figures.transport.reconnect_count == 0);
    CHECK(figures.transport.bytes_received == each_way);
    CHECK_FALSE(me_.await_or_nothing<accepted>(0s));
  }

  [[nodiscard]] quic_metrics metrics_of_client() { return metrics_of(peer_); }
  [[nodiscard]] quic_metrics metrics_of_server() { return metrics_of(accepted_.connection); }

private:
  void await_move_to(const std::string& address) {
    const auto told = me_.await<address_changed>([&](const auto& each) { return each.remote_address == address; });
    CHECK(told.source == accepted_.info.id);
    CHECK(told.generation == accepted_.info.generation);
  }

  [[nodiscard]] quic_metrics metrics_of(const connection_actor& which) {
    return std::get<quic_metrics>(me_.must_ask<stats>(which, get_stats{}).transport.metrics);
  }

  /// The client always may send: else it has nothing to say, and is followed late.
  static transport_config with_wide_windows() {
    auto config = settings();
    quic_config quic;
    quic.stream_window = quic.connection_window = 2 * each_way;
    config.protocol_settings = quic;
    return config;
  }

  test_seed seed_;
  program here_;
  witness me_{here_.system};
  listening server_ = here_.net->listen("quic://127.0.0.1:0", me_.handle(), to_listen(with_wide_windows())).value();

public:
  udp_fault_proxy proxy;

private:
  connection_actor peer_;
  connection_id peer_id_ = 0;
  accepted accepted_;
};

} // namespace

TEST_CASE("losing 1, 5 or 10 % of the datagrams costs no byte", "[random]") {
  const auto loss = GENERATE(0.01, 0.05, 0.1);
  bad_link link{{.loss = loss}};
  link.transfer();
  const auto done = link.proxy.counts();
  CHECK(static_cast<double>(done.lost) > loss / 2 * static_cast<double>(done.arrived));
}

TEST_CASE("datagrams that overtake each other keep all bytes in order", "[random]") {
  bad_link link{{.reordering = 0.1}};
  link.transfer();
  CHECK(link.proxy.counts().reordered > 50);
}

TEST_CASE("datagrams that come twice bring each byte once", "[random]") {
  bad_link link{{.duplication = 0.2}};
  link.transfer();
  CHECK(link.proxy.counts().duplicated > 100);
}

TEST_CASE("datagrams that are damaged are as good as lost", "[random]") {
  bad_link link{{.corruption = 0.05}};
  link.transfer();
  CHECK(link.proxy.counts().corrupted > 50);
}

TEST_CASE("a path for packets of 1,280 bytes is filled and not exceeded", "[random]") {
  bad_link link{{.mtu = 1'280}};
  link.transfer();
  CHECK(link.proxy.counts().too_long > 0);
  for (const auto& metrics : {link.metrics_of_client(), link.metrics_of_server()}) {
    CHECK(metrics.mtu >= 1'200);
    CHECK(metrics.mtu <= 1'252);
  }
}

TEST_CASE("a client whose port and address change in the middle of a transfer is followed", "[random]") {
  bad_link link{{}};
  link.transfer({"127.0.0.1", "127.0.0.2", "127.0.0.1"});
}

TEST_CASE("all faults at once cost time, and no byte", "[random]") {
  bad_link link{{.loss = 0.05, .duplication = 0.05, .corruption = 0.02, .reordering = 0.05, .mtu = 1'280}};
  link.transfer({"127.0.0.1"});
  const auto done = link.proxy.counts();
  CHECK(done.lost > 50);
  CHECK(done.duplicated > 50);
  CHECK(done.corrupted > 20);
  CHECK(done.reordered > 20);
  CHECK(done.too_long > 0);
}

// -- a server that dies -----------------------------------------------------------------------------------------------------

namespace {

constexpr auto message_bytes = message_record::message_bytes;
/// More than a server that does not read takes.
constexpr std::size_t message_count = 1'000;

/// Each begins with its number.
std::vector<std::string> numbered_messages(std::mt19937_64 chance) {
  std::vector<std::string> made;
  for (std::size_t number = 0; number < message_count; ++number) {
    auto text = std::to_string(number) + " ";
    text += noise(chance, message_bytes - text.size());
    made.push_back(std::move(text));
  }
  return made;
}

/// Sends messages, and tells `listener` what became of each.
void send_all(caf::event_based_actor* self, const connection_actor& peer, const std::vector<std::string>& texts,
              const caf::actor& listener) {
  send_options options;
  options.wanted = outcome::acked;
  for (const auto& each : texts)
    ask(self, peer, patience, actorwire::send{payload::copy_of(each), options})
        .then([self, listener](const sent& became) { tell(self, listener, became); });
}

std::string joined(const std::vector<std::string>& texts) {
  std::string whole;
  for (const auto& each : texts)
    whole += each;
  return whole;
}

} // namespace

TEST_CASE(
    "a server that is killed in the middle of a transfer and started again is found out, dialled, and sent the rest",
    "[random]") {
  const test_seed seed;
  const temporary_directory folder;
  const message_record kept{folder.path() + "/kept"};
  talking_process first{{ACTORWIRE_QUIC_RECORDER, "127.0.0.1:0", kept.path(), "hangs"}};
  const auto port = first.await_number("listens on ");
  const udp_fault_proxy proxy{port, {}, seed.engine()};
  program here;
  witness me{here.system};
  auto transport = settings();
  transport.framing.mode = framing_mode::length_prefixed;
  // Room for all of them.
  transport.flow.write_limit = 2 * message_bytes * message_count;
  // What is waited for below is not that.
  REQUIRE(patience < quic_config{}.idle_timeout);
  const auto peer = here.net->acquire(quic_uri(proxy.port()), to_acquire(transport)).value();
  me.must_ask<connection_info>(peer, connect{});
  me.listen_to(peer, event_mask::state);
  const auto texts = numbered_messages(seed.engine(1));
  here.system.spawn(send_all, peer, texts, me.handle());
  first.await("reads no more");
  // Later ones would find less room: before a peer is connected again it takes `queue_bytes`.
  wait_until("all messages are accepted",
             [&] { return me.must_ask<stats>(peer, get_stats{}).delivery.accepted.messages == message_count; });
  first.kill();
  const auto before = kept.numbers();
  talking_process second{{ACTORWIRE_QUIC_RECORDER, "127.0.0.1:" + std::to_string(port), kept.path(), "reads"}};
  second.await("listens on ");
  // Where the first server had acknowledged all that it had room for, the client has nothing to say by itself.
  anonymous_tell(peer, send_datagram{payload::copy_of("is anybody there? ...")});

  // The new server has the private key of the old one and so can say, credibly, that it does not know the connection.
  const auto lost = me.await<state_changed>();
  CHECK(lost.from == connection_state::ready);
  CHECK(lost.to == connection_state::backoff);
  CHECK(lost.reason.code == error_code::reset);
  CHECK(lost.reason.who == origin::remote);
  CHECK(lost.reason.text.find("started anew") != std::string::npos);
  CHECK(me.await<opened>().info.generation == 2);

  // What had left may have arrived and is not repeated, what had not goes out in order, nothing is written twice.
  std::vector<std::size_t> acked_anew;
  std::map<outcome, std::size_t> outcomes;
  for (std::size_t number = 0; number < message_count; ++number) {
    const auto each = me.await<sent>();
    ++outcomes[each.result];
    if (each.generation == 2 && each.result == outcome::acked)
      acked_anew.push_back(each.sequence - 1);
  }
  CHECK(outcomes[outcome::maybe_sent] > 0);
  CHECK(outcomes[outcome::acked] + outcomes[outcome::maybe_sent] == message_count);
  REQUIRE(before.size() < message_count / 2);
  REQUIRE_FALSE(acked_anew.empty());
  auto wanted = before;
  wanted.insert(wanted.end(), acked_anew.begin(), acked_anew.end());
  kept.await(wanted.size());
  CHECK(kept.numbers() == wanted);
  CHECK(std::ranges::adjacent_find(wanted, std::greater_equal{}) == wanted.end());

  // What the first server took with it only the program can know, and send again.
  std::vector<std::string> missing;
  for (std::size_t number = 0; number < message_count; ++number)
    if (!std::ranges::binary_search(wanted, number))
      missing.push_back(texts[number]);
  here.system.spawn(send_all, peer, missing, me.handle());
  kept.await(message_count);
  auto all = kept.messages();
  std::ranges::sort(all, {}, [](const std::string& each) { return std::stoul(each); });
  CHECK(sha256_of(joined(all)) == sha256_of(joined(texts)));
  CHECK(me.must_ask<stats>(peer, get_stats{}).transport.reconnect_count == 1);
}

} // namespace actorwire::test
