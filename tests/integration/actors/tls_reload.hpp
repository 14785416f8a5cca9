#pragma once

#include "certificates.hpp"
#include "program.hpp"
#include "temporary_directory.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace actorwire::test {

/// A certificate and its key in a folder of their own, which a test replaces.
class identity_folder {
public:
  explicit identity_folder(std::string_view name) { hold(name); }

  [[nodiscard]] std::string path() const { return folder_.path(); }
  [[nodiscard]] std::string certificate() const { return folder_.path() + "/site.pem"; }
  [[nodiscard]] std::string key() const { return folder_.path() + "/site.key"; }

  /// Has both files be those of that name.
  void hold(std::string_view name) const {
    write(certificate(), certificate_text(std::string{name} + ".pem"));
    write(key(), certificate_text(std::string{name} + ".key"));
  }

  static void write(const std::string& file, std::string_view text) {
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << text;
    REQUIRE(out.flush());
  }

private:
  temporary_directory folder_;
};

inline listen_config listener_of(const identity_folder& files) {
  listen_config config;
  config.transport.tls.certificate.file = files.certificate();
  config.transport.tls.key.file = files.key();
  return config;
}

inline std::string tls_uri(std::uint16_t port) {
  return "tls://127.0.0.1:" + std::to_string(port);
}

inline tls_config trusting() {
  tls_config config;
  config.trust.text = certificate_text("root.pem");
  config.server_name = "localhost";
  return config;
}

inline listening must_listen(program& here, accept_function serve, const listen_config& config,
                             std::string_view where = "tls://127.0.0.1:0") {
  auto made = here.net->listen(where, std::move(serve), config);
  if (!made)
    FAIL(to_string(made.error()));
  return std::move(*made);
}

/// Peers to one listener. Each is one of its own: a pool would hand out one for equal options.
class clients {
public:
  clients(program& here, const listening& server, tls_config tls = trusting(), const std::string& scheme = "tls")
    : here_(here), remote_(scheme + "://127.0.0.1:" + std::to_string(server.port)), tls_(std::move(tls)) {}

  connection_actor next(flow_limits flow = {}) {
    acquire_options options;
    options.transport.tls = tls_;
    options.transport.flow = flow;
    options.reconnection.base_delay = std::chrono::milliseconds{++count_};
    return here_.net->acquire(remote_, options).value();
  }

  /// Connects another one; returns what it knows of its connection.
  tls_info look(witness& me) { return me.must_ask<connection_info>(next(), connect{}).tls; }

private:
  program& here_;
  std::string remote_;
  tls_config tls_;
  int count_ = 0;
};

inline listener_stats stats_of(witness& me, const listening& server) {
  return me.must_ask<listener_stats>(server.listener, get_listener_stats{});
}

inline std::uint64_t generation_of(witness& me, const connection_actor& peer) {
  return me.must_ask<connection_status>(peer, get_state{}).info.generation;
}

inline void say(const connection_actor& to, std::string_view text) {
  anonymous_tell(to, cast{payload::copy_of(text), {}});
}

/// Something that threads wait at until it is opened.
class gate {
public:
  void close() {
    const std::lock_guard locked{guard_};
    is_open_ = false;
  }
  void open() {
    const std::lock_guard locked{guard_};
    is_open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock locked{guard_};
    ++arrivals_;
    changed_.notify_all();
    changed_.wait(locked, [this] { return is_open_; });
  }
  /// Waits until that many have come, whether they have passed or not.
  void await(int arrivals) {
    std::unique_lock locked{guard_};
    REQUIRE(changed_.wait_for(locked, patience, [&] { return arrivals_ >= arrivals; }));
  }
  [[nodiscard]] int arrivals() {
    const std::lock_guard locked{guard_};
    return arrivals_;
  }

private:
  std::mutex guard_;
  std::condition_variable changed_;
  bool is_open_ = true;
  int arrivals_ = 0;
};

/// Opens a gate at the end, come what may: a thread that waits there keeps the network from ending.
struct opening {
  gate& what;
  ~opening() { what.open(); }
};

/// What became of requests that an actor of the system sends.
struct answers {
  std::atomic<int> good{0};
  std::atomic<int> refused{0};
  [[nodiscard]] int all() const { return good + refused; }
};

/// Asks `count` times at once.
template <class Handle>
void ask_often(program& here, const Handle& whom, const reload_tls& request, int count,
               const std::shared_ptr<answers>& found) {
  here.system.spawn([=](caf::event_based_actor* self) {
    for (int index = 0; index < count; ++index)
      ask(self, whom, caf::infinite, request)
          .then([found] { ++found->good; }, [found](const caf::error&) { ++found->refused; });
  });
}

} // namespace actorwire::test
