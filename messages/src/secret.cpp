#include <actorwire/messages/secret.hpp>

#include <cstddef>
#include <utility>

namespace actorwire {

namespace {

/// Overwrites the text in a way that the compiler may not leave out although nobody reads it again.
void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  volatile char* byte = text.data();
  for (std::size_t index = 0; index < text.size(); ++index)
    byte[index] = '\0';
  text.clear();
}

} // namespace

secret::secret(std::string text) noexcept : text_(std::move(text)) {
  // A short text was copied out of the parameter too.
  wipe(text);
}

secret::secret(secret&& other) noexcept : text_(std::move(other.text_)) {
  // A short text was copied out of the other object and not taken from it.
  wipe(other.text_);
}

secret& secret::operator=(secret other) noexcept {
  text_.swap(other.text_);
  return *this;
}

secret::~secret() {
  wipe(text_);
}

std::string to_string(const secret& hidden) {
  return hidden.empty() ? "" : "***";
}

} // namespace actorwire
