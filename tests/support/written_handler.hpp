#pragma once

#include <actorwire/actors/connection_handler.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace actorwire::test {

/// What handlers were told, in order, and what they are to do then. To be read by the thread of their shard, or when that has
/// ended.
struct handler_book {
  /// Called with each line as it is written, within the callback.
  std::function<void(local_connection&, std::string_view line)> act;
  /// Called by each handler while it is made.
  std::function<void(local_connection&)> begin;
  std::vector<std::string> lines;
  /// Data that was lost, and sessions.
  std::vector<data_lost> losses;
  std::optional<transport_error> end;
  int made = 0;
  int alive = 0;
  /// Where they were destroyed.
  std::thread::id destroyed_on;
};

/// Writes down all that it is told.
class written_handler final : public connection_handler {
public:
  written_handler(local_connection here, std::shared_ptr<handler_book> book, event_mask events)
    : connection_handler(here, events), book_(std::move(book)) {
    ++book_->made;
    ++book_->alive;
    if (book_->begin)
      book_->begin(this->here());
  }

  ~written_handler() override {
    --book_->alive;
    book_->destroyed_on = std::this_thread::get_id();
  }

  void on_received(received&& data) override {
    write((data.stream == 0 ? "" : std::to_string(data.stream) + ": ") + std::string{data.body.text()});
  }
  void on_opened(const opened& event) override { write("opened " + std::to_string(event.info.generation)); }
  void on_state_changed(const state_changed& event) override { write("state " + to_string(event.to)); }
  void on_address_changed(const address_changed& event) override { write("address " + event.local_address); }
  void on_peer_closing(const peer_closing& event) override { write("end of " + std::to_string(event.stream)); }
  void on_data_lost(const data_lost& event) override {
    book_->losses.push_back(event);
    write("lost " + std::to_string(event.not_sent.messages + event.maybe_sent.messages));
  }
  void on_backpressure(const backpressure& event) override { write(event.on ? "pressure" : "no pressure"); }
  void on_called(called&& question) override {
    write("call " + std::to_string(question.number) + ' ' + std::string{question.body.text()});
  }
  void on_stream_opened(const stream_opened& event) override { write("stream " + std::to_string(event.stream)); }
  void on_stream_reset(const stream_reset& event) override { write("reset " + std::to_string(event.stream)); }
  void on_stream_closed(const stream_closed& event) override { write("closed " + std::to_string(event.stream)); }
  void on_streams_available(const streams_available&) override { write("streams available"); }
  void on_datagram_received(datagram_received&& datagram) override {
    write("datagram " + std::string{datagram.body.text()});
  }
  void on_health_changed(const health_changed& event) override { write("health " + to_string(event.change)); }
  void on_session_opened(const session_opened& event) override { write(event.resumed ? "resumed" : "session"); }
  void on_session_lost(const session_lost&) override { write("session lost"); }
  void on_ended(const transport_error& reason) override {
    book_->end = reason;
    write("ended " + to_string(reason.code));
  }

private:
  void write(std::string line) {
    book_->lines.push_back(std::move(line));
    if (book_->act)
      book_->act(here(), std::string{book_->lines.back()});
  }

  std::shared_ptr<handler_book> book_;
};

inline handler_factory writing_in(std::shared_ptr<handler_book> book,
                                  event_mask events = connection_handler::usual_events) {
  return [book = std::move(book), events](local_connection here) {
    return std::make_unique<written_handler>(here, book, events);
  };
}

/// Sends back what comes, and reads no more than the other side takes.
class echoing_handler : public connection_handler {
public:
  using connection_handler::connection_handler;

  void on_received(received&& data) override {
    send_options options;
    options.stream = data.stream;
    if (!here().send(std::move(data.body), options))
      here().close(close_mode::abort);
  }
  void on_backpressure(const backpressure& event) override {
    if (event.on)
      here().pause_reading();
    else
      here().resume_reading();
  }
};

inline std::unique_ptr<connection_handler> make_echoing(local_connection here) {
  return std::make_unique<echoing_handler>(here);
}

} // namespace actorwire::test
