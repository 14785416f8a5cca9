// Actors that live on shards are CAF actors like any other: what CAF promises of messages, requests, monitors and ends
// holds for them, whoever is on the other side.

#include "program.hpp"

#include <algorithm>
#include <functional>
#include <future>
#include <stdexcept>
#include <vector>

namespace actorwire::test {

namespace {

std::uint64_t this_thread() {
  return std::hash<std::thread::id>{}(std::this_thread::get_id());
}

/// Understands: a number adds up; `get_atom` tells the sum; `ok_atom` tells the thread; a text is thrown; `caf::error`
/// is what it ends with; `bool` is answered by an error; an actor is asked for its sum and the answer passed on.
caf::behavior counter(caf::event_based_actor* self) {
  const auto sum = std::make_shared<std::int64_t>(0);
  return {
      [sum](std::int64_t number) { *sum += number; },
      [sum](caf::get_atom) { return *sum; },
      [](caf::ok_atom) { return this_thread(); },
      [](const std::string& what) -> std::int64_t { throw std::runtime_error{what}; },
      [self](const caf::error& reason) { self->quit(reason); },
      [](bool) -> caf::result<std::int64_t> { return caf::make_error(caf::sec::invalid_argument, "as asked"); },
      [self](const caf::actor& other) {
        auto promise = self->make_response_promise<std::int64_t>();
        ask(self, other, patience, caf::get_atom_v)
            .then([promise](std::int64_t value) mutable { promise.deliver(value); },
                  [promise](caf::error& reason) mutable { promise.deliver(std::move(reason)); });
        return promise;
      },
  };
}

/// Takes every request and answers none.
caf::behavior silent(caf::event_based_actor* self) {
  const auto kept = std::make_shared<std::vector<caf::typed_response_promise<std::int64_t>>>();
  return {[self, kept](caf::get_atom) {
    kept->push_back(self->make_response_promise<std::int64_t>());
    return kept->back();
  }};
}

/// Skips numbers until it is told to read them, and notes the order in which it does.
struct late_reader {
  caf::behavior begin(caf::event_based_actor* self) {
    self->set_default_handler(caf::skip);
    return {[this, self](caf::ok_atom) {
      self->become([this](std::int64_t number) {
        order.push_back(number);
        if (number == last)
          complete.set_value();
      });
    }};
  }

