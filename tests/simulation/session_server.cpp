#include "session_server.hpp"

#include "message_book.hpp"
#include "served_host.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace actorwire::test {

namespace {

/// Serves one connection.
class echo {
public:
  echo(caf::event_based_actor* self, connection_actor client, const simulated_system& world,
       std::shared_ptr<session_log> log)
    : self_(self), client_(std::move(client)), world_(world), log_(std::move(log)) {}

  void operator()(const received& told) const {
    const auto text = told.body.text();
    const auto number = number_of(text);
    REQUIRE(number);
    log_->heard.push_back({*number, text.size()});
    note("heard " + std::to_string(*number) + " of " + std::to_string(text.size()) + " bytes");
    send_options how;
    how.tag = *number;
    how.report = message_report::acked;
    tell(self_, client_, cast{told.body, how});
  }
  void operator()(const message_settled& told) const {
    const auto is_first = log_->said.emplace(static_cast<std::size_t>(told.tag), told.result).second;
    REQUIRE(is_first);
    note("said " + std::to_string(told.tag) + ", " + std::string{name_of(told.result)});
  }
  void operator()(const session_opened& told) const {
    ++(told.resumed ? log_->resumed : log_->begun);
    note((told.resumed ? "resumed, again " : "begun, again ") + std::to_string(told.replayed));
  }
  void operator()(const session_lost& told) const {
    ++log_->lost;
    note("lost, " + to_string(told.reason));
  }

private:
  void note(const std::string& what) const {
    log_->lines.push_back(std::to_string(world_.now().time_since_epoch().count()) + ": " + what);
  }

  caf::event_based_actor* self_;
  connection_actor client_;
  const simulated_system& world_;
  std::shared_ptr<session_log> log_;
};

} // namespace

session_server::session_server(simulated_system& world, std::size_t shard, std::string uris, transport_config config,
                               const session_book_limits& limits)
  : world_(world),
    shard_(shard),
    uris_(std::move(uris)),
    config_(std::move(config)),
    limits_(limits),
    keeper_(world.make_probe(shard)) {
  listen();
}

void session_server::lose_memory() {
  close();
  ++log_->restarts;
  listen();
}

void session_server::close() {
  keeper_.run([where = std::exchange(listener_, nullptr)](caf::event_based_actor* self) {
    tell(self, where, actorwire::close{close_mode::abort, std::chrono::seconds{1}});
  });
  world_.run_now();
}

void session_server::listen() {
  const auto serve = [&world = world_, log = log_](caf::event_based_actor* self, const connection_actor& client) {
    const echo serves{self, client, world, log};
    return caf::behavior{
        [serves](const received& told) { serves(told); },
        [serves](const message_settled& told) { serves(told); },
        [serves](const session_opened& told) { serves(told); },
        [serves](const session_lost& told) { serves(told); },
        [](const opened&) {},
        [](const state_changed&) {},
        [](const peer_closing&) {},
        [](const backpressure&) {},
        [](const data_lost&) {},
        [](const health_changed&) {},
    };
  };
  listener_ = serve_at(world_, keeper_, uris_, serve, config_, limits_, shard_);
}

} // namespace actorwire::test
