#include "tls_conversation.hpp"

#include <string>
#include <utility>

namespace actorwire::fuzz {

conversation::conversation(const settings& wanted, const both_credentials& known, buffer_pool& buffers, cuts pieces)
  : settings_(wanted), cuts_(std::move(pieces)) {
  for (const auto role : roles) {
    auto& here = sides_[settings::index_of(role)];
    if (wanted.by_hand == role) {
      auto made = std::make_unique<stranger>(role, wanted.stranger_speaks_tls1_3, wanted.identity_of(role));
      stranger_ = made.get();
      here = std::move(made);
    } else {
      auto made = std::make_unique<engine_party>(known[settings::index_of(role)], buffers);
      engines_[settings::index_of(role)] = made.get();
      here = std::move(made);
    }
  }
}

void conversation::deliver(tls_role to, std::size_t size) {
  const auto bytes = from(other(to)).take(size);
  if (!bytes.empty() && !side(to).has_failed())
    side(to).feed(bytes);
}

void conversation::settle() {
  // Each round moves a byte at least, and there are not that many.
  constexpr auto rounds_max = 2'000'000;
  auto rounds = 0;
  for (auto moves = true; moves;) {
    check(++rounds < rounds_max, "a conversation comes to rest");
    moves = false;
    for (const auto role : roles) {
      advance(role);
      auto sent = side(role).take(std::string::npos, pieces_max);
      moves = moves || !sent.empty();
      from(role).put(std::move(sent));
    }
    for (const auto role : roles) {
      moves = moves || !from(other(role)).empty();
      deliver(role, cuts_.next());
      advance(role);
      check_truth(role);
    }
  }
}

void conversation::end() {
  for (const auto role : roles)
    side(role).end_input();
  settle();
  for (const auto role : roles)
    if (engine(role) != nullptr)
      check(side(role).has_failed() || side(role).sees_end(), "an end is told, and what kind of end it is");
  if (is_clean() && settings_.can_agree())
    for (const auto role : roles)
      check(side(role).is_ready() && side(role).sees_end(), "where nothing is wrong nothing fails");
  if (!settings_.can_agree())
    for (const auto role : roles)
      check(!side(role).is_ready() || side(role).heard() == 0, "nobody talks to whom he does not agree with");
}

void conversation::check_truth(tls_role who) {
  auto& hears = side(who);
  auto& speaks = side(other(who));
  check(hears.heard() <= speaks.said(), "nothing comes out that was not said");
  check(!hears.sees_end() || (speaks.has_closed() && hears.heard() == speaks.said()),
        "an end is believed only from who has said all he had to say");
  const auto* left = engine(tls_role::client);
  const auto* right = engine(tls_role::server);
  if (left != nullptr && right != nullptr && left->is_done() && right->is_done() && !agreement_seen_) {
    agreement_seen_ = true;
    check_agreement(left->info(), right->info());
  }
}

void conversation::advance(tls_role role) {
  auto& here = side(role);
  here.shake_hands();
  while (here.is_ready() && !here.sees_end() && here.hear(room) > 0) {
  }
  check_acknowledged(role);
  auto& unsaid = unsaid_[settings::index_of(role)];
  while (here.may_speak() && unsaid > 0) {
    const auto taken = here.say(unsaid, 3);
    unsaid -= taken;
    if (taken == 0)
      return;
  }
  if (closes_ && here.may_speak())
    here.close();
}

void conversation::check_acknowledged(tls_role hearer) {
  auto* speaker = engine(other(hearer));
  const auto& way = from(other(hearer));
  if (speaker == nullptr || !way.is_clean())
    return;
  const auto acked = speaker->acknowledge(std::min(way.delivered(), speaker->taken()));
  check(!side(hearer).is_ready() || acked <= side(hearer).heard(), "what is acknowledged has arrived");
}

void conversation::check_agreement(const tls_info& left, const tls_info& right) {
  check(left.version == "TLS1.3", "two engines speak the newest version");
  check(left.version == right.version && left.cipher == right.cipher && left.alpn == right.alpn
            && left.resumed == right.resumed,
        "both sides agree on the same");
}

} // namespace actorwire::fuzz
