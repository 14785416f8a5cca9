#pragma once

// How shards execute actors, and how messages are sent: what differs in that between CAF 0.17 and 1.x. Not part of the
// public interface, installed only because the public headers need it.

#include <actorwire/actors/detail/caf_messages.hpp>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#if ACTORWIRE_CAF_0_17
#  include <caf/execution_unit.hpp>
#  include <caf/logger.hpp>
#  include <caf/scheduler/abstract_coordinator.hpp>
#else
#  include <caf/anon_mail.hpp>
#  include <caf/attachable.hpp>
#  include <caf/default_attachable.hpp>
#  include <caf/scheduler.hpp>
#  include <caf/thread_owner.hpp>
#endif

#include <exception>
#include <memory>
#include <utility>

namespace actorwire {

// -- sending -------------------------------------------------------------------------------------------------------------

#if ACTORWIRE_CAF_0_17

template <class Self, class Dest, class... Ts>
void tell(Self* self, const Dest& dest, Ts&&... contents) {
  self->send(dest, std::forward<Ts>(contents)...);
}

template <class Dest, class... Ts>
void anonymous_tell(const Dest& dest, Ts&&... contents) {
  caf::anon_send(dest, std::forward<Ts>(contents)...);
}

template <class Self, class Dest, class Timeout, class... Ts>
auto ask(Self* self, const Dest& dest, Timeout timeout, Ts&&... contents) {
  return self->request(dest, timeout, std::forward<Ts>(contents)...);
}

#else

template <class Self, class Dest, class... Ts>
void tell(Self* self, const Dest& dest, Ts&&... contents) {
  self->mail(std::forward<Ts>(contents)...).send(dest);
}

template <class Dest, class... Ts>
void anonymous_tell(const Dest& dest, Ts&&... contents) {
  caf::anon_mail(std::forward<Ts>(contents)...).send(dest);
}

template <class Self, class Dest, class Timeout, class... Ts>
auto ask(Self* self, const Dest& dest, Timeout timeout, Ts&&... contents) {
  return self->mail(std::forward<Ts>(contents)...).request(dest, timeout);
}

#endif

} // namespace actorwire

namespace actorwire::detail {

/// Answers a request that has no result. Nothing happens if it was none, or was answered already.
inline void deliver_nothing(caf::typed_response_promise<void>& promise) {
  if (!promise.pending())
    return;
#if ACTORWIRE_CAF_0_17
  static_cast<caf::response_promise&>(promise).deliver(caf::unit);
#else
  promise.deliver();
#endif
}

/// Whether nobody waits for the answer any more, because whoever asked has ended. *Thread:* that of the promise's owner.
template <class Result>
[[nodiscard]] bool is_orphaned(caf::typed_response_promise<Result>& promise) {
#if ACTORWIRE_CAF_0_17
  const auto& asker = static_cast<caf::response_promise&>(promise).source();
  return asker != nullptr && asker->get()->getf(caf::abstract_actor::is_cleaned_up_flag);
#else
  const auto asker = promise.source();
  return asker != nullptr && asker->get()->getf(caf::abstract_actor::is_terminated_flag);
#endif
}

// -- execution: what an actor runs on ------------------------------------------------------------------------------------

/// Has an actor handle a message without a look into its behavior; returns false, and has done nothing, if that is not for
/// this message. *Thread:* the one that runs the actor.
using direct_handler = bool (*)(caf::scheduled_actor& who, caf::mailbox_element& message);

/// The value of type `T` that a message consists of; null if it is another, or if others share it. Null on CAF 1.x, where no
/// message passes by the mailbox.
template <class T>
[[nodiscard]] T* value_of([[maybe_unused]] caf::mailbox_element& message) {
#if ACTORWIRE_CAF_0_17
  if (auto& values = message.content(); values.match_elements<T>() && !values.shared())
    return &values.get_mutable_as<T>(0);
#endif
  return nullptr;
}

#if ACTORWIRE_CAF_0_17

using execution_context = caf::execution_unit;

/// An execution context that hands every resumable to `route`. *Thread:* `route` is called by any thread.
class routing_context : public caf::execution_unit {
public:
  explicit routing_context(caf::actor_system& system) : caf::execution_unit(&system) {}

