// Talks to a Redis server: sends four commands at once and prints the four answers.
//
//     redis_ping [tcp://127.0.0.1:6379]
//
// Exit status: 0 all went well, 1 the server cannot be reached or says no, or a signal came first, 2 bad arguments.

#include "drain.hpp"
#include "end_signals.hpp"

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <future>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 5s;

// -- RESP, the protocol of Redis (https://redis.io/docs/latest/develop/reference/protocol-spec/) ----------------------

using command = std::vector<std::string_view>;

/// Renders a command as an array of bulk strings.
std::string encode(const command& words) {
  auto text = std::string{"*"}.append(std::to_string(words.size())).append("\r\n");
  for (const auto word : words)
    text.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  return text;
}

struct reply {
  bool is_error = false;
  std::string text;
};

/// Takes one reply out of `bytes`; none while it is incomplete. Strings, errors, numbers and bulk strings are all that
/// the commands below can cause. *Errors:* throws `std::runtime_error` if this is no such reply.
std::optional<reply> take_reply(std::string& bytes) {
  const auto kind = bytes.empty() ? '+' : bytes.front();
  if (std::string_view{"+-:$"}.find(kind) == std::string_view::npos)
    throw std::runtime_error{"an answer that is not RESP; is this a Redis server?"};
  const auto line_end = bytes.find("\r\n");
  if (line_end == std::string::npos)
    return std::nullopt;
  const auto line = std::string_view{bytes}.substr(1, line_end - 1);
  auto end = line_end + 2;
  reply taken{kind == '-', std::string{line}};
  if (kind == '$') {
    std::int32_t size = 0;
    const auto [stop, failure] = std::from_chars(line.data(), line.data() + line.size(), size);
    if (failure != std::errc{} || stop != line.data() + line.size() || size < -1)
      throw std::runtime_error{"a bulk string of the length '" + std::string{line} + "'"};
    taken.text = "(nil)";
    if (size >= 0) {
      const auto length = static_cast<std::size_t>(size);
      if (bytes.size() < end + length + 2)
        return std::nullopt;
      taken.text = bytes.substr(end, length);
      end += length + 2;
    }
  }
  bytes.erase(0, end);
  return taken;
}

// -- the connection ---------------------------------------------------------------------------------------------------

[[noreturn]] void fail(const caf::error& reason) {
  throw std::runtime_error{to_string(actorwire::to_transport_error(reason))};
}

/// Waits for the next reply; `bytes` keeps what belongs to later ones.
reply receive_reply(caf::scoped_actor& self, const actorwire::connection_actor& redis, std::string& bytes) {
  while (true) {
    if (auto complete = take_reply(bytes))
      return std::move(*complete);
    ask(&*self, redis, patience, actorwire::receive{})
        .receive([&bytes](const actorwire::received& more) { bytes += more.body.text(); }, fail);
  }
}

/// The part of an answer worth printing: INFO has a hundred lines.
std::string digest_of(const std::string& text) {
  constexpr std::string_view wanted = "redis_version:";
  const auto found = text.find(wanted);
  const auto begin = found == std::string::npos ? 0 : found;
  return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

bool talk(caf::actor_system& system, const actorwire::connection_actor& redis) {
  const std::vector<command> commands{
      {"PING"},
      {"SET", "actorwire:greeting", "hello from an actor", "EX", "60"},
      {"GET", "actorwire:greeting"},
      {"INFO", "server"},
  };
  caf::scoped_actor self{system};
  const auto tell = [](const actorwire::connection_info& info) {
    std::cout << "connected to " << info.remote_address << std::endl;
  };
  ask(&*self, redis, patience, actorwire::connect{}).receive(tell, fail);

  // All commands travel in one message; Redis answers in order.
  std::string request;
  for (const auto& words : commands)
    request += encode(words);
  ask(&*self, redis, patience, actorwire::send{actorwire::payload::copy_of(request), {}})
      .receive([](const actorwire::sent&) {}, fail);

  auto all_well = true;
  std::string bytes;
  for (const auto& words : commands) {
    const auto answer = receive_reply(self, redis, bytes);
    std::cout << words.front() << ": " << digest_of(answer.text) << '\n';
    all_well = all_well && !answer.is_error;
  }
  return all_well;
}

} // namespace

int main(int argc, char** argv) {
  if (argc > 2) {
    std::cerr << "usage: redis_ping [tcp://HOST:PORT]\n";
    return 2;
  }
  end_signals signals;
  actorwire::system_config config;
  caf::actor_system system{config};
  actorwire::network net{system};

  // Somebody waits for the answer: after three refusals the reason is worth more than a fourth attempt.
  actorwire::acquire_options options;
  options.reconnection.max_attempts = 3;
  options.reconnection.base_delay = 200ms;
  const auto redis = net.acquire(argc > 1 ? argv[1] : "tcp://127.0.0.1:6379", options);
  if (!redis) {
    std::cerr << "redis_ping: " << to_string(redis.error()) << '\n';
    return 2;
  }
  // What is waited for below is answered by the end of the connection.
  std::future<void> drained;
  signals.at_first([&] { drained = std::async(std::launch::async, [&net] { drain(net, 1s); }); });
  auto status = 1;
  try {
    status = talk(system, *redis) ? 0 : 1;
  } catch (const std::runtime_error& failure) {
    std::cerr << "redis_ping: " << failure.what() << '\n';
  }
  signals.at_first(nullptr);
  if (drained.valid())
    drained.get();
  return status;
}
