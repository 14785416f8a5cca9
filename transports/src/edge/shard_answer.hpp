#pragma once

#include <actorwire/transports/shard.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace actorwire {

/// Where one answer goes, as long as somebody wants it. The one that asked, on its shard, and the thread that works on the
/// answer share it; the mutex decides between an answer and its withdrawal. While it is not withdrawn, the shard lives.
template <class Answer>
class shard_answer {
public:
  shard_answer(shard& where, std::function<void(Answer)> done) : where_(&where), done_(std::move(done)) {}

  /// *Thread:* the shard that asked. What `done` holds dies here and not on the thread that works.
  void withdraw() {
    std::function<void(Answer)> unwanted;
    const std::lock_guard locked{guard_};
    where_ = nullptr;
    unwanted.swap(done_);
  }

  /// *Thread:* any thread.
  static void deliver(const std::shared_ptr<shard_answer>& self, Answer answer) {
    const std::lock_guard locked{self->guard_};
    if (self->where_ == nullptr)
      return;
    self->where_->post([self, answer = std::move(answer)]() mutable {
      if (auto done = self->take())
        done(std::move(answer));
    });
  }

  [[nodiscard]] bool is_withdrawn() {
    const std::lock_guard locked{guard_};
    return where_ == nullptr;
  }

private:
  [[nodiscard]] std::function<void(Answer)> take() {
    const std::lock_guard locked{guard_};
    where_ = nullptr;
    return std::exchange(done_, nullptr);
  }

  std::mutex guard_;
  shard* where_;
  std::function<void(Answer)> done_;
};

} // namespace actorwire
