#pragma once

#include "../transports/socket_fixture.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace actorwire::test {

using namespace std::chrono_literals;

/// Sanitizers need address space, and descriptors to look at memory with: where a test takes these away, what they report
/// is their own shortage.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr auto is_sanitized = true;
#else
constexpr auto is_sanitized = false;
#endif

/// How long a test waits for what must come before it fails. Nothing is measured with it.
constexpr auto patience = 20s;

/// An actor system and a network, as a program has them.
struct program {
  explicit program(network_options options = two_shards()) : net(std::in_place, system, std::move(options)) {}

  static network_options two_shards() {
    network_options options;
    options.shards = 2;
    options.drain_timeout = 2s;
    return options;
  }

  system_config config;
  caf::actor_system system{config};
  /// Empty once a test has ended it.
  std::optional<network> net;
};

inline std::string uri(std::uint16_t port) {
  return "tcp://127.0.0.1:" + std::to_string(port);
}

/// A port of the loopback interface that nobody listens on at the moment.
inline std::uint16_t free_port() {
  const plain_listener momentary;
  return momentary.port();
}

/// Fails the test if `reached` does not hold in the end. For what no event tells, such as descriptors that are closed.
inline void wait_until(const char* what, const std::function<bool()>& reached) {
  const auto give_up_at = std::chrono::steady_clock::now() + patience;
  while (!reached()) {
    if (std::chrono::steady_clock::now() > give_up_at)
      FAIL("never came true: " << what);
    std::this_thread::yield();
  }
}

/// Takes part in the exchange of messages from the thread of the test.
class witness {
public:
  explicit witness(caf::actor_system& system) : self_(system) {}

  [[nodiscard]] caf::actor handle() const { return caf::actor_cast<caf::actor>(self_.address()); }
  [[nodiscard]] caf::scoped_actor& self() noexcept { return self_; }

  /// Takes the next message of this type; others wait.
  template <class Event>
  Event await() {
    auto got = await_or_nothing<Event>(patience);
    if (!got)
      FAIL("no " << typeid(Event).name() << " came");
    return std::move(*got);
  }

  template <class Event, class Duration>
  std::optional<Event> await_or_nothing(Duration limit) {
    std::optional<Event> got;
    if constexpr (std::is_same_v<Event, peer_closing>) {
      if (!closings_.empty()) {
        got = closings_.front();
        closings_.pop_front();
        return got;
      }
      self_->receive([&got](const peer_closing& event) { got = event; }, caf::after(limit) >> [] {});
    } else {
      // A connection whose peer has finished stays half open until its subscribers have taken notice: each notice is
      // kept for whoever asks for it.
      const auto give_up_at = std::chrono::steady_clock::now() + limit;
      for (auto is_late = false; !got && !is_late;)
        self_->receive([&got](Event& event) { got.emplace(std::move(event)); },
                       [this](const peer_closing& event) { closings_.push_back(event); },
                       caf::after(std::max<duration>(0s, give_up_at - std::chrono::steady_clock::now())) >>
                           [&is_late] { is_late = true; });
    }
    return got;
  }

  /// Takes messages of this type until one is as wanted.
  template <class Event, class Wanted>
  Event await(Wanted wanted) {
    for (int count = 0; count < 1'000'000; ++count)
      if (auto event = await<Event>(); wanted(event))
        return event;
    FAIL("no " << typeid(Event).name() << " was as wanted");
    std::abort();
  }

  /// Asks, and waits for the answer.
  template <class Answer, class Receiver, class Message>
  result<Answer> try_to_ask(const Receiver& receiver, Message&& message) {
    std::optional<result<Answer>> outcome;
    auto answer = ask(self_.operator->(), receiver, patience, std::forward<Message>(message));
    if constexpr (std::is_void_v<Answer>)
      std::move(answer).receive([&outcome] { outcome.emplace(); },
                                [&outcome](caf::error& reason) { outcome.emplace(to_transport_error(reason)); });
    else
      std::move(answer).receive([&outcome](Answer& value) { outcome.emplace(std::move(value)); },
                                [&outcome](caf::error& reason) { outcome.emplace(to_transport_error(reason)); });
    return std::move(*outcome);
  }

  template <class Answer, class Receiver, class Message>
  Answer must_ask(const Receiver& receiver, Message&& message) {
    auto outcome = try_to_ask<Answer>(receiver, std::forward<Message>(message));
    if (!outcome)
      FAIL("refused: " << to_string(outcome.error()));
    if constexpr (!std::is_void_v<Answer>)
      return std::move(*outcome);
  }

  connection_status listen_to(const connection_actor& channel, event_mask mask = event_mask::all,
                              credit_mode credit = credit_mode::automatic) {
    return must_ask<connection_status>(channel, actorwire::subscribe{mask, credit});
  }

  /// Waits until `who`, which this witness watches, has ended; returns why.
  template <class Handle>
  caf::error await_end_of(const Handle& who) {
    self_->monitor(who);
    return await<caf::down_msg>([&](const caf::down_msg& down) { return down.source == who.address(); }).reason;
  }

  /// Waits for `size` bytes of data in as many messages as they come.
  std::string await_bytes(std::size_t size) {
    std::string text;
    while (text.size() < size)
      text += await<received>().body.text();
    return text;
  }

private:
  caf::scoped_actor self_;
  std::deque<peer_closing> closings_;
};

/// The behavior of a subscriber that minds only some of the events.
template <class... Handlers>
caf::behavior minding(Handlers... handlers) {
  return {std::move(handlers)...,      [](const received&) {},   [](const opened&) {},
          [](const state_changed&) {}, [](const data_lost&) {},  [](const peer_closing&) {},
          [](const backpressure&) {},  [](const passivated&) {}, [](const connection_status&) {}};
}

/// Sends everything back.
inline caf::behavior echo(caf::event_based_actor* self, const connection_actor& client) {
  return minding([self, client](received& data) { tell(self, client, cast{std::move(data.body), {}}); });
}

inline std::size_t open_descriptors() {
  std::error_code ignored;
  const auto entries = std::filesystem::directory_iterator{"/proc/self/fd", ignored};
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

/// Counts how many of what it is a member of are alive.
class counted {
public:
  explicit counted(std::atomic<int>& alive) : alive_(&alive) { ++*alive_; }
  counted(const counted& other) : alive_(other.alive_) { ++*alive_; }
  counted(counted&& other) noexcept : alive_(other.alive_) { ++*alive_; }
  counted& operator=(const counted&) = delete;
  ~counted() { --*alive_; }

private:
  std::atomic<int>* alive_;
};

/// Makes payloads and knows how many of them are left.
class counting_mint final : public slab_owner {
public:
  payload make(std::string_view text) {
    auto* memory = ::operator new(sizeof(slab) + text.size());
    auto* made = new (memory) slab;
    made->capacity = static_cast<std::uint32_t>(text.size());
    made->owner = this;
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(made->bytes()));
    payload whole{*made, 0, made->capacity};
    made->release();
    ++alive_;
    return whole;
  }

  [[nodiscard]] int alive() const noexcept { return alive_; }

private:
  void recycle(slab* memory) noexcept override {
    memory->~slab();
    ::operator delete(memory);
    --alive_;
  }

  std::atomic<int> alive_{0};
};

template <class Handle, class Delay, class Message>
void anonymous_tell_later(const Handle& receiver, Delay delay, Message message) {
#if ACTORWIRE_CAF_0_17
  caf::delayed_anon_send(receiver, delay, std::move(message));
#else
  caf::anon_mail(std::move(message)).delay(delay).send(receiver);
#endif
}

} // namespace actorwire::test
