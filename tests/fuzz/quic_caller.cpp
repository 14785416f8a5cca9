#include "quic_caller.hpp"

#include "target.hpp"

#include <limits>
#include <utility>
#include <variant>

namespace actorwire::fuzz {

namespace {

constexpr auto everything = std::numeric_limits<std::size_t>::max();
/// Datagrams have words of their own.
constexpr stream_id unreliable = std::numeric_limits<stream_id>::max();

std::byte word_of(tls_role who, stream_id id, std::uint64_t offset) noexcept {
  return static_cast<std::byte>(offset * 31 + (offset >> 8U) * 7 + id * 17 + (who == tls_role::server ? 101 : 0));
}

std::string words_of(tls_role who, stream_id id, std::uint64_t offset, std::size_t size) {
  std::string words(size, '\0');
  for (std::size_t index = 0; index < size; ++index)
    words[index] = static_cast<char>(word_of(who, id, offset + index));
  return words;
}

std::size_t index_of(stream_direction direction) noexcept {
  return direction == stream_direction::bidirectional ? 0 : 1;
}

} // namespace

quic_caller::quic_caller(quic_endpoint& endpoint, tls_role role, const quic_config& limits,
                         std::optional<std::size_t> number)
  : endpoint_(endpoint), role_(role), limits_(limits), number_(number) {
  streams_.try_emplace(byte_stream);
}

// -- deeds ----------------------------------------------------------------------------------------------------------------

std::optional<stream_id> quic_caller::pick(std::size_t which) const {
  if (connection == nullptr)
    return std::nullopt;
  return std::next(streams_.begin(), static_cast<std::ptrdiff_t>(which % streams_.size()))->first;
}

void quic_caller::open(stream_direction direction, stream_priority priority) {
  if (connection == nullptr)
    return;
  if (const auto made = connection->open_stream(direction, priority)) {
    check(is_own(*made) && direction_of(*made) == direction, "a stream's number tells who opened it, and its kind");
    check(streams_.try_emplace(*made).second, "no stream has the number of another");
  }
  endpoint_.touch(*connection);
}

std::size_t quic_caller::say(std::size_t which, std::size_t bytes) {
  const auto id = pick(which);
  if (!id)
    return 0;
  auto& said = streams_[*id].said;
  const auto words = words_of(role_, *id, said, bytes);
  const outgoing piece{reinterpret_cast<const std::byte*>(words.data()), words.size(), nullptr};
  const auto taken = connection->send(*id, {&piece, 1});
  const auto size = taken ? *taken : 0;
  check(size <= bytes, "no more is taken than was offered");
  said += size;
  endpoint_.touch(*connection);
  return size;
}

void quic_caller::finish(std::size_t which) {
  const auto id = pick(which);
  if (!id)
    return;
  // Where nothing can be said, there is no end either.
  if (connection->send(*id, {}))
    streams_[*id].is_finished = true;
  connection->finish(*id);
  endpoint_.touch(*connection);
}

void quic_caller::reset(std::size_t which, std::uint64_t code) {
  const auto id = pick(which);
  if (!id)
    return;
  connection->reset(*id, code);
  streams_[*id].is_given_up = true;
  endpoint_.touch(*connection);
}

void quic_caller::stop(std::size_t which, std::uint64_t code) {
  const auto id = pick(which);
  if (!id)
    return;
  connection->stop(*id, code);
  streams_[*id].is_given_up = true;
  endpoint_.touch(*connection);
}

void quic_caller::prioritize(std::size_t which, stream_priority priority) {
  if (const auto id = pick(which))
    connection->prioritize(*id, priority);
}

void quic_caller::read(std::size_t which, std::size_t bytes_max) {
  const auto id = pick(which);
  if (!id)
    return;
  read_from(*id, bytes_max);
  endpoint_.touch(*connection);
}

void quic_caller::say_unreliably(std::size_t bytes) {
  if (connection == nullptr)
    return;
  if (const auto number = connection->send_datagram(payload::copy_of(words_of(role_, unreliable, 0, bytes))))
    check(waiting_datagrams_.insert(*number).second, "no datagram has the number of another");
  endpoint_.touch(*connection);
}

void quic_caller::update_keys(const tls_now& now) {
  if (connection == nullptr)
    return;
  static_cast<void>(connection->update_keys(now));
  endpoint_.touch(*connection);
}

void quic_caller::migrate(const udp_address& local, const tls_now& now) {
  if (connection == nullptr)
    return;
  static_cast<void>(connection->migrate(local, now));
  endpoint_.touch(*connection);
}

void quic_caller::close(std::uint64_t code) {
  if (connection == nullptr)
    return;
  connection->close(code, make_error(error_code::closed, phase::close, origin::local, "done"));
  endpoint_.touch(*connection);
}

void quic_caller::release() {
  if (connection != nullptr)
    endpoint_.release(*std::exchange(connection, nullptr));
}

void quic_caller::set_reading(bool is_wanted) {
  is_reading_ = is_wanted;
  if (!is_wanted || connection == nullptr)
    return;
  for (const auto& [id, each] : streams_)
    read_from(id, everything);
  endpoint_.touch(*connection);
}

void quic_caller::read_from(stream_id id, std::size_t bytes_max) {
  auto& from = streams_[id];
  for (;;) {
    const auto bytes = connection->read(id, bytes_max);
    if (bytes.empty())
      break;
    check(bytes.size() <= bytes_max, "no more is handed out than was asked for");
    bytes_max -= bytes.size();
    check_words(bytes, id, from.heard);
    from.heard += bytes.size();
  }
  if (connection->is_read_to_end(id)) {
    from.has_end = true;
    connection->note_end_was_read(id);
  }
}

void quic_caller::check_words(const payload& heard, stream_id id, std::uint64_t offset) const {
  if (is_deceived_)
    return;
  const auto peer = role_ == tls_role::server ? tls_role::client : tls_role::server;
  check(heard.text() == words_of(peer, id, offset, heard.size()), "what is heard was said, in this order");
}

// -- what it is told ------------------------------------------------------------------------------------------------------

void quic_caller::on_event(quic_event::any event) {
  check(!has_ended_, "nothing is told after the end");
  std::visit([this](auto&& each) { handle(std::forward<decltype(each)>(each)); }, std::move(event));
}

quic_caller::stream& quic_caller::known(stream_id id) {
  const auto found = streams_.find(id);
  check(found != streams_.end(), "nothing is told of streams that nobody has opened");
  check(!found->second.is_closed, "nothing is told of a stream after it is closed");
  return found->second;
}

void quic_caller::handle(quic_event::answered&&) {}

void quic_caller::handle(quic_event::connected&& each) {
  check(!std::exchange(is_connected_, true), "a connection is connected once");
  check(!each.is_early || role_ == tls_role::server, "a client is connected when its handshake is done");
  is_shaking_hands_ = each.is_early;
}

void quic_caller::handle(quic_event::handshake_done&&) {
  check(std::exchange(is_shaking_hands_, false), "a handshake goes on only behind an early start, and is done once");
}

void quic_caller::handle(quic_event::stream_opened&& each) {
  check(!is_own(each.stream) && direction_of(each.stream) == each.direction, "a stream's number tells who opened it");
  check(streams_.try_emplace(each.stream).second, "a stream is opened once");
  check(++open_streams_[index_of(each.direction)] <= limits_.max_streams,
        "the peer opens no more than it is allowed to");
}

void quic_caller::handle(quic_event::stream_readable&& each) {
  static_cast<void>(known(each.stream));
  if (is_reading_)
    read_from(each.stream, everything);
}

void quic_caller::handle(quic_event::stream_writable&& each) {
  static_cast<void>(known(each.stream));
}

void quic_caller::handle(quic_event::stream_reset&& each) {
  auto& which = known(each.stream);
  which.is_given_up = true;
  check(!std::exchange(which.was_reset, true), "a stream is reset once");
}

void quic_caller::handle(quic_event::stream_stopped&& each) {
  auto& which = known(each.stream);
  which.is_given_up = true;
  check(!std::exchange(which.was_stopped, true), "a stream is stopped once");
}

void quic_caller::handle(quic_event::stream_closed&& each) {
  auto& which = known(each.stream);
  which.is_closed = true;
  if (each.stream != byte_stream && !is_own(each.stream))
    --open_streams_[index_of(direction_of(each.stream))];
  check(connection->read(each.stream, everything).empty(), "nothing is left of a stream that is closed");
}

void quic_caller::handle(quic_event::streams_available&&) {}

void quic_caller::handle(quic_event::datagram_received&& each) {
  check(limits_.datagrams, "no datagram comes where none is taken");
  check_words(each.body, unreliable, 0);
}

void quic_caller::handle(quic_event::datagram_done&& each) {
  check(waiting_datagrams_.erase(each.id) == 1, "the fate of a datagram is told once");
}

void quic_caller::handle(quic_event::early_data_rejected&&) {
  check(!is_connected_ && role_ == tls_role::client, "early data is refused before the end of the handshake");
}

void quic_caller::handle(quic_event::path_changed&& each) {
  check(each.path.local.is_known() && each.path.remote.is_known(), "a path has two ends");
}

void quic_caller::handle(quic_event::closed&& each) {
  check(!each.reason.text.empty(), "an end has a reason in words");
  check(each.reason.code != error_code::memory_limit, "the memory limit ends no connection");
  has_ended_ = true;
  blames_peer_ = is_connected_ && each.reason.code == error_code::malformed;
  connection = nullptr;
}

} // namespace actorwire::fuzz
