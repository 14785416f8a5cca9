#include "quic_dialer.hpp"

#include "edge/reactor.hpp"
#include "quic_memory.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace actorwire {

/// One connection to one address.
class quic_dialer::attempt final : public quic_observer, public quic_socket::listener {
public:
  attempt(quic_dialer& owner, std::size_t index) : owner_(&owner), index_(index) {}
  ~attempt() { drop(); }

  [[nodiscard]] result<void> start(const udp_address& remote) {
    auto& where = owner_->where();
    const auto quic = quic_settings(owner_->config());
    auto& memory = boost::asio::use_service<quic_memory>(where.loop().context());
    socket_ = make_local<quic_socket>(where, memory.client_setup(where.buffers()), std::nullopt);
    // The kernel chooses the address by the way to the server.
    auto wildcard = remote.host();
    wildcard.bytes = {};
    wildcard.scope = 0;
    udp_socket_options options;
    options.buffer_size = quic.socket_buffer_size;
    if (auto opened = socket_->open({wildcard, 0}, options, this); !opened)
      return opened;
    if (auto connected = socket_->connect(remote); !connected)
      return connected;
    if (quic.migration == quic_migration::follow)
      socket_->roam();
    const auto& name = owner_->config().tls.server_name;
    const auto& host = owner_->remote().host;
    quic_connection::settings settings{std::make_shared<const transport_config>(owner_->config()),
                                       {owner_->identity_, name.empty() ? host : name,
                                        "quic " + host + ":" + std::to_string(owner_->remote().port)},
                                       {socket_->local(), remote}};
    settings.tls.early_data = quic.early_data;
    settings.qlog = memory.logs().begin(quic, false);
    try {
      connection_ = &socket_->dial(std::move(settings), *this);
    } catch (const std::exception& thrown) {
      return make_error(error_code::memory_limit, phase::connect, origin::local, thrown.what());
    }
    return {};
  }

  [[nodiscard]] bool takes_early_data() const noexcept {
    return connection_ != nullptr && connection_->takes_early_data();
  }

  /// Sends what there is to be said early, and was not said yet.
  void say_early() {
    if (connection_ == nullptr)
      return;
    const auto& all = owner_->early_;
    for (; said_early_ < all.size(); ++said_early_) {
      const auto& each = all[said_early_];
      const outgoing piece{each.data(), each.size(), each.memory()};
      // It has room for more than is ever kept.
      static_cast<void>(connection_->send(byte_stream, {&piece, 1}));
    }
    socket_->touch(*connection_);
  }

  void drop() noexcept {
    owner_ = nullptr;
    if (!socket_)
      return;
    if (connection_ != nullptr)
      socket_->let_go(*std::exchange(connection_, nullptr));
    socket_->close_when_idle();
    socket_ = nullptr;
  }

  void hand_over(quic_dialer::listener& told) {
    say_early();
    owner_ = nullptr;
    auto& connection = *std::exchange(connection_, nullptr);
    told.on_dialed(std::exchange(socket_, nullptr), connection, std::move(agreed_));
  }

private:
  void on_event(quic_event::any event) override {
    if (owner_ == nullptr)
      return;
    const local_ref<quic_dialer> dialer{owner_};
    if (std::holds_alternative<quic_event::answered>(event)) {
      dialer->note_answer();
    } else if (auto* connected = std::get_if<quic_event::connected>(&event)) {
      agreed_ = std::move(connected->tls);
      dialer->note_success(index_);
    } else if (const auto* closed = std::get_if<quic_event::closed>(&event)) {
      // The endpoint forgets it by itself.
      connection_ = nullptr;
      dialer->note_failure(index_, closed->reason);
    }
  }

  void on_refused(const transport_error& reason) override {
    if (owner_ == nullptr || dialer_has_answer())
      return;
    const local_ref<quic_dialer> dialer{owner_};
    dialer->note_failure(index_, reason);
  }

  /// Anyone can send such a message; while nobody has answered, it is believed.
  [[nodiscard]] bool dialer_has_answer() const noexcept { return owner_->has_answer_; }

  quic_dialer* owner_;
  std::size_t index_;
  local_ref<quic_socket> socket_;
  quic_connection* connection_ = nullptr;
  tls_info agreed_;
  /// So many pieces of what is to be said early.
  std::size_t said_early_ = 0;
};

quic_dialer::quic_dialer(shard& where, std::shared_ptr<resolver> names) : dialer(where, std::move(names)) {}

quic_dialer::~quic_dialer() = default;

void quic_dialer::expect_attempts(std::size_t count) {
  attempts_.resize(count);
}

result<void> quic_dialer::start_attempt(std::size_t index) {
  attempts_[index] = std::make_unique<attempt>(*this, index);
  if (auto started = attempts_[index]->start({address(index), remote().port}); !started)
    return started;
  if (attempts_[index]->takes_early_data())
    note_early_data(*attempts_[index]);
  return {};
}

void quic_dialer::drop_attempt(std::size_t index) noexcept {
  if (!attempts_[index])
    return;
  attempts_[index]->drop();
  dropped_.push_back(std::move(attempts_[index]));
}

void quic_dialer::drop_all_attempts() noexcept {
  for (std::size_t index = 0; index < attempts_.size(); ++index)
    drop_attempt(index);
}

void quic_dialer::hand_over(std::size_t winner) {
  for (std::size_t index = 0; index < attempts_.size(); ++index)
    if (index != winner)
      drop_attempt(index);
  // The rest of what it has to tell goes to the next observer.
  dropped_.push_back(std::move(attempts_[winner]));
  dropped_.back()->hand_over(*told_);
}

void quic_dialer::note_early_data(attempt& which) {
  if (!std::exchange(takes_early_data_, true))
    told_->on_dial_early_data();
  else
    which.say_early();
}

result<std::size_t> quic_dialer::send_early(std::span<const outgoing> pieces) {
  if (!takes_early_data_ || is_over())
    return make_error(error_code::send_failed, phase::connect, origin::local, "not connected");
  std::size_t taken = 0;
  for (const auto& piece : pieces) {
    const auto size = std::min(piece.size, early_bytes_max - early_bytes_);
    if (size == 0)
      break;
    if (piece.owner != nullptr)
      early_.emplace_back(*piece.owner, static_cast<std::uint32_t>(piece.data - piece.owner->bytes()),
                          static_cast<std::uint32_t>(size));
    else
      early_.push_back(payload::copy_of(std::span{piece.data, size}));
    early_bytes_ += size;
    taken += size;
  }
  for (const auto& each : attempts_)
    if (each && each->takes_early_data())
      each->say_early();
  return taken;
}

void quic_dialer::note_answer() {
  if (!std::exchange(has_answer_, true) && !is_over())
    told_->on_dial_progress(connection_state::handshaking);
}

} // namespace actorwire
