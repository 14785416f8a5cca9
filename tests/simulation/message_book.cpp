#include "message_book.hpp"

#include "story.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace actorwire::test {

namespace {

constexpr std::size_t digit_count = 8;
constexpr std::size_t prefix_size = 4;

/// What is right costs a comparison and no assertion: there are many messages.
void expect(bool holds, std::size_t number, const char* otherwise) {
  if (!holds)
    FAIL_CHECK("message " << number << ' ' << otherwise);
}

bool fits_in(const tally& part, const tally& whole) {
  return part.messages <= whole.messages && part.bytes <= whole.bytes;
}

tally operator+(tally left, const tally& right) {
  return left += right;
}

/// What is left of `whole`.
tally operator-(const tally& whole, const tally& part) {
  REQUIRE(fits_in(part, whole));
  return {whole.messages - part.messages, whole.bytes - part.bytes};
}

} // namespace

std::optional<std::size_t> number_of(std::string_view text) {
  if (text.size() < digit_count)
    return std::nullopt;
  std::size_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + digit_count, number);
  if (failure != std::errc{} || end != text.data() + digit_count)
    return std::nullopt;
  return number;
}

server_log read_log(const simulated_network& hosts, const std::vector<endpoint>& endpoints) {
  server_log log;
  const auto note = [&log](std::size_t number) {
    expect(!log.arrived.contains(number) && !log.torn.contains(number), number, "arrived twice, or again when torn");
    log.order.push_back(number);
  };
  for (const auto* record : hosts.records()) {
    if (std::ranges::find(endpoints, record->remote) == endpoints.end())
      continue;
    const auto cut = cut_frames(record->arrived_at_listener);
    for (const auto& message : cut.messages) {
      const auto number = number_of(message);
      REQUIRE(number);
      note(*number);
      expect(message.find_first_not_of('x', digit_count) == std::string::npos, *number, "arrived changed");
      log.arrived.emplace(*number, message.size());
    }
    if (cut.rest.empty())
      continue;
    ++log.torn_count;
    const auto torn = number_of(std::string_view{cut.rest}.substr(std::min(cut.rest.size(), prefix_size)));
    if (!torn)
      continue;
    note(*torn);
    log.torn.insert(*torn);
  }
  return log;
}

std::string message_book::next_text(std::size_t filling) {
  const auto number = std::to_string(next_number());
  auto text = std::string(digit_count - number.size(), '0') + number + std::string(filling, 'x');
  last_size_ = text.size();
  return text;
}

void message_book::note_send(const send_options& how, answer_to<sent> answer) {
  entries_.push_back({.size = last_size_,
                      .wanted = how.wanted,
                      .priority = how.priority,
                      .key = how.key,
                      .answer = std::move(answer)});
}

void message_book::note_cast(const send_options& how) {
  // What is to be reported as acknowledged is waited for like that.
  entries_.push_back({.size = last_size_,
                      .wanted = how.report == message_report::acked ? outcome::acked : how.wanted,
                      .priority = how.priority,
                      .key = how.key,
                      .is_reported = how.report != message_report::none});
}

void message_book::note_part(const send_options& how) {
  entries_.push_back({.size = last_size_, .wanted = how.wanted, .priority = how.priority, .key = how.key});
}

void message_book::note_batch(std::size_t first, const answer_to<batch_sent>& answer) {
  for (auto number = first; number < next_number(); ++number) {
    entries_[number - 1].batch = answer;
    entries_[number - 1].batch_first = first;
  }
}

std::vector<std::string> message_book::batch_answers() const {
  std::vector<std::string> lines;
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    const auto& told = entries_[index].batch;
    if (told == nullptr || entries_[index].batch_first != index + 1)
      continue;
    auto& line = lines.emplace_back("batch " + std::to_string(index + 1));
    if (told->error)
      line += " failed: " + to_string(*told->error);
    if (told->value)
      for (const auto each : told->value->results)
        line.append(" ").append(name_of(each));
  }
  return lines;
}

std::optional<outcome> message_book::result_of(std::size_t number) const {
  const auto& found = entries_[number - 1];
  if (found.answer != nullptr)
    return found.answer->value ? std::optional{found.answer->value->result} : std::nullopt;
  return found.batch->value ? std::optional{found.batch->value->results.at(number - found.batch_first)} : std::nullopt;
}

void message_book::check(const probe& user, const delivery_totals& totals, const server_log& log) const {
  check_order(log);
  check_answers(log);
  check_reports(user, log);
  check_totals(totals, log);

  delivery_totals told;
  for (const auto& each : user.all<data_lost>()) {
    told.not_sent += each.not_sent;
    told.maybe_sent += each.maybe_sent;
  }
  CHECK(told.not_sent == totals.not_sent);
  CHECK(told.maybe_sent == totals.maybe_sent);

  // What is echoed had arrived, and comes back in its order.
  auto next = log.order.begin();
  for (const auto& back : user.all<received>()) {
    const auto number = number_of(back.body.text());
    REQUIRE(number);
    expect(log.arrived.contains(*number), *number, "came back and had never arrived");
    const auto place = std::find(next, log.order.end(), *number);
    expect(place != log.order.end(), *number, "came back twice or too late");
    if (place != log.order.end())
      next = place + 1;
  }
}

