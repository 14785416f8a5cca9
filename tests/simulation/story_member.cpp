#include "story_member.hpp"

#include "echoes.hpp"
#include "session_check.hpp"
#include "story.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

send_options story_member::next_options(std::mt19937_64& chance) const {
  send_options options;
  options.tag = book.next_number();
  options.priority = static_cast<std::uint8_t>(chance() % send_priorities);
  options.key = chance() % 10;
  options.policy = static_cast<when_down>(chance() % 3);
  options.wanted = chance() % 2 == 0 ? outcome::written : outcome::acked;
  // A message of a session does not expire.
  if (chance() % 4 == 0 && server == nullptr)
    options.ttl = std::chrono::milliseconds{1 + chance() % 2'000};
  return options;
}

void story_member::send(std::mt19937_64& chance) {
  const auto text = book.next_text(chance() % 500);
  const auto how = next_options(chance);
  book.note_send(how, user.send(peer, text, how));
}

void story_member::cast(std::mt19937_64& chance) {
  const auto text = book.next_text(chance() % 500);
  auto how = next_options(chance);
  how.report = static_cast<message_report>(chance() % names_of(message_report{}).size());
  // What became of a message of a session is known of each.
  if (server != nullptr && how.report == message_report::none)
    how.report = message_report::written;
  user.cast(peer, text, how);
  book.note_cast(how);
}

void story_member::send_batch(std::mt19937_64& chance) {
  auto how = next_options(chance);
  how.key = 0;
  const auto first = book.next_number();
  std::vector<std::string> texts(1 + chance() % 8);
  for (auto& each : texts) {
    each = book.next_text(chance() % 500);
    book.note_part(how);
  }
  if (chance() % 3 == 0) {
    if (server != nullptr)
      how.report = message_report::written;
    user.cast_batch(peer, texts, how);
  } else {
    book.note_batch(first, user.send_batch(peer, texts, how));
  }
}

void story_member::check(const simulated_network& hosts, const std::vector<endpoint>& endpoints) const {
  check_story(user.notes(), snapshot);
  if (server != nullptr) {
    check_session(book, user, totals, server->log());
  } else {
    book.check(user, totals, read_log(hosts, endpoints));
    check_echoes(user, hosts, endpoints);
  }
}

bool story_member::has_back(std::string_view text) const {
  const auto data = user.all<received>();
  return !data.empty() && data.back().body.text() == text;
}

} // namespace actorwire::test
