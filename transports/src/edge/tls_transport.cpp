#include "tls_transport.hpp"

#include "accept_tls.hpp"
#include "reactor.hpp"
#include "receive_slab.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <ctime>
#include <limits>
#include <string>
#include <utility>
#include <variant>

namespace actorwire {

namespace {

using namespace std::chrono_literals;

/// The longest record and its head (RFC 8446, 5.2): what has to arrive before anything can be read.
constexpr std::size_t longest_record = 16'384 + 256 + 5;

/// How long reading rests at the memory limit. Memory comes back from any thread without a word to us.
constexpr duration memory_pause = 10ms;

/// The peer's last acknowledgement comes after a round trip of unknown length: asked for soon, then ever less often.
constexpr duration first_linger_pause = 1ms;
constexpr duration longest_linger_pause = 256ms;

constexpr std::size_t pieces_per_send = 16;

transport_error cut_error() {
  return make_error(error_code::reset, phase::close, origin::local, "closed with bytes on their way");
}

transport_error closed_error(bool by_peer = false) {
  return make_error(error_code::closed, phase::close, by_peer ? origin::remote : origin::local,
                    by_peer ? "ended by the peer" : "ended by this side");
}

} // namespace

struct tls_transport::attempt {
  explicit attempt(tls_transport& owner) : deadline(owner.shard_, [&owner] { owner.handle_timeout(); }) {}

  watchdog deadline;
  duration limit{};
  tls_config config;
  endpoint remote;
  transport_opening opening;
  tls_store::query question;
};

struct tls_transport::pause {
  explicit pause(tls_transport& owner)
    : over([&owner] {
        const local_ref<tls_transport> self{&owner};
        const auto ended = std::move(owner.pause_);
        owner.process();
      }) {}

  timer over;
};

struct tls_transport::linger {
  linger(tls_transport& owner, bool peer_was_first)
    : over([&owner] { owner.handle_end_of_linger(); }), by_peer(peer_was_first) {}

