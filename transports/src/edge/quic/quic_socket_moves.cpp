// A client whose address is of no use any more goes on from another one.

#include "quic_socket.hpp"

#include <algorithm>

namespace actorwire {

/// What is sent finds no way out of this machine, or nothing comes back. That may have a hundred reasons, and whoever forges
/// messages of the network may bring it about; so it is only a cause to look.
void quic_socket::doubt_address() {
  if (roams_ && socket_.is_open() && !look_.is_armed())
    shard_.arm(look_, look_pause_);
}

/// A new socket shows from which address the system would go to the server now. Not every loss of an address is told: a
/// socket of IPv6 sends on from one that was taken away, and one of IPv4 when its interface is down and there is another
/// way.
void quic_socket::look_for_address() {
  const local_ref<quic_socket> self{this};
  if (!socket_.is_open() || endpoint_.size() == 0)
    return;
  look_pause_ = std::min(2 * look_pause_, look_pause_max);
  auto wildcard = socket_.remote().host();
  wildcard.bytes = {};
  wildcard.scope = 0;
  udp_socket found;
  // There is no way at present: one may come.
  if (!found.open({wildcard, 0}, options_) || !found.connect(socket_.remote()))
    return doubt_address();
  // Nothing would be better from the same address.
  if (found.local().host() == socket_.local().host())
    return;
  if (!move_to(found))
    doubt_address();
  dispatch();
}

/// Whether that is settled; false: it may be possible later.
bool quic_socket::move_to(udp_socket& found) {
  if (const auto moved = endpoint_.migrate_all(found.local(), now()); !moved) {
    roams_ = moved.error().code != error_code::unsupported;
    return !roams_;
  }
  // What waits was to go from the old address.
  queue_.clear();
  if (watch_.is_open())
    watch_.release();
  socket_.swap(found);
  ++moves_;
  awaits_datagrams_ = awaits_room_ = false;
  // Where it cannot be watched nothing is heard, and the connection ends by its timeouts.
  boost::system::error_code failure;
  watch_.assign(socket_.native_handle(), failure);
  await_datagrams();
  return true;
}

} // namespace actorwire
