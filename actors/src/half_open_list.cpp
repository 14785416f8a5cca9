#include "half_open_list.hpp"

#include <iterator>

namespace actorwire {

half_open_list::~half_open_list() {
  for (const auto& each : by_age_)
    book_->leave(each.from);
}

half_open_list::admission half_open_list::admit(const address_group& from) {
  const auto* oldest = by_age_.empty() ? nullptr : &by_age_.front();
  switch (book_->enter(from, oldest != nullptr ? &oldest->from : nullptr)) {
    case handshake_book::verdict::admitted:
      return {true, std::nullopt};
    case handshake_book::verdict::admitted_in_place: {
      const auto evicted = oldest->client;
      places_.erase(evicted);
      by_age_.pop_front();
      return {true, evicted};
    }
    case handshake_book::verdict::share_used_up:
    case handshake_book::verdict::full:
      break;
  }
  return {};
}

void half_open_list::add(caf::actor_id client, const address_group& from) {
  by_age_.push_back({client, from});
  places_.emplace(client, std::prev(by_age_.end()));
}

bool half_open_list::remove(caf::actor_id client) noexcept {
  const auto found = places_.find(client);
  if (found == places_.end())
    return false;
  book_->leave(found->second->from);
  by_age_.erase(found->second);
  places_.erase(found);
  return true;
}

} // namespace actorwire