/// Each priority keeps its order over all connections. Where a newer message takes the place of an older one, those of one
/// key do, and those without.
void message_book::check_order(const server_log& log) const {
  std::map<std::pair<std::uint8_t, std::uint64_t>, std::size_t> last;
  for (const auto number : log.order) {
    REQUIRE((number > 0 && number <= entries_.size()));
    const auto& found = entries_[number - 1];
    auto& before = last[{found.priority, overflow_ == overflow_policy::conflate ? found.key : 0}];
    expect(number > before, number, "arrived too late");
    before = number;
  }
}

void message_book::check_answers(const server_log& log) const {
  for (const auto& [number, size] : log.arrived) {
    REQUIRE(number <= entries_.size());
    expect(size == entries_[number - 1].size, number, "arrived with another size");
  }
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    const auto number = index + 1;
    const auto& found = entries_[index];
    if (!found.is_asked())
      continue;
    const auto count = found.answer != nullptr ? found.answer->count : found.batch->count;
    expect(count == 1, number, "was not answered exactly once");
    const auto result = result_of(number);
    if (!result || *result == outcome::not_sent)
      expect(!log.arrived.contains(number) && !log.torn.contains(number), number, "was not sent, and arrived");
    else if (*result == outcome::acked)
      expect(log.arrived.contains(number), number, "was acknowledged, and never arrived");
    if (found.answer != nullptr && found.answer->value)
      expect(found.answer->value->tag == number, number, "was answered with another tag");
    if (found.batch != nullptr && found.batch->value)
      expect(found.batch->value->tag == found.batch_first, number, "was answered with the tag of another batch");
  }
}

void message_book::check_reports(const probe& user, const server_log& log) const {
  std::set<std::size_t> reported;
  for (const auto& each : user.all<message_settled>()) {
    const auto number = static_cast<std::size_t>(each.tag);
    REQUIRE((number > 0 && number <= entries_.size()));
    expect(entries_[number - 1].is_reported, number, "was reported, and nobody asked");
    expect(reported.insert(number).second, number, "was reported twice");
    if (each.result == outcome::not_sent)
      expect(!log.arrived.contains(number) && !log.torn.contains(number), number,
             "is reported as not sent, and arrived");
    else if (each.result == outcome::acked)
      expect(log.arrived.contains(number), number, "is reported as acknowledged, and never arrived");
  }
  for (std::size_t index = 0; index < entries_.size(); ++index)
    if (entries_[index].is_reported)
      expect(reported.contains(index + 1), index + 1, "was never reported");
}

/// The user knows the outcome of each message that it asked about; the rest of the peer's account is that of the others,
/// and must be possible.
void message_book::check_totals(const delivery_totals& totals, const server_log& log) const {
  CHECK(totals.pending == tally{});
  CHECK(adds_up(totals));

  tally all_sends;
  tally answered;
  tally casts;
  tally casts_for_written;
  tally casts_for_acked_arrived;
  tally casts_arrived;
  tally arrived;
  delivery_totals known;
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    const auto& found = entries_[index];
    const auto size = found.size;
    const auto wanted = found.wanted;
    const auto has_arrived = log.arrived.contains(index + 1);
    if (has_arrived)
      arrived.add(size);
    if (!found.is_asked()) {
      casts.add(size);
      if (wanted == outcome::written)
        casts_for_written.add(size);
      if (has_arrived)
        casts_arrived.add(size);
      if (has_arrived && wanted == outcome::acked)
        casts_for_acked_arrived.add(size);
      continue;
    }
    all_sends.add(size);
    const auto result = result_of(index + 1);
    if (!result)
      continue;
    answered.add(size);
    switch (*result) {
      case outcome::not_sent:
        known.not_sent.add(size);
        break;
      case outcome::maybe_sent:
        known.maybe_sent.add(size);
        break;
      case outcome::written:
        known.written.add(size);
        break;
      case outcome::acked:
        known.acked.add(size);
        break;
      case outcome::confirmed:
        FAIL("a message was confirmed without a session");
        break;
    }
  }

  // A send that failed was either refused, or accepted and then given up: its answer is an error in both cases. A cast is
  // always accepted, and lost at once where a send would be refused.
  CHECK(fits_in(casts + answered, totals.accepted));
  CHECK(fits_in(totals.accepted, casts + all_sends));
  CHECK(fits_in(known.not_sent, totals.not_sent));

  const auto casts_written = totals.written - known.written;
  const auto casts_acked = totals.acked - known.acked;
  const auto casts_maybe_sent = totals.maybe_sent - known.maybe_sent;
  CHECK(fits_in(casts_written, casts_for_written));
  CHECK(fits_in(casts_acked, casts_for_acked_arrived));
  CHECK(fits_in(casts_arrived, casts_written + casts_acked + casts_maybe_sent));

  const auto left = totals.written + totals.acked + totals.maybe_sent;
  CHECK(fits_in(totals.acked, arrived));
  CHECK(fits_in(arrived, left));
  // A torn message has left, and is none of those that arrived.
  CHECK(arrived.messages + log.torn_count <= left.messages);
}

} // namespace actorwire::test
