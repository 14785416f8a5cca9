#include "tcp_fault_proxy.hpp"

#include "descriptor.hpp"
#include "task_door.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <list>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

namespace actorwire::test {

namespace {

using steady = std::chrono::steady_clock;

/// Segments as on an Ethernet: with the long ones of the loopback interface a small receive buffer makes TCP wait.
constexpr int segment_size = 1'460;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_port = htons(port);
  made.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return made;
}

void set(const descriptor& socket, int level, int name, int value) {
  ::setsockopt(socket.get(), level, name, &value, sizeof value);
}

/// What is accepted on a socket takes these over from it.
descriptor tcp_socket() {
  descriptor made{checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")};
  set(made, IPPROTO_TCP, TCP_NODELAY, 1);
  set(made, IPPROTO_TCP, TCP_MAXSEG, segment_size);
  set(made, SOL_SOCKET, SO_RCVBUF, tcp_fault_proxy::receive_buffer_size);
  return made;
}

descriptor listening_socket() {
  auto made = tcp_socket();
  const auto where = loopback(0);
  checked(::bind(made.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), "bind");
  checked(::listen(made.get(), static_cast<int>(tcp_fault_proxy::connections_max)), "listen");
  return made;
}

void reset(descriptor& socket) {
  const ::linger at_once{1, 0};
  if (socket.is_open())
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket.close();
}

enum class read_result : std::uint8_t { nothing, some, end, failure };

/// Reads what there is, at most `space.size()` bytes.
read_result read_some(const descriptor& from, std::span<char> space, std::string_view& got) {
  const auto size = ::recv(from.get(), space.data(), space.size(), 0);
  if (size > 0) {
    got = {space.data(), static_cast<std::size_t>(size)};
    return read_result::some;
  }
  if (size == 0)
    return read_result::end;
  return errno == EAGAIN || errno == EINTR ? read_result::nothing : read_result::failure;
}

} // namespace

// -- one connection ---------------------------------------------------------------------------------------------------------

namespace {

using ending = tcp_fault_lane::ending;

/// A client, the server, and a lane each way.
class carried_connection {
public:
  carried_connection(descriptor client, const sockaddr_in& server, const tcp_faults& faults, std::mt19937_64& chance)
    : client_{std::move(client)}, server_{tcp_socket()} {
    // One after the other: the order in which arguments are evaluated is the compiler's.
    to_server_.emplace(faults.to_server, std::mt19937_64{chance()});
    to_client_.emplace(faults.to_client, std::mt19937_64{chance()});
    is_connecting_ = ::connect(server_.socket.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0;
    if (is_connecting_ && errno != EINPROGRESS)
      drop();
  }

  [[nodiscard]] bool is_over() const { return !client_.socket.is_open() && !server_.socket.is_open(); }

  [[nodiscard]] tcp_fault_record record() const {
    return {to_server_->taken(), to_server_->passed(), to_client_->taken(), to_client_->passed(),
            to_server_->is_struck() || to_client_->is_struck()};
  }

  /// What to wait for: the client's socket, and the server's.
  [[nodiscard]] std::array<pollfd, 2> wishes(steady::time_point now) const {
    if (is_connecting_)
      return {pollfd{-1, 0, 0}, pollfd{server_.socket.get(), POLLOUT, 0}};
    return {wish(client_, *to_server_, *to_client_, now), wish(server_, *to_client_, *to_server_, now)};
  }

  [[nodiscard]] steady::time_point next_time(steady::time_point now) const {
    auto next = steady::time_point::max();
    if (is_silenced_)
      return next;
    for (const auto* each : {&*to_server_, &*to_client_})
      if (const auto time = each->next_time(); time && *time > now)
        next = std::min(next, *time);
    return next;
  }

  void handle(short client_events, short server_events, std::span<char> space, steady::time_point now) {
    if (is_connecting_) {
      if (server_events == 0)
        return;
      finish_connecting();
    }
    read(client_, *to_server_, client_events, space, now);
    read(server_, *to_client_, server_events, space, now);
    write(*to_server_, server_, client_, now);
    write(*to_client_, client_, server_, now);
    // Both sides have ended in order.
    if (client_.is_told_of_end && server_.is_told_of_end && client_.has_ended && server_.has_ended) {
      client_.socket.close();
      server_.socket.close();
    }
  }

  void silence() { is_silenced_ = true; }

  void reset_silenced_client() {
    if (is_silenced_)
      reset(client_.socket);
  }

private:
  struct side {
    descriptor socket;
    /// It has sent its last byte.
    bool has_ended = false;
    /// It was told that the other has sent its last byte.
    bool is_told_of_end = false;
    /// What it says is thrown away until it ends: it is to read what it was sent, and a closed socket may prevent that.
    bool is_abandoned = false;
  };

  [[nodiscard]] bool is_silent() const { return is_silenced_ || to_server_->is_silent() || to_client_->is_silent(); }

  [[nodiscard]] std::size_t room(const tcp_fault_lane& by) const { return is_silenced_ ? 0 : by.room(); }

  [[nodiscard]] pollfd wish(const side& whose, const tcp_fault_lane& from, const tcp_fault_lane& to,
                            steady::time_point now) const {
    short events = 0;
    if (!whose.has_ended && (room(from) > 0 || whose.is_abandoned))
      events |= POLLIN;
    else if (!whose.has_ended && is_silent())
      // Nothing is read, and so no end is found that way.
      events |= POLLRDHUP;
    if (!is_silenced_ && !to.piece(now).empty())
      events |= POLLOUT;
    // Of a socket from which nothing is wanted, poll would tell for ever that it is broken.
    return {events == 0 ? -1 : whose.socket.get(), events, 0};
  }

  void finish_connecting() {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(server_.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    is_connecting_ = false;
    if (error != 0)
      drop();
  }

  void drop() {
    reset(client_.socket);
    reset(server_.socket);
  }

  void read(side& from, tcp_fault_lane& by, short events, std::span<char> space, steady::time_point now) {
    if (events == 0 || !from.socket.is_open() || from.has_ended)
      return;
    if (from.is_abandoned) {
      std::string_view ignored;
      const auto result = read_some(from.socket, space, ignored);
      if (result == read_result::end || result == read_result::failure)
        from.socket.close();
      return;
    }
    if (room(by) == 0) {
      if (is_silent() && (events & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
        from.socket.close();
      return;
    }
    std::string_view got;
    switch (read_some(from.socket, space.first(std::min(space.size(), by.room())), got)) {
      case read_result::nothing:
        break;
      case read_result::some:
        by.take(got, now);
        break;
      case read_result::end:
        by.take_end(ending::finish);
        from.has_ended = true;
        if (is_silent())
          from.socket.close();
        break;
      case read_result::failure:
        by.take_end(ending::reset);
        from.has_ended = true;
        from.socket.close();
        break;
    }
  }

  void write(tcp_fault_lane& by, side& to, side& from, steady::time_point now) {
    if (is_silenced_)
      return;
    if (const auto piece = by.piece(now); !piece.empty()) {
      // To a side that is gone on a line that tells nobody anything, whatever is left goes nowhere.
      const auto count =
          to.socket.is_open() ? ::send(to.socket.get(), piece.data(), piece.size(), MSG_NOSIGNAL) : std::ssize(piece);
      if (count > 0)
        by.left(static_cast<std::size_t>(count));
      else if (errno != EAGAIN && errno != EINTR)
        return lose(to, from);
    }
    // With the last byte, not when there is next something to handle: that may be never.
    switch (by.end()) {
      case ending::none:
        break;
      case ending::finish:
        if (to.socket.is_open() && !std::exchange(to.is_told_of_end, true))
          ::shutdown(to.socket.get(), SHUT_WR);
        break;
      case ending::cut:
        from.socket.close();
        if (to.socket.is_open() && !std::exchange(to.is_abandoned, true)) {
          ::shutdown(to.socket.get(), SHUT_WR);
          // It may have ended before.
          if (to.has_ended)
            to.socket.close();
        }
        break;
      case ending::reset:
        drop();
        break;
    }
  }

  /// `which` takes nothing any more.
  void lose(side& which, side& other) {
    which.socket.close();
    if (!is_silent())
      reset(other.socket);
  }

  side client_;
  side server_;
  std::optional<tcp_fault_lane> to_server_;
  std::optional<tcp_fault_lane> to_client_;
  bool is_connecting_ = false;
  bool is_silenced_ = false;
};

} // namespace

// -- all of them ------------------------------------------------------------------------------------------------------------

class tcp_fault_proxy::line {
public:
  line(std::uint16_t server_port, std::vector<tcp_faults> weather, std::mt19937_64 chance)
    : server_(loopback(server_port)),
      weather_(std::move(weather)),
      chance_(std::move(chance)),
      thread_([this] { run(); }) {}

  ~line() {
    door_.call([this] { is_over_ = true; });
    thread_.join();
  }

  line(const line&) = delete;
  line& operator=(const line&) = delete;

  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in where{};
    socklen_t size = sizeof where;
    checked(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&where), &size), "getsockname");
    return ntohs(where.sin_port);
  }

