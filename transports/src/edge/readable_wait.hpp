#pragma once

#include "reactor.hpp"
#include "tcp_socket.hpp"

#include <actorwire/transports/local_ref.hpp>
#include <actorwire/transports/shard.hpp>

#include <boost/asio/detail/reactor_op.hpp>

#include <cstddef>

namespace actorwire {

/// The wait of `Owner` for something to read, over and over: it is part of its owner, so that waiting takes no memory, and
/// keeps it until the wait is over. Then `Owner::handle_readable` is called in a turn of `Owner::where`, also when the socket was
/// closed.
/// *Thread:* shard only.
template <class Owner>
class readable_wait : private boost::asio::detail::reactor_op {
public:
  explicit readable_wait(Owner& owner) noexcept : reactor_op({}, &perform, &complete), owner_(owner) {}

  [[nodiscard]] bool is_pending() const noexcept { return is_pending_; }

  /// Only while none is pending. `is_drained`: see `tcp_socket::start_wait`.
  void start(tcp_socket& socket, bool is_drained) {
    owner_.retain();
    is_pending_ = true;
    ec_ = {};
    socket.start_wait(owner_.where().loop().events, *this, is_drained);
  }

private:
  /// Whoever is told reads until nothing is left, or says that something is.
  static status perform(reactor_op*) noexcept { return done_and_exhausted; }

  static void complete(void* loop, boost::asio::detail::operation* base, const boost::system::error_code&,
                       std::size_t) {
    auto& self = *static_cast<readable_wait*>(base);
    self.is_pending_ = false;
    const local_ref<Owner> owner{&self.owner_};
    owner->release();
    // Without a loop it is the loop that ends.
    if (loop == nullptr)
      return;
    const shard::turn here{owner->where()};
    owner->handle_readable();
  }

  Owner& owner_;
  bool is_pending_ = false;
};

} // namespace actorwire