  void exec_later(caf::resumable* what) final { route(what); }

  virtual void route(caf::resumable* what) = 0;

  /// Offers a message that is on its way to the mailbox of `receiver`. Takes it and returns true, or leaves it.
  virtual bool take_over(caf::scheduled_actor& receiver, direct_handler by, caf::mailbox_element_ptr& message) = 0;
};

inline void run_on_main_scheduler(caf::actor_system& system, caf::resumable* what) {
  system.scheduler().enqueue(what);
}

/// Whether messages between neighbours may pass by the mailbox. CAF 1.x does not show what an actor has put by.
inline constexpr bool can_pass_by_mailbox = true;

/// Whether `who` waits for a message, has put none by for later, and has no stream to see to: the next message that it is
/// to handle need not pass through its mailbox. *Thread:* the one that runs `who`.
inline bool is_idle(caf::scheduled_actor& who) {
  if (!who.mailbox().blocked() || !who.stream_managers().empty() || !who.pending_stream_managers().empty())
    return false;
  auto& queues = who.mailbox().queue().queues();
  return std::get<caf::scheduled_actor::normal_queue_index>(queues).cache().empty()
      && std::get<caf::scheduled_actor::urgent_queue_index>(queues).cache().empty();
}

/// Puts a message that passed by the mailbox into it after all, before whatever other threads have put there meanwhile.
/// *Thread:* the one that runs `who`.
inline void put_by(caf::scheduled_actor& who, caf::mailbox_element_ptr message) {
  who.get_normal_queue().push_back(message.release());
}

/// Whether `who` is to be run for what was put by, because it will not be run for anything else.
inline bool must_be_woken(caf::scheduled_actor& who) {
  return who.mailbox().try_unblock();
}

/// Tells CAF's logger that the calling thread works for `system`. Without it, CAF does not look up for each message who
/// is to be named as its receiver, so it is left alone when it says nothing.
inline void thread_starts(caf::actor_system& system) {
  if (system.logger().verbosity() > CAF_LOG_LEVEL_QUIET)
    CAF_SET_LOGGER_SYS(&system);
  system.thread_started();
}

#else

using execution_context = caf::scheduler;

/// An execution context that hands every resumable to `route`. *Thread:* `route` is called by any thread.
class routing_context : public caf::scheduler {
public:
  explicit routing_context(caf::actor_system&) {}

  void schedule(caf::resumable* what) final { route(what); }
  void delay(caf::resumable* what) final { route(what); }
  void start() final {}
  void stop() final {}

  virtual void route(caf::resumable* what) = 0;

  /// Offers a message that is on its way to the mailbox of `receiver`. Takes it and returns true, or leaves it.
  virtual bool take_over(caf::scheduled_actor& receiver, direct_handler by, caf::mailbox_element_ptr& message) = 0;
};

inline void run_on_main_scheduler(caf::actor_system& system, caf::resumable* what) {
  system.scheduler().schedule(what);
}

inline constexpr bool can_pass_by_mailbox = false;

inline bool is_idle(caf::scheduled_actor&) {
  return false;
}

inline void put_by(caf::scheduled_actor& who, caf::mailbox_element_ptr message) {
  who.enqueue(std::move(message), nullptr);
}

inline bool must_be_woken(caf::scheduled_actor&) {
  return false;
}

/// Tells CAF's logger that the calling thread works for `system`.
inline void thread_starts(caf::actor_system& system) {
  system.thread_started(caf::thread_owner::pool);
}

#endif

inline void thread_ends(caf::actor_system& system) {
  system.thread_terminates();
}

/// Ends an actor that will never run: its mailbox closes, and whoever asked it something is answered.
inline void turn_away(caf::scheduled_actor& who, execution_context* here) {
  if (!who.getf(caf::abstract_actor::is_terminated_flag))
    who.cleanup(caf::make_error(caf::exit_reason::user_shutdown), here);
}

/// Has `who` handle one message at once. Returns null, or the message, if `who` skips it: then it wants it later.
/// *Thread:* the one that runs `who`.
inline caf::mailbox_element_ptr handle_now(caf::scheduled_actor& who, caf::mailbox_element_ptr message,
                                           execution_context* here) {
  // One that has quit outside of a handler of its own is over and not yet seen off: CAF would drop the message, and with
  // it a request that somebody waits for.
  const auto has_quit = who.getf(caf::abstract_actor::is_initialized_flag) && !who.alive();
  if (has_quit || who.getf(caf::abstract_actor::is_terminated_flag)) {
    // A mailbox that is closed answers requests, and one answers them when it is closed.
    who.caf::scheduled_actor::enqueue(std::move(message), here);
    return nullptr;
  }
  if (who.activate(here, *message) != caf::scheduled_actor::activation_result::skipped)
    return nullptr;
  return message;
}

/// Sends one message as cheaply as CAF can: one allocation on 0.17.
template <class T>
void enqueue_to(const caf::strong_actor_ptr& dest, const caf::strong_actor_ptr& sender, execution_context* context,
                T&& content) {
#if ACTORWIRE_CAF_0_17
  dest->enqueue(caf::make_mailbox_element(sender, caf::make_message_id(), caf::no_stages, std::forward<T>(content)),
                context);
#else
  dest->enqueue(caf::make_mailbox_element(sender, caf::make_message_id(), std::forward<T>(content)), context);
#endif
}

#if ACTORWIRE_CAF_0_17
template <class Base>
using departing = Base;
#else
/// CAF 1.x tells those who watch an actor that it has ended before it lets the actor do its last. What an actor sends in
/// `leave` is to come before that news, as it does on 0.17.
class departing_actor {
public:
  virtual void leave(const caf::error& reason) noexcept = 0;