  std::vector<tcp_fault_record> records() {
    std::vector<tcp_fault_record> seen;
    door_.call([&] {
      for (const auto& each : connections_)
        write_down(each);
      seen = records_;
    });
    return seen;
  }

  void set_silent(bool is_silent) {
    door_.call([this, is_silent] {
      is_silent_ = is_silent;
      for (auto& each : connections_)
        each.carried.silence();
    });
  }

  void reset_silenced_clients() {
    door_.call([this] {
      for (auto& each : connections_)
        each.carried.reset_silenced_client();
    });
  }

private:
  struct numbered {
    std::size_t number;
    carried_connection carried;
  };

  void run() {
    while (!is_over_) {
      auto now = steady::now();
      std::vector<pollfd> waiting{{door_.bell(), POLLIN, 0},
                                  {connections_.size() < connections_max ? listener_.get() : -1, POLLIN, 0}};
      auto next = steady::time_point::max();
      for (const auto& each : connections_) {
        const auto wishes = each.carried.wishes(now);
        waiting.insert(waiting.end(), wishes.begin(), wishes.end());
        next = std::min(next, each.carried.next_time(now));
      }
      ::poll(waiting.data(), waiting.size(), milliseconds_until(next, now));
      now = steady::now();
      auto index = std::size_t{2};
      for (auto& each : connections_) {
        each.carried.handle(waiting[index].revents, waiting[index + 1].revents, space_, now);
        index += 2;
      }
      std::erase_if(connections_, [this](const numbered& each) {
        if (each.carried.is_over())
          write_down(each);
        return each.carried.is_over();
      });
      if (waiting[1].revents != 0)
        accept();
      if (waiting[0].revents != 0)
        door_.do_tasks();
    }
  }

