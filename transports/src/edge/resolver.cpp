#include "lookup_pool.hpp"
#include "system_lookup.hpp"

#include <actorwire/transports/resolver.hpp>
#include <actorwire/transports/timer.hpp>

#include <algorithm>
#include <cassert>
#include <utility>

namespace actorwire {

/// The side of a question that lives on the shard: it counts its time, and settles on what is answered.
class resolver::question {
public:
  using asker = lookup_pool::asker;

  question(shard& where, std::string host, std::function<void(const resolved&)> done)
    : shard_(where),
      host_(std::move(host)),
      done_(std::move(done)),
      asker_(std::make_shared<asker>(where, [this](const answer& found) { handle_answer(found); })),
      patience_([this] { handle_timeout(); }) {}

  ~question() {
    asker_->withdraw();
    if (ticket_)
      lookups_->withdraw(ticket_, asker_);
  }

  question(const question&) = delete;
  question& operator=(const question&) = delete;

  void answer_at_once(const ip_address& numeric) { asker::deliver(asker_, std::vector{numeric}); }

  void ask(std::shared_ptr<lookup_pool> lookups, duration patience) {
    lookups_ = std::move(lookups);
    asked_at_ = shard_.now();
    due_ = asked_at_ + std::clamp(patience, duration{0}, lookup_timeout);
    ticket_ = lookups_->ask(host_, asker_, asked_at_);
    arm();
  }

private:
  void arm() {
    const auto now = shard_.now();
    // More than once on the way, so that those who wait for a thread are not kept by look-ups that hang.
    shard_.arm(patience_, std::min(due_ - now, hung_after));
  }

  void handle_timeout() {
    const auto now = shard_.now();
    lookups_->note_time(now);
    if (now < due_)
      return arm();
    // One that could not be asked has its answer already, and that is on its way.
    settle(ticket_ ? lookups_->lateness(ticket_, now - asked_at_) : lookup_failure(host_, "it could not be asked for"));
  }

  void handle_answer(const answer& found) {
    if (found)
      tell(resolution{*found});
    else
      settle(found.error());
  }

  void settle(const transport_error& reason) {
    if (reason.code == error_code::name_unknown) {
      lookups_->count_failed();
      tell(reason);
    } else if (auto known = lookups_->recall(host_, shard_.now())) {
      tell(resolution{std::move(*known), reason});
    } else {
      tell(reason);
    }
  }

  /// The last that this object does: whoever is told may drop it.
  void tell(const resolved& what) {
    patience_.cancel();
    const auto done = std::exchange(done_, nullptr);
    // An answer may be on its way while the time is over.
    asker_->withdraw();
    done(what);
  }

  shard& shard_;
  const std::string host_;
  std::function<void(const resolved&)> done_;
  /// Null where nothing was looked up.
  std::shared_ptr<lookup_pool> lookups_;
  std::shared_ptr<asker> asker_;
  lookup_pool::ticket ticket_;
  time_point asked_at_{};
  time_point due_{};
  timer patience_;
};

resolver::resolver(lookup_function lookup, std::size_t max_threads)
  : lookups_(std::make_shared<lookup_pool>(lookup ? std::move(lookup) : lookup_function{system_lookup}, max_threads)) {}

resolver::~resolver() {
  lookups_->stop();
}

resolver::query resolver::resolve(const std::string& host, shard& where, std::function<void(const resolved&)> done,
                                  duration patience) {
  const auto asked = std::make_shared<question>(where, host, std::move(done));
  if (const auto address = parse_ip_address(host))
    asked->answer_at_once(*address);
  else
    asked->ask(lookups_, patience);
  query handle;
  handle.interest_ = asked;
  return handle;
}

resolver::figures resolver::counts() const {
  return lookups_->counts();
}

} // namespace actorwire