  /// Has `who` leave before `watcher`, and whoever watches it so far, is told.
  static void leave_first(const caf::strong_actor_ptr& who, const caf::abstract_actor* watcher) {
    // The latest is called first.
    if (auto* own = dynamic_cast<departing_actor*>(who->get()))
      who->get()->attach(std::make_unique<departure>(*own, watcher));
  }

  /// Takes that back.
  static void forget(const caf::strong_actor_ptr& who, const caf::abstract_actor* watcher) {
    who->get()->detach(caf::attachable::token{departure::token_type, watcher});
  }

protected:
  ~departing_actor() = default;

private:
  class departure final : public caf::attachable {
  public:
    /// A number that CAF does not use.
    static constexpr std::size_t token_type = 2000;

    departure(departing_actor& actor, const caf::abstract_actor* watcher) : actor_(actor), watcher_(watcher) {}

    /// Without a scheduler it is over already, or ends because nobody knows it any more.
    void actor_exited(const caf::error& reason, caf::scheduler* here) override {
      if (here != nullptr)
        actor_.leave(reason);
    }

    bool matches(const token& what) override { return what.subtype == token_type && what.ptr == watcher_; }

  private:
    departing_actor& actor_;
    const caf::abstract_actor* watcher_;
  };
};

template <class Base>
class departing : public Base, public departing_actor {
public:
  using Base::Base;
};
#endif

/// The base of actors that run on a context of our own: overrides the few functions in which CAF chooses where an actor
/// runs, and offers what event loops need to enter an actor from outside a message handler.
template <class Base>
class hosted_actor : public departing<Base> {
public:
  using super = departing<Base>;
  using Base::enqueue;
  using super::super;

#if ACTORWIRE_CAF_0_17
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!can_pass_by_mailbox || !host()->take_over(*this, &handle_message_directly, what))
      Base::enqueue(std::move(what), host());
  }

  void launch(caf::execution_unit*, bool lazy, bool hide) override {
    Base::launch(host(), lazy, hide);
  }

  caf::resumable::subtype_t subtype() const override {
    return caf::resumable::io_actor;
  }

  bool cleanup(caf::error&& reason, caf::execution_unit* context) override {
    leave(reason);
    return Base::cleanup(std::move(reason), context);
  }
#else
  bool enqueue(caf::mailbox_element_ptr what, caf::scheduler*) override {
    return (can_pass_by_mailbox && host()->take_over(*this, &handle_message_directly, what))
        || Base::enqueue(std::move(what), host());
  }

  void launch(caf::scheduler*, bool lazy, bool hide) override {
    Base::launch(host(), lazy, hide);
  }

  caf::resumable::subtype_t subtype() const noexcept override {
    return caf::resumable::io_actor;
  }

  void on_cleanup(const caf::error& reason) override {
    leave(reason);
    Base::on_cleanup(reason);
  }
