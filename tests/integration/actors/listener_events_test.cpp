// What a listener tells those who subscribe to it.

#include "listener_program.hpp"

#include <caf/event_based_actor.hpp>

namespace actorwire::test {

namespace {

void subscribe_to(witness& me, const listener_actor& listener) {
  me.must_ask<void>(listener, actorwire::subscribe{event_mask::listener, credit_mode::automatic});
}

} // namespace

TEST_CASE("a subscriber hears that a listener listens no more, and again") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  subscribe_to(me, server.listener);
  me.must_ask<void>(server.listener, suspend{});
  const auto suspended = me.await<listener_event>();
  CHECK(suspended.change == listener_change::suspended);
  CHECK(suspended.local.port == server.port);
  CHECK(suspended.reason.code == error_code::closed);
  me.must_ask<void>(server.listener, actorwire::resume{});
  const auto opened = me.await<listener_event>();
  CHECK(opened.change == listener_change::opened);
  CHECK(opened.local.port == server.port);
  CHECK(opened.reason.code == error_code::none);
  // A resume of one that listens changes nothing.
  me.must_ask<void>(server.listener, actorwire::resume{});
  me.must_ask<close_report>(server.listener, actorwire::close{});
  CHECK(me.await<listener_event>().change == listener_change::suspended);
}

TEST_CASE("a subscriber hears nothing where nothing changes") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  subscribe_to(me, server.listener);
  me.must_ask<void>(server.listener, suspend{});
  CHECK(me.await<listener_event>().change == listener_change::suspended);
  me.must_ask<void>(server.listener, suspend{});
  me.must_ask<close_report>(server.listener, actorwire::close{});
  static_cast<void>(me.await_end_of(server.listener));
  CHECK_FALSE(me.await_or_nothing<listener_event>(0s));
}

TEST_CASE("a subscriber that unsubscribes and ends at once is nothing to a listener") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  for (int count = 0; count < 50; ++count) {
    const auto subscriber = here.system.spawn([&](caf::event_based_actor* self) {
      ask(self, server.listener, caf::infinite, actorwire::subscribe{event_mask::listener, credit_mode::automatic})
          .then(
              [self, to = server.listener] {
                tell(self, to, actorwire::unsubscribe{});
                self->quit();
              },
              [](caf::error&) {});
      return caf::behavior{[](std::int32_t) {}};
    });
    static_cast<void>(me.await_end_of(subscriber));
  }
  CHECK(me.must_ask<listener_stats>(server.listener, get_listener_stats{}).accepting);
}

TEST_CASE("what a subscriber wants to hear may change") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  subscribe_to(me, server.listener);
  me.must_ask<void>(server.listener, actorwire::subscribe{event_mask::none, credit_mode::automatic});
  me.must_ask<void>(server.listener, suspend{});
  me.must_ask<void>(server.listener, actorwire::resume{});
  CHECK_FALSE(me.await_or_nothing<listener_event>(0s));
  subscribe_to(me, server.listener);
  me.must_ask<void>(server.listener, suspend{});
  CHECK(me.await<listener_event>().change == listener_change::suspended);
}

TEST_CASE("a subscriber hears of a client that nobody wanted") {
  program here;
  witness me{here.system};
  const auto receiver = make_deaf_receiver(here.system);
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver).value();
  subscribe_to(me, server.listener);
  const auto client = plain_socket::connect_to(server.port);
  const auto event = me.await<listener_event>();
  CHECK(event.change == listener_change::accept_failed);
  CHECK(event.reason.code != error_code::none);
  caf::anon_send_exit(receiver, caf::exit_reason::user_shutdown);
}

TEST_CASE("who has unsubscribed from a listener hears no more, and nor does who wants other events") {
  program here;
  witness gone{here.system};
  witness elsewhere{here.system};
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  subscribe_to(gone, server.listener);
  gone.must_ask<void>(server.listener, actorwire::unsubscribe{});
  elsewhere.must_ask<void>(server.listener, actorwire::subscribe{event_mask::pool, credit_mode::automatic});
  subscribe_to(me, server.listener);
  me.must_ask<void>(server.listener, suspend{});
  CHECK(me.await<listener_event>().change == listener_change::suspended);
  CHECK_FALSE(gone.await_or_nothing<listener_event>(0s));
  CHECK_FALSE(elsewhere.await_or_nothing<listener_event>(0s));
}

TEST_CASE("the end of a subscriber is nothing to a listener") {
  program here;
  witness me{here.system};
  const auto server = must_listen(*here.net, echo);
  const auto subscriber = here.system.spawn([&](caf::event_based_actor* self) {
    ask(self, server.listener, caf::infinite, actorwire::subscribe{event_mask::listener, credit_mode::automatic})
        .then([self] { self->quit(); }, [](caf::error&) {});
    return caf::behavior{[](std::int32_t) {}};
  });
  static_cast<void>(me.await_end_of(subscriber));
  subscribe_to(me, server.listener);
  me.must_ask<void>(server.listener, suspend{});
  CHECK(me.await<listener_event>().change == listener_change::suspended);
}

TEST_CASE("a receiver that has unsubscribed from its listener is still the one without whom it accepts nobody") {
  program here;
  witness me{here.system};
  const auto receiver = here.system.spawn([](caf::event_based_actor* self) {
    return caf::behavior{
        [self](const listener_actor& listener) {
          ask(self, listener, caf::infinite, actorwire::subscribe{event_mask::listener, credit_mode::automatic})
              .then(
                  [self, listener] {
                    ask(self, listener, caf::infinite, actorwire::unsubscribe{})
                        .then([self] { self->quit(); }, [](caf::error&) {});
                  },
                  [](caf::error&) {});
        },
        [](const accepted&) {},
    };
  });
  const auto server = here.net->listen("tcp://127.0.0.1:0", receiver).value();
  subscribe_to(me, server.listener);
  anonymous_tell(receiver, server.listener);
  const auto event = me.await<listener_event>();
  CHECK(event.change == listener_change::suspended);
  CHECK(event.reason.code == error_code::closed);
}

} // namespace actorwire::test
