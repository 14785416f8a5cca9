#pragma once

#include <actorwire/transports/transport.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace actorwire::test {

/// One user of one transport: writes down all that it is told, and fails its test if it is told what the interface
/// forbids: a call from within a call, a call after the last one, more bytes than were allowed.
/// *Lifetime:* detaches the transport when destroyed.
class transport_user final : public transport_observer {
public:
  enum class event : std::uint8_t {
    resolving,
    connecting,
    handshaking,
    connected,
    received,
    peer_finished,
    writable,
    closed
  };

  transport_user() = default;
  explicit transport_user(local_ref<transport> observed) : wire_(std::move(observed)) {}
  ~transport_user() {
    if (wire_)
      wire_->detach();
    if (is_beyond_)
      violations_.emplace_back("the observer was given more bytes than it allowed, and no end followed");
    for (const auto& each : violations_)
      FAIL_CHECK(each);
  }

  transport_user(const transport_user&) = delete;
  transport_user& operator=(const transport_user&) = delete;

  // -- calls into the transport ----------------------------------------------------------------------------------------

  void use(local_ref<transport> observed) { wire_ = std::move(observed); }
  [[nodiscard]] const local_ref<transport>& wire() const noexcept { return wire_; }

  /// Sets what `init` uses when it is given nothing else.
  void configure(transport_config config) { config_ = std::move(config); }
  result<void> init() { return init(config_); }
  result<void> init(const transport_config& config) {
    return call([&] { return wire_->init(config, *this); });
  }
  void connect(const endpoint& remote) {
    call([&] { wire_->connect(remote); });
  }
  void allow(std::size_t bytes) {
    allowed_ += std::min(bytes, std::numeric_limits<std::size_t>::max() - allowed_);
    call([&] { wire_->receive(bytes); });
  }
  void allow_everything() { allow(std::numeric_limits<std::size_t>::max()); }
  void finish() {
    call([&] { wire_->finish(); });
  }
  void close(const transport_error& reason) {
    call([&] { wire_->close(reason); });
  }
  void detach() {
    call([&] { wire_->detach(); });
  }
  /// Gives the transport up, as a program does that has lost interest.
  void drop() {
    detach();
    is_over_ = true;
    is_beyond_ = false;
    wire_ = nullptr;
  }
  result<std::size_t> send(std::span<const outgoing> pieces) {
    return call([&] { return wire_->send(pieces); });
  }
  result<std::size_t> send(std::string_view text) {
    const outgoing piece{reinterpret_cast<const std::byte*>(text.data()), text.size(), nullptr};
    return send(std::span{&piece, 1});
  }
  /// Sends all of `text`, as room comes.
  void write(std::string_view text) {
    unsent_ += text;
    flush();
  }
  /// What `write` was given and `send` has not taken yet.
  [[nodiscard]] std::size_t unsent_size() const noexcept { return unsent_.size(); }

  // -- what was told ---------------------------------------------------------------------------------------------------

  [[nodiscard]] std::size_t count(event kind) const {
    return static_cast<std::size_t>(std::count(events_.begin(), events_.end(), kind));
  }
  [[nodiscard]] bool has(event kind) const { return count(kind) > 0; }
  [[nodiscard]] const std::vector<event>& events() const noexcept { return events_; }
  [[nodiscard]] const std::string& received() const noexcept { return received_; }
  [[nodiscard]] bool is_connected() const { return has(event::connected); }
  [[nodiscard]] const transport_opening& addresses() const noexcept { return addresses_; }
  [[nodiscard]] bool is_closed() const noexcept { return reason_.has_value(); }
  [[nodiscard]] const transport_error& reason() const {
    REQUIRE(reason_);
    return *reason_;
  }

  /// Called after each event was written down.
  std::function<void(event)> then;

private:
  template <class Function>
  std::invoke_result_t<Function> call(Function&& function) {
    struct scope {
      explicit scope(int& counted) noexcept : depth(counted) { ++depth; }
      ~scope() { --depth; }
      int& depth;
    } const inside{depth_};
    // The transport may be given up from within.
    const auto kept = wire_;
    return std::forward<Function>(function)();
  }

  void flush() {
    while (!unsent_.empty() && !is_over_) {
      const auto taken = send(std::string_view{unsent_});
      if (!taken || *taken == 0)
        return;
      unsent_.erase(0, *taken);
    }
  }

  void note(event kind) {
    if (depth_ > 0)
      violations_.emplace_back("the observer was called from within a call to the transport");
    if (is_over_)
      violations_.emplace_back("the observer was called after the last call");
    if (is_beyond_ && kind != event::received && kind != event::peer_finished && kind != event::closed)
      violations_.emplace_back("the observer was given more bytes than it allowed, and the connection went on");
    events_.push_back(kind);
    is_over_ = is_over_ || kind == event::closed;
    is_beyond_ = is_beyond_ && !is_over_;
  }
  void tell(event kind) {
    if (then)
      then(kind);
  }

  void on_progress(connection_state where) override {
    const auto kind = where == connection_state::resolving  ? event::resolving
                    : where == connection_state::connecting ? event::connecting
                                                            : event::handshaking;
    note(kind);
    tell(kind);
  }
  void on_connected(const transport_opening& addresses) override {
    note(event::connected);
    addresses_ = addresses;
    tell(event::connected);
  }
  void on_received(payload bytes) override {
    note(event::received);
    if (bytes.empty())
      violations_.emplace_back("the observer was given no bytes");
    is_beyond_ = is_beyond_ || bytes.size() > allowed_;
    allowed_ -= std::min<std::size_t>(bytes.size(), allowed_);
    received_ += bytes.text();
    tell(event::received);
  }
  void on_peer_finished() override {
    note(event::peer_finished);
    tell(event::peer_finished);
  }
  void on_writable() override {
    note(event::writable);
    flush();
    tell(event::writable);
  }
  void on_closed(const transport_error& reason) override {
    if (is_beyond_ && reason.code != error_code::closed)
      violations_.emplace_back("the observer was given more bytes than it allowed before a loss");
    note(event::closed);
    reason_ = reason;
    tell(event::closed);
  }

  transport_config config_;
  local_ref<transport> wire_;
  std::vector<event> events_;
  std::string received_;
  std::string unsent_;
  transport_opening addresses_;
  std::optional<transport_error> reason_;
  std::size_t allowed_ = 0;
  int depth_ = 0;
  /// More came than was allowed, as only what is left at an orderly end may.
  bool is_beyond_ = false;
  bool is_over_ = false;
  std::vector<std::string> violations_;
};

} // namespace actorwire::test
