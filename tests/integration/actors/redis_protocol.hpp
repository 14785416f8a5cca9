#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// A command as redis takes it.
inline std::string command(const std::vector<std::string>& words) {
  auto text = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& word : words)
    text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

/// Cuts replies out of the byte stream: simple strings, errors, numbers and bulk strings (RESP 2), with their type.
class reply_parser {
public:
  void feed(std::string_view bytes) { unread_.append(bytes); }

  std::optional<std::string> next() {
    const auto line_end = unread_.find("\r\n", offset_);
    if (line_end == std::string::npos)
      return compact();
    auto line = unread_.substr(offset_, line_end - offset_);
    auto end = line_end + 2;
    if (line.starts_with("$") && line != "$-1") {
      const auto size = std::stoul(line.substr(1));
      if (unread_.size() < end + size + 2)
        return compact();
      line = "$" + unread_.substr(end, size);
      end += size + 2;
    }
    offset_ = end;
    return line;
  }

  /// What an ended connection left unread means nothing to the next.
  void clear() {
    unread_.clear();
    offset_ = 0;
  }

private:
  std::nullopt_t compact() {
    unread_.erase(0, offset_);
    offset_ = 0;
    return std::nullopt;
  }

  std::string unread_;
  std::size_t offset_ = 0;
};

} // namespace actorwire::test
