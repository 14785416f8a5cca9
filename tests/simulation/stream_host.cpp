#include "stream_host.hpp"

#include <catch2/catch_test_macros.hpp>

#include <limits>
#include <span>

namespace actorwire::test {

namespace {

constexpr auto everything = std::numeric_limits<std::size_t>::max();

bool is_sendable_here(stream_id stream) {
  // One that goes one way goes from whoever opened it (RFC 9000, 2.1).
  return (stream & 2U) == 0 || (stream & 1U) == 1;
}

} // namespace

stream_end::stream_end(local_ref<transport> accepted, stream_manners manners)
  : wire_(std::move(accepted)), manners_(manners) {
  transport_config config;
  config.protocol_settings = quic_config{};
  const auto begun = wire_->init(config, *this);
  is_over = !begun;
  streams_ = wire_->multiplex(*this);
  if (begun && manners_ != stream_manners::deaf)
    wire_->receive(everything);
}

stream_end::~stream_end() {
  wire_->detach();
}

void stream_end::send(stream_id stream, std::string_view bytes) {
  outputs_[stream].waiting += bytes;
  flush(stream);
}

void stream_end::finish(stream_id stream) {
  outputs_[stream].ends = true;
  flush(stream);
}

void stream_end::finish_all() {
  finish(0);
  for (const auto stream : opened)
    if (is_sendable_here(stream))
      finish(stream);
}

void stream_end::on_received(payload bytes) {
  text[0] += bytes.text();
  if (manners_ == stream_manners::echo)
    send(0, bytes.text());
}

void stream_end::on_peer_finished() {
  finished.insert(0);
  finish(0);
}

void stream_end::on_stream_opened(stream_id stream, stream_direction) {
  opened.push_back(stream);
  if (manners_ != stream_manners::deaf)
    streams_->receive(stream, everything);
}

void stream_end::on_stream_received(stream_id stream, payload bytes) {
  text[stream] += bytes.text();
  if (manners_ == stream_manners::echo && is_sendable_here(stream))
    send(stream, bytes.text());
}

void stream_end::on_stream_finished(stream_id stream) {
  finished.insert(stream);
  if (manners_ == stream_manners::echo && is_sendable_here(stream))
    finish(stream);
}

void stream_end::on_datagram(payload body) {
  datagrams.emplace_back(body.text());
  if (manners_ != stream_manners::echo)
    return;
  const auto queued = streams_->send_datagram(std::move(body));
  CHECK(queued);
}

void stream_end::flush(stream_id stream) {
  auto& mine = outputs_[stream];
  while (!mine.waiting.empty()) {
    const outgoing piece{reinterpret_cast<const std::byte*>(mine.waiting.data()), mine.waiting.size(), nullptr};
    const auto taken = stream == 0 ? wire_->send(std::span{&piece, 1}) : streams_->send(stream, std::span{&piece, 1});
    if (!taken)
      return;
    mine.waiting.erase(0, *taken);
    if (!mine.waiting.empty())
      return;
  }
  if (!mine.ends)
    return;
  if (stream == 0)
    wire_->finish();
  else
    streams_->finish(stream);
}

simulated_network::accept_function stream_host::accept() {
  return [this](local_ref<transport> accepted) { ends_.emplace_back(std::move(accepted), manners_); };
}

} // namespace actorwire::test