  timer over;
  duration length = first_linger_pause;
  bool by_peer;
};

// -- life ---------------------------------------------------------------------------------------------------------------

local_ref<transport> make_tls_transport(shard& where, local_ref<transport> bearer,
                                        std::shared_ptr<tls_store> identities) {
  return make_local<tls_transport>(where, std::move(bearer), std::move(identities));
}

local_ref<transport> accept_tls(shard& where, local_ref<transport> bearer,
                                std::shared_ptr<const tls_credentials> identity) {
  return make_local<tls_transport>(where, std::move(bearer), std::move(identity));
}

tls_transport::tls_transport(shard& where, local_ref<transport> bearer, std::shared_ptr<tls_store> identities)
  : shard_(where), bearer_(std::move(bearer)), identities_(std::move(identities)) {}

tls_transport::tls_transport(shard& where, local_ref<transport> bearer, std::shared_ptr<const tls_credentials> identity)
  : shard_(where), bearer_(std::move(bearer)), credentials_(std::move(identity)) {}

tls_transport::~tls_transport() {
  bearer_->detach();
}

result<void> tls_transport::init(const transport_config& config, transport_observer& observer) {
  assert(stage_ == stage::created);
  if (auto ready = bearer_->init(config, *this); !ready)
    return ready;
  observer_ = &observer;
  stage_ = stage::initialized;
  attempt_ = std::make_unique<attempt>(*this);
  attempt_->limit = config.attempt_timeout;
  if (credentials_)
    attempt_->deadline.start(attempt_->limit);
  else
    attempt_->config = config.tls;
  return {};
}

void tls_transport::connect(const endpoint& remote) {
  if (stage_ == stage::ended)
    return;
  assert(stage_ == stage::initialized && !credentials_);
  stage_ = stage::dialing;
  attempt_->remote = remote;
  attempt_->deadline.start(attempt_->limit);
  attempt_->question = identities_->find(tls_role::client, attempt_->config, shard_, [this](tls_store::answer found) {
    const local_ref<tls_transport> self{this};
    dial(std::move(found));
  });
}

void tls_transport::dial(tls_store::answer found) {
  if (stage_ != stage::dialing)
    return;
  attempt_->question = nullptr;
  if (!found)
    return fail(found.error(), false);
  identity_ = std::move(*found);
  credentials_ = identity_->present();
  bearer_->connect(attempt_->remote);
}

void tls_transport::on_progress(connection_state where) {
  if (observer_ != nullptr)
    observer_->on_progress(where);
}

void tls_transport::on_connected(const transport_opening& opening) {
  if (stage_ != stage::dialing && stage_ != stage::initialized)
    return;
  const local_ref<tls_transport> self{this};
  const auto is_client = stage_ == stage::dialing;
  attempt_->opening = opening;
  shared_slab_ = &boost::asio::use_service<receive_slab>(shard_.loop().context());
  stage_ = stage::handshaking;
  top_up();
  // A client speaks first; until it does, a server needs nothing.
  if (!is_client)
    return;
  observer_->on_progress(connection_state::handshaking);
  if (stage_ != stage::handshaking)
    return;
  make_engine();
  shake_hands();
}

void tls_transport::make_engine() {
  if (credentials_->role() == tls_role::server) {
    engine_ = std::make_unique<tls_engine>(credentials_, shard_.buffers());
    return;
  }
  const auto& name = attempt_->config.server_name;
  const auto& host = attempt_->remote.host;
  engine_ = std::make_unique<tls_engine>(credentials_, shard_.buffers(), name.empty() ? host : name,
                                         host + ":" + std::to_string(attempt_->remote.port));
}

void tls_transport::shake_hands() {
  const auto agreed = engine_->shake_hands(now());
  flush_output();
  if (!agreed)
    return fail(agreed.error(), true);
  if (!*agreed)
    return top_up();
  stage_ = stage::established;
  auto opening = std::move(attempt_->opening);
  opening.tls = engine_->info();
  attempt_ = nullptr;
  observer_->on_connected(opening);
  process();
}

void tls_transport::handle_timeout() {
  const local_ref<tls_transport> self{this};
  fail(make_error(error_code::connect_timeout, stage_ == stage::handshaking ? phase::handshake : phase::connect,
                  origin::remote,
                  stage_ == stage::handshaking ? "keys were not agreed on within attempt_timeout"
                                               : "not connected within attempt_timeout"),
       false);
}

// -- reading ------------------------------------------------------------------------------------------------------------

void tls_transport::on_received(payload bytes) {
  const local_ref<tls_transport> self{this};
  bearer_allowance_ -= std::min<std::size_t>(bearer_allowance_, bytes.size());
  if (stage_ != stage::handshaking && stage_ != stage::established)
    return;
  if (!engine_)
    make_engine();
  engine_->feed(std::move(bytes));
  if (stage_ == stage::handshaking)
    shake_hands();
  else
    process();
}

void tls_transport::on_peer_finished() {
  const local_ref<tls_transport> self{this};
  if (stage_ == stage::handshaking && !engine_)
    make_engine();
  if (!engine_)
    return;
  engine_->end_input();
  if (stage_ == stage::handshaking)
    shake_hands();
  else
    process();
}

void tls_transport::receive(std::size_t bytes) {
  allowance_ += std::min(bytes, std::numeric_limits<std::size_t>::max() - allowance_);
  // What has come before is handed over in a turn of its own.
  if (stage_ == stage::established && !is_processing_)
    process_later();
}

void tls_transport::process_later() {
  if (std::exchange(process_is_posted_, true))
    return;
  boost::asio::post(shard_.loop().context(), [self = local_ref<tls_transport>{this}] {
    const shard::turn here{self->shard_};
    self->process_is_posted_ = false;
    self->process();
  });
}

void tls_transport::process() {
  if (stage_ != stage::established || is_processing_ || pause_)
    return;
  is_processing_ = true;
  while (stage_ == stage::established && allowance_ > 0 && read_piece()) {
  }
  is_processing_ = false;
  if (stage_ != stage::established || pause_)
    return;
  // Looking on is how the peer's end is noticed when nothing may be read.
  if (const auto looked = engine_->look_ahead(now()); !looked) {
    // The other side is told what TLS has to say about it, and a clean end of the bearer lets it arrive.
    flush_output();
    return fail(looked.error(), looked.error().code != error_code::truncated_stream && !is_blocked_);
  }
  flush_output();
  if (engine_->peer_has_closed())
    follow_peer_end();
  if (stage_ == stage::established && bearer_end_ && peer_finished_)
    tell_closed(*bearer_end_);
  top_up();
}

bool tls_transport::read_piece() {
  auto is_shared = false;
  const auto space = find_space(is_shared);
  if (space.memory == nullptr) {
    pause_ = std::make_unique<pause>(*this);
    shard_.arm(pause_->over, memory_pause);
    return false;
  }
  const auto wanted = std::min<std::size_t>(space.size, allowance_);
  const auto got = engine_->read({space.data(), wanted}, now());
  const auto count = got ? static_cast<std::uint32_t>(*got) : 0U;
  auto bytes = count > 0 ? payload{*space.memory, space.offset, count} : payload{};
  if (is_shared)
    shared_slab_->commit(count);
  else
    space.memory->release();
  // An error is met again by whoever looks on.
  if (count == 0)
    return false;
  allowance_ -= count;
  bytes_received_ += count;
  observer_->on_received(std::move(bytes));
  return true;
}

slab_space tls_transport::find_space(bool& is_shared) {
  is_shared = false;
  // A stream fills a slab with several records; what says little shares one with others.
  if (std::min(engine_->input_size(), allowance_) >= buffer_pool::slab_sizes[0])
    if (auto* memory = shard_.buffers().take(buffer_pool::size_class::large))
      return {memory, 0, memory->capacity};
  is_shared = true;
  return shared_slab_->prepare(shard_.buffers());
}

void tls_transport::follow_peer_end() {
  if (std::exchange(peer_finished_, true))
    return;
  observer_->on_peer_finished();
  linger_if_ended(false);
}

void tls_transport::top_up() {
  if (stage_ != stage::handshaking && stage_ != stage::established)
    return;
  // Nothing counts that comes after the peer's end.
  if (engine_ && engine_->peer_has_closed())
    return;
  // A record that waits to be read is enough to know; without one, the next must be able to come.
  const auto waits = engine_ ? engine_->input_size() : 0;
  const auto wanted = waits > longest_record ? allowance_ : std::max(allowance_, longest_record);
  if (bearer_allowance_ >= wanted || bearer_allowance_ > wanted / 2)
    return;
  const auto more = wanted - bearer_allowance_;
  bearer_allowance_ = wanted;
  bearer_->receive(more);
}

// -- writing ------------------------------------------------------------------------------------------------------------

result<std::size_t> tls_transport::send(std::span<const outgoing> pieces) {
  if (stage_ != stage::established || finished_)
    return make_error(error_code::send_failed, phase::established, origin::local,
                      finished_ ? "the stream's end was sent already" : "not connected");
  std::size_t taken = 0;
  std::size_t offset = 0;
  while (!pieces.empty() && !is_blocked_) {
    // The first piece may have been taken in part.
    outgoing first = pieces.front();
    first.data += offset;
    first.size -= offset;
    const auto written = offset > 0 ? engine_->write({&first, 1}, now()) : engine_->write(pieces, now());
    // Without an answer TLS has failed, which is told in a turn of its own; the bearer reports its end itself.
    if (!written)
      process_later();
    if (!written || *written == 0)
      break;
    taken += *written;
    auto count = *written;
    for (count += offset; !pieces.empty() && count >= pieces.front().size; pieces = pieces.subspan(1))
      count -= pieces.front().size;
    offset = count;
    flush_output();
  }
  bytes_sent_ += taken;
  wants_room_ = !pieces.empty();
  // Who never asks what has arrived would let the record of it grow.
  if (engine_->unacknowledged_marks() >= acked_offsets::marks_max / 2)
    static_cast<void>(bytes_acked());
  return taken;
}

void tls_transport::flush_output() {
  std::array<outgoing, pieces_per_send> pieces;
  while (engine_ && !is_blocked_ && engine_->output_size() > 0) {
    const auto count = engine_->gather(pieces);
    const auto taken = bearer_->send({pieces.data(), count});
    // Without an answer the bearer is about to report its end.
    if (!taken)
      return;
    std::size_t offered = 0;
    for (const auto& piece : std::span{pieces}.first(count))
      offered += piece.size;
    engine_->consume(*taken);
    is_blocked_ = *taken < offered;
  }
  if (finished_ && !is_blocked_ && !std::exchange(bearer_is_finished_, true)) {
    bearer_->finish();
    linger_if_ended(true);
  }
}

void tls_transport::on_writable() {
  const local_ref<tls_transport> self{this};
  is_blocked_ = false;
  flush_output();
  if (stage_ == stage::established && !is_blocked_ && !finished_ && std::exchange(wants_room_, false))
    observer_->on_writable();
}

void tls_transport::finish() {
  if (stage_ != stage::established || finished_)
    return;
  engine_->close_sending();
  finished_ = true;
  flush_output();
}

// -- the end ------------------------------------------------------------------------------------------------------------

/// When both sides have said their end it does not matter whether the peer ends its bearer too. What is waited for is
/// that it has everything.
void tls_transport::linger_if_ended(bool by_peer) {
  if (stage_ != stage::established || !peer_finished_ || !bearer_is_finished_ || bearer_end_ || linger_)
    return;
  linger_ = std::make_unique<linger>(*this, by_peer);
  shard_.arm(linger_->over, linger_->length);
}

void tls_transport::handle_end_of_linger() {
  const local_ref<tls_transport> self{this};
  auto present = std::move(linger_);
  if (bytes_acked() == bytes_sent_)
    return fail(closed_error(present->by_peer), true);
  linger_ = std::move(present);
  linger_->length = std::min(2 * linger_->length, longest_linger_pause);
  shard_.arm(linger_->over, linger_->length);
}

void tls_transport::close(const transport_error& reason) {
  if (stage_ == stage::ended)
    return;
  if (bearer_end_) {
    // There is nothing left to close; the observer hears of it in a turn of its own.
    stage_ = stage::ended;
    boost::asio::post(shard_.loop().context(), [self = local_ref<tls_transport>{this}, reason] {
      const shard::turn here{self->shard_};
      self->tell_closed(reason);
    });
    return;
  }
  // A peer that is told the end by TLS has everything.
  const auto orderly =
      reason.code == error_code::closed && stage_ == stage::established && !is_blocked_ && bytes_acked() == bytes_sent_;
  if (orderly && !finished_) {
    engine_->close_sending();
    finished_ = bearer_is_finished_ = true;
    flush_output();
  }
  fail(reason, orderly);
}

void tls_transport::detach() noexcept {
  observer_ = nullptr;
  if (stage_ == stage::established && !finished_ && !is_blocked_ && bytes_acked() == bytes_sent_) {
    engine_->close_sending();
    finished_ = bearer_is_finished_ = true;
    flush_output();
  }
  stage_ = stage::ended;
  attempt_ = nullptr;
  pause_ = nullptr;
  linger_ = nullptr;
  bearer_->detach();
}

/// Ends this transport; the observer is told when the bearer has ended too. An orderly end lets what was sent arrive, and
/// any other cuts the bearer.
void tls_transport::fail(const transport_error& reason, bool orderly) {
  if (stage_ == stage::ended)
    return;
  stage_ = stage::ended;
  attempt_ = nullptr;
  pause_ = nullptr;
  linger_ = nullptr;
  end_ = std::make_unique<const transport_error>(reason);
  if (bearer_end_)
    return tell_closed(reason);
  if (orderly)
    bearer_->close(closed_error());
  else
    bearer_->close(reason.code == error_code::closed ? cut_error() : reason);
}

void tls_transport::on_closed(const transport_error& reason) {
  const local_ref<tls_transport> self{this};
  if (end_)
    return tell_closed(*end_);
  if (stage_ == stage::handshaking) {
    auto cut = reason;
    cut.where = phase::handshake;
    return tell_closed(cut);
  }
  if (stage_ != stage::established)
    return tell_closed(reason);
  // What it brought before is handed over as far as may be; an orderly end waits for the rest.
  bearer_end_ = std::make_unique<const transport_error>(reason);
  if (reason.code == error_code::closed)
    engine_->end_input();
  process();
  if (reason.code != error_code::closed && stage_ != stage::ended)
    tell_closed(reason);
}

void tls_transport::tell_closed(const transport_error& reason) {
  stage_ = stage::ended;
  attempt_ = nullptr;
  pause_ = nullptr;
  linger_ = nullptr;
  if (auto* told = std::exchange(observer_, nullptr))
    told->on_closed(reason);
}

// -- figures ------------------------------------------------------------------------------------------------------------

transport_stats tls_transport::stats() const {
  auto figures = bearer_->stats();
  figures.bytes_sent = bytes_sent_;
  figures.bytes_received = bytes_received_;
  return figures;
}

std::uint64_t tls_transport::bytes_acked() const {
  return engine_ ? engine_->plain_acked(bearer_->bytes_acked()) : 0;
}

tls_now tls_transport::now() const {
  return {std::time(nullptr), shard_.now()};
}

} // namespace actorwire
