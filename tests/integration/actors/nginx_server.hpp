#pragma once

#include "certificates.hpp"
#include "program.hpp"
#include "talking_process.hpp"

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace actorwire::test {

/// Where nginx is: Debian has it where only root looks. Empty when it is not installed.
inline std::string nginx_program() {
  if (is_installed("nginx"))
    return "nginx";
  constexpr auto usual = "/usr/sbin/nginx";
  return ::access(usual, X_OK) == 0 ? usual : "";
}

/// An nginx of one process on free ports of the loopback interface, one of them for TLS. It serves files of the sizes
/// `sizes`, by their index, and writes down each request that it is done with.
class nginx_server {
public:
  static constexpr std::array<std::size_t, 5> sizes{200'000, 1, 30'000, 1'000, 70'001};

  nginx_server() {
    for (std::size_t index = 0; index < sizes.size(); ++index)
      write_file(std::to_string(index), content(index));
    write_file("nginx.conf", settings());
    start();
  }

  [[nodiscard]] static std::string content(std::size_t index) { return pattern(sizes[index]); }

  [[nodiscard]] std::uint16_t port(protocol carried) const noexcept {
    return carried == protocol::tls ? tls_port_ : plain_port_;
  }

  void stop() { process_->stop(); }
  void go_on() { process_->go_on(); }
  void kill() { process_->kill(); }
  void start() {
    process_.emplace(
        std::vector<std::string>{nginx_program(), "-p", directory_.path(), "-c", directory_.path() + "/nginx.conf"});
    // By then it listens.
    process_->await("[notice]");
  }

  /// A request that it is done with.
  struct entry {
    int status = 0;
    std::size_t body_size = 0;
    int times = 0;
  };

  /// By the query of each request.
  [[nodiscard]] std::map<std::string, entry> log() const {
    std::ifstream file{directory_.path() + "/log"};
    std::map<std::string, entry> all;
    std::string query;
    entry each;
    while (file >> query >> each.status >> each.body_size) {
      // Requests that were cut off in their first line have none.
      auto& known = all[query.substr(std::string_view{"asked:"}.size())];
      each.times = known.times + 1;
      known = each;
    }
    return all;
  }

private:
  void write_file(const std::string& name, const std::string& text) const {
    std::ofstream{directory_.path() + "/" + name, std::ios::binary} << text;
  }

  [[nodiscard]] std::string settings() const {
    std::string text = "daemon off;\nmaster_process off;\nerror_log stderr notice;\npid pid;\nevents {}\nhttp {\n"
                       "log_format short 'asked:$args $status $body_bytes_sent';\naccess_log log short;\n"
                       "keepalive_requests 1000000;\ndefault_type text/plain;\n";
    for (const auto* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
      text += std::string{kind} + "_temp_path " + kind + ";\n";
    text += "server {\nroot .;\nlisten 127.0.0.1:" + std::to_string(plain_port_)
          + ";\nlisten 127.0.0.1:" + std::to_string(tls_port_) + " ssl;\nssl_protocols TLSv1.3;\nssl_certificate "
          + certificate_path("server-ec.pem") + ";\nssl_certificate_key " + certificate_path("server-ec.key")
          + ";\n}\n}\n";
    return text;
  }

  temporary_directory directory_;
  std::uint16_t plain_port_ = free_port();
  std::uint16_t tls_port_ = free_port();
  std::optional<talking_process> process_;
};

} // namespace actorwire::test