  std::int64_t last;
  std::vector<std::int64_t> order{};
  std::promise<void> complete{};
};

} // namespace

TEST_CASE("messages of four foreign threads reach two shard actors completely and in the order of each sender",
          "[C2]") {
  constexpr int senders = 4;
  constexpr std::int32_t messages = 5'000;
  program here;
  struct seen {
    std::int32_t next[senders] = {};
    int misplaced = 0;
    int count = 0;
    std::uint64_t thread = 0;
    std::promise<void> complete;
  };
  seen records[2];
  std::vector<caf::actor> receivers;
  for (std::size_t index = 0; index < 2; ++index)
    receivers.push_back(here.net->spawn_on_shard(index, [record = &records[index]](caf::event_based_actor*) {
      record->thread = this_thread();
      return caf::behavior{[record](std::int32_t sender, std::int32_t number) {
        record->misplaced += record->next[sender]++ != number || record->thread != this_thread();
        if (++record->count == senders * messages)
          record->complete.set_value();
      }};
    }));
  std::vector<std::thread> threads;
  for (std::int32_t sender = 0; sender < senders; ++sender)
    threads.emplace_back([&receivers, sender] {
      for (std::int32_t number = 0; number < messages; ++number)
        for (const auto& receiver : receivers)
          anonymous_tell(receiver, sender, number);
    });
  for (auto& thread : threads)
    thread.join();
  for (auto& record : records)
    REQUIRE(record.complete.get_future().wait_for(patience) == std::future_status::ready);
  here.net.reset();
  for (const auto& record : records) {
    CHECK(record.count == senders * messages);
    CHECK(record.misplaced == 0);
  }
  CHECK(records[0].thread != records[1].thread);
}

TEST_CASE("requests are answered between a shard, another shard, the scheduler and a foreign thread") {
  program here;
  witness me{here.system};
  const auto left = here.net->spawn_on_shard(0, counter);
  const auto right = here.net->spawn_on_shard(1, counter);
  const auto elsewhere = here.system.spawn(counter);
  anonymous_tell(right, std::int64_t{7});
  anonymous_tell(elsewhere, std::int64_t{9});
  CHECK(me.must_ask<std::int64_t>(right, caf::get_atom_v) == 7);
  CHECK(me.must_ask<std::int64_t>(left, right) == 7);
  CHECK(me.must_ask<std::int64_t>(left, elsewhere) == 9);
  CHECK(me.must_ask<std::int64_t>(elsewhere, right) == 7);
  anonymous_tell(elsewhere, caf::error{caf::exit_reason::user_shutdown});
}

TEST_CASE("an actor of the scheduler that is woken by a shard does not run on the shard's thread") {
  program here;
  witness me{here.system};
  std::vector<std::uint64_t> shards;
  for (std::size_t index = 0; index < 2; ++index)
    shards.push_back(me.must_ask<std::uint64_t>(here.net->spawn_on_shard(index, counter), caf::ok_atom_v));
  // It says where it runs; many times, because it would depend on which thread wakes it.
  const auto elsewhere = here.system.spawn([](caf::event_based_actor*) {
    return caf::behavior{[](caf::get_atom) { return static_cast<std::int64_t>(this_thread()); }};
  });
  const auto left = here.net->spawn_on_shard(0, counter);
  for (int count = 0; count < 500; ++count) {
    const auto thread = static_cast<std::uint64_t>(me.must_ask<std::int64_t>(left, elsewhere));
    REQUIRE(thread != shards[0]);
    REQUIRE(thread != shards[1]);
  }
  caf::anon_send_exit(elsewhere, caf::exit_reason::user_shutdown);
}

TEST_CASE("a request of a shard actor that nobody answers times out on the shard") {
  program here;
  const auto mute = here.system.spawn(silent);
  std::promise<std::pair<bool, bool>> outcome;
  const auto asker = here.net->spawn_on_shard(0, [&](caf::event_based_actor* self) {
    const auto home = this_thread();
    ask(self, mute, 10ms, caf::get_atom_v)
        .then(
            [&](std::int64_t) {
              outcome.set_value({false, false});
            },
            [&outcome, home](caf::error& reason) {
              outcome.set_value({reason == caf::sec::request_timeout, home == this_thread()});
            });
    return caf::behavior{[](caf::ok_atom) {}};
  });
  auto answer = outcome.get_future();
  REQUIRE(answer.wait_for(patience) == std::future_status::ready);
  const auto [timed_out, on_the_shard] = answer.get();
  CHECK(timed_out);
  CHECK(on_the_shard);
  caf::anon_send_exit(mute, caf::exit_reason::user_shutdown);
}

TEST_CASE("delayed messages reach a shard actor on its shard, each once") {
  program here;
  witness me{here.system};
  std::promise<int> done;
  const auto ticking = here.net->spawn_on_shard(1, [&done](caf::event_based_actor* self) {
    anonymous_tell_later(caf::actor_cast<caf::actor>(self->address()), 1ms, std::int32_t{1});
    return caf::behavior{[self, &done, home = this_thread()](std::int32_t count) {
      if (count == 20 || home != this_thread())
        done.set_value(home == this_thread() ? count : -1);
      else
        anonymous_tell_later(caf::actor_cast<caf::actor>(self->address()), 1ms, count + 1);
    }};
  });
  auto answer = done.get_future();
  REQUIRE(answer.wait_for(patience) == std::future_status::ready);
  CHECK(answer.get() == 20);
}

TEST_CASE("messages between two actors of a shard keep their order, whoever else sends to the receiver") {
  constexpr std::int32_t bursts = 2'000;
  constexpr std::int32_t burst_size = 3;
  program here;
  struct seen {
    std::int32_t next_of_neighbour = 0;
    std::int32_t next_of_stranger = 0;
    int misplaced = 0;
    std::promise<void> complete;
  } record;
  const auto receiver = here.net->spawn_on_shard(0, [&record](caf::event_based_actor*) {
    return caf::behavior{[&record](bool is_neighbour, std::int32_t number) {
      auto& next = is_neighbour ? record.next_of_neighbour : record.next_of_stranger;
      record.misplaced += next++ != number;
      if (record.next_of_neighbour == bursts * burst_size && record.next_of_stranger == bursts)
        record.complete.set_value();
    }};
  });
  const auto neighbour = here.net->spawn_on_shard(0, [receiver](caf::event_based_actor* self) {
    return caf::behavior{[self, receiver, next = std::int32_t{0}](caf::ok_atom) mutable {
      for (std::int32_t count = 0; count < burst_size; ++count)
        tell(self, receiver, true, next++);
    }};
  });
  for (std::int32_t number = 0; number < bursts; ++number) {
    anonymous_tell(neighbour, caf::ok_atom_v);
    anonymous_tell(receiver, false, number);
  }
  REQUIRE(record.complete.get_future().wait_for(patience) == std::future_status::ready);
  here.net.reset();
  CHECK(record.misplaced == 0);
}

TEST_CASE("what a shard actor skips comes back when it is wanted, before what was sent later") {
  program here;
  late_reader reader{6};
  const auto receiver = here.net->spawn_on_shard(0, [&](caf::event_based_actor* self) { return reader.begin(self); });
  const auto neighbour = here.net->spawn_on_shard(0, [receiver](caf::event_based_actor* self) {
    return caf::behavior{[self, receiver](std::int64_t first, std::int64_t last, bool wants_it_then) {
      for (auto number = first; number <= last; ++number)
        tell(self, receiver, number);
      if (wants_it_then)
        tell(self, receiver, caf::ok_atom_v);
    }};
  });
  SECTION("skipped in one burst with what is wanted") {
    anonymous_tell(neighbour, std::int64_t{1}, std::int64_t{4}, true);
    anonymous_tell(neighbour, std::int64_t{5}, std::int64_t{6}, false);
  }
  SECTION("skipped long before") {
    witness me{here.system};
    anonymous_tell(neighbour, std::int64_t{1}, std::int64_t{2}, false);
    // Whatever was sent to the shard has been handled when an actor that was made later answers.
    (void)me.must_ask<std::uint64_t>(here.net->spawn_on_shard(0, counter), caf::ok_atom_v);
    anonymous_tell(neighbour, std::int64_t{3}, std::int64_t{4}, true);
    anonymous_tell(neighbour, std::int64_t{5}, std::int64_t{6}, false);
  }
  REQUIRE(reader.complete.get_future().wait_for(patience) == std::future_status::ready);
  here.net.reset();
  CHECK(reader.order == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("what a shard actor skips stays before what comes after it, while another thread sends what it waits for",
          "[C2]") {
  program here;
  late_reader reader{3};
  const auto receiver = here.net->spawn_on_shard(0, [&](caf::event_based_actor* self) { return reader.begin(self); });
  const auto neighbour = here.net->spawn_on_shard(0, [receiver](caf::event_based_actor* self) {
    return caf::behavior{[self, receiver](caf::ok_atom) {
      tell(self, receiver, std::int64_t{1});
      tell(self, receiver, std::int64_t{2});
      std::thread{[&receiver] { anonymous_tell(receiver, caf::ok_atom_v); }}.join();
      tell(self, receiver, std::int64_t{3});
    }};
  });
  // The receiver has begun, and is idle, when the first number comes.
  witness me{here.system};
  (void)me.must_ask<std::uint64_t>(here.net->spawn_on_shard(0, counter), caf::ok_atom_v);
  anonymous_tell(neighbour, caf::ok_atom_v);
  REQUIRE(reader.complete.get_future().wait_for(patience) == std::future_status::ready);
  here.net.reset();
  CHECK(reader.order == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("while a shard actor awaits an answer, its neighbour's messages wait in order") {
  constexpr std::int64_t messages = 1'000;
  program here;
  std::vector<std::int64_t> order;
  std::promise<void> complete;
  const auto elsewhere = here.system.spawn(counter);
  const auto receiver = here.net->spawn_on_shard(0, [&](caf::event_based_actor* self) {
    return caf::behavior{[&, self](std::int64_t number) {
      order.push_back(number);
      if (number == messages)
        complete.set_value();
      // Nothing else is handled until the answer is there.
      ask(self, elsewhere, patience, caf::get_atom_v).await([](std::int64_t) {}, [](const caf::error&) {});
    }};
  });
  const auto neighbour = here.net->spawn_on_shard(0, [receiver](caf::event_based_actor* self) {
    return caf::behavior{[self, receiver, next = std::int64_t{0}](caf::ok_atom) mutable {
      for (int count = 0; count < 4; ++count)
        tell(self, receiver, ++next);
    }};
  });
  for (std::int64_t count = 0; count < messages / 4; ++count)
    anonymous_tell(neighbour, caf::ok_atom_v);
  REQUIRE(complete.get_future().wait_for(patience) == std::future_status::ready);
  here.net.reset();
  caf::anon_send_exit(elsewhere, caf::exit_reason::user_shutdown);
  CHECK(order.size() == messages);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("a request to a neighbour that ends before its turn is answered with an error") {
  program here;
  witness me{here.system};
  const auto victim = here.net->spawn_on_shard(0, counter);
  std::promise<bool> failed;
  const auto neighbour = here.net->spawn_on_shard(0, [victim, &failed](caf::event_based_actor* self) {
    return caf::behavior{[self, victim, &failed](caf::ok_atom) {
      tell(self, victim, caf::make_error(caf::sec::bad_function_call));
      ask(self, victim, patience, caf::get_atom_v)
          .then([&failed](std::int64_t) { failed.set_value(false); },
                [&failed](const caf::error&) { failed.set_value(true); });
    }};
  });
  // The victim is idle when both come.
  (void)me.must_ask<std::int64_t>(victim, caf::get_atom_v);
  anonymous_tell(neighbour, caf::ok_atom_v);
  auto answer = failed.get_future();
  REQUIRE(answer.wait_for(patience) == std::future_status::ready);
  CHECK(answer.get());
}

TEST_CASE("an error response of a shard actor comes back as it was made") {
  program here;
  caf::scoped_actor self{here.system};
  const auto who = here.net->spawn_on_shard(0, counter);
  caf::error outcome;
  ask(self.operator->(), who, patience, true)
      .receive([](std::int64_t) {}, [&outcome](caf::error& reason) { outcome = std::move(reason); });
  CHECK(outcome == caf::sec::invalid_argument);
}

TEST_CASE("whoever watches a shard actor learns why it ended") {
  program here;
  witness me{here.system};
  const auto who = here.net->spawn_on_shard(0, counter);
  me.self()->monitor(who);
  SECTION("it threw") {
    anonymous_tell(who, std::string{"boom"});
    CHECK(me.await<caf::down_msg>().reason == caf::sec::runtime_error);
  }
  SECTION("it quit") {
    anonymous_tell(who, caf::make_error(caf::sec::bad_function_call));
    CHECK(me.await<caf::down_msg>().reason == caf::sec::bad_function_call);
  }
  SECTION("it was killed") {
    caf::anon_send_exit(who, caf::exit_reason::kill);
    CHECK(me.await<caf::down_msg>().reason == caf::exit_reason::kill);
  }
  SECTION("it was shut down") {
    caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
    CHECK(me.await<caf::down_msg>().reason == caf::exit_reason::user_shutdown);
  }
  SECTION("the network ended") {
    here.net.reset();
    CHECK(me.await<caf::down_msg>().reason == caf::exit_reason::user_shutdown);
  }
  // A request to what has ended is answered, not lost.
  CHECK_FALSE(me.try_to_ask<std::int64_t>(who, caf::get_atom_v));
}

TEST_CASE("a watcher on the scheduler restarts a shard actor a thousand times and nothing of them is left") {
  std::atomic<int> alive{0};
  {
    program here;
    std::promise<void> done;
    const auto watcher = here.system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
      const auto restart = [self, &here, &alive, count = 0]() mutable {
        const auto child =
            here.net->spawn_on_shard(static_cast<std::size_t>(count++) % 2,
                                     [mark = counted{alive}](caf::event_based_actor* made) { return counter(made); });
        self->monitor(child);
        anonymous_tell(child, caf::make_error(caf::sec::runtime_error));
        return count;
      };
      const auto again = std::make_shared<std::function<int()>>(restart);
      self->set_down_handler([self, again, &done](const caf::down_msg&) {
        if ((*again)() == 1'000) {
          self->quit();
          done.set_value();
        }
      });
      (*again)();
      return {[](caf::ok_atom) {}};
    });
    REQUIRE(done.get_future().wait_for(patience) == std::future_status::ready);
  }
  CHECK(alive == 0);
}

TEST_CASE("an actor spawned beside a connection runs on the connection's thread") {
  program here;
  witness me{here.system};
  const auto server = here.net->listen("tcp://127.0.0.1:0", [](caf::event_based_actor* self,
                                                               const connection_actor& client) {
    return minding([self, client, home = this_thread()](received& data) {
      // The server runs beside its connection; a further neighbour of that connection must agree.
      const auto neighbour = spawn_beside(client, counter);
      ask(self, neighbour, patience, caf::ok_atom_v).then([self, client, home, body = data.body](std::uint64_t thread) {
        tell(self, client, cast{payload::copy_of(thread == home ? "same" : "else"), {}});
      });
    });
  });
  REQUIRE(server);
  for (int count = 0; count < 4; ++count) {
    acquire_options options;
    options.reconnection.base_delay += std::chrono::milliseconds{count}; // else it would be the same peer
    const auto peer = here.net->acquire(uri(server->port), options).value();
    me.listen_to(peer, event_mask::data);
    anonymous_tell(peer, cast{payload::copy_of("ask"), {}});
    CHECK(me.await_bytes(4) == "same");
  }
}

TEST_CASE("spawning beside what is no connection of this process is refused") {
  CHECK_THROWS_AS(spawn_beside(connection_actor{}, counter), std::invalid_argument);
}

TEST_CASE("spawning on a shard without a function is refused, and the text says what is missing") {
  using namespace std::string_literals;
  program here;
  const auto peer = here.net->acquire("tcp://127.0.0.1:1").value();
  const auto complaint = [](auto&& spawn) {
    try {
      spawn();
    } catch (const std::invalid_argument& refused) {
      return std::string{refused.what()};
    }
    return "nothing was refused"s;
  };
  CHECK(complaint([&] { here.net->spawn_on_shard(0, shard_function{}); })
        == "spawn_on_shard: there is no function that would make the behavior of the actor");
  const auto beside = "spawn_beside: there is no function that would make the behavior of the actor"s;
  CHECK(complaint([&] { spawn_beside(peer, shard_function{}); }) == beside);
  using function_with_argument = caf::behavior (*)(caf::event_based_actor*, int);
  CHECK(complaint([&] { spawn_beside(peer, function_with_argument{}, 42); }) == beside);
  CHECK(complaint([&] { spawn_beside(peer, std::function<caf::behavior(caf::event_based_actor*, int)>{}, 42); })
        == beside);
}

} // namespace actorwire::test
