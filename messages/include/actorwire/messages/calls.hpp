#pragma once

#include <actorwire/export.hpp>
#include <actorwire/messages/delivery.hpp>
#include <actorwire/messages/describe.hpp>
#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/messages/payload.hpp>
#include <actorwire/messages/result.hpp>
#include <actorwire/messages/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace actorwire {

// Requests to the program at the other end, and their answers, over `framing_mode::numbered`. A connection with another
// framing answers all of these with `unsupported`.

/// Sends a message that the other program is to answer; answered with `answered`, or with an error. It is sent and counted
/// like the message of a `send`, by the same `options`: it waits for a connection, has a priority and one outcome in
/// `delivery_totals`. Only for who asks: nobody would get the answer to a call that is told.
///
/// A call that waits when a connection is lost leaves with the next; one that has left, or has begun to, is not repeated.
///
/// CAF tells nobody that a request has timed out, so let `timeout` be shorter than the time that the request itself is given.
/// *Errors:* those of `send`; `would_block` also at `flow_limits::open_calls`. Once it was accepted: `call_refused` if the
/// other program says no, with its code as `system_code` and its words as `text`; `call_unanswered` if no answer came within
/// `timeout`, or before the connection was lost: its `system_code` is 0 if the call did not leave, and 1 if it may have been
/// acted on. See `may_have_been_handled`. `unsupported`; `invalid_value`.
struct call {
  payload body;
  send_options options;
  /// How long the answer may take, with the time that the call waits to be sent: it takes the place of
  /// `flow_limits::queue_age`. 0 (`transport_config::operation_timeout`) or 1 ms .. 24 h.
  std::chrono::milliseconds timeout{0};

  friend bool operator==(const call&, const call&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("call", field{"body", self.body}, field{"options", self.options}, field{"timeout", self.timeout});
  }
};

/// Checks what does not depend on the connection. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const call& request);

/// What the other program has answered to a `call`. Take `body` by move where it is passed on.
struct answered {
  /// That of the call, as in `sent`.
  std::uint64_t sequence = 0;
  /// On which the answer came.
  std::uint64_t generation = 0;
  /// That of the call's options.
  std::uint64_t tag = 0;
  payload body;

  friend bool operator==(const answered&, const answered&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("answered", field{"sequence", self.sequence}, field{"generation", self.generation},
                 field{"tag", self.tag}, field{"body", self.body});
  }
};

/// The other program calls: what those are sent who want the data of the stream, in turn with `received`, and paid for alike.
/// One of them answers with `answer` or `refuse`; of several answers the first counts. Who does not answer lets the caller
/// wait until its time is over.
struct called {
  connection_id source = 0;
  std::uint64_t generation = 0;
  stream_id stream = 0;
  /// Which call this is, as the caller counts them; never 0.
  std::uint64_t number = 0;
  payload body;

  friend bool operator==(const called&, const called&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("called", field{"source", self.source}, field{"generation", self.generation},
                 field{"stream", self.stream}, field{"number", self.number}, field{"body", self.body});
  }
};

/// Answers a `called`, on the stream that it came by; answered with `sent` once it was written, like a `send`. It never
/// outlives the connection of the call: numbers mean something else on the next one.
/// *Errors:* those of `send`; `stream_closed` when the connection of the call is gone; `invalid_value`; `unsupported`.
struct answer {
  std::uint64_t generation = 0;
  stream_id stream = 0;
  std::uint64_t number = 0;
  payload body;

  friend bool operator==(const answer&, const answer&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("answer", field{"generation", self.generation}, field{"stream", self.stream},
                 field{"number", self.number}, field{"body", self.body});
  }
};

/// The answer to `question`.
[[nodiscard]] inline answer answer_to(const called& question, payload body) {
  return {question.generation, question.stream, question.number, std::move(body)};
}

/// Codes of `refuse` from this one on are this library's.
inline constexpr std::uint8_t library_refusals = 128;
/// Who reads there pulls its data by `receive`, which takes no calls.
inline constexpr std::uint8_t refused_by_pull = 128;

/// Longest text of a `refuse`, in bytes. Of a longer one that comes the rest is left out.
inline constexpr std::size_t refusal_text_max = 1'024;

/// Answers a `called` with an error: the caller gets `call_refused`. Otherwise as `answer`.
struct refuse {
  std::uint64_t generation = 0;
  stream_id stream = 0;
  std::uint64_t number = 0;
  /// Why, in the terms of the program: 0 .. 127.
  std::uint8_t code = 0;
  /// The same for people: UTF-8, at most `refusal_text_max` bytes. The peer sees it.
  std::string text;

  friend bool operator==(const refuse&, const refuse&) = default;

  template <class Self, class Visitor>
  static auto describe(Self& self, Visitor&& visit) {
    return visit("refuse", field{"generation", self.generation}, field{"stream", self.stream},
                 field{"number", self.number}, field{"code", self.code}, field{"text", self.text});
  }
};

/// The refusal of `question`.
[[nodiscard]] inline refuse refusal_of(const called& question, std::uint8_t code, std::string text) {
  return {question.generation, question.stream, question.number, code, std::move(text)};
}

/// Checks every field. *Errors:* `invalid_value` naming field, value and allowed range.
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const answer& request);
[[nodiscard]] ACTORWIRE_EXPORT result<void> validate(const refuse& request);

/// Whether the other program may have acted on a call that was answered with `reason`. If not, nothing of the call has left,
/// or not all of it, and to call again is safe.
[[nodiscard]] ACTORWIRE_EXPORT bool may_have_been_handled(const transport_error& reason) noexcept;

} // namespace actorwire
