#include "probe.hpp"

#include "trace_digest.hpp"

#include <actorwire/actors/errors.hpp>

#include <caf/send.hpp>

#include <sstream>
#include <stdexcept>
#include <utility>

namespace actorwire::test {

namespace {

std::vector<endpoint> endpoints_of(std::string_view uris) {
  auto parsed = parse_endpoints(uris);
  if (!parsed)
    throw std::invalid_argument{actorwire::to_string(parsed.error())};
  return *std::move(parsed);
}

actorwire::send_batch batch_of(const std::vector<std::string>& texts, const send_options& options) {
  actorwire::send_batch batch{{}, options};
  for (const auto& text : texts)
    batch.bodies.push_back(payload::copy_of(text));
  return batch;
}

/// Renders one event for a trace.
struct line {
  std::ostringstream& out;

  void operator()(const opened& told) const { out << "opened generation " << told.info.generation; }
  void operator()(const state_changed& told) const {
    out << told.sequence << ". " << name_of(told.from) << " -> " << name_of(told.to) << ", generation "
        << told.generation;
    if (told.reason.code != error_code::none)
      out << ", " << actorwire::to_string(told.reason);
    if (told.attempt > 0)
      out << ", attempt " << told.attempt << ", next in " << told.next_retry.count() << " ms";
  }
  void operator()(const received& told) const {
    trace_digest bytes;
    bytes.add(told.body.text());
    out << "received " << told.body.size() << " bytes, " << bytes.text() << ", of generation " << told.generation;
    if (told.stream != 0)
      out << " on stream " << told.stream;
  }
  void operator()(const peer_closing& told) const { out << "the peer closes generation " << told.generation; }
  void operator()(const passivated&) const { out << "passivated"; }
  void operator()(const backpressure& told) const {
    out << "backpressure " << (told.on ? "on" : "off") << " at " << told.queued_bytes << " bytes";
  }
  void operator()(const data_lost& told) const {
    out << "lost " << told.not_sent.messages << " not sent, " << told.maybe_sent.messages
        << " maybe sent: " << actorwire::to_string(told.why);
  }
  void operator()(const stats& told) const { out << "stats with " << told.queued_bytes << " bytes queued"; }
  void operator()(const pool_event& told) const {
    out << "pool: " << name_of(told.change) << ' ' << told.source << ", " << actorwire::to_string(told.reason);
  }
  void operator()(const listener_event& told) const {
    out << "listener: " << name_of(told.change) << ", " << actorwire::to_string(told.reason);
  }
  void operator()(const stream_opened& told) const { out << "stream " << told.stream << " opened"; }
  void operator()(const stream_reset& told) const {
    out << "stream " << told.stream << ": " << name_of(told.half) << " reset with " << told.code;
  }
  void operator()(const stream_closed& told) const { out << "stream " << told.stream << " closed"; }
  void operator()(const streams_available& told) const { out << "more " << name_of(told.direction) << " streams"; }
  void operator()(const datagram_received& told) const { out << "datagram of " << told.body.size() << " bytes"; }
  void operator()(const address_changed& told) const { out << "now at " << told.remote_address; }
  void operator()(const message_settled& told) const {
    out << "cast " << told.tag << ' ' << name_of(told.result) << " as " << told.sequence << " in generation "
        << told.generation;
  }
  void operator()(const health_changed& told) const {
    out << "health: " << name_of(told.change) << ", " << told.causes.size() << " causes";
    if (told.reason.code != error_code::none)
      out << ", " << actorwire::to_string(told.reason);
  }
  void operator()(const events_missed& told) const { out << "missed " << told.count << " events"; }
  void operator()(const session_opened& told) const {
    out << "session " << (told.resumed ? "resumed" : "begun") << " in generation " << told.generation << ", "
        << told.replayed << " again";
  }
  void operator()(const session_lost& told) const {
    out << "session lost behind " << told.ranges.delivered.last << ", " << told.ranges.maybe_delivered.count()
        << " maybe, " << told.ranges.not_delivered.count() << " not: " << actorwire::to_string(told.reason);
  }
  void operator()(const called& told) const {
    out << "called " << told.number << " with " << told.body.size() << " bytes of generation " << told.generation;
  }
  void operator()(const pool_stats& told) const { out << "pool stats of " << told.peers << " peers"; }
  void operator()(const listener_stats& told) const { out << "listener stats of " << told.open << " clients"; }
  void operator()(const receipt& told) const {
    out << "send " << told.number << ' ';
    if (told.known)
      out << name_of(told.known->result) << " as " << told.known->sequence << " in generation "
          << told.known->generation;
    else
      out << "failed: " << actorwire::to_string(*told.error);
  }
  void operator()(const batch_receipt& told) const {
    out << "batch";
    if (told.known)
      for (const auto each : told.known->results)
        out << ' ' << name_of(each);
    else
      out << " failed: " << actorwire::to_string(*told.error);
  }
};

/// The message that makes a probe look at what it is to do.
using nudge = std::int32_t;

} // namespace

std::string to_string(const note& told) {
  std::ostringstream out;
  out << told.when.time_since_epoch().count() << ": ";
  std::visit(line{out}, told.what);
  return std::move(out).str();
}

probe::probe(network& net, const clock& time, std::size_t shard) : state_(std::make_shared<state>(time)) {
  handle_ = net.spawn_on_shard(shard, [mine = state_](caf::event_based_actor* self) -> caf::behavior {
    return listen(self, mine);
  });
}

caf::behavior probe::listen(caf::event_based_actor* self, const std::shared_ptr<state>& mine) {
  const auto keep = [self, mine](auto& told) {
    mine->notes.push_back({mine->time.now(), std::move(told)});
    if (mine->is_busy && self->current_mailbox_element()->mid.is_request())
      mine->unanswered.push_back(self->make_response_promise());
  };
  return {
      [self, mine](nudge) { work(self, *mine); },
      [keep](opened& told) { keep(told); },
      [keep](state_changed& told) { keep(told); },
      [keep](received& told) { keep(told); },
      [keep](called& told) { keep(told); },
      [keep](pool_stats& told) { keep(told); },
      [keep](listener_stats& told) { keep(told); },
      [keep](peer_closing& told) { keep(told); },
      [keep](passivated& told) { keep(told); },
      [keep](backpressure& told) { keep(told); },
      [keep](data_lost& told) { keep(told); },
      [keep](stats& told) { keep(told); },
      [keep](pool_event& told) { keep(told); },
      [keep](listener_event& told) { keep(told); },
      [keep](stream_opened& told) { keep(told); },
      [keep](stream_reset& told) { keep(told); },
      [keep](stream_closed& told) { keep(told); },
      [keep](streams_available& told) { keep(told); },
      [keep](datagram_received& told) { keep(told); },
      [keep](address_changed& told) { keep(told); },
      [keep](message_settled& told) { keep(told); },
      [keep](health_changed& told) { keep(told); },
      [keep](events_missed& told) { keep(told); },
      [keep](session_opened& told) { keep(told); },
      [keep](session_lost& told) { keep(told); },
  };
}

void probe::work(caf::event_based_actor* self, state& mine) {
  for (auto& task : std::exchange(mine.to_do, {}))
    task(self);
}

void probe::run(body task) {
  state_->to_do.push_back(std::move(task));
  anonymous_tell(handle_, nudge{0});
}

template <class Result, class Target, class Request>
answer_to<Result> probe::request(const Target& to, Request message) {
  const auto reply = std::make_shared<answer<Result>>();
  run([reply, to, message](caf::event_based_actor* self) {
    actorwire::ask(self, to, caf::infinite, message)
        .then(
            [reply](const Result& value) {
              ++reply->count;
              reply->value = value;
            },
            [reply](const caf::error& failure) {
              ++reply->count;
              reply->error = to_transport_error(failure);
            });
  });
  return reply;
}

template <class Target, class Request>
answer_to<caf::unit_t> probe::request_nothing(const Target& to, Request message) {
  const auto reply = std::make_shared<answer<caf::unit_t>>();
  run([reply, to, message](caf::event_based_actor* self) {
    actorwire::ask(self, to, caf::infinite, message)
        .then(
            [reply] {
              ++reply->count;
              reply->value = caf::unit;
            },
            [reply](const caf::error& failure) {
              ++reply->count;
              reply->error = to_transport_error(failure);
            });
  });
  return reply;
}

answer_to<sent> probe::send(const connection_actor& to, std::string_view text, send_options options) {
  const auto reply = std::make_shared<answer<sent>>();
  run([reply, to, mine = state_, number = ++state_->sends,
       message = actorwire::send{payload::copy_of(text), options}](caf::event_based_actor* self) {
    const auto keep = [mine, number, reply](const std::optional<sent>& known,
                                            const std::optional<transport_error>& error) {
      ++reply->count;
      reply->value = known;
      reply->error = error;
      mine->notes.push_back({mine->time.now(), receipt{number, known, error}});
    };
    actorwire::ask(self, to, caf::infinite, message)
        .then([keep](const sent& known) { keep(known, std::nullopt); },
              [keep](const caf::error& failure) { keep(std::nullopt, to_transport_error(failure)); });
  });
  return reply;
}

void probe::cast(const connection_actor& to, std::string_view text, send_options options) {
  run([to, message = actorwire::cast{payload::copy_of(text), options}](caf::event_based_actor* self) {
    tell(self, to, message);
  });
}

answer_to<batch_sent> probe::send_batch(const connection_actor& to, const std::vector<std::string>& texts,
                                        send_options options) {
  const auto reply = std::make_shared<answer<batch_sent>>();
  run([reply, to, mine = state_, message = batch_of(texts, options)](caf::event_based_actor* self) {
    const auto keep = [mine, reply](const std::optional<batch_sent>& known,
                                    const std::optional<transport_error>& error) {
      ++reply->count;
      reply->value = known;
      reply->error = error;
      mine->notes.push_back({mine->time.now(), batch_receipt{known, error}});
    };
    actorwire::ask(self, to, caf::infinite, message)
        .then([keep](const batch_sent& known) { keep(known, std::nullopt); },
              [keep](const caf::error& failure) { keep(std::nullopt, to_transport_error(failure)); });
  });
  return reply;
}

void probe::cast_batch(const connection_actor& to, const std::vector<std::string>& texts, send_options options) {
  run([to, message = batch_of(texts, options)](caf::event_based_actor* self) { tell(self, to, message); });
}

answer_to<answered> probe::call(const connection_actor& to, std::string_view text, send_options options,
                                std::chrono::milliseconds timeout) {
  return request<answered>(to, actorwire::call{payload::copy_of(text), options, timeout});
}

answer_to<sent> probe::reply(const connection_actor& to, const called& question, std::string_view text) {
  return request<sent>(to, actorwire::answer_to(question, payload::copy_of(text)));
}

answer_to<sent> probe::turn_down(const connection_actor& to, const called& question, std::uint8_t code,
                                 std::string_view text) {
  return request<sent>(to, refusal_of(question, code, std::string{text}));
}

answer_to<connection_info> probe::connect(const connection_actor& to) {
  return request<connection_info>(to, actorwire::connect{});
}

answer_to<received> probe::receive(const connection_actor& from, std::chrono::milliseconds timeout, stream_id stream) {
  return request<received>(from, actorwire::receive{timeout, stream});
}

answer_to<connection_status> probe::subscribe(const connection_actor& to, event_mask mask, credit_mode credit) {
  return request<connection_status>(to, actorwire::subscribe{mask, credit});
}

void probe::unsubscribe(const connection_actor& from) {
  run([from](caf::event_based_actor* self) { tell(self, from, actorwire::unsubscribe{}); });
}

void probe::grant(const connection_actor& to, std::uint64_t bytes, stream_id stream) {
  run([to, bytes, stream](caf::event_based_actor* self) { tell(self, to, actorwire::grant{bytes, stream}); });
}

void probe::finish_stream(const connection_actor& to, stream_id stream) {
  run([to, stream](caf::event_based_actor* self) { tell(self, to, actorwire::finish_stream{stream}); });
}

answer_to<stream_opened> probe::open_stream(const connection_actor& on, stream_direction direction,
                                            stream_priority priority) {
  return request<stream_opened>(on, actorwire::open_stream{direction, priority});
}

answer_to<caf::unit_t> probe::reset_stream(const connection_actor& on, stream_id stream, std::uint64_t code) {
  return request_nothing(on, actorwire::reset_stream{stream, code});
}

answer_to<caf::unit_t> probe::stop_stream(const connection_actor& on, stream_id stream, std::uint64_t code) {
  return request_nothing(on, actorwire::stop_stream{stream, code});
}

answer_to<caf::unit_t> probe::prioritize_stream(const connection_actor& on, stream_id stream,
                                                stream_priority priority) {
  return request_nothing(on, actorwire::prioritize_stream{stream, priority});
}

answer_to<datagram_sent> probe::send_datagram(const connection_actor& on, std::string_view text) {
  return request<datagram_sent>(on, actorwire::send_datagram{payload::copy_of(text)});
}

answer_to<stats> probe::get_stats(const connection_actor& of) {
  return request<stats>(of, actorwire::get_stats{});
}

void probe::stream_stats(const connection_actor& of, std::chrono::milliseconds interval) {
  run([of, interval](caf::event_based_actor* self) { tell(self, of, actorwire::stream_stats{interval}); });
}

void probe::stream_stats(const supervisor_actor& of, std::chrono::milliseconds interval) {
  run([of, interval](caf::event_based_actor* self) { tell(self, of, actorwire::stream_stats{interval}); });
}

void probe::stream_stats(const listener_actor& of, std::chrono::milliseconds interval) {
  run([of, interval](caf::event_based_actor* self) { tell(self, of, actorwire::stream_stats{interval}); });
}

answer_to<connection_status> probe::get_state(const connection_actor& of) {
  return request<connection_status>(of, actorwire::get_state{});
}

answer_to<health_report> probe::get_health(const connection_actor& of) {
  return request<health_report>(of, actorwire::get_health{});
}

answer_to<caf::unit_t> probe::set_probe(const connection_actor& of, const caf::actor& prober, probe_policy policy) {
  return request_nothing(of, actorwire::set_probe{prober, policy});
}

answer_to<close_report> probe::close(const connection_actor& what, close_mode mode, std::chrono::milliseconds timeout) {
  return request<close_report>(what, actorwire::close{mode, timeout});
}

answer_to<connection_actor> probe::acquire(const supervisor_actor& from, std::string_view uris,
                                           acquire_options options) {
  const auto endpoints = endpoints_of(uris);
  return request<connection_actor>(from, actorwire::acquire{endpoints.front(),
                                                            std::move(options),
                                                            {endpoints.begin() + 1, endpoints.end()}});
}

answer_to<lease> probe::checkout(const supervisor_actor& from, actorwire::checkout wanted) {
  return request<lease>(from, std::move(wanted));
}

answer_to<caf::unit_t> probe::release(const supervisor_actor& to, lease_id id, bool reuse) {
  return request_nothing(to, actorwire::release{id, reuse});
}

answer_to<connection_actor> probe::lookup(const supervisor_actor& in, connection_id id) {
  return request<connection_actor>(in, actorwire::lookup{id});
}

answer_to<std::vector<connection_status>> probe::list(const supervisor_actor& all) {
  return request<std::vector<connection_status>>(all, actorwire::list{});
}

answer_to<pool_stats> probe::get_pool_stats(const supervisor_actor& of) {
  return request<pool_stats>(of, actorwire::get_pool_stats{});
}

answer_to<pool_totals> probe::get_pool_totals(const supervisor_actor& of) {
  return request<pool_totals>(of, actorwire::get_pool_totals{});
}

void probe::set_policy(const supervisor_actor& at, connection_id id, const reconnection_policy& policy) {
  run([at, id, policy](caf::event_based_actor* self) { tell(self, at, actorwire::set_policy{id, policy}); });
}

void probe::reset(const supervisor_actor& at, connection_id id) {
  run([at, id](caf::event_based_actor* self) { tell(self, at, actorwire::reset{id}); });
}

void probe::subscribe_to_pool(const supervisor_actor& of) {
  run([of](caf::event_based_actor* self) { tell(self, of, actorwire::subscribe{event_mask::pool}); });
}

answer_to<close_report> probe::close(const supervisor_actor& what, close_mode mode, std::chrono::milliseconds timeout) {
  return request<close_report>(what, actorwire::close{mode, timeout});
}

void probe::get_busy() {
  run([mine = state_](caf::event_based_actor*) { mine->is_busy = true; });
}

void probe::catch_up() {
  run([mine = state_](caf::event_based_actor*) {
    mine->is_busy = false;
    for (auto& answer : std::exchange(mine->unanswered, {}))
      answer.deliver(caf::unit);
  });
}

void probe::end() {
  caf::anon_send_exit(handle_, caf::exit_reason::user_shutdown);
}

std::string probe::text() const {
  std::string whole;
  for (const auto& each : notes())
    if (const auto* data = std::get_if<received>(&each.what))
      whole += data->body.text();
  return whole;
}

std::string probe::text(stream_id stream) const {
  std::string whole;
  for (const auto& data : all<received>())
    if (data.stream == stream)
      whole += data.body.text();
  return whole;
}

std::optional<connection_state> probe::last_state() const {
  for (auto position = notes().rbegin(); position != notes().rend(); ++position)
    if (const auto* change = std::get_if<state_changed>(&position->what))
      return change->to;
  return std::nullopt;
}

} // namespace actorwire::test
