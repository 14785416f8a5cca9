#pragma once

#include <actorwire/transports/clock.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <future>
#include <optional>
#include <thread>

namespace actorwire {

/// The Boost.Asio side of a shard: the event loop, the thread that runs it, and one timer for all deadlines.
class reactor {
public:
  using work_guard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

  reactor()
    // Sockets and timers are used by the shard's thread alone, only `post` comes from others: the locks of the
    // reactor's own book-keeping are not needed, those of its queue are.
    : context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      wake_up(context_),
      events(boost::asio::use_service<boost::asio::detail::reactor>(context_)),
      work(context_.get_executor()) {}

  [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }

private:
  boost::asio::io_context context_;

public:
  boost::asio::steady_timer wake_up;
  /// The deadline that `wake_up` waits for, if it waits.
  std::optional<time_point> wake_up_at;
  /// What waits for sockets, for who waits by operations of its own.
  boost::asio::detail::reactor& events;
  work_guard work;
  std::thread thread;
  /// Ready when the thread has nothing left to do.
  std::future<void> ended;
};

} // namespace actorwire