#endif

protected:
  /// Where this actor runs.
  [[nodiscard]] virtual routing_context* host() const noexcept = 0;

  /// The actor ends: the last call on it. May come more than once, and, for an actor that never ran, on any thread.
  virtual void leave(const caf::error& reason) noexcept = 0;

  /// Handles one of the messages that come most often, by `handle_directly`; returns false if it is another.
  virtual bool handle_often(caf::mailbox_element&) {
    return false;
  }

  /// Has `body` handle `message` as a handler of the actor's behavior would; not one that has not begun, or is about to end.
  template <class Body>
  bool handle_directly(caf::mailbox_element& message, Body&& body) {
    const auto is_at_work = this->getf(caf::abstract_actor::is_initialized_flag) && this->alive() && !has_ended();
    // While an answer is awaited, all else is put by.
    if (!is_at_work || !this->awaited_responses_.empty())
      return false;
    this->current_element_ = &message;
    run_guarded(std::forward<Body>(body));
    this->current_element_ = nullptr;
    this->finalize();
    return true;
  }

  /// A watched actor has ended.
  virtual void on_down(const caf::actor_addr& whom, const caf::error& reason) = 0;

  [[nodiscard]] bool has_ended() const noexcept {
#if ACTORWIRE_CAF_0_17
    return this->getf(caf::abstract_actor::is_cleaned_up_flag);
#else
    return this->is_terminated();
#endif
  }

  /// Has `on_down` called when `whom` ends; at once, if it has ended already.
  void watch(const caf::strong_actor_ptr& whom) {
    if (!std::exchange(handles_down_, true))
      this->down_handler_ = [this](caf::scheduled_actor*, caf::down_msg& down) { on_down(down.source, down.reason); };
#if ACTORWIRE_CAF_0_17
    this->monitor(whom);
#else
    // Not by `monitor` with a function: nothing takes that back, and the watched actor would keep it for life.
    const auto here = caf::actor_cast<caf::actor_addr>(this->ctrl());
    const auto there = caf::actor_cast<caf::actor_addr>(whom);
    whom->get()->attach(caf::default_attachable::make_monitor(there, here, caf::message_priority::normal));
    departing_actor::leave_first(whom, this);
#endif
  }

  /// Ends a `watch`: the watched actor forgets this one. Without it, an actor that lives long would remember every
  /// short-lived one that ever watched it.
  void unwatch(const caf::actor_addr& whom) {
#if ACTORWIRE_CAF_0_17
    this->demonitor(whom);
#else
    if (const auto alive = caf::actor_cast<caf::strong_actor_ptr>(whom)) {
      this->do_demonitor(alive);
      departing_actor::forget(alive, this);
    }
#endif
  }

  /// Lets errors go by that come as messages. CAF 1.x sends one to whoever sent the message over which an actor failed,
  /// and an actor that is sent one ends: the crash of a subscriber would end the connection that it listens to.
  void ignore_error_messages() {
    this->error_handler_ = [](caf::scheduled_actor*, caf::error&) {};
  }

  /// Runs `body` as if it were a message handler of this actor: with its context, its exception handler, and its end
  /// when the body called `quit`. Nothing happens once the actor has ended.
  template <class Body>
  void run_as_handler(Body&& body) {
    if (has_ended())
      return;
    // What happens in here may drop the last reference to this actor.
    const caf::strong_actor_ptr self{this->ctrl()};
    run_guarded(std::forward<Body>(body));
    // An actor that has not begun has no behavior yet, which CAF would take for its end.
    if (this->getf(caf::abstract_actor::is_initialized_flag))
      this->finalize();
  }

private:
  /// Runs `body` in the actor's context, with its exception handler.
  template <class Body>
  void run_guarded(Body&& body) {
    this->context(host());
    try {
      body();
    } catch (...) {
      auto failure = std::current_exception();
      this->quit(this->call_handler(this->exception_handler_, this, failure));
    }
    this->bhvr_stack_.cleanup();
  }

  static bool handle_message_directly(caf::scheduled_actor& who, caf::mailbox_element& message) {
    return static_cast<hosted_actor&>(who).handle_often(message);
  }

  bool handles_down_ = false;
};

} // namespace actorwire::detail
