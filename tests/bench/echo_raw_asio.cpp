#include "tcp_rivals.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <memory>
#include <thread>
#include <utility>

namespace actorwire::bench {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class session : public std::enable_shared_from_this<session> {
public:
  // The buffer is not initialised: pages that no message reaches take no memory.
  session(tcp::socket socket, std::size_t buffer_size)
    : socket_(std::move(socket)), buffer_(new char[buffer_size]), buffer_size_(buffer_size) {}

  void read() {
    socket_.async_read_some(asio::buffer(buffer_.get(), buffer_size_),
                            [self = shared_from_this()](const error_code& failure, std::size_t count) {
                              if (!failure)
                                self->write(count);
                            });
  }

private:
  void write(std::size_t count) {
    asio::async_write(socket_, asio::buffer(buffer_.get(), count),
                      [self = shared_from_this()](const error_code& failure, std::size_t) {
                        if (!failure)
                          self->read();
                      });
  }

  tcp::socket socket_;
  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_size_;
};

class raw_server final : public echo_server {
public:
  explicit raw_server(std::size_t buffer_size)
    : acceptor_(context_, tcp::endpoint{asio::ip::address_v4::loopback(), 0}), buffer_size_(buffer_size) {
    acceptor_.listen(4'096);
    accept();
    thread_ = std::thread{[this] { context_.run(); }};
  }

  ~raw_server() override {
    context_.stop();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const noexcept override { return acceptor_.local_endpoint().port(); }

private:
  void accept() {
    acceptor_.async_accept([this](const error_code& failure, tcp::socket socket) {
      if (failure)
        return;
      socket.set_option(tcp::no_delay{true});
      std::make_shared<session>(std::move(socket), buffer_size_)->read();
      accept();
    });
  }

  // One thread runs it, and Asio leaves out its locks.
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  std::size_t buffer_size_;
  std::thread thread_;
};

} // namespace

std::unique_ptr<echo_server> make_raw_server(std::size_t buffer_size) {
  return std::make_unique<raw_server>(buffer_size);
}

} // namespace actorwire::bench