  static int milliseconds_until(steady::time_point next, steady::time_point now) {
    if (next == steady::time_point::max())
      return -1;
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(next - now).count());
  }

  void accept() {
    descriptor client{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!client.is_open())
      return;
    const auto number = accepted_++;
    connections_.push_back(
        {number, {std::move(client), server_, number < weather_.size() ? weather_[number] : tcp_faults{}, chance_}});
    if (number < records_max)
      records_.emplace_back();
    if (is_silent_)
      connections_.back().carried.silence();
    // What is to happen before the first byte.
    connections_.back().carried.handle(0, 0, space_, steady::now());
  }

  void write_down(const numbered& which) {
    if (which.number < records_.size())
      records_[which.number] = which.carried.record();
  }

  const sockaddr_in server_;
  const std::vector<tcp_faults> weather_;
  const descriptor listener_ = listening_socket();
  task_door door_;
  // What follows is the thread's.
  std::mt19937_64 chance_;
  std::list<numbered> connections_;
  std::vector<tcp_fault_record> records_;
  std::size_t accepted_ = 0;
  std::array<char, 65'536> space_{};
  bool is_silent_ = false;
  bool is_over_ = false;
  std::thread thread_;
};

tcp_fault_proxy::tcp_fault_proxy(std::uint16_t server_port, std::vector<tcp_faults> weather, std::mt19937_64 chance)
  : line_(std::make_unique<line>(server_port, std::move(weather), std::move(chance))) {}

tcp_fault_proxy::~tcp_fault_proxy() = default;

std::uint16_t tcp_fault_proxy::port() const {
  return line_->port();
}

std::vector<tcp_fault_record> tcp_fault_proxy::records() const {
  return line_->records();
}

void tcp_fault_proxy::silence() {
  line_->set_silent(true);
}

void tcp_fault_proxy::heal() {
  line_->set_silent(false);
}

void tcp_fault_proxy::reset_silenced_clients() {
  line_->reset_silenced_clients();
}

tcp_faults drawn_faults(std::mt19937_64& chance, const std::vector<tcp_fate>& fates, std::uint64_t reach) {
  const auto below = [&chance](std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>{0, limit - 1}(chance);
  };
  tcp_faults drawn;
  auto& struck = below(2) == 0 ? drawn.to_server : drawn.to_client;
  struck.fate = fates[static_cast<std::size_t>(below(fates.size()))];
  struck.at = below(reach);
  // Small ones as often as large ones.
  drawn.to_server.piece_max = std::size_t{1} << below(17);
  drawn.to_client.piece_max = std::size_t{1} << below(17);
  return drawn;
}

} // namespace actorwire::test
