#include "session_world.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/payload.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace actorwire::test {

session_world::session_world(std::mt19937_64 chance, session_sights& seen) : chance_(std::move(chance)), seen_(seen) {
  limits_.replay_messages = static_cast<std::uint32_t>(1 + below(8));
  limits_.replay_bytes = 40 + below(200);
  limits_.ack_messages = static_cast<std::uint32_t>(1 + below(4));
  limits_.ack_bytes = 1 + below(100);
  limits_.ack_delay = std::chrono::milliseconds{below(20)};
  clients_.resize(1 + below(3));
  book_limits_.sessions_max = static_cast<std::uint32_t>(clients_.size() + below(2));
  book_limits_.parked_bytes_max = 20 + below(3'000);
  book_limits_.keep = std::chrono::milliseconds{20 + below(1'000)};
  book_ = std::make_unique<session_book>(book_limits_, limits_);
  for (std::size_t index = 0; index < clients_.size(); ++index) {
    if (below(2) == 0)
      clients_[index].identity = "client " + std::to_string(index);
    begin_session(clients_[index]);
  }
}

void session_world::run(int steps) {
  for (int step = 0; step < steps; ++step) {
    something_happens();
    clean_up();
    check();
  }
}

void session_world::something_happens() {
  const auto index = static_cast<std::size_t>(below(clients_.size()));
  auto& who = clients_[index];
  const auto found = any_link();
  switch (below(20)) {
    case 0:
    case 1:
    case 2:
      return send(*who.machine, ledger_of(*who.machine).to_host);
    case 3:
    case 4:
      if (found && (*found)->second.held)
        send(*(*found)->second.held, ledger_of(*(*found)->second.held).to_client);
      return;
    case 5:
    case 6:
    case 7:
      if (found)
        transmit((*found)->first, (*found)->second);
      return;
    case 8:
    case 9:
    case 10:
      for (auto count = 1 + below(4); found && count > 0; --count)
        arrive_up((*found)->first, (*found)->second);
      return;
    case 11:
    case 12:
    case 13:
      for (auto count = 1 + below(4); found && count > 0; --count)
        arrive_down((*found)->first, (*found)->second);
      return;
    case 14:
      handle_some(*who.machine, false);
      if (found && (*found)->second.held)
        handle_some(*(*found)->second.held, false);
      return;
    case 15:
    case 16:
      return connect(index);
    case 17:
      now_ += std::chrono::milliseconds{below(20)};
      book_->handle_timeout(now_);
      return carry_out();
    case 18:
      if (!recalled_.empty())
        surrender(static_cast<std::size_t>(below(recalled_.size())));
      return;
    default:
      something_breaks();
  }
}

void session_world::something_breaks() {
  const auto index = static_cast<std::size_t>(below(clients_.size()));
  auto& who = clients_[index];
  const auto found = any_link();
  switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (found)
        cut((*found)->second);
      return;
    case 4:
    case 5:
    case 6:
    case 7:
      // It need not be so: the link may live, and what is on its way then comes from two of them.
      drop(who);
      if (below(2) == 0)
        connect(index);
      return;
    case 8:
    case 9:
    case 10:
      if (found)
        close_host_end((*found)->first, (*found)->second);
      return;
    case 11:
      if (below(4) == 0)
        restart();
      return;
    case 12:
      if (below(2) == 0)
        crash(who);
      return;
    case 13:
      if (below(3) == 0)
        who.machine->finish();
      else if (found && (*found)->second.held && below(3) == 0)
        (*found)->second.held->abandon();
      else if (below(3) == 0)
        who.machine->abandon();
      return see_to(who);
    case 14:
      now_ += std::chrono::milliseconds{below(1'500)};
      book_->handle_timeout(now_);
      return carry_out();
    default:
      intrude();
  }
}

// -- clients ------------------------------------------------------------------------------------------------------------

session_id session_world::draw_id() {
  return session_id::draw([this](std::span<std::byte> bytes) {
    for (auto& each : bytes)
      each = std::byte{static_cast<std::uint8_t>(chance_())};
  });
}

void session_world::begin_session(client& who) {
  ++who.serial;
  who.uses = 0;
  who.machine = std::make_unique<session>(draw_id(), limits_);
}

void session_world::connect(std::size_t index) {
  auto& who = clients_[index];
  if (who.uses != 0)
    return;
  who.uses = ++last_holder_;
  link made;
  made.client = index;
  made.serial = who.serial;
  made.epoch = who.machine->handle_connected();
  links_.emplace(who.uses, std::move(made));
}

void session_world::drop(client& who) {
  if (who.uses == 0)
    return;
  who.machine->handle_disconnected(links_.at(who.uses).epoch);
  who.uses = 0;
}

void session_world::crash(client& who) {
  ledger_of(*who.machine).to_host.note_vanished();
  begin_session(who);
}

void session_world::see_to(client& who) {
  const auto state = who.machine->state();
  if (is_over(state)) {
    // Nobody else has its id.
    REQUIRE(state != session_state::fenced);
    if (state == session_state::lost)
      ++seen_.clients_lost;
    // A goodbye may still have to leave.
    if (who.uses != 0 && !links_.at(who.uses).is_cut)
      while (auto frame = who.machine->poll_transmit(now_))
        links_.at(who.uses).up.push_back(std::move(*frame));
    ledger_of(*who.machine).to_host.note_end(who.machine->ranges());
    begin_session(who);
  } else if (who.uses != 0 && state == session_state::broken) {
    who.uses = 0;
  }
}

// -- programs -----------------------------------------------------------------------------------------------------------

void session_world::send(session& machine, direction_ledger& ledger) {
  auto text = std::to_string(++last_text_) + std::string(static_cast<std::size_t>(below(30)), '.');
  if (below(10) == 0)
    text.clear();
  const auto number = machine.send(payload::copy_of(text));
  if (!number && number.error().code != error_code::would_block) {
    REQUIRE((number.error().code == error_code::draining || is_over(machine.state())));
    return;
  }
  REQUIRE(number.has_value()
          == (ledger.open_messages() < limits_.replay_messages
              && ledger.open_bytes() + text.size() <= limits_.replay_bytes));
  if (number)
    ledger.note_sent(std::move(text), *number);
  else
    ++seen_.blocked;
}

void session_world::handle_some(session& machine, bool all) {
  const auto had = machine.receiving().delivered();
  const auto open = machine.receiving().received() - had;
  machine.handle_delivered(had + (all ? open : below(open + 1)), now_);
}

// -- what holds ---------------------------------------------------------------------------------------------------------

void session_world::check() const {
  const auto check_bounds = [this](const session& machine) {
    const auto& buffer = machine.sending().buffer();
    REQUIRE(buffer.message_count() <= limits_.replay_messages);
    REQUIRE(buffer.size_bytes() <= limits_.replay_bytes);
  };
  for (const auto& each : clients_)
    check_bounds(*each.machine);
  for (const auto& [holder, each] : links_)
    if (each.held)
      check_bounds(*each.held);
  REQUIRE(book_->session_count() <= book_limits_.sessions_max);
  REQUIRE(book_->parked_bytes() <= book_limits_.parked_bytes_max);
  REQUIRE(book_->parked_count() <= book_->session_count());
  REQUIRE(book_->next_timeout().has_value() == (book_->parked_count() > 0));
}

void session_world::heal() {
  is_healing_ = true;
  const auto is_at_rest = [this] {
    return std::all_of(clients_.begin(), clients_.end(), [this](const client& who) {
      if (who.machine->state() != session_state::open)
        return false;
      const auto& ledger = ledgers_[who.machine->id()];
      return ledger.to_host.is_complete() && ledger.to_client.is_complete();
    });
  };
  for (auto round = 0; round < 200 && !is_at_rest(); ++round) {
    for (auto& [holder, each] : links_) {
      if (each.is_cut && is_used(holder, each))
        drop(clients_[each.client]);
      if (each.is_cut || !is_used(holder, each))
        close_host_end(holder, each);
    }
    for (std::size_t index = 0; index < clients_.size(); ++index)
      connect(index);
    for (auto& [holder, each] : links_) {
      transmit(holder, each);
      while (!each.up.empty())
        arrive_up(holder, each);
      while (!each.down.empty())
        arrive_down(holder, each);
      arrive_down(holder, each);
      if (each.held)
        handle_some(*each.held, true);
    }
    for (auto& who : clients_)
      handle_some(*who.machine, true);
    now_ += limits_.ack_delay;
    clean_up();
    check();
  }
  REQUIRE(is_at_rest());
  for (const auto& [id, each] : ledgers_) {
    each.to_host.check();
    each.to_client.check();
  }
}

} // namespace actorwire::test
