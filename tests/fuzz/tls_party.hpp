#pragma once

#include "engine/tls_engine.hpp"

#include <actorwire/messages/error.hpp>
#include <actorwire/messages/events.hpp>
#include <actorwire/transports/buffer_pool.hpp>
#include <actorwire/transports/clock.hpp>

#include <gnutls/gnutls.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace actorwire::fuzz {

struct identity;

/// One end of a conversation, and what it said and heard. What it says is the same in each conversation, so that whoever
/// hears it knows whether it is true.
class party {
public:
  explicit party(tls_role role) noexcept : role_(role) {}
  virtual ~party() = default;
  party(const party&) = delete;
  party& operator=(const party&) = delete;

  // -- ciphertext --

  virtual void feed(std::string_view bytes) = 0;
  /// The stream below has ended.
  virtual void end_input() = 0;
  /// Takes up to `size` bytes of what is to be sent, of the first `pieces` pieces.
  [[nodiscard]] virtual std::string take(std::size_t size, std::size_t pieces) = 0;

  // -- what is done, unless it has failed --

  virtual void shake_hands() = 0;
  /// Says up to `size` bytes, in so many pieces; returns how many there was room for. After the handshake, before `close`.
  virtual std::size_t say(std::size_t size, std::size_t pieces) = 0;
  /// Hears up to `room` bytes; returns how many. After the handshake.
  virtual std::size_t hear(std::size_t room) = 0;
  /// Has nothing more to say. Once, after the handshake.
  virtual void close() = 0;

  // -- what is known --

  [[nodiscard]] tls_role role() const noexcept { return role_; }
  [[nodiscard]] bool is_done() const noexcept { return is_done_; }
  [[nodiscard]] bool has_failed() const noexcept { return has_failed_; }
  /// Hands are shaken, and nothing is wrong.
  [[nodiscard]] bool is_ready() const noexcept { return is_done_ && !has_failed_; }
  [[nodiscard]] bool may_speak() const noexcept { return is_ready() && !has_closed_; }
  [[nodiscard]] std::uint64_t said() const noexcept { return said_; }
  [[nodiscard]] std::uint64_t heard() const noexcept { return heard_; }
  [[nodiscard]] bool has_closed() const noexcept { return has_closed_; }
  /// It was told that the other side has nothing more to say.
  [[nodiscard]] bool sees_end() const noexcept { return sees_end_; }

protected:
  /// What is said next.
  [[nodiscard]] std::string words(std::size_t size) const;
  /// Takes note of what was heard.
  void note_heard(std::string_view bytes);

  bool is_done_ = false;
  bool has_failed_ = false;
  bool has_closed_ = false;
  bool sees_end_ = false;
  std::uint64_t said_ = 0;

private:
  const tls_role role_;
  std::uint64_t heard_ = 0;
};

/// The engine, and what it promises to whoever uses it.
class engine_party final : public party {
public:
  engine_party(std::shared_ptr<const tls_credentials> identity, buffer_pool& buffers);

  void feed(std::string_view bytes) override;
  void end_input() override { engine_.end_input(); }
  [[nodiscard]] std::string take(std::size_t size, std::size_t pieces) override;
  void shake_hands() override;
  std::size_t say(std::size_t size, std::size_t pieces) override;
  std::size_t hear(std::size_t room) override;
  void close() override;

  /// Decrypts a record without hearing it.
  void look_ahead();
  /// Time passes.
  void rest(duration time) { now_.steady += time; }
  /// The first `bytes` of what was taken have arrived; returns how much of what was said has.
  std::uint64_t acknowledge(std::uint64_t bytes);

  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  [[nodiscard]] tls_info info() const { return engine_.info(); }
  [[nodiscard]] const std::optional<transport_error>& failure() const noexcept { return failure_; }

private:
  void fail(const transport_error& reason);
  void check_bounds() const;

  const bool is_detailed_;
  tls_engine engine_;
  tls_now now_;
  std::optional<transport_error> failure_;
  std::uint64_t fed_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t plain_acked_ = 0;
};

/// GnuTLS driven by hand, which trusts anybody: speaks TLS 1.2 to the engine, which two engines never do, and what no
/// engine says.
class stranger final : public party {
public:
  /// What it does besides talking.
  enum class whim : std::uint8_t {
    empty_record, ///< TLS 1.3: padding and nothing else; allowed.
    new_keys,     ///< TLS 1.3: asks the other side for new keys; allowed.
    warning,      ///< In TLS 1.3 not allowed.
    renegotiation,
    fatal_alert,
  };

  /// Shows `mine`, if there is one.
  stranger(tls_role role, bool speaks_tls1_3, const identity* mine);
  ~stranger() override;

  void feed(std::string_view bytes) override { input_.append(bytes); }
  void end_input() override { input_ended_ = true; }
  [[nodiscard]] std::string take(std::size_t size, std::size_t pieces) override;
  void shake_hands() override;
  std::size_t say(std::size_t size, std::size_t pieces) override;
  std::size_t hear(std::size_t room) override;
  void close() override;

  /// Returns whether a peer has to put up with it.
  bool follow(whim what);

private:
  static ssize_t pull(gnutls_transport_ptr_t self, void* into, std::size_t size);
  static ssize_t push(gnutls_transport_ptr_t self, const void* from, std::size_t size);

  const bool speaks_tls1_3_;
  gnutls_session_t session_ = nullptr;
  gnutls_certificate_credentials_t certificates_ = nullptr;
  std::string input_;
  std::string output_;
  bool input_ended_ = false;
  int key_changes_ = 0;
};

} // namespace actorwire::fuzz
