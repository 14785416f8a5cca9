#include "tls_way.hpp"

#include "tls_settings.hpp"

#include <algorithm>
#include <array>

namespace actorwire::fuzz {

cuts cuts::from(reader& in) {
  cuts made;
  const auto count = in.byte() % 16;
  for (auto index = 0; index < count; ++index)
    made.codes_.push_back(in.byte());
  if (made.codes_.empty())
    made.codes_.push_back(0xFF);
  return made;
}

accident accident::from_input(reader& in) {
  const auto code = in.byte();
  constexpr std::array kinds{kind::flip, kind::insert, kind::lose, kind::repeat, kind::cut};
  accident made{kinds[(code & 0x7FU) % kinds.size()], roles[code >> 7U], 0, 0};
  made.position = in.word();
  made.detail = in.byte();
  return made;
}

void wire::put(std::string bytes) {
  const auto begin = sent_;
  const auto end = sent_ += bytes.size();
  if (is_cut_)
    return;
  waiting_ += bytes;
  for (const auto& each : coming_)
    if (begin <= each.position && each.position < end)
      spoil(each, waiting_.size() - std::min<std::size_t>(waiting_.size(), end - each.position));
}

std::string wire::take(std::size_t size) {
  auto bytes = waiting_.substr(0, size);
  waiting_.erase(0, bytes.size());
  delivered_ += bytes.size();
  return bytes;
}

void wire::spoil(const accident& what, std::size_t at) {
  if (at >= waiting_.size())
    return;
  is_spoilt_ = true;
  const std::size_t count = what.detail + 1U;
  switch (what.what) {
    case accident::kind::flip:
      waiting_[at] = static_cast<char>(waiting_[at] ^ static_cast<char>(std::max<std::uint8_t>(what.detail, 1)));
      return;
    case accident::kind::insert:
      waiting_.insert(at, 1 + count / 64, static_cast<char>(what.detail));
      return;
    case accident::kind::lose:
      waiting_.erase(at, count);
      return;
    case accident::kind::repeat:
      waiting_.insert(at, waiting_.substr(at, count));
      return;
    case accident::kind::cut:
      waiting_.resize(at);
      is_cut_ = true;
      return;
  }
}

} // namespace actorwire::fuzz
